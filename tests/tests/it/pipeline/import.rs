use std::collections::BTreeSet;

use cognito_profiles::Error;
use cognito_profiles::model::{EXTERNAL_PROVIDER, Kind};
use cognito_profiles::ports::{CreateWith, ImportOptions, ImportStatus, Imports};
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::{World, scratch};
use cognito_sim::{Config, FaultRates, MfaMode, PoolConfig, Population, SchemaAttribute, UserRecord};

use super::awkward;

/// What came back, whoever could come back: by username or e-mail, for `sub` is new.
pub(crate) async fn assert_restored(world: &World, imports: &dyn Imports, target: &str, import: &str) {
    let (old, new) = (world.truth(&world.pool), world.truth(target));
    let mappings = imports.mappings(import, None, usize::MAX).await.unwrap();
    assert_eq!(mappings.len(), old.users.len(), "everyone is accounted for");
    let mut restored = BTreeSet::new();
    for mapping in &mappings {
        let (username, enabled, status, attributes) = &old.users[&mapping.sub];
        let Some(new_sub) = &mapping.new_sub else {
            assert!(mapping.reason.is_some());
            continue;
        };
        assert!(restored.insert(new_sub.clone()), "two users became one");
        let (_, new_enabled, new_status, new_attributes) = &new.users[new_sub];
        assert_eq!((enabled, mapping.username.as_str()), (new_enabled, username.as_str()));
        assert_eq!(attributes, new_attributes);
        let keeps = matches!(status.as_str(), "UNCONFIRMED" | "FORCE_CHANGE_PASSWORD");
        assert_eq!(new_status, if keeps { "FORCE_CHANGE_PASSWORD" } else { "CONFIRMED" });
    }
    assert_eq!(new.users.len(), restored.len());
    let moved: BTreeSet<(String, String)> = old
        .memberships
        .iter()
        .filter(|(group, _)| !group.starts_with(&world.pool))
        .filter_map(|(group, sub)| {
            let mapping = mappings.iter().find(|mapping| mapping.sub == *sub)?;
            Some((group.clone(), mapping.new_sub.clone()?))
        })
        .collect();
    assert_eq!(new.memberships, moved);
    for (name, group) in old.groups.iter().filter(|(name, _)| !name.starts_with(&world.pool)) {
        assert_eq!(new.groups.get(name), Some(group), "{name}");
    }
}

#[tokio::test]
async fn a_pool_comes_back_in_all_that_an_api_can_give_back() {
    for seed in 0..4 {
        let email_sign_in = seed % 2 == 0;
        let world = awkward(&Population {
            email_sign_in,
            sms_mfa_percent: 20,
            ..Population::realistic(150, 4, seed)
        });
        world.export().await.unwrap();
        let target = world.empty_pool();
        let importer = world.importer(&target, &Fate::immortal());
        let plan = world.prepare(&importer, ImportOptions::default()).await.unwrap().plan;
        let report = world.import(&target, &Fate::immortal()).await.unwrap();
        assert!(report.differences.is_empty(), "{:?}", report.differences);
        assert_eq!(report.counts.factors_set, plan.factors_to_set);
        assert!(plan.factors_to_set > 0);
        assert_restored(&world, &*world.store, &target, &report.import.id).await;
        let truth = world.truth(&world.pool);
        let federated = truth.users.values().filter(|user| user.2 == EXTERNAL_PROVIDER).count();
        let listed = report.failures.iter().filter(|failure| failure.reason.contains("identity provider"));
        assert!(federated > 0 && listed.filter(|failure| failure.record == Kind::User).count() == federated);
        assert_eq!(report.import.status, ImportStatus::Partial);
        let meter = world.cognito.meter();
        assert_eq!((meter.messages_sent, meter.federated_users_broken), (0, 0));
    }
}

#[tokio::test]
async fn a_pool_without_oddities_comes_back_whole() {
    let world = awkward(&Population::plain(130, 3, 2));
    world.export().await.unwrap();
    let target = world.empty_pool();
    let report = world.import(&target, &Fate::immortal()).await.unwrap();
    assert_eq!((report.failures.len(), report.differences.len()), (0, 0));
    assert_eq!(report.import.status, ImportStatus::Complete);
    assert_restored(&world, &*world.store, &target, &report.import.id).await;
}

#[tokio::test]
async fn faults_and_lost_answers_create_nobody_twice() {
    for seed in 50..54 {
        let world = awkward(&Population::realistic(120, 3, seed));
        world.export().await.unwrap();
        let target = world.empty_pool();
        world.cognito.configure(|config| {
            config.faults.rates = FaultRates {
                internal_error: 0.05,
                drop_before: 0.05,
                drop_after: 0.1,
                throttle: 0.1,
                throttle_burst: 3,
                ..FaultRates::default()
            };
        });
        let report = world.import(&target, &Fate::immortal()).await.unwrap();
        world.cognito.configure(|config| config.faults.rates = FaultRates::default());
        assert!(report.differences.is_empty(), "{:?}", report.differences);
        assert_restored(&world, &*world.store, &target, &report.import.id).await;
    }
}

