use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, GroupType, MfaOptionType, UserImportJobType, UserType,
};
use aws_smithy_types::DateTime;

use crate::model::{Group, MfaOption, User};
use crate::ports::{JobCounts, JobReport, NewJob, Page, UploadUrl};
use crate::time::Timestamp;

/// The name of the attribute that is a user's key.
const SUB: &str = "sub";

/// What stands for a status Cognito did not give: its own word for that.
const UNKNOWN_STATUS: &str = "UNKNOWN";

/// A user as the model has it. `AttributeType`'s and `UserType`'s values are personal data:
/// they are moved, never formatted.
///
/// A missing `Enabled` reads as false: the service's model gives it that default, and the SDK
/// cannot tell the two apart. It is the safe side too: no restore lets someone in whom nothing
/// says may enter.
pub(super) fn user(user: UserType) -> User {
    let mut attributes: std::collections::BTreeMap<_, _> =
        user.attributes.unwrap_or_default().into_iter().map(attribute).collect();
    let username = user.username.unwrap_or_default();
    // Every record needs a key; a user without `sub` must not be lost for it.
    let sub = attributes.remove(SUB).filter(|sub| !sub.is_empty()).unwrap_or_else(|| username.clone());
    User {
        sub,
        username,
        attributes,
        enabled: user.enabled,
        status: user
            .user_status
            .map_or_else(|| UNKNOWN_STATUS.to_owned(), |status| status.as_str().to_owned()),
        created_at: user.user_create_date.as_ref().and_then(timestamp),
        modified_at: user.user_last_modified_date.as_ref().and_then(timestamp),
        mfa_options: user.mfa_options.unwrap_or_default().into_iter().map(mfa_option).collect(),
    }
}

/// The same; none if nothing names the user, whom nothing could then be kept under.
pub(super) fn named_user(found: UserType) -> Option<User> {
    Some(user(found)).filter(|user| !user.sub.is_empty())
}

/// A group as the model has it; none if it has no name, which nothing could refer to.
pub(super) fn group(group: GroupType) -> Option<Group> {
    Some(Group {
        name: group.group_name.filter(|name| !name.is_empty())?,
        description: group.description,
        precedence: group.precedence,
        role_arn: group.role_arn,
        created_at: group.creation_date.as_ref().and_then(timestamp),
        modified_at: group.last_modified_date.as_ref().and_then(timestamp),
    })
}

/// A page of users; none if nothing names one of them.
pub(super) fn user_page(users: Option<Vec<UserType>>, token: Option<String>) -> Option<Page<User>> {
    let items = users.unwrap_or_default().into_iter().map(named_user).collect::<Option<_>>()?;
    Some(Page { items, next: present(token) })
}

/// A page of groups; none if any of them has no name.
pub(super) fn group_page(groups: Option<Vec<GroupType>>, token: Option<String>) -> Option<Page<Group>> {
    let items = groups.unwrap_or_default().into_iter().map(group).collect::<Option<_>>()?;
    Some(Page { items, next: present(token) })
}

/// A text unless it is empty. Cognito refuses an empty token ("must have length greater than or
/// equal to 1") and an empty description, so that empty means absent.
pub(super) fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// How far an import job is; none without a status, of which nothing could follow. The SDK reads
/// a missing count as 0; Cognito leaves them out before a job has begun.
pub(super) fn job(job: UserImportJobType) -> Option<JobReport> {
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Some(JobReport {
        status: job.status?.as_str().to_owned(),
        counts: JobCounts {
            imported: count(job.imported_users),
            skipped: count(job.skipped_users),
            failed: count(job.failed_users),
        },
    })
}

/// A job that was just made; none if it cannot be used.
pub(super) fn new_job(job: UserImportJobType) -> Option<NewJob> {
    Some(NewJob { id: present(job.job_id)?, upload: UploadUrl::new(present(job.pre_signed_url)?) })
}

fn attribute(attribute: AttributeType) -> (String, String) {
    (attribute.name, attribute.value.unwrap_or_default())
}

