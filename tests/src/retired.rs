//! A table as the retired solution (AWS's Cognito User Profiles Export Reference Architecture,
//! 1.0.10) keeps one: the items its export writes, and removes at its end.

#![allow(clippy::missing_panics_doc)] // what a test cannot be set up with, it cannot test

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use cognito_profiles::time::Timestamp;
use cognito_sim::{GroupRecord, Truth, UserRecord, UserStatus};

use crate::dynamodb;

/// An item, by its attributes' names.
pub type Item = HashMap<String, AttributeValue>;

/// The largest batch `BatchWriteItem` takes.
const BATCH: usize = 25;

/// The table of one deployment.
#[derive(Clone)]
pub struct RetiredTable {
    /// How it is reached.
    pub client: Client,
    /// Its name.
    pub name: String,
}

impl RetiredTable {
    /// A new, empty one.
    pub async fn new(client: &Client) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("Retired-{}_BackupTable.1", NEXT.fetch_add(1, Ordering::Relaxed));
        dynamodb::create(client, &name, ["id", "type"]).await;
        Self { client: client.clone(), name }
    }

    /// A whole export that begins at `at`: everyone who is in the pool is written, who was not is
    /// removed, and last the table says that it is done.
    pub async fn export(&self, truth: &Truth, at: Timestamp) {
        self.write_all(truth, at).await;
        self.remove_older(at).await;
        self.put(
            text_item([("id", "latest-export-timestamp"), ("type", "SYNC_TIMESTAMP-b1c2")])
                .with("latestExportTimestamp", millis(at)),
        )
        .await;
    }

    /// What an export that begins at `at` writes before it comes to its end.
    pub async fn write_all(&self, truth: &Truth, at: Timestamp) {
        let is_listed = |user: &&UserRecord| user.status != UserStatus::ExternalProvider;
        let users = || truth.users.values().filter(is_listed);
        let groups = truth.groups.values().map(|group| group_item(group, at));
        let members =
            users().flat_map(|user| user.groups.iter().map(move |group| member_item(group, user, at)));
        let items = users().map(|user| user_item(user, at)).chain(groups).chain(members);
        let put = |item| PutRequest::builder().set_item(Some(item)).build().expect("an item");
        let puts = items.map(|item| WriteRequest::builder().put_request(put(item)).build());
        self.write(puts.collect()).await;
    }

    /// Writes one item.
    pub async fn put(&self, item: Item) {
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.expect("is written");
    }

    /// Every item there is.
    pub async fn items(&self) -> Vec<Item> {
        let pages = self.client.scan().table_name(&self.name).into_paginator().items().send();
        pages.try_collect().await.expect("is read")
    }

    async fn remove_older(&self, at: Timestamp) {
        let is_older = |item: &Item| {
            let confirmed = item.get("lastConfirmedInUserPool").and_then(|value| value.as_n().ok());
            confirmed.is_some_and(|millis| millis.parse::<i64>().expect("a number") < at.as_millis())
        };
        let delete = |mut item: Item| {
            item.retain(|name, _| name == "id" || name == "type");
            DeleteRequest::builder().set_key(Some(item)).build().expect("a key")
        };
        let older = self.items().await.into_iter().filter(is_older);
        let deletes = older.map(|item| WriteRequest::builder().delete_request(delete(item)).build());
        self.write(deletes.collect()).await;
    }

    async fn write(&self, mut requests: Vec<WriteRequest>) {
        while !requests.is_empty() {
            let batch: Vec<WriteRequest> = requests.drain(..requests.len().min(BATCH)).collect();
            let answer = self
                .client
                .batch_write_item()
                .request_items(&self.name, batch)
                .send()
                .await
                .expect("is written");
            requests.extend(answer.unprocessed_items.unwrap_or_default().into_values().flatten());
        }
    }
}

/// Items, one attribute after another.
pub trait With {
    /// The same with this attribute.
    #[must_use]
    fn with(self, name: &str, value: AttributeValue) -> Self;
}

impl With for Item {
    fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.insert(name.to_owned(), value);
        self
    }
}

/// An item of texts.
pub fn text_item<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Item {
    attributes.into_iter().map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).collect()
}

/// A user, as an export that began at `at` writes it.
pub fn user_item(user: &UserRecord, at: Timestamp) -> Item {
    let pair = |name: &str, value: &str| AttributeValue::M(text_item([("Name", name), ("Value", value)]));
    let attributes = user.attributes.iter().map(|(name, value)| pair(name, value));
    let attributes = [pair("sub", &user.sub)].into_iter().chain(attributes).collect();
    let id = format!("USER-{}", user.sub);
    text_item([
        ("id", id.as_str()),
        ("type", "USER-b1c2"),
        ("username", &user.username),
        ("pseudoUsername", pseudo_username(user)),
        ("userStatus", user.status.name()),
        ("lastUpdatedRegion", "eu-west-1"),
    ])
    .with("userAttributes", AttributeValue::L(attributes))
    .with("userEnabled", AttributeValue::Bool(user.enabled))
    .with("lastConfirmedInUserPool", millis(at))
}

fn group_item(group: &GroupRecord, at: Timestamp) -> Item {
    let id = format!("GROUP-{}", group.name);
    let modified = Timestamp::from_millis(i64::try_from(group.modified).expect("a time")).to_string();
    let precedence = group.precedence.map_or(-1, i64::from);
    text_item([
        ("id", id.as_str()),
        ("type", "GROUP-b1c2"),
        ("groupName", &group.name),
        ("groupDescription", group.description.as_deref().unwrap_or_default()),
        ("groupLastModifiedDate", &modified),
        ("lastUpdatedRegion", "eu-west-1"),
    ])
    .with("groupPrecedence", AttributeValue::N(precedence.to_string()))
    .with("lastConfirmedInUserPool", millis(at))
}

fn member_item(group: &str, user: &UserRecord, at: Timestamp) -> Item {
    let (id, kind) = (format!("GROUP_MEMBER-{group}"), format!("GROUP_MEMBER-{}", user.sub));
    text_item([
        ("id", id.as_str()),
        ("type", &kind),
        ("groupUser", &user.username),
        ("groupPseudoUsername", pseudo_username(user)),
        ("groupName", group),
        ("lastUpdatedRegion", "eu-west-1"),
    ])
    .with("lastConfirmedInUserPool", millis(at))
}

/// The name, or the address where the pool makes up names.
fn pseudo_username(user: &UserRecord) -> &str {
    let email = user.attribute("email").filter(|_| user.username == user.sub);
    email.unwrap_or(&user.username)
}

fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millis().to_string())
}
