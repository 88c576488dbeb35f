//! Passwords. None is kept: nothing here signs anybody in.

use serde::Deserialize;

use super::{Answer, UserRequest, bill, empty, parse, required, user_to_write};
use crate::error::ServiceError;
use crate::state::State;
use crate::user::UserStatus;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetRequest {
    #[serde(flatten)]
    user: UserRequest,
    password: Option<String>,
    #[serde(default)]
    permanent: bool,
}

pub(super) fn set(state: &mut State, body: &[u8]) -> Answer {
    let request: SetRequest = parse(body)?;
    let password = required(request.password, "password")?;
    let (id, number) = user_to_write(state, request.user)?;
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    pool.config.password_policy.check(&password)?;
    let federated = pool.user(number).is_some_and(|user| user.status == UserStatus::ExternalProvider);
    pool.update(number, when, |user| {
        user.status = if request.permanent || federated {
            UserStatus::Confirmed
        } else {
            UserStatus::ForceChangePassword
        };
    });
    bill(pool, number);
    state.meter.federated_users_broken += u64::from(federated);
    Ok(empty())
}

pub(super) fn reset(state: &mut State, body: &[u8]) -> Answer {
    let (id, number) = user_to_write(state, parse(body)?)?;
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    match pool.user(number).map(|user| user.status) {
        Some(UserStatus::ExternalProvider | UserStatus::ForceChangePassword) => {
            return Err(ServiceError::new(
                "NotAuthorizedException",
                "User password cannot be reset in the current state.",
            ));
        }
        Some(_) => {}
        None => return Err(ServiceError::no_user()),
    }
    pool.update(number, when, |user| user.status = UserStatus::ResetRequired);
    state.meter.messages_sent += 1;
    Ok(empty())
}
