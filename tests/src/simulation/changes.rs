//! What people and applications do to the pool meanwhile.

use cognito_sim::{Admin, GroupRecord, ServiceError, UserRecord, UserStatus};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// Changes something in the pool. What cannot be done, such as to delete someone from an empty
/// pool, is not.
pub(super) fn change(admin: &mut Admin<'_>, pool: &str, random: &mut StdRng) -> Result<(), ServiceError> {
    let truth = admin.truth(pool)?;
    let subs: Vec<&String> = truth.users.keys().collect();
    // Cognito makes the groups of identity providers itself.
    let groups: Vec<&String> = truth.groups.keys().filter(|name| !name.starts_with(pool)).collect();
    let number: u32 = random.random();
    let user = (!subs.is_empty()).then(|| subs[random.random_range(0..subs.len())].as_str());
    let group = (!groups.is_empty()).then(|| groups[random.random_range(0..groups.len())].as_str());
    match (random.random_range(0..22), user, group) {
        (0..4, _, _) => create_user(admin, pool, group, number, random),
        (4..9, Some(sub), _) => admin.update_user(pool, sub, |user| {
            user.attributes.retain(|(name, _)| name != "name");
            user.attributes.push(("name".into(), format!("changed {number}")));
        }),
        (9..11, Some(sub), _) => admin.update_user(pool, sub, |user| user.enabled = !user.enabled),
        (11..13, Some(sub), _) => admin.delete_user(pool, sub),
        (13..16, Some(sub), Some(group)) => admin.join(pool, sub, group),
        (16..18, Some(sub), Some(group)) => admin.leave(pool, sub, group),
        (18, _, _) => admin.create_group(pool, GroupRecord::new(format!("new-{}", number % 5))),
        (19, _, Some(group)) => admin.delete_group(pool, group),
        (20.., _, Some(group)) => {
            admin.update_group(pool, group, |group| group.description = Some(format!("changed {number}")))
        }
        _ => Ok(()),
    }
}

fn create_user(
    admin: &mut Admin<'_>,
    pool: &str,
    group: Option<&str>,
    number: u32,
    random: &mut StdRng,
) -> Result<(), ServiceError> {
    let by_address = !admin.pool_config(pool)?.username_attributes.is_empty();
    let name = if by_address { String::new() } else { format!("newcomer{number}") };
    let mut user = UserRecord::new(name)
        .with("email", format!("newcomer{number}@example.com"))
        .with("email_verified", "true")
        .with("name", format!("newcomer {number}"));
    if random.random_ratio(1, 4) {
        user.status = UserStatus::ForceChangePassword;
    }
    user.groups.extend(group.map(str::to_owned));
    admin.create_user(pool, user).map(drop)
}
