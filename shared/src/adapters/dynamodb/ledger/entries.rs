//! How keys that were seen are written, and read back. Nearly all are UUIDs: 16 bytes each.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::Result;
use crate::adapters::dynamodb::item::Attributes;
use crate::adapters::dynamodb::table::Item;
use crate::model::{Partition, Shard, is_lower_hex};

/// A set with one element for each time a page was read: the `sub`s on it, in order.
const SUBS: &str = "subs";

/// A set of all other keys, each after its shard and `#`.
const TEXTS: &str = "texts";

const SUB_BYTES: usize = 16;

/// Keys of partitions that share a home, to be written.
#[derive(Debug, Default)]
pub(super) struct Entries {
    subs: BTreeSet<u128>,
    texts: BTreeSet<String>,
}

impl<'a> FromIterator<&'a (Partition, String)> for Entries {
    fn from_iter<T: IntoIterator<Item = &'a (Partition, String)>>(seen: T) -> Self {
        let mut entries = Self::default();
        for (partition, key) in seen {
            match uuid(key).filter(|_| is_in_place(partition, key)) {
                Some(sub) => entries.subs.insert(sub),
                None => entries.texts.insert(format!("{}#{key}", partition.shard())),
            };
        }
        entries
    }
}

impl Entries {
    /// The sets that are not empty: an empty one DynamoDB does not know.
    pub(super) fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        let mut attributes = Vec::new();
        if !self.subs.is_empty() {
            let subs: Vec<u8> = self.subs.iter().flat_map(|sub| sub.to_be_bytes()).collect();
            attributes.push((SUBS, AttributeValue::Bs(vec![Blob::new(subs)])));
        }
        if !self.texts.is_empty() {
            attributes.push((TEXTS, AttributeValue::Ss(self.texts.iter().cloned().collect())));
        }
        attributes
    }
}

/// Whether a key says by itself which shard it is in.
fn is_in_place(partition: &Partition, key: &str) -> bool {
    match partition {
        Partition::Users(shard) => *shard == Shard::of_user(key),
        Partition::Members(_, shard) => *shard == Shard::of_member(key),
        Partition::Settings | Partition::Groups => false,
    }
}

/// A UUID that is written as usual; any other writing must be kept as it is.
fn uuid(key: &str) -> Option<u128> {
    let hyphens = [8, 13, 18, 23];
    let is_usual = key.len() == 36
        && key.bytes().enumerate().all(
            |(at, byte)| {
                if hyphens.contains(&at) { byte == b'-' } else { is_lower_hex(byte) }
            },
        );
    is_usual.then(|| u128::from_str_radix(&key.replace('-', ""), 16).ok()).flatten()
}

fn written_out(sub: u128) -> String {
    let digits = format!("{sub:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// The keys of one home, as they were read.
#[derive(Debug, Default)]
pub(super) struct Keys {
    subs: Vec<u128>,
    texts: BTreeSet<String>,
}

impl Keys {
    /// Adds those of an item.
    pub(super) fn extend(&mut self, item: &Item) -> Result<()> {
        let damaged = |name| Attributes { item, what: "page" }.damaged(name);
        if let Some(subs) = item.get(SUBS) {
            for subs in subs.as_bs().map_err(|_| damaged(SUBS))? {
                self.extend_subs(subs.as_ref()).ok_or_else(|| damaged(SUBS))?;
            }
        }
        if let Some(texts) = item.get(TEXTS) {
            self.texts.extend(texts.as_ss().map_err(|_| damaged(TEXTS))?.iter().cloned());
        }
        Ok(())
    }

    fn extend_subs(&mut self, subs: &[u8]) -> Option<()> {
        let (subs, rest) = subs.as_chunks::<SUB_BYTES>();
        self.subs.extend(subs.iter().map(|sub| u128::from_be_bytes(*sub)));
        rest.is_empty().then_some(())
    }

    /// To be called once all are added.
    pub(super) fn sort(&mut self) {
        self.subs.sort_unstable();
        self.subs.dedup();
        self.subs.shrink_to_fit();
    }

    /// How many there are, in all shards.
    pub(super) fn len(&self) -> usize {
        self.subs.len() + self.texts.len()
    }

    /// Those of one shard, in no order.
    pub(super) fn of<'a>(&'a self, shard: &'a str) -> impl Iterator<Item = String> + 'a {
        let place = format!("{shard}#");
        let texts = self.texts.range(place.clone()..).map_while(move |text| text.strip_prefix(&place));
        self.subs_of(shard).iter().map(|sub| written_out(*sub)).chain(texts.map(str::to_owned))
    }

    /// Those that begin with the digits of the shard.
    fn subs_of(&self, shard: &str) -> &[u128] {
        let digits = u32::try_from(shard.len()).unwrap_or(u32::MAX);
        let Ok(lead) = u128::from_str_radix(shard, 16) else { return &[] };
        let lead_of = |sub: u128| sub.checked_shr(128_u32.saturating_sub(4 * digits)).unwrap_or(sub);
        let first = self.subs.partition_point(|sub| lead_of(*sub) < lead);
        let end = self.subs.partition_point(|sub| lead_of(*sub) <= lead);
        &self.subs[first..end]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{config, text};

    fn key() -> impl Strategy<Value = String> {
        let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
        prop_oneof![4 => uuid, 1 => "[0-9A-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", 2 => text(), 1 => "[a-f#z]{0,4}"]
    }

    fn seen(is_of_users: bool) -> impl Strategy<Value = Vec<(Partition, String)>> {
        let partition = move |key: String| {
            let place = if is_of_users { Partition::of_user(&key) } else { Partition::of_member("g", &key) };
            (place, key)
        };
        prop::collection::vec(key().prop_map(partition), 0..12)
    }

    proptest! {
        #![proptest_config(config(300))]

        #[test]
        fn what_was_seen_is_read_back_by_shard(seen in prop_oneof![seen(true), seen(false)]) {
            let item: Item = Entries::from_iter(&seen)
                .attributes()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            let mut keys = Keys::default();
            keys.extend(&item).unwrap();
            keys.extend(&item).unwrap();
            keys.sort();
            let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (partition, key) in &seen {
                expected.entry(partition.shard().to_owned()).or_default().insert(key.clone());
            }
            prop_assert_eq!(keys.len(), expected.values().map(BTreeSet::len).sum::<usize>());
            let digits = seen.first().map(|(partition, _)| partition.shard().len());
            for shard in Shard::users().chain(Shard::members()).filter(|shard| Some(shard.as_str().len()) == digits) {
                let found: BTreeSet<String> = keys.of(shard.as_str()).collect();
                prop_assert_eq!(found, expected.remove(shard.as_str()).unwrap_or_default());
            }
            prop_assert!(expected.is_empty());
        }

        #[test]
        fn bytes_that_are_no_subs_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let item = Item::from([(SUBS.to_owned(), AttributeValue::Bs(vec![Blob::new(bytes.clone())]))]);
            let read = Keys::default().extend(&item);
            prop_assert_eq!(read.is_ok(), bytes.len().is_multiple_of(SUB_BYTES));
        }
    }
}
