//! Any sequence of observations and closings, against the port's documentation in few words.

use std::collections::BTreeMap;

use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::ports::{Backup, Observation};
use cognito_profiles_tests::conformance::{at, later_run, pool, run, saw, users};
use proptest::prelude::*;

const KEYS: [&str; 3] = ["ab1", "ab2", "AB1"];
const LAST: i64 = 12;

#[derive(Clone, Debug)]
enum Step {
    /// Which key, which content, when; by the later run or not.
    Observe(Vec<(usize, u8, i64)>, bool),
    Close(Vec<usize>, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let seen = (0..KEYS.len(), 0..4_u8, 1..LAST);
    prop_oneof![
        3 => (prop::collection::vec(seen, 1..4), any::<bool>()).prop_map(|(seen, later)| Step::Observe(seen, later)),
        1 => (prop::collection::vec(0..KEYS.len(), 1..3), 1..LAST).prop_map(|(keys, at)| Step::Close(keys, at)),
    ]
}

fn observation((key, tag, millis): (usize, u8, i64)) -> Observation {
    saw(&users(), KEYS[key], &tag.to_string(), millis)
}

/// All that is known of one record.
#[derive(Default)]
struct Life {
    current: Option<(i64, Observation)>,
    past: Vec<(i64, i64, Observation)>,
    gone: Option<i64>,
}

impl Life {
    fn observe(&mut self, seen: &Observation, millis: i64) {
        match self.current.take() {
            None if self.gone.is_some_and(|gone| millis <= gone) => {}
            None => self.current = Some((millis, seen.clone())),
            Some((since, was)) if was.hash == seen.hash || millis < since => {
                self.current = Some((since, was));
            }
            Some((since, was)) if millis == since => {
                let winner = if seen.hash > was.hash { seen.clone() } else { was };
                self.current = Some((since, winner));
            }
            Some((since, was)) => {
                self.past.push((since, millis, was));
                self.current = Some((millis, seen.clone()));
            }
        }
    }

    fn close(&mut self, millis: i64) {
        if let Some((since, was)) = self.current.take_if(|(since, _)| *since <= millis) {
            self.past.push((since, millis, was));
            self.gone = Some(millis);
        }
    }

    /// Every version that held for some time: beginning, end, content.
    fn versions(&self) -> Vec<(i64, Option<i64>, String)> {
        let past = self.past.iter().filter(|(from, to, _)| from < to);
        let past = past.map(|(from, to, was)| (*from, Some(*to), was.content.clone()));
        let current = self.current.iter().map(|(from, is)| (*from, None, is.content.clone()));
        past.chain(current).collect()
    }
}

type Row = (String, i64, Option<i64>, String);

fn expected(lives: &BTreeMap<&str, Life>) -> Vec<Row> {
    let of = |(key, life): (&&str, &Life)| -> Vec<Row> {
        life.versions()
            .into_iter()
            .map(|(from, to, content)| ((*key).to_owned(), from, to, content))
            .collect()
    };
    lives.iter().flat_map(of).collect()
}

fn row(version: cognito_profiles::ports::Version) -> Row {
    let since = |time: cognito_profiles::time::Timestamp| time.as_millis() - at(0).as_millis();
    (version.key, since(version.valid_from), version.valid_to.map(since), version.content)
}

async fn act(store: &SqliteStore, lives: &mut BTreeMap<&str, Life>, step: &Step) {
    match step {
        Step::Observe(seen, later) => {
            let run = if *later { later_run() } else { run() };
            let observations: Vec<_> = seen.iter().copied().map(observation).collect();
            store.observe(&pool(), &run, &observations).await.unwrap();
            for ((key, _, millis), seen) in seen.iter().zip(&observations) {
                lives.entry(KEYS[*key]).or_default().observe(seen, *millis);
            }
        }
        Step::Close(keys, millis) => {
            let names: Vec<String> = keys.iter().map(|key| KEYS[*key].to_owned()).collect();
            Backup::close(store, &pool(), &users(), &names, at(*millis)).await.unwrap();
            for key in keys {
                lives.entry(KEYS[*key]).or_default().close(*millis);
            }
        }
    }
}

async fn agrees(store: &SqliteStore, lives: &BTreeMap<&str, Life>) {
    let all = expected(lives);
    let found = store.versions(&pool(), &users(), None, 1000).await.unwrap();
    assert_eq!(found.into_iter().map(row).collect::<Vec<_>>(), all);
    for millis in 0..=LAST {
        let held: Vec<Row> = all
            .iter()
            .filter(|(_, from, to, _)| *from <= millis && to.is_none_or(|to| millis < to))
            .cloned()
            .collect();
        let found = store.as_of(&pool(), &users(), at(millis), None, 1000).await.unwrap();
        assert_eq!(found.into_iter().map(row).collect::<Vec<_>>(), held);
        let found = store.get(&pool(), &users(), &KEYS.map(str::to_owned), at(millis)).await.unwrap();
        let mut found: Vec<Row> = found.into_iter().map(row).collect();
        found.sort();
        assert_eq!(found, held);
    }
    let heads = store.heads(&pool(), &users(), None, 1000).await.unwrap();
    let current: Vec<_> = all.iter().filter(|row| row.2.is_none()).map(|row| row.0.as_str()).collect();
    assert_eq!(heads.iter().map(|head| head.key.as_str()).collect::<Vec<_>>(), current);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_ends_as_documented(steps in prop::collection::vec(step(), 1..25), again in any::<prop::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::temporary().unwrap();
            let mut lives = BTreeMap::new();
            for step in &steps {
                act(&store, &mut lives, step).await;
            }
            agrees(&store, &lives).await;
            // Once more, late: to what is stored an observation is old or equal, or it is new.
            act(&store, &mut lives, again.get(&steps)).await;
            agrees(&store, &lives).await;
        });
    }

    /// With a time of its own for each change, and closings apart, what is current in the end
    /// does not depend on the order of delivery.
    #[test]
    fn the_order_of_different_observations_does_not_matter(
        order in Just((1..LAST).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::temporary().unwrap();
            for millis in &order {
                let seen = saw(&users(), "ab1", &format!("as of {millis}"), *millis);
                store.observe(&pool(), &run(), &[seen]).await.unwrap();
            }
            let current = store.as_of(&pool(), &users(), at(LAST), None, 10).await.unwrap();
            assert_eq!(current.len(), 1);
            assert_eq!(current[0].valid_from, at(LAST - 1));
        });
    }
}
