//! Damage behind SQLite's back, with no seal to show it: of any value, any row, any byte.
//!
//! What holds of all of it: a run is refused, or restored exactly as it was; and what `verify` does
//! not find harms no restore. What it cannot find is said in [`Told::is_harmless`].

mod damage;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::model::{Partition, PoolId};
use cognito_profiles::ports::{Backup as _, ImportOptions, Observation};
use cognito_profiles::progress::{Progress, Silent, Stage};
use cognito_profiles::run::{Run, RunId, RunStatus};
use cognito_profiles::verify::{BrokenRun, MANIFEST, RECORD, Report, verify, verify_imports};
use cognito_profiles_tests::conformance::saw;
use cognito_profiles_tests::fuzz_cases;
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::scratch;
use cognito_sim::Population;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestError, TestRunner};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::two_runs::{Restores, TwoRuns};
use damage::{damage, done};

/// The bytes of a page of the file.
const PAGE: usize = 2048;

/// A file with two runs and an import of the second, and a pool to restore into.
struct Backed {
    runtime: Runtime,
    two: TwoRuns,
    folder: TempDir,
    whole: Vec<u8>,
}

/// What is said of a damaged file.
struct Told {
    /// What `verify` finds.
    found: Option<String>,
    restores: Restores,
}

impl Backed {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup.db");
        let two = runtime.block_on(async {
            let store = Arc::new(SqliteStore::create_or_open(&path).unwrap());
            let two = TwoRuns::new(Population::realistic(14, 3, 5), &store).await;
            store.close().await.unwrap();
            two
        });
        let whole = fs::read(&path).unwrap();
        Self { runtime, two, folder, whole }
    }

    /// A copy without a seal.
    fn copy(&self) -> PathBuf {
        self.copy_of(&self.whole)
    }

    fn copy_of(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("damaged.db");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn told_of(&self, path: &Path) -> Told {
        self.runtime.block_on(async {
            let store = match SqliteStore::open_read_only(path) {
                Ok(store) => Arc::new(store),
                Err(error) => {
                    let of_each = self.two.runs.iter().map(|_| Err(error.kind())).collect();
                    let restores = Restores { of_each, latest: None };
                    return Told { found: Some(error.to_string()), restores };
                }
            };
            Told { found: found_in(&store).await, restores: self.two.restores(&store).await }
        })
    }

    /// Looks at a damaged file and judges what is said of it.
    fn judge(&self, path: &Path) -> std::result::Result<Told, TestCaseError> {
        let told = self.told_of(path);
        let otherwise = self.two.restored_otherwise(&told.restores);
        prop_assert!(otherwise.is_none(), "run {otherwise:?}");
        let Restores { of_each, latest } = &told.restores;
        let refused: Vec<_> = of_each.iter().map(|restored| restored.as_ref().err()).collect();
        let is_harmless = told.is_harmless(self);
        prop_assert!(told.found.is_some() || is_harmless, "nothing is found: {refused:?}, latest {latest:?}");
        Ok(told)
    }

    fn judge_all<S: Strategy>(&self, cases: u32, damage: &S, to: impl Fn(&Self, &S::Value) -> Option<PathBuf>)
    where
        S::Value: std::fmt::Debug,
    {
        let config = ProptestConfig {
            cases: fuzz_cases(cases),
            failure_persistence: None,
            max_global_rejects: 1_000_000,
            ..ProptestConfig::default()
        };
        let judged = TestRunner::new(config).run(damage, |damage| match to(self, &damage) {
            Some(path) => self.judge(&path).map(drop),
            None => Err(TestCaseError::reject("nothing is changed")),
        });
        if let Err(TestError::Fail(reason, damage)) = judged {
            panic!("{reason}: {damage:?}");
        }
    }
}

impl Told {
    /// What nothing finds: a run that is no longer there, if a later one is; and what no run needs:
    /// when a version began or ended between two runs, which run first saw it and as what, the
    /// mapping of an import, the ledger of a run that has ended, bytes in no use.
    fn is_harmless(&self, backed: &Backed) -> bool {
        backed.two.are_kept(&self.restores)
    }
}

