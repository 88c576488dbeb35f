//! What an item of the retired solution says. Texts about items hold no value of theirs.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::model::{Group, Kind, Membership, Record, User};
use crate::run::LeftOut;
use crate::time::Timestamp;

/// An item, by its attributes' names.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The id of the item that says which export was the last to come to its end.
pub(super) const LATEST_EXPORT: &str = "latest-export-timestamp";

/// What an item says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// That a record was in the pool when an export that began then listed it.
    Record(Record, Timestamp),
    /// When the export began that was the last to come to its end.
    LatestExport(Timestamp),
}

/// Why an item cannot be read.
type Matter = String;

/// Reads an item.
///
/// # Errors
/// What it is and why it cannot be read. Its key is empty if it is not one to show.
pub(super) fn read(item: &Item) -> Result<Content, LeftOut> {
    let key = Key::of(item);
    let content = match key {
        Key::User(sub) => user(item, sub).and_then(|user| record(item, Record::User(user))),
        Key::Group(name) => group(item, name).and_then(|group| record(item, Record::Group(group))),
        Key::Member(group, sub) => {
            membership(item, group, sub).and_then(|member| record(item, Record::Membership(member)))
        }
        Key::LatestExport => time(item, "latestExportTimestamp").map(Content::LatestExport),
        Key::Unknown => Err("its key is of no kind that the retired solution has".to_owned()),
    };
    content.map_err(|reason| LeftOut { record: key.kind(), key: key.shown(), reason })
}