/// Cognito keeps no attribute without a value: whoever had one is restored, is as they should be, and
/// is known again after an answer was lost.
#[tokio::test]
async fn an_empty_attribute_is_none() {
    let world = awkward(&Population { email_sign_in: false, ..Population::plain(0, 0, 16) });
    world.change(|admin| {
        for number in 0..40 {
            let user = UserRecord::new(format!("user{number}")).with("nickname", "").with("name", "n");
            // A number, and a text of 1 to 64 characters.
            let user = user.with("custom:level", "").with("custom:tenant", "");
            admin.create_user(&world.pool, user).unwrap();
        }
    });
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.cognito.configure(|config| {
        config.faults.rates = FaultRates { drop_after: 0.3, ..FaultRates::default() };
    });
    let report = world.import(&target, &Fate::immortal()).await.unwrap();
    assert_eq!((report.failures, report.differences), (vec![], vec![]));
    assert!(world.truth(&target).users.values().all(|user| user.3.len() == 1));
}

#[tokio::test]
async fn someone_else_of_the_same_name_is_left_alone() {
    let world = awkward(&Population { email_sign_in: false, ..Population::plain(12, 1, 14) });
    world.change(|admin| admin.create_user(&world.pool, UserRecord::new("admin")).unwrap());
    world.export().await.unwrap();
    let target = world.empty_pool();
    let importer = world.importer(&target, &Fate::immortal());
    let prepared = world.prepare(&importer, ImportOptions::default()).await.unwrap();
    // Signs up between the look at the pool and the restore.
    let stranger = UserRecord::new("admin").with("email", "stranger@example.com");
    let sub = world.change(|admin| admin.create_user(&target, stranger).unwrap());
    let before = world.truth(&target).users[&sub].clone();
    let report = importer.import(prepared, &scratch()).await.unwrap();
    assert_eq!(world.truth(&target).users[&sub], before);
    assert_eq!(report.counts.users_failed, 1, "{:?}", report.failures);
    assert_eq!(world.store.mappings_to(&report.import.id, &[sub]).await.unwrap(), []);
}

#[tokio::test]
async fn listings_that_lag_behind_make_no_difference() {
    let world = awkward(&Population::realistic(90, 3, 15));
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.cognito.configure(|config| config.listing.list_lag = 3_000);
    let report = world.import(&target, &Fate::immortal()).await.unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    assert_restored(&world, &*world.store, &target, &report.import.id).await;
}

#[tokio::test]
async fn run_again_it_changes_nothing() {
    let world = awkward(&Population::realistic(80, 2, 3));
    world.export().await.unwrap();
    let target = world.empty_pool();
    let first = world.import(&target, &Fate::immortal()).await.unwrap();
    let truth = world.truth(&target);
    let again = world.import(&target, &Fate::immortal()).await.unwrap();
    assert_eq!(world.truth(&target), truth);
    assert_eq!((again.failures, again.counts.users_created), (first.failures, first.counts.users_created));
}

#[tokio::test]
async fn a_pool_with_users_is_refused() {
    let world = awkward(&Population::plain(20, 1, 4));
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.change(|admin| admin.create_user(&target, UserRecord::new("someone")).unwrap());
    let error = world.import(&target, &Fate::immortal()).await.unwrap_err();
    assert!(matches!(error, Error::TargetNotEmpty(_)), "{error}");
    assert_eq!(world.truth(&target).users.len(), 1);
}

#[tokio::test]
async fn an_import_is_not_continued_another_way() {
    let world = awkward(&Population::plain(20, 1, 5));
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.import(&target, &Fate::immortal()).await.unwrap();
    let importer = world.importer(&target, &Fate::immortal());
    let options = ImportOptions { drop_attributes: vec!["email".into()], ..ImportOptions::default() };
    let error = world.prepare(&importer, options).await.err().unwrap();
    assert!(matches!(error, Error::OtherImport { .. }), "{error}");
}

#[tokio::test]
async fn restores_as_of_the_run_it_began_with() {
    let world = awkward(&Population::plain(40, 1, 6));
    world.export().await.unwrap();
    let target = world.empty_pool();
    let fate = Fate::at_step(400);
    assert!(fate.live(world.import(&target, &fate)).await.is_none());
    world.change(|admin| admin.create_user(&world.pool, UserRecord::new("late")).unwrap());
    world.export().await.unwrap();
    let report = world.import(&target, &Fate::immortal()).await.unwrap();
    assert_eq!((report.counts.users_created, report.differences.len()), (40, 0));
}

