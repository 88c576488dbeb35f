//! Users one at a time.

use serde::Deserialize;

use super::{
    Answer, AttributeMember, UserRequest, attributes, bill, empty, parse, pool_id, required, user_to_write,
    username,
};
use crate::error::ServiceError;
use crate::names;
use crate::pool::Pool;
use crate::state::State;
use crate::user::{UserRecord, UserStatus};

pub(crate) type Attributes = Vec<(String, String)>;

pub(super) fn get(state: &mut State, body: &[u8]) -> Answer {
    let request: UserRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let name = username(request.username)?;
    let pool = state.pool_mut(&id)?;
    let number = pool.find(&name).ok_or_else(ServiceError::no_user)?;
    bill(pool, number);
    let mut out = Vec::with_capacity(1024);
    if let Some(user) = pool.user(number) {
        user.write_whole(&mut out, &pool.schema);
    }
    Ok(out)
}

pub(super) fn enable(state: &mut State, body: &[u8], enabled: bool) -> Answer {
    let (id, number) = user_to_write(state, parse(body)?)?;
    let when = state.when();
    state.pool_mut(&id)?.update(number, when, |user| user.enabled = enabled);
    Ok(empty())
}

pub(super) fn delete(state: &mut State, body: &[u8]) -> Answer {
    let (id, number) = user_to_write(state, parse(body)?)?;
    let when = state.when();
    state.pool_mut(&id)?.delete_user(number, when);
    Ok(empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateRequest {
    #[serde(flatten)]
    user: UserRequest,
    user_attributes: Option<Vec<AttributeMember>>,
}

pub(super) fn update(state: &mut State, body: &[u8]) -> Answer {
    let request: UpdateRequest = parse(body)?;
    let mut changes = attributes(required(request.user_attributes, "userAttributes")?)?;
    let (id, number) = user_to_write(state, request.user)?;
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    pool.schema.check(&changes, false)?;
    let mut messages = 0;
    for address in ["email", "phone_number"] {
        let verified = format!("{address}_verified");
        let Some(value) = value(&changes, address).map(str::to_owned) else {
            continue;
        };
        let differs = pool
            .user(number)
            .zip(pool.schema.id(address))
            .is_some_and(|(user, id)| user.value(id) != Some(&value));
        if !differs {
            continue;
        }
        let claims = pool.config.username_attributes.iter().any(|a| a == address)
            || pool.config.alias_attributes.iter().any(|a| a == address)
                && is_true(self::value(&changes, &verified));
        if claims && pool.alias_holder(address, &value).is_some_and(|holder| holder != number) {
            return Err(alias_exists(address));
        }
        // A new address is not verified unless the same request says so, and
        // an auto-verified one gets a code sent.
        if self::value(&changes, &verified).is_none() {
            let auto = pool.config.auto_verified_attributes.iter();
            messages += u64::from(!value.is_empty() && auto.clone().any(|a| a == address));
            let gone = if value.is_empty() { "" } else { "false" };
            changes.push((verified, gone.to_owned()));
        }
    }
    let changes: Vec<_> =
        changes.into_iter().map(|(name, value)| (pool.schema.intern(&name), value)).collect();
    pool.update(number, when, |user| user.set(changes));
    bill(pool, number);
    state.meter.messages_sent += messages;
    Ok(empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateRequest {
    user_pool_id: Option<String>,
    username: Option<String>,
    #[serde(default)]
    user_attributes: Vec<AttributeMember>,
    temporary_password: Option<String>,
    #[serde(default)]
    force_alias_creation: bool,
    message_action: Option<String>,
    #[serde(default)]
    desired_delivery_mediums: Vec<String>,
}

pub(super) fn create(state: &mut State, body: &[u8]) -> Answer {
    let request: CreateRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let name = username(request.username)?;
    let suppress = match request.message_action.as_deref() {
        None => false,
        Some("SUPPRESS") => true,
        Some("RESEND") => return resend(state, &id, &name),
        Some(_) => {
            return Err(ServiceError::constraint(
                "messageAction",
                "Member must satisfy enum value set: [RESEND, SUPPRESS]",
            ));
        }
    };
    if !request.desired_delivery_mediums.iter().all(|medium| matches!(medium.as_str(), "EMAIL" | "SMS")) {
        return Err(ServiceError::constraint(
            "desiredDeliveryMediums",
            "Member must satisfy enum value set: [SMS, EMAIL]",
        ));
    }
    let mut attributes = attributes(request.user_attributes)?;
    let pool = state.pool(&id)?;
    let name = sign_in_name(pool, name, &mut attributes)?;
    pool.schema.check(&attributes, true)?;
    if pool.config.enforce_required {
        pool.schema.check_required(&attributes)?;
    }
    if let Some(password) = &request.temporary_password {
        pool.config.password_policy.check(password)?;
    }
    if name.as_deref().is_some_and(|name| pool.by_username(name).is_some()) {
        return Err(username_exists());
    }
    let taken = taken_aliases(pool, &attributes);
    // Only verified addresses can be moved by force, never preferred names.
    if let Some((address, _)) =
        taken.iter().find(|(alias, _)| !request.force_alias_creation || alias == "preferred_username")
    {
        return Err(alias_exists(address));
    }
    let sub = state.ids.uuid();
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    for (address, value) in taken {
        give_up_alias(pool, &address, &value, when);
    }
    let number = pool.add_user(
        UserRecord {
            username: name.unwrap_or_else(|| sub.clone()),
            sub,
            attributes: attributes
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.into(), value))
                .collect(),
            status: UserStatus::ForceChangePassword,
            ..UserRecord::new("")
        },
        when,
    )?;
    bill(pool, number);
    let answer = created(pool, number);
    state.meter.messages_sent += u64::from(!suppress);
    answer
}

/// In pools where people sign in with an address, the name given is that
/// address, and the user's real name is made by the service (`None`).
pub(crate) fn sign_in_name(
    pool: &Pool,
    name: String,
    attributes: &mut Attributes,
) -> Result<Option<String>, ServiceError> {
    if !pool.signs_in_by_attribute() {
        // Otherwise nobody could tell the name from an alias.
        for (alias, looks_like) in
            [("email", names::is_email as fn(&str) -> bool), ("phone_number", names::is_phone)]
        {
            if pool.config.alias_attributes.iter().any(|a| a == alias) && looks_like(&name) {
                return Err(ServiceError::invalid(format!(
                    "Username cannot be of {} format, since user pool is configured for {} alias.",
                    alias.replace('_', " "),
                    alias.replace('_', " ")
                )));
            }
        }
        return Ok(Some(name));
    }
    let accepts =
        |attribute: &str| pool.config.username_attributes.iter().any(|accepted| accepted == attribute);
    let attribute = if accepts("email") && names::is_email(&name) {
        "email"
    } else if accepts("phone_number") && names::is_phone(&name) {
        "phone_number"
    } else {
        let wanted = match (accepts("email"), accepts("phone_number")) {
            (true, true) => "either an email or a phone number",
            (true, false) => "an email",
            _ => "a phone number",
        };
        return Err(ServiceError::invalid(format!("Username should be {wanted}.")));
    };
    match value(attributes, attribute) {
        None => attributes.push((attribute.to_owned(), name.clone())),
        Some(value) if value == name => {}
        Some(_) => {
            return Err(ServiceError::invalid(format!(
                "Value of attribute {attribute} differs from the username."
            )));
        }
    }
    // Any sign-in address among the attributes has to be free, not only the
    // one given as the name.
    for attribute in &pool.config.username_attributes {
        if value(attributes, attribute).is_some_and(|value| pool.alias_holder(attribute, value).is_some()) {
            return Err(username_exists());
        }
    }
    Ok(None)
}

/// The verified aliases asked for that other users hold.
pub(crate) fn taken_aliases(pool: &Pool, attributes: &Attributes) -> Attributes {
    pool.config
        .alias_attributes
        .iter()
        .filter_map(|alias| Some((alias, value(attributes, alias)?)))
        .filter(|(alias, _)| {
            *alias == "preferred_username" || is_true(value(attributes, &format!("{alias}_verified")))
        })
        .filter(|(alias, value)| pool.alias_holder(alias, value).is_some())
        .map(|(alias, value)| (alias.clone(), value.to_owned()))
        .collect()
}

/// `ForceAliasCreation` moves the alias: the previous holder keeps the
/// address, but no longer as a verified one.
fn give_up_alias(pool: &mut Pool, address: &str, value: &str, when: crate::lag::When) {
    if let Some(holder) = pool.alias_holder(address, value) {
        let verified = pool.schema.intern(&format!("{address}_verified"));
        pool.update(holder, when, |user| {
            user.set([(verified, "false".to_owned())]);
        });
    }
    pool.release_alias(address, value);
}

fn resend(state: &mut State, id: &str, name: &str) -> Answer {
    let pool = state.pool_mut(id)?;
    let number = pool.find(name).ok_or_else(ServiceError::no_user)?;
    if pool.user(number).map(|user| user.status) != Some(UserStatus::ForceChangePassword) {
        return Err(ServiceError::new(
            "UnsupportedUserStateException",
            "Resend not possible. User is not in FORCE_CHANGE_PASSWORD state.",
        ));
    }
    bill(pool, number);
    let answer = created(pool, number);
    state.meter.messages_sent += 1;
    answer
}

fn created(pool: &Pool, number: u32) -> Answer {
    let user = pool.user(number).ok_or_else(ServiceError::no_user)?;
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"User\":");
    user.write(&mut out, &pool.schema, None);
    out.push(b'}');
    Ok(out)
}

pub(crate) fn value<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

pub(crate) fn username_exists() -> ServiceError {
    ServiceError::new("UsernameExistsException", "User account already exists")
}

pub(crate) fn alias_exists(address: &str) -> ServiceError {
    ServiceError::new("AliasExistsException", format!("An account with the given {address} already exists."))
}
