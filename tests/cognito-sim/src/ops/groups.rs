//! Groups and who is in them.

use serde::Deserialize;

use super::{Answer, UserRequest, bill, empty, parse, pool_id, required, user_to_write};
use crate::error::ServiceError;
use crate::group::GroupRecord;
use crate::names;
use crate::pool::Pool;
use crate::state::State;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupRequest {
    user_pool_id: Option<String>,
    group_name: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
    precedence: Option<i64>,
}

pub(super) fn group_name(value: Option<String>) -> Result<String, ServiceError> {
    let name = required(value, "groupName")?;
    names::name("groupName", &name)?;
    Ok(name)
}

fn answer(pool: &Pool, number: u32) -> Answer {
    let group = pool.group(number).ok_or_else(ServiceError::no_group)?;
    let mut out = b"{\"Group\":".to_vec();
    group.write(&mut out, &pool.id);
    out.push(b'}');
    Ok(out)
}

pub(super) fn get(state: &mut State, body: &[u8]) -> Answer {
    let request: GroupRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let name = group_name(request.group_name)?;
    let pool = state.pool(&id)?;
    answer(pool, pool.group_number(&name).ok_or_else(ServiceError::no_group)?)
}

pub(super) fn create(state: &mut State, body: &[u8]) -> Answer {
    let request: GroupRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let name = group_name(request.group_name)?;
    if let Some(description) = &request.description {
        names::length("description", description, 0, 2048)?;
    }
    if let Some(role) = &request.role_arn {
        names::role_arn(role)?;
    }
    let precedence = request
        .precedence
        .map(|number| {
            u32::try_from(number).ok().filter(|&number| i32::try_from(number).is_ok()).ok_or_else(|| {
                ServiceError::constraint("precedence", "Member must have value greater than or equal to 0")
            })
        })
        .transpose()?;
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    let number = pool.add_group(
        GroupRecord {
            description: request.description,
            precedence,
            role_arn: request.role_arn,
            ..GroupRecord::new(name)
        },
        when,
    )?;
    answer(pool, number)
}

pub(super) fn delete(state: &mut State, body: &[u8]) -> Answer {
    let request: GroupRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let name = group_name(request.group_name)?;
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    let number = pool.group_number(&name).ok_or_else(ServiceError::no_group)?;
    pool.delete_group(number, when);
    Ok(empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MembershipRequest {
    #[serde(flatten)]
    user: UserRequest,
    group_name: Option<String>,
}

/// The pool, user and group a membership request means.
fn membership(state: &mut State, body: &[u8]) -> Result<(String, u32, u32), ServiceError> {
    let request: MembershipRequest = parse(body)?;
    let name = group_name(request.group_name)?;
    let (id, user) = user_to_write(state, request.user)?;
    let group = state.pool(&id)?.group_number(&name).ok_or_else(ServiceError::no_group)?;
    Ok((id, user, group))
}

pub(super) fn add_user(state: &mut State, body: &[u8]) -> Answer {
    let (id, user, group) = membership(state, body)?;
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    pool.join(user, group, when)?;
    bill(pool, user);
    Ok(empty())
}

pub(super) fn remove_user(state: &mut State, body: &[u8]) -> Answer {
    let (id, user, group) = membership(state, body)?;
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    pool.leave(user, group, when);
    bill(pool, user);
    Ok(empty())
}
