//! Back up, follow and restore pools of MiniStack: our own simulator is not the only judge of our
//! client. docs/TESTING.md has where MiniStack differs from Cognito.

mod pool;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use cognito_profiles::adapters::SystemClock;
use cognito_profiles::adapters::cognito::CognitoDirectory;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::export::{Exporter, ShrinkGuard};
use cognito_profiles::import::{Importer, JobLimits, Report};
use cognito_profiles::model::{PoolId, Record};
use cognito_profiles::pacing::{Category, Paced, Pacer, Rates};
use cognito_profiles::ports::{Clock, ImportOptions, ImportStatus};
use cognito_profiles::progress::Silent;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::{Changes, Run, RunStatus, Totals};
use cognito_profiles_tests::MiniStack;
use cognito_profiles_tests::world::scratch;

use pool::{Contents, GroupSettings, Person, Pool, SignIn, group_settings, settings};

/// Far above Cognito's: MiniStack has no quotas, and what is judged here is not speed.
const RPS: f64 = 500.0;

/// The rates chosen for a pool. That of the small one is not, where it can be asked for: MiniStack
/// does not know the question, and the documented rate must do.
fn rates(pool: &Pool) -> Rates {
    let chosen = |category: &Category| pool.sign_in == SignIn::Username || !category.is_adjustable();
    Rates::new(1.0, Category::ALL.into_iter().filter(chosen).map(|category| (category, RPS)).collect())
}

fn directory(ministack: &MiniStack, pool: &Pool) -> Arc<Paced> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let cognito = CognitoDirectory::from_config(PoolId::new(&pool.id), &settings(ministack)).unwrap();
    let pacer = Arc::new(Pacer::new(clock.clone(), rates(pool)));
    Arc::new(Paced::new(Arc::new(cognito), clock, pacer))
}

fn open(path: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::create_or_open(path).unwrap())
}

async fn export(ministack: &MiniStack, pool: &Pool, store: &Arc<SqliteStore>) -> Run {
    let clock = Arc::new(SystemClock::new());
    let directory = directory(ministack, pool);
    let exporter = Exporter::in_process(directory, store.clone(), store.clone(), clock, Arc::new(Silent));
    let run = exporter.export(&ShrinkGuard { max_percent: 25.0, allow: false }).await.unwrap();
    assert_eq!(run.status, RunStatus::Complete, "{:?}", run.reason);
    run
}

/// Restores the latest run.
async fn import(ministack: &MiniStack, into: &Pool, store: &Arc<SqliteStore>) -> Report {
    let importer = Importer {
        directory: directory(ministack, into),
        backup: store.clone(),
        imports: store.clone(),
        logs_role_arn: None,
        job_limits: JobLimits::default(),
        clock: Arc::new(SystemClock::new()),
        progress: Arc::new(Silent),
    };
    let snapshot = importer.find_snapshot(None, None).await.unwrap();
    let prepared = importer.prepare(snapshot, ImportOptions::default()).await.unwrap();
    importer.import(prepared, &scratch()).await.unwrap()
}

/// What a run holds, in the words of [`Pool::read`].
async fn held(store: &Arc<SqliteStore>, run: &Run, sign_in: SignIn) -> Contents {
    let snapshot = Snapshot::of(store.clone(), run.clone()).unwrap();
    let mut contents = Contents::default();
    let mut keys = BTreeMap::new();
    let mut memberships = Vec::new();
    let mut walk = snapshot.everything().await.unwrap();
    while let Some(versions) = walk.next().await.unwrap() {
        for version in versions {
            match version.record().unwrap() {
                Record::Settings(settings) => assert!(settings.pool().is_ok()),
                Record::Group(group) => {
                    let settings = GroupSettings {
                        description: group.description.unwrap_or_default(),
                        precedence: group.precedence,
                        role_arn: group.role_arn.unwrap_or_default(),
                    };
                    contents.groups.insert(group.name, settings);
                }
                Record::User(user) => {
                    let key = sign_in.key(&user.username, &user.attributes);
                    keys.insert(user.sub, key.clone());
                    let (attributes, enabled, status) = (user.attributes, user.enabled, user.status);
                    contents.users.insert(key, Person { attributes, enabled, status });
                }
                Record::Membership(membership) => memberships.push((membership.group, membership.sub)),
            }
        }
    }
    contents.members = memberships.into_iter().map(|(group, sub)| (group, keys[&sub].clone())).collect();
    contents
}

fn totals(contents: &Contents) -> Totals {
    Totals {
        users: contents.users.len() as u64,
        groups: contents.groups.len() as u64,
        memberships: contents.members.len() as u64,
    }
}

