//! What every [`Imports`] does.

use std::sync::Arc;

use cognito_profiles::compare::{Difference, What};
use cognito_profiles::model::{Hash, Kind, Partition, PoolId};
use cognito_profiles::ports::{
    Compared, CreateWith, Import, ImportOptions, ImportStatus, Imports, Job, JobCounts, JobState, Mapping,
    MappingState, Outcome, Place, Sent, Step, Target, WithoutRow,
};
use cognito_profiles::read::Position;
use cognito_profiles::settings::Settings;
use serde_json::json;

use super::{at, hostile_keys, later_run, pool, run};

type Store = Arc<dyn Imports>;

/// Every property of what keeps imports, each on a new store.
pub async fn imports_conformance<S: Imports + 'static>(new_store: impl AsyncFn() -> Arc<S>) {
    macro_rules! check {
        ($($property:ident),* $(,)?) => { $( $property(new_store().await).await; )* };
    }
    check!(
        imports_are_replaced_and_ordered,
        an_import_that_moved_on_is_not_overwritten,
        mappings_are_replaced_and_found,
        who_is_created_stays_so,
        mappings_page_at_any_boundary,
        outcomes_are_replaced_and_apart,
        outcomes_page_at_any_boundary,
        sent_names_are_replaced_and_found,
        jobs_are_replaced_and_ordered,
        differences_page_at_any_boundary,
        what_is_many_is_kept_whole,
    );
}

