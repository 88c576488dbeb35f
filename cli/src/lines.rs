//! Records as `dump` and `show --json` write them, one object a line. docs/CLI.md has the shapes.

use std::collections::BTreeMap;

use cognito_profiles::model::Record;
use cognito_profiles::settings::Settings;
use cognito_profiles::time::Timestamp;
use serde::Serialize;

/// One record. Order and names of the fields are the contract.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line<'a> {
    User {
        sub: &'a str,
        username: &'a str,
        attributes: &'a BTreeMap<String, String>,
        enabled: bool,
        status: &'a str,
        created_at: Option<Timestamp>,
        modified_at: Option<Timestamp>,
    },
    Group {
        name: &'a str,
        description: Option<&'a str>,
        precedence: Option<i32>,
        role_arn: Option<&'a str>,
    },
    Membership {
        group: &'a str,
        sub: &'a str,
        username: &'a str,
    },
    Settings {
        settings: &'a Settings,
    },
}

impl<'a> From<&'a Record> for Line<'a> {
    fn from(record: &'a Record) -> Self {
        match record {
            Record::User(user) => Self::User {
                sub: &user.sub,
                username: &user.username,
                attributes: &user.attributes,
                enabled: user.enabled,
                status: &user.status,
                created_at: user.created_at,
                modified_at: user.modified_at,
            },
            Record::Group(group) => Self::Group {
                name: &group.name,
                description: group.description.as_deref(),
                precedence: group.precedence,
                role_arn: group.role_arn.as_deref(),
            },
            Record::Membership(member) => {
                Self::Membership { group: &member.group, sub: &member.sub, username: &member.username }
            }
            Record::Settings(settings) => Self::Settings { settings },
        }
    }
}