fn pool_config(population: &Population, change: impl FnOnce(&mut PoolConfig)) -> PoolConfig {
    let mut config = population.pool_config("target");
    change(&mut config);
    config
}

/// In place of an attribute that nobody has, for a pool takes 50 at most.
fn with_old_sub(config: &mut PoolConfig) {
    config.schema.pop();
    config.schema.push(SchemaAttribute::string("custom:old_sub", 0, 40));
}

async fn plan_into(
    population: &Population,
    config: PoolConfig,
    options: ImportOptions,
) -> cognito_profiles::import::Plan {
    let world = awkward(population);
    world.export().await.unwrap();
    let target = world.change(|admin| admin.create_pool(config).unwrap());
    let importer = world.importer(&target, &Fate::immortal());
    let plan = world.prepare(&importer, options).await.unwrap().plan;
    assert!(
        world.truth(&target).users.is_empty() && world.truth(&target).groups.is_empty(),
        "a plan writes nothing"
    );
    plan
}

#[tokio::test]
async fn the_plan_says_what_the_new_pool_cannot_take() {
    let population = Population::realistic(200, 3, 8);
    let same = plan_into(&population, pool_config(&population, |_| ()), ImportOptions::default()).await;
    assert!(same.incompatible.is_empty(), "{:?}", same.incompatible);
    assert_eq!(
        same.users_to_create + count(&same, "no API can create such") + count(&same, "users: has no "),
        200
    );
    assert!(same.seconds > 5.0, "{}", same.seconds);

    let no_custom = pool_config(&population, |config| config.schema.retain(|a| !a.name.contains("custom")));
    let plan = plan_into(&population, no_custom.clone(), ImportOptions::default()).await;
    assert!(
        plan.incompatible.iter().any(|why| why.contains("no attribute custom:")),
        "{:?}",
        plan.incompatible
    );
    let dropped = plan
        .incompatible
        .iter()
        .filter_map(|why| Some(why.split_once("--drop-attribute ")?.1.to_owned()))
        .collect();
    let options = ImportOptions { drop_attributes: dropped, ..ImportOptions::default() };
    assert!(plan_into(&population, no_custom, options).await.incompatible.is_empty());

    let names = pool_config(&population, |config| config.username_attributes.clear());
    let plan = plan_into(&population, names, ImportOptions::default()).await;
    assert!(plan.incompatible.iter().any(|why| why.contains("sign in by email")), "{:?}", plan.incompatible);

    let options =
        ImportOptions { old_sub_attribute: Some("custom:old_sub".into()), ..ImportOptions::default() };
    let plan = plan_into(&population, pool_config(&population, |_| ()), options.clone()).await;
    assert!(plan.incompatible.iter().any(|why| why.contains("custom:old_sub")), "{:?}", plan.incompatible);
    let with = pool_config(&population, with_old_sub);
    assert!(plan_into(&population, with, options).await.incompatible.is_empty());
}

#[tokio::test]
async fn the_plan_says_how_signing_in_will_differ() {
    let population = Population { email_sign_in: false, ..Population::plain(5, 0, 12) };
    let config = population.pool_config("source");
    let with_alias = PoolConfig { alias_attributes: vec!["email".to_owned()], ..config.clone() };
    let world = World::of(with_alias.clone(), Config::seeded(12), |admin, pool| {
        population.fill(admin, pool).unwrap();
    });
    world.export().await.unwrap();
    let said = async |config: PoolConfig| {
        let target = world.change(|admin| admin.create_pool(config).unwrap());
        let importer = world.importer(&target, &Fate::immortal());
        world.prepare(&importer, ImportOptions::default()).await.unwrap().plan.notes
    };
    assert_eq!(said(PoolConfig { id: None, ..with_alias.clone() }).await, [""; 0]);
    let with_mfa = PoolConfig { mfa: MfaMode::Optional, sms_mfa: true, ..with_alias };
    let notes = said(with_mfa).await;
    assert!(notes[0].contains("multi-factor authentication was OFF and is OPTIONAL"), "{notes:?}");
    assert!(notes[1].contains("authenticator app or passkey"), "{notes:?}");
    let notes = said(config.clone()).await;
    assert!(notes[0].contains("could sign in by email, which is no alias"), "{notes:?}");
    let by_email = PoolConfig { username_attributes: vec!["email".to_owned()], ..config };
    let notes = said(by_email).await;
    assert!(notes[0].contains("makes up usernames"), "{notes:?}");
}

