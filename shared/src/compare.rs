//! What differs between two snapshots of a pool.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Kind, Partition};
use crate::ports::Version;
use crate::read::{CHUNK, Snapshot, all_partitions};
use crate::{Error, Result};

/// One record that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is.
    pub kind: Kind,
    /// Its group, for a membership; empty otherwise.
    pub group: String,
    /// Its key: a `sub`, or a group's name.
    pub key: String,
    /// How it differs.
    pub what: What,
}

/// How a record differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It is only in the second.
    New,
    /// It is only in the first.
    Gone,
    /// It is in both, and these fields differ (`attributes.email`, `enabled`, …).
    Changed(Vec<String>),
}

/// Walks over two snapshots side by side.
pub struct Diff<'a> {
    sides: (&'a Snapshot, &'a Snapshot),
    partitions: VecDeque<Partition>,
}

impl<'a> Diff<'a> {
    /// What changed from `first` to `second`.
    pub async fn new(first: &'a Snapshot, second: &'a Snapshot) -> Result<Self> {
        let mut groups: BTreeSet<String> = BTreeSet::new();
        for side in [first, second] {
            groups.extend(side.backup().group_names(side.pool()).await?);
        }
        let groups: Vec<String> = groups.into_iter().collect();
        Ok(Self { sides: (first, second), partitions: all_partitions(&groups).collect() })
    }

    /// The differences of the next partition that has any; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Difference>>> {
        while let Some(partition) = self.partitions.pop_front() {
            let found = differences(self.sides.0, self.sides.1, &partition).await?;
            if !found.is_empty() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// What a pool has otherwise than a run of it: `live` is the pool, listed just now. Of its settings
/// only what both have read is compared.
pub async fn with_pool(run: &Snapshot, live: &Snapshot) -> Result<Vec<Difference>> {
    let mut all = Vec::new();
    let mut diff = Diff::new(run, live).await?;
    while let Some(found) = diff.next().await? {
        for mut difference in found {
            if let (Kind::Settings, What::Changed(fields)) = (difference.kind, &mut difference.what) {
                let settings = run.settings().await?;
                *fields = settings.comparable(&live.settings().await?, std::mem::take(fields));
            }
            if difference.what != What::Changed(Vec::new()) {
                all.push(difference);
            }
        }
    }
    Ok(all)
}

async fn differences(first: &Snapshot, second: &Snapshot, partition: &Partition) -> Result<Vec<Difference>> {
    let mut left = Versions::new(first, partition);
    let mut right = Versions::new(second, partition);
    let mut found = Vec::new();
    loop {
        left.fill().await?;
        right.fill().await?;
        let (key, what) = match (left.front(), right.front()) {
            (None, None) => return Ok(found),
            (Some(a), Some(b)) if a.key == b.key => {
                let what = (a.hash != b.hash).then(|| changed_fields(a, b)).transpose()?;
                let key = a.key.clone();
                left.pop();
                right.pop();
                match what {
                    Some(fields) => (key, What::Changed(fields)),
                    None => continue,
                }
            }
            (Some(a), b) if b.is_none_or(|b| a.key < b.key) => {
                let key = a.key.clone();
                left.pop();
                (key, What::Gone)
            }
            (_, Some(b)) => {
                let key = b.key.clone();
                right.pop();
                (key, What::New)
            }
            (Some(_), None) => continue,
        };
        found.push(Difference { kind: partition.kind(), group: partition.group().to_owned(), key, what });
    }
}

/// The versions of one partition in one snapshot, read some at a time.
struct Versions<'a> {
    snapshot: &'a Snapshot,
    partition: &'a Partition,
    read: VecDeque<Version>,
    after: Option<String>,
    ended: bool,
}

impl<'a> Versions<'a> {
    const fn new(snapshot: &'a Snapshot, partition: &'a Partition) -> Self {
        Self { snapshot, partition, read: VecDeque::new(), after: None, ended: false }
    }

    async fn fill(&mut self) -> Result<()> {
        if self.ended || !self.read.is_empty() {
            return Ok(());
        }
        let Snapshot { run, at, .. } = self.snapshot;
        let backup = self.snapshot.backup();
        let found = backup.as_of(&run.pool, self.partition, *at, self.after.as_deref(), CHUNK).await?;
        self.ended = found.len() < CHUNK;
        self.after = found.last().map(|version| version.key.clone());
        self.read = found.into();
        Ok(())
    }

    fn front(&self) -> Option<&Version> {
        self.read.front()
    }

    fn pop(&mut self) {
        self.read.pop_front();
    }
}

fn changed_fields(a: &Version, b: &Version) -> Result<Vec<String>> {
    let parse = |version: &Version| -> Result<Value> {
        serde_json::from_str(&version.content)
            .map_err(|error| Error::encoding(version.partition.kind(), &error))
    };
    let mut fields = Vec::new();
    collect_changed("", &parse(a)?, &parse(b)?, &mut fields);
    Ok(fields)
}

/// The paths of values that differ, down through objects.
fn collect_changed(path: &str, a: &Value, b: &Value, fields: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let value = |object: &serde_json::Map<String, Value>| {
                    object.get(name).cloned().unwrap_or(Value::Null)
                };
                collect_changed(&path, &value(a), &value(b), fields);
            }
        }
        _ if a != b => fields.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_the_fields_that_differ() {
        let mut fields = Vec::new();
        collect_changed(
            "",
            &json!({"enabled": true, "attributes": {"email": "a", "name": "n"}, "status": "X"}),
            &json!({"enabled": false, "attributes": {"email": "b", "name": "n", "zoneinfo": "z"}, "status": "X"}),
            &mut fields,
        );
        assert_eq!(fields, ["attributes.email", "attributes.zoneinfo", "enabled"]);
    }
}
