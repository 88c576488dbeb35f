//! Damage to single items of a table, which has no seal: dropped, altered, swapped, kept twice.
//!
//! As for a file: a run is refused, or restored exactly as it was; and what `verify` does not find
//! harms no restore.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use cognito_profiles::adapters::SystemClock;
use cognito_profiles::adapters::dynamodb::{DynamoStore, Tables};
use cognito_profiles::progress::Silent;
use cognito_profiles::verify::{BrokenRun, RECORD, Report, verify, verify_imports};
use cognito_profiles::{Error, Result};
use cognito_profiles_tests::dynamodb::{self, RETENTION_DAYS};
use cognito_profiles_tests::{Dynoxide, fuzz_cases};
use cognito_sim::Population;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::two_runs::{Restores, TwoRuns};

type Item = HashMap<String, AttributeValue>;

/// A table with two runs and an import of the second.
struct Backed {
    two: TwoRuns,
    tables: Tables,
    items: Vec<Item>,
    _dynoxide: Dynoxide,
}

impl Backed {
    async fn new() -> Self {
        let dynoxide = Dynoxide::start();
        let tables = dynamodb::new_tables(&dynamodb::client(&dynoxide.endpoint())).await;
        let two = TwoRuns::new(Population::realistic(6, 2, 11), &store(&tables)).await;
        let items = all_items(&tables).await;
        Self { two, tables, items, _dynoxide: dynoxide }
    }

    /// The first item whose keys begin so, and that has these attributes.
    fn item(&self, pk: &str, sk: &str, has: &str) -> &Item {
        let is_so = |item: &&Item| {
            text(item, "pk").contains(pk) && text(item, "sk").starts_with(sk) && item.contains_key(has)
        };
        self.items.iter().find(is_so).unwrap()
    }

    /// What is found and what is restored while these items are otherwise.
    async fn with(&self, damage: &Damage) -> Told {
        for (was, is) in &damage.0 {
            match is {
                Some(item) => put(&self.tables, item).await,
                None => delete(&self.tables, was).await,
            }
        }
        let told = self.told().await;
        for (was, is) in &damage.0 {
            match is {
                Some(item) if keys(item) != keys(was) => delete(&self.tables, item).await,
                _ => put(&self.tables, was).await,
            }
        }
        told
    }

    async fn told(&self) -> Told {
        let store = store(&self.tables);
        let report = async {
            let report = verify(&*store, &Silent).await?;
            verify_imports(&*store).await?;
            Ok(report)
        };
        Told { report: report.await, restores: self.two.restores(&store).await }
    }

    /// Nothing else than what was is restored, and what is not found is harmless.
    fn judge(&self, told: &Told, damage: &Damage) {
        let otherwise = self.two.restored_otherwise(&told.restores);
        assert!(otherwise.is_none(), "{otherwise:?}: {damage:?}");
        assert!(told.is_found() || told.is_harmless(self), "nothing is found: {damage:?}");
    }
}

/// Items as they were, and as they are; none if they are gone.
#[derive(Debug)]
struct Damage(Vec<(Item, Option<Item>)>);

impl Damage {
    fn gone(item: &Item) -> Self {
        Self(vec![(item.clone(), None)])
    }

    fn altered(item: &Item, name: &str, value: Option<AttributeValue>) -> Self {
        let mut altered = item.clone();
        match value {
            Some(value) => altered.insert(name.to_owned(), value),
            None => altered.remove(name),
        };
        Self(vec![(item.clone(), Some(altered))])
    }

    /// An item under the keys of another.
    fn copied(item: &Item, to: &Item) -> Self {
        let mut copy = item.clone();
        for name in ["pk", "sk"] {
            copy.insert(name.to_owned(), to[name].clone());
        }
        Self(vec![(to.clone(), Some(copy))])
    }

    fn swapped(one: &Item, other: &Item) -> Self {
        Self([Self::copied(one, other).0, Self::copied(other, one).0].concat())
    }
}

