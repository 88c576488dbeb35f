//! What is under which key. `#` separates the parts, and is lower than any character of a part,
//! so that sort keys are in the order of the keys they are made of.

use super::query::Range;
use super::table::Key;
use crate::model::{Hash, Partition, PoolId, SETTINGS_KEY};
use crate::ports::Step;
use crate::run::RunId;
use crate::time::Timestamp;

/// The characters up to this one are written in two.
const LAST_ESCAPED: char = '$';

/// From a character to the one written for it, after `$`.
const SHIFT: u8 = 0x30;

/// A part of a key: in the same order as the text it is made of, and without `#`. Only the empty
/// text, which has to be written as something, is `#` itself.
pub(super) fn encode(text: &str) -> String {
    if text.is_empty() {
        return "#".to_owned();
    }
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(low) if character <= LAST_ESCAPED => encoded.extend([LAST_ESCAPED, char::from(low + SHIFT)]),
            _ => encoded.push(character),
        }
    }
    encoded
}

/// Reads [`encode`] back.
pub(super) fn decode(encoded: &str) -> Option<String> {
    if encoded == "#" {
        return Some(String::new());
    }
    let mut text = String::with_capacity(encoded.len());
    let mut characters = encoded.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            LAST_ESCAPED => char::from(u8::try_from(characters.next()?).ok()?.checked_sub(SHIFT)?),
            _ => character,
        });
    }
    // Anything that is not what `encode` writes is damage.
    (!text.is_empty() && encode(&text) == encoded).then_some(text)
}

/// The keys of one partition of a pool.
pub(super) struct Place<'a> {
    pub(super) partition: &'a Partition,
    pk: String,
}

impl<'a> Place<'a> {
    pub(super) fn new(pool: &PoolId, partition: &'a Partition) -> Self {
        let pool = pool_pk(pool);
        let pk = match partition {
            Partition::Settings => pool,
            Partition::Groups => format!("{pool}#GROUPS"),
            Partition::Users(shard) => format!("{pool}#USERS#{}", shard.as_str()),
            Partition::Members(group, shard) => {
                format!("{pool}#MEMBERS#{}#{}", encode(group), shard.as_str())
            }
        };
        Self { partition, pk }
    }

    /// Where current versions are.
    pub(super) fn pk(&self) -> &str {
        &self.pk
    }

    /// Where versions are that ended.
    pub(super) fn history_pk(&self) -> String {
        format!("{}#HISTORY", self.pk)
    }

    fn sk(&self, key: &str) -> String {
        match self.partition {
            // It shares the pool's own partition with runs.
            Partition::Settings if key == SETTINGS_KEY => SETTINGS_KEY.to_owned(),
            Partition::Settings => format!("{SETTINGS_KEY}${}", encode(key)),
            _ => encode(key),
        }
    }

    /// The current version of a record.
    pub(super) fn current(&self, key: &str) -> Key {
        Key::new(&self.pk, self.sk(key))
    }

    /// The version of a record that began then and has ended.
    pub(super) fn ended(&self, key: &str, valid_from: Timestamp) -> Key {
        Key::new(self.history_pk(), format!("{}#{valid_from}", self.sk(key)))
    }

    /// Reads the record's key in the partition back from a sort key, less the time it ends in.
    pub(super) fn key_of(&self, sk: &str) -> Option<String> {
        match self.partition {
            Partition::Settings if sk == SETTINGS_KEY => Some(sk.to_owned()),
            Partition::Settings => decode(sk.strip_prefix(SETTINGS_KEY)?.strip_prefix('$')?),
            _ => decode(sk),
        }
    }

    fn all(&self) -> Range {
        match self.partition {
            Partition::Settings => Range::Prefix(SETTINGS_KEY.to_owned()),
            _ => Range::All,
        }
    }

    /// Current versions of the records after `key`.
    pub(super) fn current_after(&self, key: Option<&str>) -> Range {
        key.map_or_else(|| self.all(), |key| Range::After(self.sk(key)))
    }

    /// Current versions from that of `key` on.
    pub(super) fn current_from(&self, key: Option<&str>) -> Range {
        key.map_or_else(|| self.all(), |key| Range::From(self.sk(key)))
    }

    /// Ended versions of the records after `key`.
    pub(super) fn ended_after(&self, key: Option<&str>) -> Range {
        // `#` and a time follow the key itself; `$` or more follows one that is longer.
        key.map_or_else(|| self.all(), |key| Range::After(format!("{}$", self.sk(key))))
    }

    /// Ended versions after the one of that key and time.
    pub(super) fn ended_after_version(&self, after: Option<(&str, Timestamp)>) -> Range {
        after.map_or_else(|| self.all(), |(key, time)| Range::After(self.ended(key, time).sk))
    }

    /// Every ended version of one record.
    pub(super) fn past_of(&self, key: &str) -> Range {
        Range::Prefix(format!("{}#", self.sk(key)))
    }

    /// Ended versions of one record that began at or before `at`.
    pub(super) fn past_until(&self, key: &str, at: Timestamp) -> Range {
        Range::Between(format!("{}#", self.sk(key)), self.ended(key, at).sk)
    }
}

fn pool_pk(pool: &PoolId) -> String {
    format!("POOL#{}", encode(pool.as_str()))
}