/// What an export must find between two states of a pool.
fn changes(before: &Contents, after: &Contents) -> Changes {
    let mut changes = Changes::default();
    count(&before.users, &after.users, &mut changes);
    count(&before.groups, &after.groups, &mut changes);
    let alike = |members: &BTreeSet<_>| members.iter().cloned().map(|member| (member, ())).collect();
    count(&alike(&before.members), &alike(&after.members), &mut changes);
    changes
}

fn count<K: Ord, V: PartialEq>(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>, changes: &mut Changes) {
    for (key, value) in after {
        match before.get(key) {
            None => changes.new += 1,
            Some(earlier) if earlier == value => changes.unchanged += 1,
            Some(_) => changes.changed += 1,
        }
    }
    changes.gone += before.keys().filter(|key| !after.contains_key(key)).count() as u64;
}

/// Checks a run against what is in the pool, and what was in it before.
async fn assert_holds(store: &Arc<SqliteStore>, run: &Run, pool: &Pool, before: &Contents) {
    assert_eq!(held(store, run, pool.sign_in).await, pool.contents);
    let manifest = run.manifest.as_ref().unwrap();
    assert_eq!(manifest.totals, totals(&pool.contents));
    assert_eq!(manifest.changes, changes(before, &pool.contents));
}

/// Checks a restored pool, by what the import says and by what the SDK finds in it.
async fn assert_restored(report: &Report, source: &Pool, target: &Pool) {
    assert_eq!(report.failures, []);
    assert_eq!(report.differences, []);
    assert_eq!(report.import.status, ImportStatus::Complete);
    let Totals { users, groups, memberships } = totals(&source.contents);
    assert_eq!((report.counts.users_created, report.counts.users_failed), (users, 0));
    assert_eq!((report.counts.groups_created, report.counts.memberships_added), (groups, memberships));
    let disabled = source.contents.users.values().filter(|person| !person.enabled).count();
    assert_eq!(report.counts.users_disabled, disabled as u64);
    assert_eq!(target.read().await, source.contents.clone().restored());
}

/// Lets a day pass in a pool: everything that can happen to its users does.
async fn pass_a_day(pool: &mut Pool) {
    let names: Vec<String> = pool.contents.users.keys().cloned().collect();
    for name in &names[..15] {
        pool.delete_user(name).await;
    }
    for (name, number) in names[100..130].iter().zip(0..) {
        pool.set_attribute(name, "name", &format!("Re-named, \"{number}\"")).await;
        pool.set_attribute(name, "nickname", "neu").await;
    }
    for name in &names[200..210] {
        let enabled = pool.contents.users[name].enabled;
        pool.set_enabled(name, !enabled).await;
    }
    let members: Vec<(String, String)> = pool.contents.members.iter().step_by(90).cloned().collect();
    for (group, name) in members {
        pool.remove_member(&group, &name).await;
    }
    for name in &names[300..320] {
        pool.add_member("nobody", name).await;
    }
    pool.delete_group("leavers").await;
    pool.add_users(9_000..9_025).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_backed_up_followed_and_restored() {
    let ministack = MiniStack::start();
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("backup.db"));
    let mut source = Pool::create(&ministack, SignIn::Username).await;
    for (name, group) in group_settings() {
        source.add_group(&name, group).await;
    }
    source.add_users(0..1_500).await;
    source.register_users(5_000..5_005).await;
    assert_eq!(source.read().await, source.contents, "the pool is not as the test meant it");

    let first_day = source.contents.clone();
    let first = export(&ministack, &source, &store).await;
    assert_holds(&store, &first, &source, &Contents::default()).await;
    let second = export(&ministack, &source, &store).await;
    assert_holds(&store, &second, &source, &first_day).await;

    pass_a_day(&mut source).await;
    let third = export(&ministack, &source, &store).await;
    assert_holds(&store, &third, &source, &first_day).await;
    assert_eq!(held(&store, &first, source.sign_in).await, first_day);

    let target = Pool::create(&ministack, SignIn::Username).await;
    let report = import(&ministack, &target, &store).await;
    assert_restored(&report, &source, &target).await;
    let again = import(&ministack, &target, &store).await;
    assert_eq!(again.import.id, report.import.id);
    assert_restored(&again, &source, &target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_signs_in_by_email_is_restored() {
    let ministack = MiniStack::start();
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("backup.db"));
    let mut source = Pool::create(&ministack, SignIn::Email).await;
    for (name, group) in group_settings() {
        source.add_group(&name, group).await;
    }
    source.add_users(0..200).await;

    let run = export(&ministack, &source, &store).await;
    assert_holds(&store, &run, &source, &Contents::default()).await;
    let target = Pool::create(&ministack, SignIn::Email).await;
    let report = import(&ministack, &target, &store).await;
    assert_restored(&report, &source, &target).await;
}

#[test]
fn ends_with_the_test() {
    let ministack = MiniStack::start();
    let address = ministack.endpoint().replace("http://", "");
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(ministack);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