/// What the key of an item says.
#[derive(Clone, Copy)]
enum Key<'a> {
    User(&'a str),
    Group(&'a str),
    Member(&'a str, &'a str),
    LatestExport,
    Unknown,
}

impl<'a> Key<'a> {
    /// The types of users and groups hold a random id of the deployment: they are not looked at.
    fn of(item: &'a Item) -> Self {
        const MEMBER: &str = "GROUP_MEMBER-";
        let text = |name| item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
        let (id, kind) = (text("id"), text("type"));
        if id == LATEST_EXPORT {
            return Self::LatestExport;
        }
        let user = id.strip_prefix("USER-").map(Self::User);
        let group = || id.strip_prefix("GROUP-").map(Self::Group);
        let member =
            || Some(Self::Member(id.strip_prefix(MEMBER)?, kind.strip_prefix(MEMBER).unwrap_or_default()));
        user.or_else(group).or_else(member).unwrap_or(Self::Unknown)
    }

    const fn kind(self) -> Option<Kind> {
        match self {
            Self::User(_) => Some(Kind::User),
            Self::Group(_) => Some(Kind::Group),
            Self::Member(..) => Some(Kind::Membership),
            Self::LatestExport | Self::Unknown => None,
        }
    }

    /// What may be said of it: a `sub` and a group's name, if they can be ones.
    fn shown(self) -> String {
        let is_sub = |text: &str| {
            text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        };
        // So long a group's name may be (API Reference, "GroupType").
        let is_name = |text: &str| (1..=128).contains(&text.chars().count());
        match self {
            Self::User(sub) if is_sub(sub) => sub.to_owned(),
            Self::Group(name) if is_name(name) => name.to_owned(),
            Self::Member(group, sub) if is_name(group) && is_sub(sub) => format!("{group}/{sub}"),
            Self::LatestExport => LATEST_EXPORT.to_owned(),
            _ => String::new(),
        }
    }
}

fn record(item: &Item, record: Record) -> Result<Content, Matter> {
    Ok(Content::Record(record, time(item, "lastConfirmedInUserPool")?))
}

fn user(item: &Item, sub: &str) -> Result<User, Matter> {
    if sub.is_empty() {
        return Err("its id names no user".to_owned());
    }
    let mut attributes = attributes(item)?;
    if attributes.remove("sub").is_some_and(|other| other != sub) {
        return Err("its userAttributes have another sub than its id".to_owned());
    }
    Ok(User {
        sub: sub.to_owned(),
        username: text(item, "username")?,
        attributes,
        enabled: bool(item, "userEnabled")?,
        status: text(item, "userStatus")?,
        created_at: None,
        modified_at: None,
        mfa_options: Vec::new(),
    })
}

/// A list of maps of `Name` and `Value`, as Cognito's API has them. One without a value has an
/// empty one, as when Cognito answers so.
fn attributes(item: &Item) -> Result<BTreeMap<String, String>, Matter> {
    const NAME: &str = "userAttributes";
    let Some(AttributeValue::L(list)) = item.get(NAME) else { return Err(damaged(NAME)) };
    let mut attributes = BTreeMap::new();
    for entry in list {
        let AttributeValue::M(entry) = entry else { return Err(damaged(NAME)) };
        let (name, value) = match (entry.get("Name"), entry.get("Value")) {
            (Some(AttributeValue::S(name)), Some(AttributeValue::S(value))) => (name, value.as_str()),
            (Some(AttributeValue::S(name)), None) => (name, ""),
            _ => return Err(damaged(NAME)),
        };
        if attributes.insert(name.clone(), value.to_owned()).is_some_and(|before| before != value) {
            return Err("its userAttributes have two values of one name".to_owned());
        }
    }
    Ok(attributes)
}

/// The retired solution writes no description as an empty one, no precedence as -1, and the date
/// as text; it does not keep the role. What date it was is not worth losing a group for.
fn group(item: &Item, name: &str) -> Result<Group, Matter> {
    const PRECEDENCE: &str = "groupPrecedence";
    if name.is_empty() {
        return Err("its id names no group".to_owned());
    }
    same(item, "groupName", name)?;
    let description = match item.get("groupDescription") {
        None => None,
        Some(AttributeValue::S(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
        Some(_) => return Err(damaged("groupDescription")),
    };
    let precedence = match item.get(PRECEDENCE) {
        None => None,
        Some(AttributeValue::N(number)) => match number.parse::<i32>() {
            Ok(-1) => None,
            Ok(precedence) if precedence >= 0 => Some(precedence),
            _ => return Err(damaged(PRECEDENCE)),
        },
        Some(_) => return Err(damaged(PRECEDENCE)),
    };
    let modified_at = item.get("groupLastModifiedDate").and_then(|value| value.as_s().ok()?.parse().ok());
    Ok(Group {
        name: name.to_owned(),
        description,
        precedence,
        role_arn: None,
        created_at: None,
        modified_at,
    })
}

fn membership(item: &Item, group: &str, sub: &str) -> Result<Membership, Matter> {
    if group.is_empty() || sub.is_empty() {
        return Err("its key does not name a group and a user".to_owned());
    }
    same(item, "groupName", group)?;
    Ok(Membership { group: group.to_owned(), sub: sub.to_owned(), username: text(item, "groupUser")? })
}

/// Refuses an item whose attribute says otherwise than its key.
fn same(item: &Item, name: &str, expected: &str) -> Result<(), Matter> {
    if text(item, name)? == expected { Ok(()) } else { Err(format!("its {name} is not that of its id")) }
}

fn text(item: &Item, name: &str) -> Result<String, Matter> {
    match item.get(name) {
        Some(AttributeValue::S(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(damaged(name)),
    }
}

fn bool(item: &Item, name: &str) -> Result<bool, Matter> {
    match item.get(name) {
        Some(AttributeValue::Bool(value)) => Ok(*value),
        _ => Err(damaged(name)),
    }
}

/// Milliseconds since 1970, as far as a time can be written.
fn time(item: &Item, name: &str) -> Result<Timestamp, Matter> {
    let millis = match item.get(name) {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    };
    millis.filter(|millis| *millis >= 0).and_then(Timestamp::writable).ok_or_else(|| damaged(name))
}

fn damaged(name: &str) -> Matter {
    format!("its {name} is missing, or not what the retired solution writes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUB: &str = "0912cb94-5c4f-4b7b-9c4e-0d6a2f3e1b5a";
    const CONFIRMED: i64 = 1_740_794_400_123;

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn n(number: i64) -> AttributeValue {
        AttributeValue::N(number.to_string())
    }

    fn map(entries: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The items of the retired solution, as it writes them.
    fn written(record: &Record) -> Item {
        let confirmed = [("lastConfirmedInUserPool", n(CONFIRMED)), ("lastUpdatedRegion", s("eu-west-1"))];
        let own = match record {
            Record::User(user) => {
                let attribute = |name: &str, value: &str| {
                    AttributeValue::M(map([("Name", s(name)), ("Value", s(value))]))
                };
                let sub = [attribute("sub", &user.sub)].into_iter();
                let others = user.attributes.iter().map(|(name, value)| attribute(name, value));
                map([
                    ("id", s(&format!("USER-{}", user.sub))),
                    ("type", s("USER-b1c2d3e4")),
                    ("username", s(&user.username)),
                    ("pseudoUsername", s(&user.username)),
                    ("userAttributes", AttributeValue::L(sub.chain(others).collect())),
                    ("userEnabled", AttributeValue::Bool(user.enabled)),
                    ("userStatus", s(&user.status)),
                ])
            }
            Record::Group(group) => map([
                ("id", s(&format!("GROUP-{}", group.name))),
                ("type", s("GROUP-b1c2d3e4")),
                ("groupName", s(&group.name)),
                ("groupDescription", s(group.description.as_deref().unwrap_or_default())),
                ("groupPrecedence", n(group.precedence.map_or(-1, i64::from))),
                ("groupLastModifiedDate", s(&group.modified_at.unwrap().to_string())),
            ]),
            Record::Membership(member) => map([
                ("id", s(&format!("GROUP_MEMBER-{}", member.group))),
                ("type", s(&format!("GROUP_MEMBER-{}", member.sub))),
                ("groupUser", s(&member.username)),
                ("groupPseudoUsername", s("who@example.com")),
                ("groupName", s(&member.group)),
            ]),
            Record::Settings(_) => panic!("it writes none"),
        };
        own.into_iter().chain(map(confirmed)).collect()
    }

    fn ann() -> Record {
        Record::User(User {
            sub: SUB.to_owned(),
            username: "ann".to_owned(),
            attributes: [("email".to_owned(), "secret@example.com".to_owned())].into(),
            enabled: true,
            status: "CONFIRMED".to_owned(),
            created_at: None,
            modified_at: None,
            mfa_options: Vec::new(),
        })
    }

    fn admins() -> Record {
        Record::Group(Group {
            name: "GROUP-admins".to_owned(),
            description: Some("secret".to_owned()),
            precedence: Some(0),
            role_arn: None,
            created_at: None,
            modified_at: Some(Timestamp::from_millis(1_591_893_018_766)),
        })
    }

    fn ann_in_admins() -> Record {
        Record::Membership(Membership {
            group: "GROUP-admins".to_owned(),
            sub: SUB.to_owned(),
            username: "ann".to_owned(),
        })
    }

    fn records() -> impl Strategy<Value = Record> {
        let user = (
            ("[a-z0-9-]{1,36}", ".{1,12}", any::<bool>()),
            prop::collection::btree_map("[a-z:_]{1,12}", ".{0,12}", 0..6),
        )
            .prop_map(|((sub, username, enabled), mut attributes)| {
                attributes.remove("sub");
                let Record::User(ann) = ann() else { unreachable!() };
                Record::User(User { sub, username, attributes, enabled, ..ann })
            });
        let group = (".{1,12}", prop::option::of(".{1,12}"), prop::option::of(0..=i32::MAX)).prop_map(
            |(name, description, precedence)| {
                let Record::Group(admins) = admins() else { unreachable!() };
                Record::Group(Group { name, description, precedence, ..admins })
            },
        );
        let membership = (".{1,12}", ".{1,36}", ".{1,12}")
            .prop_map(|(group, sub, username)| Record::Membership(Membership { group, sub, username }));
        prop_oneof![user, group, membership]
    }

    fn anything() -> impl Strategy<Value = AttributeValue> {
        let leaf = prop_oneof![
            Just(AttributeValue::Null(true)),
            any::<bool>().prop_map(AttributeValue::Bool),
            "secret.{0,8}".prop_map(AttributeValue::S),
            "-?[0-9]{1,30}(\\.[0-9]{1,8})?".prop_map(AttributeValue::N),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
                prop::collection::hash_map("Name|Value|[a-z]{1,4}", inner, 0..4).prop_map(AttributeValue::M),
            ]
        })
    }

    /// Any item with one attribute replaced or removed.
    fn spoiled() -> impl Strategy<Value = Item> {
        (records(), any::<prop::sample::Index>(), prop::option::of(anything())).prop_map(
            |(record, which, value)| {
                let mut item = written(&record);
                let mut names: Vec<String> = item.keys().cloned().collect();
                names.sort();
                let name = which.get(&names).clone();
                match value {
                    Some(value) => item.insert(name, value),
                    None => item.remove(&name),
                };
                item
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(record in records()) {
            let read = read(&written(&record)).unwrap();
            prop_assert_eq!(read, Content::Record(record, Timestamp::from_millis(CONFIRMED)));
        }

        /// Read as something, or refused for a reason that repeats no value.
        #[test]
        fn no_item_panics_and_no_reason_holds_a_value(item in spoiled()) {
            match read(&item) {
                Err(left_out) => prop_assert!(!left_out.reason.contains("secret"), "{left_out:?}"),
                Ok(Content::LatestExport(time)) => prop_assert_eq!(time.to_string().parse().ok(), Some(time)),
                Ok(Content::Record(record, time)) => {
                    prop_assert_eq!(time.to_string().parse().ok(), Some(time));
                    let content = record.content().unwrap();
                    prop_assert_eq!(Record::from_content(record.partition().kind(), &content).unwrap(), record);
                }
            }
        }
    }

    /// It would be kept, and could not be read back.
    #[test]
    fn a_time_that_cannot_be_written_is_refused() {
        let confirmed = |millis| read(&with(&ann(), "lastConfirmedInUserPool", n(millis)));
        assert!(confirmed(253_402_207_200_000).is_ok());
        for millis in [253_402_300_799_000, i64::MAX, -1] {
            assert_eq!(confirmed(millis).unwrap_err().key, SUB, "{millis}");
        }
    }

    fn with(record: &Record, name: &str, value: AttributeValue) -> Item {
        let mut item = written(record);
        item.insert(name.to_owned(), value);
        item
    }

    fn list(pairs: &[(&'static str, Option<&str>)]) -> AttributeValue {
        let entry = |(name, value): &(&'static str, Option<&str>)| {
            let mut entry = map([("Name", s(name))]);
            entry.extend(value.map(|value| ("Value".to_owned(), s(value))));
            AttributeValue::M(entry)
        };
        AttributeValue::L(pairs.iter().map(entry).collect())
    }

    #[test]
    fn none_is_empty_or_minus_one() {
        for (name, value) in [("groupDescription", s("")), ("groupPrecedence", n(-1))] {
            let Ok(Content::Record(Record::Group(group), _)) = read(&with(&admins(), name, value)) else {
                panic!("{name}")
            };
            assert!(group.description.is_none() || group.precedence.is_none(), "{name}");
        }
        let item = with(&admins(), "groupLastModifiedDate", s("Thu Jun 11 2020"));
        assert!(matches!(
            read(&item),
            Ok(Content::Record(Record::Group(Group { modified_at: None, .. }), _))
        ));
    }

    #[test]
    fn an_attribute_without_a_value_has_an_empty_one_and_no_sub_is_no_other() {
        for attributes in [list(&[("sub", Some(SUB)), ("name", None)]), list(&[("name", Some(""))])] {
            let item = with(&ann(), "userAttributes", attributes);
            let Ok(Content::Record(Record::User(user), _)) = read(&item) else { panic!("a user") };
            assert_eq!(user.attributes, [("name".to_owned(), String::new())].into());
        }
    }

    #[test]
    fn contradictions_are_refused_by_kind_and_key() {
        let other = "1111cb94-5c4f-4b7b-9c4e-0d6a2f3e1b5a";
        let member_key = format!("GROUP-admins/{SUB}");
        let twice = list(&[("sub", Some(SUB)), ("email", Some("a")), ("email", Some("b"))]);
        for (item, key, reason) in [
            (with(&ann(), "userAttributes", list(&[("sub", Some(other))])), SUB, "another sub than its id"),
            (with(&ann(), "userAttributes", twice), SUB, "two values of one name"),
            (with(&ann(), "username", s("")), SUB, "its username is missing"),
            (with(&ann(), "userEnabled", s("true")), SUB, "its userEnabled"),
            (with(&ann(), "lastConfirmedInUserPool", n(-1)), SUB, "its lastConfirmedInUserPool"),
            (
                with(&admins(), "groupName", s("others")),
                "GROUP-admins",
                "its groupName is not that of its id",
            ),
            (with(&admins(), "groupPrecedence", n(-2)), "GROUP-admins", "its groupPrecedence"),
            (with(&ann_in_admins(), "groupName", s("others")), &member_key, "its groupName"),
            (with(&ann_in_admins(), "type", s("MEMBER")), "", "does not name a group and a user"),
            (with(&ann(), "id", s("USER-")), "", "its id names no user"),
            (with(&ann(), "id", s("USER-ann@example.com")), "", "another sub than its id"),
        ] {
            let left_out = read(&item).unwrap_err();
            assert_eq!(left_out.key, key, "{left_out:?}");
            assert!(left_out.reason.contains(reason), "{left_out:?}");
            assert!(left_out.record.is_some());
        }
    }

    #[test]
    fn what_is_of_no_known_kind_is_neither_dropped_nor_shown() {
        for id in [s("user-1"), s("USER"), s("GROUP_MEMBERS-x"), s(""), n(1)] {
            let left_out = read(&with(&ann(), "id", id)).unwrap_err();
            assert_eq!((left_out.record, left_out.key.as_str()), (None, ""), "{left_out:?}");
        }
        let latest = map([
            ("id", s(LATEST_EXPORT)),
            ("type", s("SYNC_TIMESTAMP-b1")),
            ("latestExportTimestamp", n(7)),
        ]);
        assert_eq!(read(&latest), Ok(Content::LatestExport(Timestamp::from_millis(7))));
        let broken = read(&map([("id", s(LATEST_EXPORT)), ("type", s("x"))])).unwrap_err();
        assert_eq!((broken.record, broken.key.as_str()), (None, LATEST_EXPORT));
    }
}