async fn found_in(store: &Arc<SqliteStore>) -> Option<String> {
    let found = async {
        store.integrity_check().await?;
        store.check_runs().await?;
        let report = verify(&**store, &Silent).await?;
        verify_imports(&**store).await?;
        Ok::<_, cognito_profiles::Error>(report)
    };
    match found.await {
        Ok(report) if report.is_intact() => None,
        Ok(report) => Some(format!("{report:?}")),
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn a_whole_file_is_found_whole() {
    let backed = Backed::new();
    let told = backed.told_of(&backed.copy());
    assert_eq!((told.found.as_deref(), told.is_harmless(&backed)), (None, true));
    let held: Vec<_> = told.restores.of_each.into_iter().map(std::result::Result::unwrap).collect();
    assert!(held.iter().eq(backed.two.runs.iter().map(|(_, held)| held)) && held[0] != held[1]);
}

#[test]
fn any_damage_to_a_row_is_found_or_harms_no_restore() {
    let backed = Backed::new();
    backed.judge_all(120, &damage(), |backed, damage| {
        let path = backed.copy();
        done(&path, damage).then_some(path)
    });
}

#[test]
fn any_damage_to_a_byte_is_found_or_harms_no_restore() {
    let backed = Backed::new();
    let flip = (any::<Index>(), any::<u8>().prop_filter("none", |bits| *bits != 0));
    backed.judge_all(120, &flip, |backed, (at, bits)| {
        let mut bytes = backed.whole.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        Some(backed.copy_of(&bytes))
    });
}

/// At any length, and with a part of any place gone; half of the time in whole pages.
#[test]
fn any_cut_is_found_or_harms_no_restore() {
    let backed = Backed::new();
    let cut = (any::<Index>(), any::<Index>(), any::<bool>(), any::<bool>());
    backed.judge_all(120, &cut, |backed, (from, length, to_end, in_pages)| {
        let (whole, unit) = (&backed.whole, if *in_pages { PAGE } else { 1 });
        let units = whole.len() / unit;
        let from = from.index(units);
        let end = if *to_end { units } else { from + 1 + length.index(units - from) };
        Some(backed.copy_of(&[&whole[..from * unit], &whole[end * unit..]].concat()))
    });
}

/// As a disk does that writes a page to the place of another.
#[test]
fn any_misplaced_page_is_found_or_harms_no_restore() {
    let backed = Backed::new();
    let pages = (any::<Index>(), any::<Index>(), any::<bool>());
    backed.judge_all(120, &pages, |backed, (one, other, is_swapped)| {
        let mut bytes = backed.whole.clone();
        let count = bytes.len() / PAGE;
        let (one, other) = (one.index(count) * PAGE, other.index(count) * PAGE);
        bytes.copy_within(one..one + PAGE, other);
        if *is_swapped {
            bytes[one..one + PAGE].copy_from_slice(&backed.whole[other..other + PAGE]);
        }
        (bytes != backed.whole).then(|| backed.copy_of(&bytes))
    });
}

/// No bytes are taken for a backup that are none, and none makes it panic.
#[test]
fn any_bytes_are_refused() {
    let backed = Backed::new();
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3000),
        // Behind the header of a real one.
        (prop::collection::vec(any::<u8>(), 0..3000), 16..200_usize)
            .prop_map(|(bytes, length)| (bytes, length))
            .prop_map({
                let whole = backed.whole.clone();
                move |(bytes, length)| [&whole[..length], &bytes].concat()
            }),
    ];
    backed.judge_all(200, &bytes, |backed, bytes| Some(backed.copy_of(bytes)));
}

impl Backed {
    /// What `verify` finds after these statements.
    fn report_after(&self, sql: &str) -> Report {
        let path = self.copy();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let told = self.judge(&path).unwrap();
        assert!(told.found.is_some(), "{sql}");
        self.runtime.block_on(async {
            let store = SqliteStore::open_read_only(&path).unwrap();
            verify(&store, &Silent).await.unwrap()
        })
    }

    fn run(&self, number: usize) -> &RunId {
        &self.two.runs[number].0
    }

