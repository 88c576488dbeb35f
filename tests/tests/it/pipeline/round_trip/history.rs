//! What happens to a pool between exports, and how it differs after it.

use std::collections::BTreeSet;

use cognito_profiles::compare::{Diff, Difference, What};
use cognito_profiles::model::Kind;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::Run;
use cognito_profiles_tests::world::{Contents, World};
use cognito_sim::GroupRecord;
use proptest::prelude::*;
use proptest::sample::Index;

use super::judge::truth;
use super::pools::{Person, SignIn, group, person, text};

/// One thing that happens to a pool.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Came(Person),
    Left(Index),
    Changed(Index, &'static str, String),
    Enabled(Index, bool),
    Joined(Index, Index),
    Parted(Index),
    GroupMade(GroupRecord),
    GroupGone(Index),
    GroupChanged(Index, Option<u32>),
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let changed = prop::sample::select(vec!["name", "nickname", "custom:field00"]);
    prop_oneof![
        person().prop_map(Event::Came),
        any::<Index>().prop_map(Event::Left),
        (any::<Index>(), changed, text()).prop_map(|(who, name, value)| Event::Changed(who, name, value)),
        (any::<Index>(), any::<bool>()).prop_map(|(who, enabled)| Event::Enabled(who, enabled)),
        (any::<Index>(), any::<Index>()).prop_map(|(who, group)| Event::Joined(who, group)),
        any::<Index>().prop_map(Event::Parted),
        group().prop_map(Event::GroupMade),
        any::<Index>().prop_map(Event::GroupGone),
        (any::<Index>(), prop::option::of(0..9_u32))
            .prop_map(|(which, precedence)| Event::GroupChanged(which, precedence)),
    ]
}

/// Lets it happen, if there is someone or something to happen to.
pub(super) fn happen(world: &World, sign_in: SignIn, number: usize, event: &Event) {
    let truth = truth(world, &world.pool);
    let subs: Vec<&String> = truth.users.keys().collect();
    let groups: Vec<&String> = truth.groups.keys().collect();
    let members: Vec<(String, String)> = truth.memberships().into_iter().collect();
    let (of_users, of_groups) = (!subs.is_empty(), !groups.is_empty());
    let user = |who: &Index| subs[who.index(subs.len())].clone();
    let named = |which: &Index| groups[which.index(groups.len())].clone();
    world
        .change(|admin| {
            let pool = &world.pool;
            match event {
                Event::Came(person) => {
                    admin.create_user(pool, person.record(1000 + number, sign_in, BTreeSet::new())).map(drop)
                }
                Event::Left(who) if of_users => admin.delete_user(pool, &user(who)),
                Event::Changed(who, name, value) if of_users => admin.update_user(pool, &user(who), |user| {
                    user.attributes.retain(|(known, _)| known != name);
                    user.attributes.push(((*name).into(), value.clone()));
                }),
                Event::Enabled(who, enabled) if of_users => {
                    admin.update_user(pool, &user(who), |user| user.enabled = *enabled)
                }
                Event::Joined(who, group) if of_users && of_groups => {
                    admin.join(pool, &user(who), &named(group))
                }
                Event::Parted(which) if !members.is_empty() => {
                    let (group, sub) = which.get(&members);
                    admin.leave(pool, sub, group)
                }
                Event::GroupMade(group) if !truth.groups.contains_key(&group.name) => {
                    admin.create_group(pool, group.clone())
                }
                Event::GroupGone(which) if of_groups => admin.delete_group(pool, &named(which)),
                Event::GroupChanged(which, precedence) if of_groups => {
                    admin.update_group(pool, &named(which), |group| group.precedence = *precedence)
                }
                _ => Ok(()),
            }
        })
        .unwrap();
}

type Found = BTreeSet<(Kind, String, String, Option<Vec<String>>)>;

/// What is different by the backup. When a record was made and modified is not what it is.
pub(super) async fn found(world: &World, first: &Run, second: &Run) -> Found {
    let of = |run: &Run| Snapshot::of(world.store.clone(), run.clone()).unwrap();
    let (first, second) = (of(first), of(second));
    let (mut diff, mut all) = (Diff::new(&first, &second).await.unwrap(), Found::new());
    while let Some(some) = diff.next().await.unwrap() {
        for Difference { kind, group, key, what } in some {
            let fields = match what {
                What::New => Some(vec!["new".to_owned()]),
                What::Gone => None,
                What::Changed(mut fields) => {
                    fields.retain(|field| !matches!(&**field, "created_at" | "modified_at"));
                    if fields.is_empty() {
                        continue;
                    }
                    Some(fields)
                }
            };
            all.insert((kind, group, key, fields));
        }
    }
    all
}

/// What is different in truth.
pub(super) fn differs(first: &Contents, second: &Contents) -> Found {
    let mut all = Found::new();
    let mut note =
        |kind, group: &str, key: &str, fields| all.insert((kind, group.to_owned(), key.to_owned(), fields));
    let new = || Some(vec!["new".to_owned()]);
    let keys =
        |a: Vec<&String>, b: Vec<&String>| a.into_iter().chain(b).cloned().collect::<BTreeSet<String>>();
    for sub in keys(first.users.keys().collect(), second.users.keys().collect()) {
        match (first.users.get(&sub), second.users.get(&sub)) {
            (Some(a), Some(b)) if a != b => {
                let names = keys(a.3.keys().collect(), b.3.keys().collect());
                let names = names.into_iter().filter(|name| a.3.get(name) != b.3.get(name));
                let mut fields: Vec<String> = names.map(|name| format!("attributes.{name}")).collect();
                fields.extend((a.1 != b.1).then(|| "enabled".to_owned()));
                note(Kind::User, "", &sub, Some(fields))
            }
            (Some(_), None) => note(Kind::User, "", &sub, None),
            (None, Some(_)) => note(Kind::User, "", &sub, new()),
            _ => true,
        };
    }
    for name in keys(first.groups.keys().collect(), second.groups.keys().collect()) {
        match (first.groups.get(&name), second.groups.get(&name)) {
            (Some(a), Some(b)) if a != b => {
                let differ =
                    [(a.0 != b.0, "description"), (a.1 != b.1, "precedence"), (a.2 != b.2, "role_arn")];
                let fields = differ.into_iter().filter(|(differs, _)| *differs);
                let mut fields: Vec<String> = fields.map(|(_, field)| field.to_owned()).collect();
                // One that was made anew under the name.
                fields.sort();
                note(Kind::Group, "", &name, Some(fields))
            }
            (Some(_), None) => note(Kind::Group, "", &name, None),
            (None, Some(_)) => note(Kind::Group, "", &name, new()),
            _ => true,
        };
    }
    for (group, sub) in first.memberships.difference(&second.memberships) {
        note(Kind::Membership, group, sub, None);
    }
    for (group, sub) in second.memberships.difference(&first.memberships) {
        note(Kind::Membership, group, sub, new());
    }
    all
}
