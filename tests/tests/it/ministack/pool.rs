//! Pools filled, changed and read through the AWS SDK alone, beside what must be in them.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_cognitoidentityprovider::types::{
    AttributeDataType, AttributeType, MessageActionType, SchemaAttributeType, UserType, UsernameAttributeType,
};
use cognito_profiles_tests::MiniStack;
use futures::{StreamExt, stream};

/// More at once, and MiniStack answers some with an internal error.
const PARALLEL_CALLS: usize = 8;

const PASSWORD: &str = "Correct-Horse-1";

/// Test credentials for a MiniStack.
pub(super) fn settings(ministack: &MiniStack) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(ministack.endpoint())
        .retry_config(RetryConfig::standard().with_max_attempts(8))
        .build()
}

/// How users of a pool sign in, and so what they are known by in both an old and a new pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SignIn {
    Username,
    Email,
}

impl SignIn {
    /// What a user is known by.
    pub fn key(self, username: &str, attributes: &BTreeMap<String, String>) -> String {
        match self {
            Self::Username => username.to_owned(),
            Self::Email => attributes["email"].clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub attributes: BTreeMap<String, String>,
    pub enabled: bool,
    pub status: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupSettings {
    pub description: String,
    pub precedence: Option<i32>,
    pub role_arn: String,
}

/// Everything in a pool; users by what they are known by, memberships by group and user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub users: BTreeMap<String, Person>,
    pub groups: BTreeMap<String, GroupSettings>,
    pub members: BTreeSet<(String, String)>,
}

impl Contents {
    /// What a pool restored from this holds.
    pub fn restored(mut self) -> Self {
        for person in self.users.values_mut() {
            let temporary = matches!(person.status.as_str(), "UNCONFIRMED" | "FORCE_CHANGE_PASSWORD");
            let status = if temporary { "FORCE_CHANGE_PASSWORD" } else { "CONFIRMED" };
            person.status = String::from(status);
        }
        self
    }
}

pub(super) struct Pool {
    client: Client,
    pub id: String,
    pub sign_in: SignIn,
    /// What must be in it.
    pub contents: Contents,
}

impl Pool {
    pub async fn create(ministack: &MiniStack, sign_in: SignIn) -> Self {
        let client = Client::new(&settings(ministack));
        let mut call = client.create_user_pool().pool_name("second opinion");
        if sign_in == SignIn::Email {
            call = call.username_attributes(UsernameAttributeType::Email);
        }
        for name in ["tenant", "note"] {
            let kind = AttributeDataType::String;
            call = call.schema(
                SchemaAttributeType::builder().name(name).attribute_data_type(kind).mutable(true).build(),
            );
        }
        let id = call.send().await.unwrap().user_pool.unwrap().id.unwrap();
        Self { client, id, sign_in, contents: Contents::default() }
    }

    pub async fn add_group(&mut self, name: &str, group: GroupSettings) {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let call = self.client.create_group().user_pool_id(&self.id).group_name(name);
        let call = call.set_description(text(&group.description)).set_role_arn(text(&group.role_arn));
        call.set_precedence(group.precedence).send().await.unwrap();
        self.contents.groups.insert(name.to_owned(), group);
    }

    pub async fn delete_group(&mut self, name: &str) {
        self.client.delete_group().user_pool_id(&self.id).group_name(name).send().await.unwrap();
        self.contents.groups.remove(name);
        self.contents.members.retain(|(group, _)| group != name);
    }

    /// Creates users, each with its password, state and groups.
    pub async fn add_users(&mut self, numbers: impl Iterator<Item = usize>) {
        let people: Vec<(String, Person, Vec<String>)> = numbers
            .map(|number| {
                let (username, person) = person(number);
                let key = self.sign_in.key(&username, &person.attributes);
                let groups =
                    groups_of(number).into_iter().filter(|name| self.contents.groups.contains_key(name));
                (key, person, groups.collect())
            })
            .collect();
        let this = &*self;
        stream::iter(&people)
            .for_each_concurrent(PARALLEL_CALLS, |(key, person, groups)| async move {
                this.send_user(key, person).await;
                for group in groups {
                    this.send_member(group, key).await;
                }
            })
            .await;
        for (key, person, groups) in people {
            self.contents.members.extend(groups.into_iter().map(|group| (group, key.clone())));
            self.contents.users.insert(key, person);
        }
    }

    async fn send_user(&self, key: &str, person: &Person) {
        let attributes = person.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
        let call = self.client.admin_create_user().user_pool_id(&self.id).username(key);
        let call = call.set_user_attributes(Some(attributes)).message_action(MessageActionType::Suppress);
        call.send().await.unwrap();
        if person.status != "FORCE_CHANGE_PASSWORD" {
            let call = self.client.admin_set_user_password().user_pool_id(&self.id).username(key);
            call.password(PASSWORD).permanent(true).send().await.unwrap();
        }
        if person.status == "RESET_REQUIRED" {
            let call = self.client.admin_reset_user_password().user_pool_id(&self.id).username(key);
            call.send().await.unwrap();
        }
        if !person.enabled {
            self.client.admin_disable_user().user_pool_id(&self.id).username(key).send().await.unwrap();
        }
    }

    async fn send_member(&self, group: &str, key: &str) {
        let call = self.client.admin_add_user_to_group().user_pool_id(&self.id);
        call.group_name(group).username(key).send().await.unwrap();
    }

    /// Lets users register themselves, and never confirm it.
    pub async fn register_users(&mut self, numbers: impl Iterator<Item = usize>) {
        let call = self.client.create_user_pool_client().user_pool_id(&self.id).client_name("app");
        let app = call.send().await.unwrap().user_pool_client.unwrap().client_id.unwrap();
        for number in numbers {
            let (username, person) = person(number);
            let person = Person { status: "UNCONFIRMED".to_owned(), enabled: true, ..person };
            let attributes = person.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
            let call = self.client.sign_up().client_id(&app).username(&username).password(PASSWORD);
            call.set_user_attributes(Some(attributes)).send().await.unwrap();
            self.contents.users.insert(self.sign_in.key(&username, &person.attributes), person);
        }
    }

    pub async fn add_member(&mut self, group: &str, key: &str) {
        self.send_member(group, key).await;
        self.contents.members.insert((group.to_owned(), key.to_owned()));
    }

    pub async fn remove_member(&mut self, group: &str, key: &str) {
        let call = self.client.admin_remove_user_from_group().user_pool_id(&self.id);
        call.group_name(group).username(key).send().await.unwrap();
        self.contents.members.remove(&(group.to_owned(), key.to_owned()));
    }

    pub async fn set_attribute(&mut self, key: &str, name: &str, value: &str) {
        let call = self.client.admin_update_user_attributes().user_pool_id(&self.id).username(key);
        call.user_attributes(attribute(name, value)).send().await.unwrap();
        let person = self.contents.users.get_mut(key).unwrap();
        person.attributes.insert(name.to_owned(), value.to_owned());
    }

    pub async fn set_enabled(&mut self, key: &str, enabled: bool) {
        if enabled {
            self.client.admin_enable_user().user_pool_id(&self.id).username(key).send().await.unwrap();
        } else {
            self.client.admin_disable_user().user_pool_id(&self.id).username(key).send().await.unwrap();
        }
        self.contents.users.get_mut(key).unwrap().enabled = enabled;
    }

    pub async fn delete_user(&mut self, key: &str) {
        self.client.admin_delete_user().user_pool_id(&self.id).username(key).send().await.unwrap();
        self.contents.users.remove(key);
        self.contents.members.retain(|(_, member)| member != key);
    }

    /// What the SDK finds in the pool.
    pub async fn read(&self) -> Contents {
        let mut contents = Contents::default();
        let mut users = self.client.list_users().user_pool_id(&self.id).into_paginator().items().send();
        while let Some(user) = users.next().await {
            let (key, person) = self.read_user(user.unwrap());
            contents.users.insert(key, person);
        }
        let mut groups = self.client.list_groups().user_pool_id(&self.id).into_paginator().items().send();
        while let Some(group) = groups.next().await {
            let group = group.unwrap();
            let name = group.group_name.unwrap();
            let call = self.client.list_users_in_group().user_pool_id(&self.id).group_name(&name);
            let mut members = call.into_paginator().items().send();
            while let Some(member) = members.next().await {
                contents.members.insert((name.clone(), self.read_user(member.unwrap()).0));
            }
            let settings = GroupSettings {
                description: group.description.unwrap_or_default(),
                precedence: group.precedence,
                role_arn: group.role_arn.unwrap_or_default(),
            };
            contents.groups.insert(name, settings);
        }
        contents
    }

    fn read_user(&self, user: UserType) -> (String, Person) {
        let attributes = user.attributes.unwrap_or_default().into_iter();
        let attributes: BTreeMap<String, String> = attributes
            .filter(|attribute| attribute.name != "sub")
            .map(|attribute| (attribute.name, attribute.value.unwrap_or_default()))
            .collect();
        let key = self.sign_in.key(&user.username.unwrap(), &attributes);
        let status = user.user_status.unwrap().as_str().to_owned();
        (key, Person { attributes, enabled: user.enabled, status })
    }
}

fn attribute(name: &str, value: &str) -> AttributeType {
    AttributeType::builder().name(name).value(value).build().unwrap()
}

/// Groups of every kind, by name. MiniStack makes a missing precedence 0, so each has one.
pub(super) fn group_settings() -> BTreeMap<String, GroupSettings> {
    let group = |description: &str, precedence, role_arn: &str| GroupSettings {
        description: description.to_owned(),
        precedence: Some(precedence),
        role_arn: role_arn.to_owned(),
    };
    BTreeMap::from([
        ("admins".to_owned(), group("May do everything", 1, "arn:aws:iam::123456789012:role/admins")),
        ("Köche, 'Küche'".to_owned(), group("Commas, \"quotes\", ünïcödé 🦀", 7, "")),
        ("leavers".to_owned(), group("Will be deleted", 9, "")),
        ("nobody".to_owned(), group("", 0, "")),
        ("readers".to_owned(), group("Every other user", 20, "")),
    ])
}

fn groups_of(number: usize) -> Vec<String> {
    [("readers", 2), ("Köche, 'Küche'", 5), ("leavers", 12), ("admins", 100)]
        .into_iter()
        .filter(|(_, every)| number.is_multiple_of(*every))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// A user and its name, different for each number.
pub(super) fn person(number: usize) -> (String, Person) {
    let username = match number % 4 {
        0 => format!("jürgen-{number}"),
        1 => format!("user+{number}@work"),
        _ => format!("user-{number}"),
    };
    let name = match number % 5 {
        0 => format!("O'Brien, \"Bob\" {number}"),
        1 => format!("Zoë 🦀 李 {number}"),
        2 => format!("back\\slash\ttab\nnewline {number}"),
        3 => format!("'=1+{number}',;"),
        _ => format!("Name {number}"),
    };
    let mut attributes = BTreeMap::from([
        ("email".to_owned(), format!("user{number}@example.com")),
        ("email_verified".to_owned(), (!number.is_multiple_of(3)).to_string()),
        ("name".to_owned(), name),
    ]);
    if number.is_multiple_of(6) {
        attributes.insert("phone_number".to_owned(), format!("+4930{number:07}"));
        attributes.insert("custom:tenant".to_owned(), r#"{"roles":["a, b","\"c\""]}"#.to_owned());
    }
    if number.is_multiple_of(50) {
        attributes.insert("custom:note".to_owned(), "é".repeat(2_048));
    }
    let status = match number % 20 {
        3 => "FORCE_CHANGE_PASSWORD",
        4 => "RESET_REQUIRED",
        _ => "CONFIRMED",
    };
    (username, Person { attributes, enabled: number % 10 != 7, status: status.to_owned() })
}
