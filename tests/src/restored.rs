//! What must hold of every new pool, however its import came to its end.

#![allow(clippy::missing_panics_doc)] // that is what it is for

use std::collections::BTreeSet;

use cognito_profiles::ports::{Import, Mapping, MappingState, Outcome, Step};

use crate::mortal::Fate;
use crate::world::{Contents, World};

/// Everyone of `old` is in the pool `target` as they should be, or listed; nobody twice, nobody
/// else, and nobody was written to.
pub async fn assert_restored(world: &World, import: &Import, target: &str, old: &Contents, context: &str) {
    let new = world.truth(target);
    let imports = world.imports(&Fate::immortal());
    let mappings = imports.mappings(&import.id, None, usize::MAX).await.expect("mappings can be read");
    assert_eq!(mappings.len(), old.users.len(), "{context}: everyone is accounted for");
    assert_users(&mappings, old, &new, context);
    let outcomes = async |step, group: &str| {
        let outcomes = imports.outcomes(&import.id, step, group, None, usize::MAX).await;
        outcomes.expect("outcomes can be read").into_iter().filter(|outcome| outcome.failure.is_some())
    };
    let listed = |outcome: Outcome| outcome.key;
    let groups: BTreeSet<String> = outcomes(Step::Group, "").await.map(listed).collect();
    for (name, group) in &old.groups {
        let there = new.groups.get(name) == Some(group);
        assert!(there != groups.contains(name), "{context}: group {name} is there {there}, {groups:?}");
    }
    let mut moved = BTreeSet::new();
    for group in old.groups.keys() {
        let refused: BTreeSet<String> = outcomes(Step::Membership, group).await.map(listed).collect();
        let members = old.memberships.iter().filter(|(of, sub)| of == group && !refused.contains(sub));
        for (group, sub) in members {
            let mapping = mappings.iter().find(|mapping| mapping.sub == *sub);
            let new_sub = mapping.and_then(|mapping| mapping.new_sub.clone());
            moved.insert((group.clone(), new_sub.expect("a member without a new user is listed")));
        }
    }
    assert_eq!(new.memberships, moved, "{context}");
    assert_eq!(import.compared.as_ref().map(|compared| compared.differences), Some(0), "{context}");
    let meter = world.cognito.meter();
    assert_eq!((meter.messages_sent, meter.federated_users_broken), (0, 0), "{context}");
}

fn assert_users(mappings: &[Mapping], old: &Contents, new: &Contents, context: &str) {
    let mut restored = BTreeSet::new();
    for mapping in mappings {
        let (_, enabled, _, attributes) = &old.users[&mapping.sub];
        let Some(new_sub) = &mapping.new_sub else {
            assert!(mapping.reason.is_some(), "{context}: {mapping:?}");
            continue;
        };
        assert!(restored.insert(new_sub.clone()), "{context}: two users became one");
        let Some((_, new_enabled, _, new_attributes)) = new.users.get(new_sub) else {
            panic!("{context}: {mapping:?} is not there");
        };
        for (name, value) in attributes.iter().filter(|(name, _)| *name != "identities") {
            assert_eq!(new_attributes.get(name), Some(value), "{context}: {name}");
        }
        if mapping.state == MappingState::Restored {
            assert_eq!(enabled, new_enabled, "{context}");
        } else {
            assert!(mapping.reason.is_some(), "{context}: {mapping:?}");
        }
    }
    let there: BTreeSet<String> = new.users.keys().cloned().collect();
    assert_eq!(there, restored, "{context}: nobody twice, and nobody else");
}
