//! Who of the new pool is whom: what a listing of it shows is matched with what was sent to be
//! created. A user counts as restored only if it is found there; who is not is listed with the
//! reason.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finish::is_unfinished;
use super::fit::{Route, is_set_by_cognito};
use super::users::mapping_of;
use super::{Importer, Ongoing, Scratch};
use crate::Result;
use crate::model::{Record, User};
use crate::ports::{CreateWith, Job, Mapping, MappingState, NewUser, Sent, Version};
use crate::progress::Stage;
use crate::read::{Position, Snapshot};

/// How far the matching is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchPlace {
    side: Side,
    position: Position,
    /// Whether it is the second listing: who is not in it is missing.
    again: bool,
    missing: u64,
}

impl MatchPlace {
    /// The beginning of the second listing.
    pub fn second() -> Self {
        Self { again: true, ..Self::default() }
    }
}

/// What follows some of the matching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// The rest, from there on.
    More(MatchPlace),
    /// Somebody was not found, and a listing lags behind: list the pool once more, and begin with
    /// [`MatchPlace::second`].
    ListAgain,
    /// Nothing.
    All,
}

/// How long a listing may take to show who was just created.
const LIST_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// First those of the new pool are recognised, then those of the backup who are not there are
/// written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    #[default]
    New,
    Old,
}

impl Importer {
    /// Whether the new pool must be listed to know who was created.
    pub async fn must_match(&self, ongoing: &Ongoing) -> Result<bool> {
        if ongoing.import.options.create_with == CreateWith::ImportJob {
            return Ok(true);
        }
        let mut after: Option<String> = None;
        loop {
            let mappings =
                self.imports.mappings(&ongoing.import.id, after.as_deref(), crate::read::CHUNK).await?;
            if mappings.iter().any(|mapping| mapping.state == MappingState::Taken) {
                return Ok(true);
            }
            if mappings.len() < crate::read::CHUNK {
                return Ok(false);
            }
            after = mappings.last().map(|mapping| mapping.sub.clone());
        }
    }

    /// All of it, in this process.
    pub(super) async fn match_all(&self, ongoing: &Ongoing, scratch: &Scratch) -> Result<()> {
        let mut place = MatchPlace::default();
        let mut new = self.list(scratch).await?;
        self.progress.begin(Stage::Match, None);
        loop {
            match self.match_some(ongoing, &new, place).await? {
                Matched::More(next) => place = next,
                Matched::ListAgain => {
                    self.clock.sleep(LIST_AGAIN_AFTER).await;
                    new = self.list(scratch).await?;
                    place = MatchPlace::second();
                }
                Matched::All => break,
            }
        }
        self.progress.end(Stage::Match);
        Ok(())
    }

    /// Some users from `place` on, as `new` shows the pool.
    pub async fn match_some(&self, ongoing: &Ongoing, new: &Snapshot, place: MatchPlace) -> Result<Matched> {
        let snapshot = if place.side == Side::New { new } else { &ongoing.snapshot };
        let mut walk = snapshot.users().from(place.position.clone());
        let Some(versions) = walk.next().await? else {
            return Ok(match place.side {
                Side::New => {
                    Matched::More(MatchPlace { side: Side::Old, position: Position::Start, ..place })
                }
                Side::Old if place.missing > 0 && !place.again => Matched::ListAgain,
                Side::Old => Matched::All,
            });
        };
        let mut missing = place.missing;
        match place.side {
            Side::New => self.recognise(ongoing, &versions).await?,
            Side::Old => {
                let found = self.missing(ongoing, &versions).await?;
                missing += found.len() as u64;
                if place.again {
                    self.imports.put_mappings(&ongoing.import.id, &found).await?;
                }
            }
        }
        self.progress.advance(Stage::Match, versions.len() as u64);
        Ok(Matched::More(MatchPlace { position: walk.position().clone(), missing, ..place }))
    }

    /// Finds out which of the old users these of the new pool are.
    async fn recognise(&self, ongoing: &Ongoing, versions: &[Version]) -> Result<()> {
        let import = &ongoing.import;
        let new_subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let known = self.imports.mappings_to(&import.id, &new_subs).await?;
        let known: HashSet<&str> = known.iter().filter_map(|mapping| mapping.new_sub.as_deref()).collect();
        let mut strangers = Vec::new();
        for version in versions.iter().filter(|version| !known.contains(version.key.as_str())) {
            if let Record::User(user) = version.record()? {
                strangers.push(user);
            }
        }
        let names = strangers.iter().flat_map(|user| ongoing.fit.name_hashes_of(user)).collect::<Vec<_>>();
        let sent = self.imports.sent_as(&import.id, &names).await?;
        let subs: Vec<String> = sent.iter().map(|sent| sent.sub.clone()).collect();
        let begun = self.mappings_of(import, &subs).await?;
        let old = self.users(ongoing, &subs).await?;
        let mut old: HashMap<String, User> = old
            .into_iter()
            .filter(|user| begun.get(&user.sub).is_none_or(|mapping| mapping.new_sub.is_none()))
            .map(|user| (user.sub.clone(), user))
            .collect();
        let sent: HashMap<_, Sent> = sent.into_iter().map(|sent| (sent.name, sent)).collect();
        let mut found = Vec::new();
        for stranger in strangers {
            let names = ongoing.fit.name_hashes_of(&stranger);
            let claim = names
                .iter()
                .filter_map(|name| sent.get(name))
                .find(|sent| old.get(&sent.sub).is_some_and(|old| is_ours(ongoing, &stranger, old, sent)));
            if let Some(user) = claim.and_then(|sent| Some((old.remove(&sent.sub)?, sent))) {
                found.push(mapped(ongoing, &user.0, stranger, user.1));
            }
        }
        self.imports.put_mappings(&import.id, &found).await
    }

