//! App clients, resource servers, domains, sign-in pages, risks, logs and second factors.

mod body;
mod clients;
mod domains;
mod logs;
mod mfa;
mod risks;
mod servers;
mod styles;

use super::Answer;
use crate::operation::Operation;
use crate::state::State;

/// Carries out an operation on a resource of a pool.
pub(super) fn run(state: &mut State, operation: Operation, body: &[u8]) -> Answer {
    match operation {
        Operation::CreateUserPoolClient => clients::create(state, body),
        Operation::DescribeUserPoolClient => clients::describe(state, body),
        Operation::ListUserPoolClients => clients::list(state, body),
        Operation::DeleteUserPoolClient => clients::delete(state, body),
        Operation::CreateResourceServer => servers::create(state, body),
        Operation::ListResourceServers => servers::list(state, body),
        Operation::CreateUserPoolDomain => domains::create(state, body),
        Operation::DescribeUserPoolDomain => domains::describe(state, body),
        Operation::DeleteUserPoolDomain => domains::delete(state, body),
        Operation::SetUICustomization => styles::set(state, body),
        Operation::GetUICustomization => styles::get(state, body),
        Operation::SetRiskConfiguration => risks::set(state, body),
        Operation::DescribeRiskConfiguration => risks::describe(state, body),
        Operation::SetLogDeliveryConfiguration => logs::set(state, body),
        Operation::GetLogDeliveryConfiguration => logs::get(state, body),
        _ => mfa::set(state, body),
    }
}

pub(super) use domains::named as domains_of;
