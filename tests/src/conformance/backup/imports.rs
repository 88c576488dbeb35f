//! Of imports, and what became of their users, groups and updates.

use cognito_profiles::model::{Kind, PoolId};
use cognito_profiles::ports::{Import, ImportOptions, ImportStatus, Mapping, MappingState, Outcome};

use super::{Store, strings};
use crate::conformance::{at, hostile_keys, pool, run};

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
    }
}

/// An import's record is what was last written; the oldest import comes first.
pub async fn imports_are_replaced_and_ordered(store: Store) {
    let (mut first, second) = (an_import("z", "eu-west-1_A", 1), an_import("a", "eu-west-1_A", 2));
    let elsewhere = an_import("m", "eu-west-1_AA", 3);
    for import in [&elsewhere, &second, &first] {
        store.put_import(import).await.unwrap();
    }
    first.status = ImportStatus::Partial;
    first.ended_at = Some(at(9));
    first.options = ImportOptions {
        drop_attributes: strings(&["custom:a", "\u{e9}\""]),
        old_sub_attribute: Some("custom:old_sub".to_owned()),
    };
    for _ in 0..2 {
        store.put_import(&first).await.unwrap();
    }
    let of = async |pool: &str| store.imports(Some(&PoolId::new(pool))).await.unwrap();
    assert_eq!(of("eu-west-1_A").await, [first.clone(), second.clone()]);
    assert_eq!(of("eu-west-1_AA").await, std::slice::from_ref(&elsewhere));
    assert_eq!(of("eu-west-1_B").await, []);
    assert_eq!(store.imports(None).await.unwrap(), [first, second, elsewhere]);
}

fn created(sub: &str) -> Mapping {
    Mapping {
        sub: sub.to_owned(),
        username: format!("name of {sub}"),
        new_sub: Some(format!("new {sub}")),
        new_username: None,
        state: MappingState::Created,
        reason: None,
    }
}

/// By the old `sub` and by the new, in one import and not in another.
pub async fn mappings_are_replaced_and_found(store: Store) {
    let failed = Mapping {
        new_sub: None,
        state: MappingState::Failed,
        reason: Some("the name is taken".to_owned()),
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
    let to = async |import, new_sub| store.mapping_to(import, new_sub).await.unwrap();
    assert_eq!(to("one", "newer c").await, Some(restored));
    assert_eq!(to("one", "new a").await, Some(created("a")));
    for (import, new_sub) in
        [("one", "new c"), ("one", "new b"), ("two", "new a"), ("one", ""), ("on", "new a")]
    {
        assert_eq!(to(import, new_sub).await, None, "{import} {new_sub}");
    }
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
    for mapping in &all {
        let new_sub = mapping.new_sub.as_deref().unwrap();
        assert_eq!(store.mapping_to("one", new_sub).await.unwrap().as_ref(), Some(mapping));
    }
}

fn outcome(kind: Kind, group: &str, key: &str, failure: Option<&str>) -> Outcome {
    Outcome { kind, group: group.to_owned(), key: key.to_owned(), failure: failure.map(str::to_owned) }
}

/// By import, kind and group.
pub async fn outcomes_are_replaced_and_apart(store: Store) {
    let places = [
        (Kind::Settings, ""),
        (Kind::Group, ""),
        (Kind::User, ""),
        (Kind::Membership, ""),
        (Kind::Membership, "a"),
        (Kind::Membership, "A"),
        (Kind::Membership, "a#"),
    ];
    let failed = places.map(|(kind, group)| outcome(kind, group, "k", Some(group)));
    store.put_outcomes("one", &[]).await.unwrap();
    store.put_outcomes("one", &failed).await.unwrap();
    store.put_outcomes("one", &failed).await.unwrap();
    let done = outcome(Kind::Membership, "a", "k", None);
    store.put_outcomes("one", std::slice::from_ref(&done)).await.unwrap();
    for (number, (kind, group)) in places.into_iter().enumerate() {
        let expected = if number == 4 { &done } else { &failed[number] };
        let found = store.outcomes("one", kind, group, None, 10).await.unwrap();
        assert_eq!(found, std::slice::from_ref(expected));
        assert_eq!(store.outcomes("two", kind, group, None, 10).await.unwrap(), []);
    }
}

/// In byte order.
pub async fn outcomes_page_at_any_boundary(store: Store) {
    let all: Vec<Outcome> =
        hostile_keys().iter().map(|key| outcome(Kind::Membership, "a", key, None)).collect();
    for some in all.chunks(7).rev() {
        store.put_outcomes("one", some).await.unwrap();
    }
    for limit in [1, 2, all.len() - 1, all.len(), all.len() + 1] {
        let mut found: Vec<Outcome> = Vec::new();
        loop {
            let after = found.last().map(|outcome| outcome.key.as_str());
            let page = store.outcomes("one", Kind::Membership, "a", after, limit).await.unwrap();
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