fn mfa_option(option: MfaOptionType) -> MfaOption {
    MfaOption {
        delivery_medium: option.delivery_medium.map(|medium| medium.as_str().to_owned()),
        attribute_name: option.attribute_name,
    }
}

/// To the nearest millisecond. Cognito writes seconds with three decimals, the SDK reads them as
/// a binary fraction, and 1689980857.949 becomes …948999: cutting off would change the date. A
/// date that cannot be written is none: it is not worth losing the record for.
fn timestamp(date: &DateTime) -> Option<Timestamp> {
    let subsecond = i64::from((date.subsec_nanos() + 500_000) / 1_000_000);
    date.secs().checked_mul(1000)?.checked_add(subsecond).and_then(Timestamp::writable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: Option<&str>) -> AttributeType {
        AttributeType::builder().name(name).set_value(value.map(Into::into)).build().unwrap()
    }

    #[test]
    fn sub_becomes_the_key_and_leaves_the_attributes() {
        let converted = user(
            UserType::builder()
                .username("anna")
                .attributes(pair("sub", Some("s-1")))
                .attributes(pair("email", Some("a@x.test")))
                .attributes(pair("custom:empty", None))
                .build(),
        );
        assert_eq!((converted.sub.as_str(), converted.username.as_str()), ("s-1", "anna"));
        assert_eq!(
            converted.attributes.into_iter().collect::<Vec<_>>(),
            [("custom:empty".into(), String::new()), ("email".into(), "a@x.test".into())]
        );
        assert_eq!(converted.status, "UNKNOWN");
        assert!(!converted.enabled);
    }

    #[test]
    fn a_user_without_sub_is_kept_under_the_username() {
        assert_eq!(user(UserType::builder().username("anna").build()).sub, "anna");
        let nameless = user(UserType::builder().attributes(pair("sub", Some("s-1"))).build());
        assert_eq!((nameless.sub.as_str(), nameless.username.as_str()), ("s-1", ""));
        let empty = user(UserType::builder().username("b").attributes(pair("sub", Some(""))).build());
        assert_eq!(empty.sub, "b");
    }

    #[test]
    fn dates_are_rounded_to_the_nearest_millisecond() {
        let millis = |date: &DateTime| timestamp(date).map(Timestamp::as_millis);
        assert_eq!(millis(&DateTime::from_secs_f64(1_689_980_857.949)), Some(1_689_980_857_949));
        assert_eq!(millis(&DateTime::from_secs_and_nanos(1, 999_600_000)), Some(2000));
        assert_eq!(millis(&DateTime::from_millis(-1)), Some(-1));
        assert_eq!(millis(&DateTime::from_secs(i64::MAX)), None);
    }

    #[test]
    fn an_empty_token_ends_a_listing() {
        assert_eq!(user_page(None, Some(String::new())).unwrap().next, None);
        assert_eq!(user_page(Some(Vec::new()), Some("t".into())).unwrap().next.as_deref(), Some("t"));
    }

    #[test]
    fn a_user_needs_a_name_or_a_sub() {
        let nobody = UserType::builder().attributes(pair("email", Some("a@x.test"))).build();
        assert!(user_page(Some(vec![nobody]), None).is_none());
    }

    #[test]
    fn a_date_that_cannot_be_written_is_none() {
        let last = Timestamp::writable(253_402_207_200_000).unwrap();
        assert_eq!(last.to_string().parse::<Timestamp>().unwrap(), last);
        for seconds in [253_402_300_800, -400_000_000_000] {
            assert_eq!(timestamp(&DateTime::from_secs(seconds)), None);
        }
    }

    #[test]
    fn a_group_needs_a_name() {
        assert!(group_page(Some(vec![GroupType::builder().description("d").build()]), None).is_none());
        let page = group_page(Some(vec![GroupType::builder().group_name("g").build()]), None).unwrap();
        assert_eq!(page.items[0].name, "g");
    }
}