#[tokio::test]
async fn the_plan_names_the_triggers_that_would_fire() {
    let population = Population::plain(5, 0, 11);
    let triggers = ["PreSignUp", "CustomMessage", "CustomEmailSender", "CustomSMSSender"];
    let with = |names: &[&str]| {
        pool_config(&population, |config| {
            config.lambda_triggers =
                names.iter().map(|name| ((*name).to_owned(), "arn:aws:lambda".into())).collect();
        })
    };
    let named = |plan: &cognito_profiles::import::Plan| -> Vec<String> {
        plan.notes.iter().filter(|note| note.contains("trigger")).cloned().collect()
    };
    for create_with in [CreateWith::AdminApi, CreateWith::ImportJob] {
        let options = ImportOptions { create_with, ..ImportOptions::default() };
        let plan = plan_into(&population, with(&triggers), options.clone()).await;
        assert!(
            named(&plan).iter().zip(triggers).all(|(note, name)| note.contains(name)),
            "{:?}",
            plan.notes
        );
        assert_eq!(named(&plan).len(), triggers.len());
        // These run when somebody signs in.
        let plan = plan_into(&population, with(&["PostAuthentication"]), options).await;
        assert_eq!(named(&plan), [""; 0]);
    }
}

#[tokio::test]
async fn the_plan_counts_names_that_collide() {
    let population = Population { email_sign_in: false, ..Population::plain(30, 0, 9) };
    let world = awkward(&population);
    world.change(|admin| {
        for name in ["one", "two", "three"] {
            let user = UserRecord::new(name).with("email", "same@example.com");
            admin.create_user(&world.pool, user).unwrap();
        }
    });
    world.export().await.unwrap();
    let target = world.change(|admin| {
        let config =
            PoolConfig { username_attributes: vec!["email".into()], ..population.pool_config("target") };
        admin.create_pool(config).unwrap()
    });
    let importer = world.importer(&target, &Fate::immortal());
    let prepared = world.prepare(&importer, ImportOptions::default()).await.unwrap();
    assert_eq!(count(&prepared.plan, "email is another user's"), 2, "{:?}", prepared.plan.problems);
    let report = importer.import(prepared, &scratch()).await.unwrap();
    assert_eq!(report.counts.users_failed, 2, "{:?}", report.failures);
    assert_eq!(world.truth(&target).users.len() as u64, report.counts.users_created);
}

fn count(plan: &cognito_profiles::import::Plan, what: &str) -> u64 {
    plan.problems.iter().filter(|problem| problem.what.contains(what)).map(|problem| problem.count).sum()
}

#[tokio::test]
async fn keeps_the_old_sub_where_asked() {
    let population = Population::plain(25, 0, 10);
    let world = awkward(&population);
    world.export().await.unwrap();
    let config = pool_config(&population, with_old_sub);
    let target = world.change(|admin| admin.create_pool(config).unwrap());
    let importer = world.importer(&target, &Fate::immortal());
    let options =
        ImportOptions { old_sub_attribute: Some("custom:old_sub".into()), ..ImportOptions::default() };
    let prepared = world.prepare(&importer, options).await.unwrap();
    let report = importer.import(prepared, &scratch()).await.unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    let old: BTreeSet<String> = world.truth(&world.pool).users.into_keys().collect();
    let kept: BTreeSet<String> =
        world.truth(&target).users.into_values().map(|user| user.3["custom:old_sub"].clone()).collect();
    assert_eq!(kept, old);
}

#[tokio::test]
async fn what_differs_in_the_new_pool_is_reported() {
    let world = awkward(&Population::plain(30, 2, 12));
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.import(&target, &Fate::immortal()).await.unwrap();
    let truth = world.truth(&target);
    let subs: Vec<String> = truth.users.keys().cloned().collect();
    let (group, member) = truth.memberships.iter().find(|(_, sub)| !subs[..2].contains(sub)).unwrap().clone();
    world.change(|admin| {
        admin.delete_user(&target, &subs[0]).unwrap();
        admin.update_user(&target, &subs[1], |user| user.enabled = false).unwrap();
        admin.create_user(&target, UserRecord::new("stranger")).unwrap();
        admin.leave(&target, &member, &group).unwrap();
        admin.update_group(&target, &group, |group| group.precedence = Some(99)).unwrap();
    });
    let gone_with_user = truth.memberships.iter().filter(|(_, sub)| *sub == subs[0]).count();
    let report = world.import(&target, &Fate::immortal()).await.unwrap();
    let found = |kind| report.differences.iter().filter(|difference| difference.kind == kind).count();
    assert_eq!((found(Kind::User), found(Kind::Group)), (3, 1), "{:?}", report.differences);
    assert_eq!(found(Kind::Membership), 1 + gone_with_user, "{:?}", report.differences);
    assert_eq!(report.import.status, ImportStatus::Partial);
}