    /// The `sub` of some user who did not change.
    fn user(&self) -> String {
        let both = self.two.runs[0].1.intersection(&self.two.runs[1].1);
        both.filter(|(partition, ..)| partition.starts_with("Users"))
            .map(|(_, key, _)| key.clone())
            .next()
            .unwrap()
    }
}

fn broken(run: &RunId, shards: &[&str]) -> BrokenRun {
    BrokenRun { run: run.clone(), shards: shards.iter().map(|shard| (*shard).to_owned()).collect() }
}

#[test]
fn a_record_whose_content_is_gone_or_no_text_is_named() {
    let backed = Backed::new();
    let sub = backed.user();
    let content = format!("(SELECT content FROM current WHERE kind = 2 AND key = '{sub}')");
    for sql in [
        format!("DELETE FROM contents WHERE id = {content}"),
        format!("UPDATE contents SET json = x'00' WHERE id = {content}"),
        format!("UPDATE contents SET json = CAST(x'ff' AS TEXT) WHERE id = {content}"),
        format!("UPDATE contents SET json = substr(json, 2) WHERE id = {content}"),
    ] {
        let report = backed.report_after(&sql);
        assert_eq!((report.damaged.len(), &report.damaged[0].key), (1, &sub), "{sql}");
        assert_eq!(report.broken_runs, [], "its hash still is what it was: {sql}");
    }
    let report =
        backed.report_after(&format!("UPDATE current SET hash = x'00' WHERE key = '{sub}' AND kind = 2"));
    assert_eq!((report.damaged.len(), report.broken_runs.len()), (1, 2));
}

#[test]
fn a_version_that_is_dropped_breaks_every_run_that_held_it() {
    let backed = Backed::new();
    let sub = backed.user();
    let shard = format!("users/{}", &sub[..2]);
    let report = backed.report_after(&format!("DELETE FROM current WHERE kind = 2 AND key = '{sub}'"));
    let both = [broken(backed.run(0), &[&shard]), broken(backed.run(1), &[&shard])];
    assert_eq!((report.broken_runs, report.damaged), (both.into(), vec![]));
    let report = backed.report_after("DELETE FROM history WHERE kind = 1");
    assert_eq!(report.broken_runs, [broken(backed.run(0), &["groups"])]);
}

#[test]
fn a_version_that_is_moved_into_another_run_breaks_it() {
    let backed = Backed::new();
    let later = "valid_to = 4000000000000";
    let report = backed.report_after(&format!("UPDATE history SET {later} WHERE kind = 1"));
    assert_eq!(report.broken_runs, [broken(backed.run(1), &["groups"])]);
    let report = backed.report_after("UPDATE history SET valid_to = valid_from WHERE kind = 1");
    assert_eq!(report.broken_runs, [broken(backed.run(0), &["groups"])]);
    let report = backed.report_after("UPDATE current SET valid_from = 0 WHERE kind = 1 AND valid_from > (SELECT min(valid_to) - 1 FROM history WHERE kind = 1)");
    assert_eq!(report.broken_runs, [broken(backed.run(0), &["groups"])]);
}

#[test]
fn a_run_that_lost_its_manifest_is_not_restored() {
    let backed = Backed::new();
    let last = format!("run = (SELECT id FROM run_ids WHERE name = '{}')", backed.run(1));
    // As an earlier version wrote it: without a hash.
    let old = "json_remove(record, '$.content_hash')";
    for (path, field) in [("'$.manifest'", "manifest"), ("'$.ended_at'", "ended_at")] {
        let sql = format!("UPDATE runs SET record = json_set({old}, {path}, NULL) WHERE {last}");
        assert_eq!(backed.report_after(&sql).broken_runs, [broken(backed.run(1), &[MANIFEST])], "{field}");
    }
    let totals = format!("UPDATE runs SET record = {old} WHERE {last}");
    let path = backed.copy();
    Connection::open(&path).unwrap().execute_batch(&totals).unwrap();
    assert_eq!(backed.told_of(&path).found, None, "a run of an earlier version is read");
}