/// When a version of the pool last began or ended.
pub(super) fn latest(pool: &PoolId) -> Key {
    Key::new(pool_pk(pool), "LATEST")
}

/// A run's record.
pub(super) fn run(pool: &PoolId, run: &RunId) -> Key {
    Key::new(pool_pk(pool), format!("RUN#{}", encode(run.as_str())))
}

/// All runs of a pool.
pub(super) fn runs(pool: &PoolId) -> (String, Range) {
    (pool_pk(pool), Range::Prefix("RUN#".to_owned()))
}

/// Where the ids of all pools are.
pub(super) const POOLS: &str = "POOLS";

/// That there is such a pool.
pub(super) fn pool(pool: &PoolId) -> Key {
    Key::new(POOLS, encode(pool.as_str()))
}

/// Where the records of all imports are.
pub(super) const IMPORTS: &str = "IMPORTS";

/// An import's record.
pub(super) fn import(id: &str) -> Key {
    Key::new(IMPORTS, encode(id))
}

/// What became of the users of an import, by old `sub`.
pub(super) fn mappings(import: &str) -> String {
    format!("IMPORT#{}#MAP", encode(import))
}

/// Which old user a new one was, by new `sub`.
pub(super) fn origins(import: &str) -> String {
    format!("IMPORT#{}#NEW", encode(import))
}

/// What became of the groups or updates of an import, by key.
pub(super) fn outcomes(import: &str, step: Step, group: &str) -> String {
    format!("IMPORT#{}#{}#{}", encode(import), step.as_str().to_ascii_uppercase(), encode(group))
}

/// Who was sent under a name. Spread over partitions: a job writes many at once.
pub(super) fn sent(import: &str, name: &Hash) -> Key {
    let name = name.to_string();
    Key::new(format!("IMPORT#{}#SENT#{}", encode(import), &name[..2]), name)
}

/// The jobs of an import, by number.
pub(super) fn jobs(import: &str) -> String {
    format!("IMPORT#{}#JOBS", encode(import))
}

/// One job of an import.
pub(super) fn job(import: &str, number: u32) -> Key {
    Key::new(jobs(import), format!("{number:010}"))
}

/// One of the differences that a listing of the new pool showed.
pub(super) fn difference(import: &str, listing: &RunId, number: u64) -> Key {
    let listing = encode(listing.as_str());
    Key::new(format!("IMPORT#{}#DIFFERENCES#{listing}", encode(import)), format!("{number:020}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Shard;

    proptest! {
        #[test]
        fn encoding_keeps_order_and_reads_back(one in ".{0,6}|[ -&]{0,6}", two in ".{0,6}|[ -&]{0,6}") {
            prop_assert_eq!(encode(&one).cmp(&encode(&two)), one.cmp(&two));
            prop_assert_eq!(decode(&encode(&one)), Some(one));
        }

        #[test]
        fn versions_sort_by_key_then_time(
            one in "[\0-&a]{0,4}", two in "[\0-&a]{0,4}", at in 0..4_000_000_000_000_i64, then in 0..4_000_000_000_000_i64,
        ) {
            let (pool, partition) = (PoolId::new("p"), Partition::Groups);
            let place = Place::new(&pool, &partition);
            let [at, then] = [at, then].map(Timestamp::from_millis);
            let sorted = place.ended(&one, at).sk.cmp(&place.ended(&two, then).sk);
            prop_assert_eq!(sorted, (&one, at).cmp(&(&two, then)));
            if one != two {
                let Range::After(bound) = place.ended_after(Some(&one)) else { panic!("a bound") };
                prop_assert_eq!(place.ended(&two, then).sk > bound, two > one);
            }
        }

        #[test]
        fn only_what_encode_writes_reads_back(text in "[ -&0-Ta#$]{0,5}") {
            prop_assert!(decode(&text).is_none_or(|key| encode(&key) == text));
        }
    }

    #[test]
    fn keys_are_plain_to_read() {
        let pool = PoolId::new("eu-west-1_Ab12");
        let key = |partition: &Partition, key: &str| {
            let Key { pk, sk } = Place::new(&pool, partition).current(key);
            format!("{pk} {sk}")
        };
        let sub = "0b1c0a7e-2d9c-4f6b-9d57-5a0c1d2e3f40";
        assert_eq!(key(&Partition::of_user(sub), sub), format!("POOL#eu-west-1_Ab12#USERS#0b {sub}"));
        assert_eq!(key(&Partition::Groups, "staff"), "POOL#eu-west-1_Ab12#GROUPS staff");
        let members = Partition::Members("a#b".to_owned(), Shard::of_member(sub));
        assert_eq!(key(&members, sub), format!("POOL#eu-west-1_Ab12#MEMBERS#a$Sb#0 {sub}"));
        assert_eq!(key(&Partition::Settings, SETTINGS_KEY), "POOL#eu-west-1_Ab12 SETTINGS");
        let settings = Place::new(&pool, &Partition::Settings).ended(SETTINGS_KEY, Timestamp::from_millis(0));
        assert_eq!(settings.pk, "POOL#eu-west-1_Ab12#HISTORY");
        assert_eq!(settings.sk, "SETTINGS#1970-01-01T00:00:00.000Z");
        assert_eq!(encode("\0 !\"#$%"), "$0$P$Q$R$S$T%");
    }
}