fn strings(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn an_import(id: &str, into: &str, started: i64) -> Import {
    Import {
        id: id.to_owned(),
        from_pool: pool(),
        into_pool: PoolId::new(into),
        run: run(),
        as_of: at(0),
        options: ImportOptions::default(),
        status: ImportStatus::Running,
        started_at: at(started),
        ended_at: None,
        target: Target::default(),
        compared: None,
        place: None,
        reason: None,
        ends: 0,
        edition: 1,
    }
}

/// An import's record is what was last written; the oldest import comes first.
pub async fn imports_are_replaced_and_ordered(store: Store) {
    let (mut first, second) = (an_import("z", "eu-west-1_A", 1), an_import("a", "eu-west-1_A", 2));
    let elsewhere = an_import("m", "eu-west-1_AA", 3);
    for import in [&elsewhere, &second, &first] {
        assert!(store.put_import(import).await.unwrap());
    }
    first.status = ImportStatus::Partial;
    first.ended_at = Some(at(9));
    first.options = ImportOptions {
        drop_attributes: strings(&["custom:a", "\u{e9}\""]),
        old_sub_attribute: Some("custom:old_sub".to_owned()),
        create_with: CreateWith::ImportJob,
        without_row: WithoutRow::List,
    };
    first.target = Target {
        settings: Settings::new(json!({"Name": "\u{1f600}", "Empty": ""}), json!(null)),
        providers: strings(&["Google"]),
        columns: strings(&["cognito:username", ""]),
        creation_rps: Some(50),
    };
    first.compared = Some(Compared { listing: later_run(), records: u64::MAX, differences: 1 });
    first.place = Some(Place { listing: run(), at: "\u{1f600}\"".to_owned() });
    first.reason = Some("it broke".to_owned());
    first.ends = 3;
    first.edition = 2;
    for _ in 0..2 {
        assert!(store.put_import(&first).await.unwrap());
    }
    let of = async |pool: &str| store.imports(Some(&PoolId::new(pool))).await.unwrap();
    assert_eq!(of("eu-west-1_A").await, [first.clone(), second.clone()]);
    assert_eq!(of("eu-west-1_AA").await, std::slice::from_ref(&elsewhere));
    assert_eq!(of("eu-west-1_B").await, []);
    assert_eq!(store.import("z").await.unwrap(), Some(first.clone()));
    assert_eq!(store.import("y").await.unwrap(), None);
    assert_eq!(store.imports(None).await.unwrap(), [first, second, elsewhere]);
}

/// Whoever read a record before another wrote it overwrites nothing.
pub async fn an_import_that_moved_on_is_not_overwritten(store: Store) {
    let first = an_import("a", "eu-west-1_A", 1);
    assert!(!store.put_import(&Import { edition: 2, ..first.clone() }).await.unwrap());
    assert_eq!(store.import("a").await.unwrap(), None);
    assert!(store.put_import(&first).await.unwrap());
    let last = Import { edition: 2, status: ImportStatus::Complete, ..first.clone() };
    assert!(store.put_import(&last).await.unwrap());
    for edition in [0, 1, 2, 4] {
        assert!(!store.put_import(&Import { edition, ..first.clone() }).await.unwrap(), "{edition}");
        assert_eq!(store.import("a").await.unwrap(), Some(last.clone()));
    }
    let of_two_at_once = ["one", "the other"].map(|reason| Import {
        edition: 3,
        reason: Some(reason.to_owned()),
        ..last.clone()
    });
    let written = [
        store.put_import(&of_two_at_once[0]).await.unwrap(),
        store.put_import(&of_two_at_once[1]).await.unwrap(),
    ];
    assert_eq!(written, [true, false]);
    assert_eq!(store.import("a").await.unwrap().as_ref(), Some(&of_two_at_once[0]));
}

fn created(sub: &str) -> Mapping {
    Mapping {
        sub: sub.to_owned(),
        username: format!("name of {sub}"),
        new_sub: Some(format!("new {sub}")),
        new_username: None,
        state: MappingState::Created,
        created_with: CreateWith::AdminApi,
        reason: None,
        line: None,
    }
}

/// By the old `sub` and by the new, in one import and not in another.
pub async fn mappings_are_replaced_and_found(store: Store) {
    let failed = Mapping {
        new_sub: None,
        state: MappingState::Failed,
        created_with: CreateWith::ImportJob,
        reason: Some("the name is taken".to_owned()),
        line: Some(500_001),
        ..created("b")
    };
    assert_eq!(store.mappings("one", None, 10).await.unwrap(), []);
    store.put_mappings("one", &[]).await.unwrap();
    for _ in 0..2 {
        store.put_mappings("one", &[created("a"), failed.clone(), created("c")]).await.unwrap();
    }
    store.put_mappings("two", &[created("d")]).await.unwrap();
    let restored = Mapping {
        new_sub: Some("newer c".to_owned()),
        new_username: Some("C".to_owned()),
        state: MappingState::Restored,
        ..created("c")
    };
    store.put_mappings("one", std::slice::from_ref(&restored)).await.unwrap();

    let all = store.mappings("one", None, 10).await.unwrap();
    assert_eq!(all, [created("a"), failed.clone(), restored.clone()]);
    let mut found = store.mappings_of("one", &strings(&["c", "b", "d", "", "c"])).await.unwrap();
    found.sort_by(|a, b| a.sub.cmp(&b.sub));
    assert_eq!(found, [failed, restored.clone()]);
    let to = async |import, new_subs: &[&str]| {
        let mut found = store.mappings_to(import, &strings(new_subs)).await.unwrap();
        found.sort_by(|a, b| a.sub.cmp(&b.sub));
        found
    };
    assert_eq!(to("one", &["newer c", "new a", "nobody", "new a"]).await, [created("a"), restored]);
    assert_eq!(to("one", &[]).await, []);
    for (import, new_sub) in
        [("one", "new c"), ("one", "new b"), ("two", "new a"), ("one", ""), ("on", "new a")]
    {
        assert_eq!(to(import, &[new_sub]).await, [], "{import} {new_sub}");
    }
}

/// A worker that is late and knows of no new user takes back nothing.
pub async fn who_is_created_stays_so(store: Store) {
    let restored = Mapping { state: MappingState::Restored, ..created("b") };
    let unknown = |sub: &str| Mapping { new_sub: None, state: MappingState::Taken, ..created(sub) };
    let failed = |sub: &str| Mapping { state: MappingState::Failed, ..unknown(sub) };
    store.put_mappings("one", &[created("a"), restored.clone(), unknown("c")]).await.unwrap();
    store.put_mappings("one", &[unknown("a"), unknown("b"), failed("c")]).await.unwrap();
    store.put_mappings("one", &[failed("a"), failed("b")]).await.unwrap();
    let kept = [created("a"), restored.clone(), failed("c")];
    assert_eq!(store.mappings("one", None, 10).await.unwrap(), kept);
    // Who failed can still be created.
    store.put_mappings("one", &[created("c")]).await.unwrap();
    assert_eq!(store.mappings("one", None, 10).await.unwrap(), [created("a"), restored, created("c")]);
}

/// In byte order, whatever characters a `sub` has.
pub async fn mappings_page_at_any_boundary(store: Store) {
    let subs = hostile_keys();
    let all: Vec<Mapping> = subs.iter().map(|sub| created(sub)).collect();
    for mapping in all.chunks(7).rev() {
        store.put_mappings("one", mapping).await.unwrap();
    }
    for limit in [1, 2, subs.len() - 1, subs.len(), subs.len() + 1] {
        let mut found: Vec<Mapping> = Vec::new();
        loop {
            let after = found.last().map(|mapping| mapping.sub.as_str());
            let page = store.mappings("one", after, limit).await.unwrap();
            assert_eq!(page.len(), limit.min(all.len() - found.len()));
            let full = page.len() == limit;
            found.extend(page);
            if !full {
                break;
            }
        }
        assert_eq!(found, all, "limit {limit}");
    }
    assert_eq!(store.mappings_of("one", &subs).await.unwrap().len(), subs.len());
    let new_subs: Vec<String> = all.iter().filter_map(|mapping| mapping.new_sub.clone()).collect();
    let mut found = store.mappings_to("one", &new_subs).await.unwrap();
    found.sort_by(|a, b| a.sub.cmp(&b.sub));
    assert_eq!(found, all);
}

fn outcome(step: Step, group: &str, key: &str, failure: Option<&str>) -> Outcome {
    Outcome { step, group: group.to_owned(), key: key.to_owned(), failure: failure.map(str::to_owned) }
}

/// By import, step and group.
pub async fn outcomes_are_replaced_and_apart(store: Store) {
    let places = [
        (Step::Group, ""),
        (Step::Disable, ""),
        (Step::Mfa, ""),
        (Step::Link, ""),
        (Step::Membership, ""),
        (Step::Membership, "a"),
        (Step::Membership, "A"),
        (Step::Membership, "a#"),
    ];
    let failed = places.map(|(step, group)| outcome(step, group, "k", Some(group)));
    store.put_outcomes("one", &[]).await.unwrap();
    store.put_outcomes("one", &failed).await.unwrap();
    store.put_outcomes("one", &failed).await.unwrap();
    let done = outcome(Step::Membership, "a", "k", None);
    store.put_outcomes("one", std::slice::from_ref(&done)).await.unwrap();
    for (number, (step, group)) in places.into_iter().enumerate() {
        let expected = if number == 5 { &done } else { &failed[number] };
        let found = store.outcomes("one", step, group, None, 10).await.unwrap();
        assert_eq!(found, std::slice::from_ref(expected));
        assert_eq!(store.outcomes("two", step, group, None, 10).await.unwrap(), []);
    }
}

/// In byte order.
pub async fn outcomes_page_at_any_boundary(store: Store) {
    let all: Vec<Outcome> =
        hostile_keys().iter().map(|key| outcome(Step::Membership, "a", key, None)).collect();
    for some in all.chunks(7).rev() {
        store.put_outcomes("one", some).await.unwrap();
    }
    for limit in [1, 2, all.len() - 1, all.len(), all.len() + 1] {
        let mut found: Vec<Outcome> = Vec::new();
        loop {
            let after = found.last().map(|outcome| outcome.key.as_str());
            let page = store.outcomes("one", Step::Membership, "a", after, limit).await.unwrap();
            assert_eq!(page.len(), limit.min(all.len() - found.len()));
            let full = page.len() == limit;
            found.extend(page);
            if !full {
                break;
            }
        }
        assert_eq!(found, all, "limit {limit}");
    }
}

/// By the name, in one import and not in another.
pub async fn sent_names_are_replaced_and_found(store: Store) {
    let name = |name: &str| Hash::of(name.as_bytes());
    let sent = |of: &str, sub: &str, row| Sent { name: name(of), sub: sub.to_owned(), row };
    store.put_sent("one", &[]).await.unwrap();
    store.put_sent("one", &[sent("a", "1", Some((1, 2))), sent("b", "2", None)]).await.unwrap();
    for _ in 0..2 {
        store.put_sent("one", &[sent("a", "3", Some((4, 500_001)))]).await.unwrap();
    }
    store.put_sent("two", &[sent("c", "4", None)]).await.unwrap();
    let names = ["a", "b", "c", "d"].map(name);
    let mut found = store.sent_as("one", &names).await.unwrap();
    found.sort_by(|a, b| a.sub.cmp(&b.sub));
    assert_eq!(found, [sent("b", "2", None), sent("a", "3", Some((4, 500_001)))]);
    assert_eq!(store.sent_as("two", &names).await.unwrap(), [sent("c", "4", None)]);
    assert_eq!(store.sent_as("three", &names).await.unwrap(), []);
}

/// A job is what was last written of its number.
pub async fn jobs_are_replaced_and_ordered(store: Store) {
    let job = |number| Job {
        number,
        ends: 0,
        from: Position::Start,
        through: Position::At { partition: Partition::of_user("ab1"), after: Some("\u{1f600}".to_owned()) },
        rows: 0,
        state: JobState::Planned,
        id: None,
        status: None,
        counts: JobCounts::default(),
        since: at(1),
    };
    for number in [10, 2, 1, 1_000] {
        store.put_job("one", &job(number)).await.unwrap();
    }
    let ended = Job {
        through: Position::End,
        rows: 500_000,
        state: JobState::Ended,
        id: Some("import-x".to_owned()),
        status: Some("Succeeded".to_owned()),
        counts: JobCounts { imported: 3, skipped: 2, failed: 1 },
        ..job(2)
    };
    store.put_job("one", &ended).await.unwrap();
    store.put_job("two", &job(5)).await.unwrap();
    assert_eq!(store.jobs("one").await.unwrap(), [job(1), ended, job(10), job(1_000)]);
    assert_eq!(store.jobs("three").await.unwrap(), []);
}

/// By their numbers, of one listing and not of another.
pub async fn differences_page_at_any_boundary(store: Store) {
    let difference = |(number, key): (usize, &String)| Difference {
        kind: if number % 2 == 0 { Kind::User } else { Kind::Membership },
        group: key.clone(),
        key: key.clone(),
        what: match number % 3 {
            0 => What::New,
            1 => What::Gone,
            _ => What::Changed(vec![key.clone()]),
        },
    };
    let all: Vec<Difference> = hostile_keys().iter().enumerate().map(difference).collect();
    for (number, some) in all.chunks(7).enumerate().rev() {
        for _ in 0..2 {
            store.put_differences("one", &run(), 7 * number as u64, some).await.unwrap();
        }
    }
    store.put_differences("one", &later_run(), 0, &all[..1]).await.unwrap();
    for limit in [1, 2, all.len() - 1, all.len(), all.len() + 1] {
        let mut found: Vec<Difference> = Vec::new();
        loop {
            let page = store.differences("one", &run(), found.len() as u64, limit).await.unwrap();
            assert_eq!(page.len(), limit.min(all.len() - found.len()));
            let full = page.len() == limit;
            found.extend(page);
            if !full {
                break;
            }
        }
        assert_eq!(found, all, "limit {limit}");
    }
    assert_eq!(store.differences("one", &later_run(), 0, 9).await.unwrap(), all[..1]);
    assert_eq!(store.differences("two", &run(), 0, 9).await.unwrap(), []);
}

/// More than any store takes in one request.
pub async fn what_is_many_is_kept_whole(store: Store) {
    let subs: Vec<String> = (0..130).map(|number| format!("{number:03}")).collect();
    let mappings: Vec<Mapping> = subs.iter().map(|sub| created(sub)).collect();
    let sent: Vec<Sent> =
        subs.iter().map(|sub| Sent { name: Hash::of(sub.as_bytes()), sub: sub.clone(), row: None }).collect();
    store.put_mappings("one", &mappings).await.unwrap();
    store.put_sent("one", &sent).await.unwrap();
    assert_eq!(store.mappings_of("one", &subs).await.unwrap().len(), 130);
    let new_subs: Vec<String> = mappings.iter().filter_map(|mapping| mapping.new_sub.clone()).collect();
    assert_eq!(store.mappings_to("one", &new_subs).await.unwrap().len(), 130);
    let names: Vec<Hash> = sent.iter().map(|sent| sent.name).collect();
    assert_eq!(store.sent_as("one", &names).await.unwrap().len(), 130);
}