struct Told {
    report: Result<Report>,
    restores: Restores,
}

impl Told {
    fn is_found(&self) -> bool {
        !self.report.as_ref().is_ok_and(Report::is_intact)
    }

    /// A run may be missing if a later one is there: all of them go some day. A pool that is no
    /// longer among the table's pools is not read at all, and nothing of it restored.
    fn is_harmless(&self, backed: &Backed) -> bool {
        self.restores.are_of_nothing() || backed.two.are_kept(&self.restores)
    }

    fn said(&self) -> String {
        match &self.report {
            Ok(report) => format!("{report:?}"),
            Err(error) => error.to_string(),
        }
    }
}

fn store(tables: &Tables) -> Arc<DynamoStore> {
    Arc::new(DynamoStore::new(tables.clone(), RETENTION_DAYS, Arc::new(SystemClock::new())))
}

async fn all_items(tables: &Tables) -> Vec<Item> {
    let answer = tables.client.scan().table_name(&tables.backup).send().await.unwrap();
    assert!(answer.last_evaluated_key.is_none());
    let mut items = answer.items.unwrap();
    items.sort_by_key(keys);
    items
}

async fn put(tables: &Tables, item: &Item) {
    tables.client.put_item().table_name(&tables.backup).set_item(Some(item.clone())).send().await.unwrap();
}