#[test]
fn a_run_whose_record_was_altered_is_not_restored() {
    let backed = Backed::new();
    let last = format!("run = (SELECT id FROM run_ids WHERE name = '{}')", backed.run(1));
    for change in [
        "replace(record, '\"complete\"', '\"held\"')",
        "json_set(record, '$.manifest.totals.users', 1)",
        "json_set(record, '$.estimated_users', 1)",
        "replace(record, '\"content_hash\":\"', '\"content_hash\":\"0')",
    ] {
        let path = backed.copy();
        let sql = format!("UPDATE runs SET record = {change} WHERE {last}");
        assert_eq!(Connection::open(&path).unwrap().execute(&sql, []).unwrap(), 1);
        let told = backed.judge(&path).unwrap();
        assert!(told.found.unwrap().contains("a run cannot be read"), "{change}");
        assert_eq!(told.restores.of_each[1], Err("corrupted"), "{change}");
    }
}

#[test]
fn the_last_run_is_missed_when_its_record_is_lost() {
    let backed = Backed::new();
    let sql =
        format!("DELETE FROM runs WHERE run = (SELECT id FROM run_ids WHERE name = '{}')", backed.run(1));
    assert_eq!(backed.report_after(&sql).broken_runs, [broken(backed.run(1), &[RECORD])]);
}

/// Nothing would be left to look at: a misplaced page did that.
#[test]
fn all_runs_are_missed_when_their_records_are_lost() {
    let backed = Backed::new();
    let path = backed.copy();
    Connection::open(&path).unwrap().execute_batch("DELETE FROM runs").unwrap();
    let told = backed.judge(&path).unwrap();
    assert!(told.found.unwrap().contains("has lost all its runs"));
    assert!(told.restores.are_of_nothing());
}

/// A mapping has no hash: it is the pool itself that shows it.
#[test]
fn a_mapping_that_was_altered_shows_beside_the_restored_pool() {
    let backed = Backed::new();
    let path = backed.copy();
    let swap = "UPDATE mappings SET new_sub = (SELECT min(new_sub) FROM mappings)
                WHERE new_sub = (SELECT max(new_sub) FROM mappings)";
    Connection::open(&path).unwrap().execute_batch(swap).unwrap();
    assert_eq!(backed.told_of(&path).found, None);
    let report = backed.runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(&path).unwrap());
        let import = cognito_profiles::ports::Imports::imports(&*store, None).await.unwrap().pop().unwrap();
        let importer = backed.two.world.importer_from(&store, import.into_pool.as_str(), &Fate::immortal());
        let prepared = backed.two.world.prepare(&importer, ImportOptions::default()).await.unwrap();
        importer.import(prepared, &scratch()).await.unwrap()
    });
    assert!(!report.differences.is_empty());
}

/// Does something once the runs are read, and before their records are.
struct Meanwhile<F>(F);

impl<F: Fn() + Send + Sync> Progress for Meanwhile<F> {
    fn begin(&self, _: Stage, _: Option<u64>) {
        (self.0)();
    }

    fn advance(&self, _: Stage, _: u64) {}

    fn end(&self, _: Stage) {}
}

#[test]
fn a_run_that_begins_while_verify_reads_is_not_lost() {
    let backed = Backed::new();
    let path = backed.copy();
    let report = backed.runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(&path).unwrap());
        let pool = PoolId::new(&backed.two.world.pool);
        let last = store.run(&pool, backed.run(1)).await.unwrap().unwrap();
        let late = last.ended_at.unwrap().plus_millis(60_000);
        let next = Run { id: RunId::generate(late, 7), status: RunStatus::Running, ..last };
        let group = saw(&Partition::Groups, "late", "late", 0);
        let seen = Observation { observed_at: late, ..group };
        let beginning = store.clone();
        let begin = Meanwhile(move || {
            let (store, next, seen) = (beginning.clone(), next.clone(), seen.clone());
            let begun = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    store.put_run(&next).await.unwrap();
                    store.observe(&next.pool, &next.id, &[seen]).await.unwrap();
                });
            });
            begun.join().unwrap();
        });
        verify(&*store, &begin).await.unwrap()
    });
    assert_eq!(report.broken_runs, []);
}