    /// Those who were sent to be created, and are not there, each with the reason.
    async fn missing(&self, ongoing: &Ongoing, versions: &[Version]) -> Result<Vec<Mapping>> {
        let import = &ongoing.import;
        let subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let mut begun = self.mappings_of(import, &subs).await?;
        let (mut missing, mut of_jobs) = (Vec::new(), Vec::new());
        for version in versions {
            match begun.remove(&version.key) {
                Some(mapping) if mapping.new_sub.is_some() => {}
                Some(mapping) if mapping.state == MappingState::Taken => {
                    missing.push(Mapping { state: MappingState::Failed, ..mapping });
                }
                _ => {
                    if let Record::User(user) = version.record()?
                        && matches!(ongoing.fit.route(&user), Route::Row(_))
                        && let Ok(new) = ongoing.fit.new_user(&user)
                    {
                        of_jobs.push((ongoing.fit.name_hash(&new.username), user));
                    }
                }
            }
        }
        let names: Vec<_> = of_jobs.iter().map(|(name, _)| *name).collect();
        let sent = self.imports.sent_as(&import.id, &names).await?;
        let sent: HashMap<_, Sent> = sent.into_iter().map(|sent| (sent.name, sent)).collect();
        let jobs = self.imports.jobs(&import.id).await?;
        missing.extend(of_jobs.into_iter().filter_map(|(name, user)| {
            // Whose name another has is written down already.
            let sent = sent.get(&name).filter(|sent| sent.sub == user.sub)?;
            let (number, line) = sent.row?;
            let job = jobs.iter().find(|job| job.number == number);
            let reason = Some(not_imported(job));
            let created_with = CreateWith::ImportJob;
            Some(Mapping { reason, line: Some(line), created_with, ..mapping_of(&user) })
        }));
        Ok(missing)
    }
}

/// Why a row's user is not there, as far as can be told: what became of single rows is only in the
/// job's log.
fn not_imported(job: Option<&Job>) -> String {
    let Some(job) = job else { return "its row was in no import job".to_owned() };
    let id = job.id.as_deref().unwrap_or("?");
    let status = job.status.as_deref().unwrap_or("not started");
    let counts = job.counts;
    format!(
        "its row was not imported by {id}, which ended {status} ({} rows, {} imported, {} skipped, {} refused): \
         the job's log in CloudWatch says why, by line",
        job.rows, counts.imported, counts.skipped, counts.failed
    )
}

fn mapped(ongoing: &Ongoing, old: &User, new: User, sent: &Sent) -> Mapping {
    let created_with = match sent.row {
        Some(_) => CreateWith::ImportJob,
        None => CreateWith::AdminApi,
    };
    let unfinished = is_unfinished(&ongoing.fit, old, created_with);
    Mapping {
        new_sub: Some(new.sub),
        new_username: Some(new.username),
        state: if unfinished { MappingState::Created } else { MappingState::Restored },
        created_with,
        ..mapping_of(old)
    }
}

/// Whether whoever has the name is who we sent, and not somebody who took it meanwhile.
fn is_ours(ongoing: &Ongoing, found: &User, old: &User, sent: &Sent) -> bool {
    let Ok(new) = ongoing.fit.new_user(old) else { return false };
    match sent.row {
        None => is_as_created(found, &new),
        // Nobody else is in the state a job leaves users in; who has left it by choosing a
        // password has every attribute still.
        Some(_) => found.status == "RESET_REQUIRED" || has_all_attributes(found, &new),
    }
}

fn has_all_attributes(found: &User, new: &NewUser) -> bool {
    let same = |(name, value): (&String, &String)| {
        found.attributes.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
    };
    found.status != "UNCONFIRMED" && new.attributes.iter().all(same)
}

/// Whether a user is just as our call left it: with a first password that nobody used, and with
/// no attribute that we did not send. Someone who signed up, or an account in use, is not.
fn is_as_created(found: &User, new: &NewUser) -> bool {
    let sent = |name: &str, value: &str| {
        let same = |sent: &String| sent.eq_ignore_ascii_case(value);
        // Cognito itself adds the name signed in with, and whether it is verified.
        new.attributes.get(name).map_or(same(&new.username) || name.ends_with("_verified"), same)
    };
    found.status == "FORCE_CHANGE_PASSWORD"
        && new.attributes.keys().all(|name| found.attributes.contains_key(name))
        && found.attributes.iter().all(|(name, value)| is_set_by_cognito(name) || sent(name, value))
}