async fn delete(tables: &Tables, item: &Item) {
    let key = ["pk", "sk"].map(|name| (name.to_owned(), item[name].clone())).into();
    tables.client.delete_item().table_name(&tables.backup).set_key(Some(key)).send().await.unwrap();
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn keys(item: &Item) -> (String, String) {
    (text(item, "pk").to_owned(), text(item, "sk").to_owned())
}

/// Another value in place of one, or inside it.
fn other(value: &AttributeValue, random: &mut impl rand::Rng) -> AttributeValue {
    match value {
        AttributeValue::S(text) if !text.is_empty() && random.random_bool(0.6) => {
            let mut characters: Vec<char> = text.chars().collect();
            let at = random.random_range(0..characters.len());
            characters[at] = if characters[at] == '0' { '1' } else { '0' };
            AttributeValue::S(characters.into_iter().collect())
        }
        AttributeValue::M(members) if !members.is_empty() => {
            let sorted: BTreeMap<&String, &AttributeValue> = members.iter().collect();
            let names: Vec<&String> = sorted.into_keys().collect();
            let name = *names.choose(random).unwrap();
            let mut members = members.clone();
            let changed = other(&members[name], random);
            members.insert(name.clone(), changed);
            AttributeValue::M(members)
        }
        AttributeValue::Bool(value) => AttributeValue::Bool(!value),
        AttributeValue::N(number) => AttributeValue::N(format!("{number}1")),
        _ => [
            AttributeValue::Null(true),
            AttributeValue::S("2027-01-15T08:00:00.000Z".to_owned()),
            AttributeValue::S(String::new()),
            AttributeValue::N("7".to_owned()),
        ]
        .choose(random)
        .unwrap()
        .clone(),
    }
}

fn any_damage(items: &[Item], random: &mut impl rand::Rng) -> Damage {
    let (one, two) = (items.choose(random).unwrap(), items.choose(random).unwrap());
    let mut names: Vec<&String> = one.keys().filter(|name| !matches!(name.as_str(), "pk" | "sk")).collect();
    names.sort();
    match (random.random_range(0..8), names.choose(random)) {
        (0, _) => Damage::gone(one),
        (1, _) => Damage::copied(one, two),
        (2, _) => Damage::swapped(one, two),
        (3, Some(name)) => Damage::altered(one, name, None),
        (_, Some(name)) => Damage::altered(one, name, Some(other(&one[*name], random))),
        (_, None) => Damage::gone(one),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_damage_to_an_item_is_found_or_harms_no_restore() {
    let backed = Backed::new().await;
    let told = backed.told().await;
    assert!(!told.is_found() && told.is_harmless(&backed), "{}", told.said());
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for _ in 0..fuzz_cases(10) {
        let damage = any_damage(&backed.items, &mut random);
        let told = backed.with(&damage).await;
        backed.judge(&told, &damage);
    }
    assert_eq!(all_items(&backed.tables).await, backed.items);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named_by_record_run_or_item() {
    let backed = Backed::new().await;
    let user = backed.item("#USERS#", "", "content_hash");
    let sub = text(user, "sk");
    let first = &backed.two.runs[0].0;
    let last = &backed.two.runs[1].0;

    let told = backed.with(&Damage::altered(user, "content_hash", None)).await;
    assert_eq!(told.report.as_ref().unwrap().damaged[0].key, sub, "{}", told.said());
    assert_eq!(told.restores.of_each[1], Err("corrupted"));

    let told = backed.with(&Damage::altered(user, "record", Some(AttributeValue::Null(true)))).await;
    assert_eq!(told.report.as_ref().unwrap().damaged[0].key, sub, "{}", told.said());

    for name in ["valid_from", "run_id"] {
        let told = backed.with(&Damage::altered(user, name, Some(AttributeValue::N("7".to_owned())))).await;
        let said = told.said();
        assert!(
            said.contains(&format!("the attribute {name} of a stored user")) && said.contains(sub),
            "{said}"
        );
        assert!(told.restores.of_each.contains(&Err("corrupted")), "{said}");
    }

    let told = backed.with(&Damage::gone(user)).await;
    let shard = format!("users/{}", &sub[..2]);
    assert!(
        told.report
            .as_ref()
            .unwrap()
            .broken_runs
            .iter()
            .any(|run| run.run == *last && run.shards == [shard.clone()])
    );

    let past = backed.item("#GROUPS#HISTORY", "", "valid_to");
    for (name, value) in [("valid_to", "2099-01-01T00:00:00.000Z"), ("valid_to", text(past, "valid_from"))] {
        let told = backed.with(&Damage::altered(past, name, Some(AttributeValue::S(value.to_owned())))).await;
        let run = if value.starts_with("2099") { last } else { first };
        let broken = BrokenRun { run: run.clone(), shards: vec!["groups".to_owned()] };
        assert_eq!(told.report.as_ref().unwrap().broken_runs, [broken], "{}", told.said());
    }

    let run = backed.item("POOL#", &format!("RUN#{last}"), "record");
    let told = backed.with(&Damage::gone(run)).await;
    let broken = BrokenRun { run: last.clone(), shards: vec![RECORD.to_owned()] };
    assert_eq!(told.report.unwrap().broken_runs, [broken]);
}

/// A table has no seal: what is kept of runs and imports has hashes of its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_run_or_mapping_is_found() {
    let backed = Backed::new().await;
    let run = backed.item("POOL#", &format!("RUN#{}", backed.two.runs[1].0), "record");
    let mapping = backed.item("#MAP", "", "record");
    for (item, name, value, what) in [
        (run, "status", "held", "run"),
        (run, "ended_at", "2099-01-01T00:00:00.000Z", "run"),
        (mapping, "new_sub", "another", "mapping of a user"),
        (mapping, "state", "failed", "mapping of a user"),
    ] {
        let AttributeValue::M(mut record) = item["record"].clone() else { panic!("a map") };
        record.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
        let damage = Damage::altered(item, "record", Some(AttributeValue::M(record)));
        let told = backed.with(&damage).await;
        let Err(Error::Corrupted(said)) = &told.report else { panic!("{name}: {}", told.said()) };
        assert!(said.contains(&format!("the attribute record of a stored {what} cannot be read")), "{said}");
        assert!(said.contains(text(item, "sk")), "{said}");
        backed.judge(&told, &damage);
    }
}
