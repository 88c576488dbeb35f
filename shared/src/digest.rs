//! Digests of a run: one SHA-256 for each shard, over the key and content hash of each record
//! in it. A record that is missing, added, or changed shows in the digest of its shard.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::model::{Hash, Partition};

/// Digests of all shards, built record by record.
///
/// Within one shard the records must come in order: by group, then by key.
#[derive(Default)]
pub struct Digests {
    shards: BTreeMap<String, Sha256>,
}

impl Digests {
    /// Begins with no records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one record.
    pub fn add(&mut self, partition: &Partition, key: &str, content: &Hash) {
        let shard = self.shards.entry(shard_name(partition)).or_default();
        // Lengths before texts, so that no two lists of records read the same.
        for text in [partition.group(), key] {
            shard.update((text.len() as u64).to_be_bytes());
            shard.update(text);
        }
        shard.update(content.as_bytes());
    }

    /// The digest of each shard that has records.
    pub fn finish(self) -> BTreeMap<String, Hash> {
        self.shards
            .into_iter()
            .map(|(name, shard)| (name, Hash::from_bytes(shard.finalize().into())))
            .collect()
    }
}

/// The name a shard has in a manifest: `settings`, `groups`, `users/a1`, `members/a`.
///
/// The memberships of all groups share the shards, so that a manifest stays small however many
/// groups there are.
fn shard_name(partition: &Partition) -> String {
    match partition {
        Partition::Settings => "settings".to_owned(),
        Partition::Groups => "groups".to_owned(),
        Partition::Users(shard) => format!("users/{}", shard.as_str()),
        Partition::Members(_, shard) => format!("members/{}", shard.as_str()),
    }
}

/// The names of the shards whose digests differ, in order.
pub fn differing(a: &BTreeMap<String, Hash>, b: &BTreeMap<String, Hash>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(records: &[(Partition, &str)]) -> BTreeMap<String, Hash> {
        let mut digests = Digests::new();
        for (partition, key) in records {
            digests.add(partition, key, &Hash::of(b"x"));
        }
        digests.finish()
    }

    #[test]
    fn tells_apart_records_whose_texts_run_together() {
        let one = digest_of(&[(Partition::of_member("ab", "c"), "c")]);
        let other = digest_of(&[(Partition::of_member("a", "c"), "bc")]);
        assert_eq!(differing(&one, &other), ["members/c"].map(str::to_owned).to_vec());
    }

    #[test]
    fn names_the_shard_that_lacks_a_record() {
        let whole = digest_of(&[(Partition::Groups, "g"), (Partition::of_user("a1"), "a1")]);
        let part = digest_of(&[(Partition::Groups, "g")]);
        assert_eq!(differing(&whole, &part), vec!["users/a1".to_owned()]);
        assert!(differing(&whole, &whole.clone()).is_empty());
    }
}
