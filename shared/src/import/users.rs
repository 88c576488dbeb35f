use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::fit::{Fit, is_set_by_cognito};
use super::password::random_password;
use super::plan::Plan;
use super::{Importer, PARALLEL_CALLS};
use crate::Result;
use crate::model::{Kind, Record, User};
use crate::ports::{CallError, Fault, Import, Mapping, MappingState, NewUser, Outcome, UserFilter, Version};
use crate::progress::Stage;
use crate::read::Snapshot;

/// Users who never chose a password, or must choose a new one, stay so: they get none.
pub(super) fn keeps_temporary_password(user: &User) -> bool {
    matches!(user.status.as_str(), "UNCONFIRMED" | "FORCE_CHANGE_PASSWORD")
}

/// Listings, and look-ups with them, lag behind what was just created.
const LOOK_AGAIN_AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(4)];

/// A user whose name, address or number is taken in the new pool.
struct Taken {
    user: User,
    new: NewUser,
    error: CallError,
}

impl Importer {
    /// Creates every user that is not there yet, and writes down what each became.
    pub(super) async fn create_users(
        &self,
        import: &Import,
        snapshot: &Snapshot,
        fit: &Fit,
        plan: &Plan,
    ) -> Result<()> {
        self.progress.begin(Stage::CreateUsers, Some(plan.totals.users));
        let mut users = snapshot.users();
        while let Some(versions) = users.next().await? {
            let todo = self.not_restored(import, &versions).await?;
            self.progress.advance(Stage::CreateUsers, (versions.len() - todo.len()) as u64);
            let taken: Vec<Option<Taken>> = stream::iter(todo)
                .map(|(user, before)| async move {
                    let taken = self.restore_user(import, fit, user, before).await?;
                    self.progress.advance(Stage::CreateUsers, 1);
                    Ok::<_, crate::Error>(taken)
                })
                .buffer_unordered(PARALLEL_CALLS)
                .try_collect()
                .await?;
            // Only when all others are written down is it certain whose a taken name is.
            for taken in taken.into_iter().flatten() {
                self.adopt(import, fit, taken).await?;
            }
        }
        self.progress.end(Stage::CreateUsers);
        Ok(())
    }

    /// The users that are not restored yet, each with what was begun of it.
    async fn not_restored(
        &self,
        import: &Import,
        versions: &[Version],
    ) -> Result<Vec<(User, Option<Mapping>)>> {
        let subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let mappings = self.backup.mappings_of(&import.id, &subs).await?;
        let mut begun: HashMap<String, Mapping> =
            mappings.into_iter().map(|mapping| (mapping.sub.clone(), mapping)).collect();
        let mut todo = Vec::new();
        for version in versions {
            let Record::User(user) = version.record()? else { continue };
            match begun.remove(&user.sub) {
                Some(mapping) if mapping.state == MappingState::Restored => {}
                before => todo.push((user, before)),
            }
        }
        Ok(todo)
    }

    /// Restores one user from wherever it was left. Returns it if its name is taken.
    async fn restore_user(
        &self,
        import: &Import,
        fit: &Fit,
        user: User,
        before: Option<Mapping>,
    ) -> Result<Option<Taken>> {
        if let Some(created) = before.filter(|mapping| mapping.new_sub.is_some()) {
            self.finish_user(import, fit, &user, created).await?;
            return Ok(None);
        }
        let new = match fit.new_user(&user) {
            Ok(new) => new,
            Err(reason) => return self.give_up(import, mapping_of(&user), reason).await.map(|()| None),
        };
        match self.directory.create_user(&new).await {
            Ok(created) => {
                self.created(import, fit, &user, created).await?;
                Ok(None)
            }
            Err(error) if matches!(error.fault, Fault::Exists | Fault::AliasExists) => {
                Ok(Some(Taken { user, new, error }))
            }
            Err(error) => self.refused(import, mapping_of(&user), error).await.map(|()| None),
        }
    }

    async fn created(&self, import: &Import, fit: &Fit, user: &User, created: User) -> Result<()> {
        let mapping = Mapping {
            new_sub: Some(created.sub),
            new_username: Some(created.username),
            state: MappingState::Created,
            ..mapping_of(user)
        };
        self.put(import, mapping.clone()).await?;
        self.finish_user(import, fit, user, mapping).await
    }

    /// What follows creation: a password nobody knows, so that "forgot password" works; and
    /// whoever was disabled is disabled at once, not when everyone else is done.
    async fn finish_user(&self, import: &Import, fit: &Fit, user: &User, mapping: Mapping) -> Result<()> {
        if !keeps_temporary_password(user) {
            let username = mapping.new_username.clone().unwrap_or_default();
            let password = random_password(&*self.clock, &fit.target);
            if let Err(error) = self.directory.set_password(&username, &password).await {
                return self.refused(import, mapping, error).await;
            }
        }
        if !user.enabled {
            self.disable(import, user, &mapping).await?;
        }
        self.put(import, Mapping { state: MappingState::Restored, reason: None, ..mapping }).await
    }

    async fn disable(&self, import: &Import, user: &User, mapping: &Mapping) -> Result<()> {
        let username = mapping.new_username.as_deref().unwrap_or_default();
        let failure = match self.directory.disable_user(username).await {
            Ok(()) => None,
            Err(error) if error.is_fatal() => return Err(self.directory.explain(error)),
            Err(error) => Some(format!("{}: {}", error.operation, error.reason())),
        };
        let outcome = Outcome { kind: Kind::User, group: String::new(), key: user.sub.clone(), failure };
        self.backup.put_outcomes(&import.id, &[outcome]).await
    }

    /// The name is taken. If by a user whom we created before an answer was lost or the process
    /// was killed, it is ours. Anyone else is left alone.
    async fn adopt(&self, import: &Import, fit: &Fit, taken: Taken) -> Result<()> {
        let Taken { user, new, error } = taken;
        for pause in LOOK_AGAIN_AFTER {
            self.clock.sleep(pause).await;
            for found in self.namesakes(fit, &user, &new).await? {
                if is_as_created(&found, &new)
                    && self.backup.mapping_to(&import.id, &found.sub).await?.is_none()
                {
                    return self.created(import, fit, &user, found).await;
                }
            }
        }
        self.refused(import, mapping_of(&user), error).await
    }

    /// Who has the name. A name that Cognito refuses to look for is nobody's.
    async fn namesakes(&self, fit: &Fit, user: &User, new: &NewUser) -> Result<Vec<User>> {
        let attribute = match fit.target.makes_usernames() {
            false => "username",
            true if user.attributes.get("email") == Some(&new.username) => "email",
            true => "phone_number",
        };
        let filter = UserFilter::Equals(attribute, new.username.clone());
        match self.directory.find_users(&filter).await {
            Ok(found) => Ok(found),
            Err(error) if error.is_fatal() => Err(self.directory.explain(error)),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Cognito refused something of this user: it is listed, and stops nobody else.
    async fn refused(&self, import: &Import, mapping: Mapping, error: CallError) -> Result<()> {
        if error.is_fatal() {
            return Err(self.directory.explain(error));
        }
        let reason = format!("{}: {}", error.operation, error.reason());
        self.give_up(import, mapping, reason).await
    }

    async fn give_up(&self, import: &Import, mapping: Mapping, reason: String) -> Result<()> {
        self.put(import, Mapping { state: MappingState::Failed, reason: Some(reason), ..mapping }).await
    }

    async fn put(&self, import: &Import, mapping: Mapping) -> Result<()> {
        self.backup.put_mappings(&import.id, &[mapping]).await
    }
}

/// Nothing has become of the user yet.
fn mapping_of(user: &User) -> Mapping {
    Mapping {
        sub: user.sub.clone(),
        username: user.username.clone(),
        new_sub: None,
        new_username: None,
        state: MappingState::Failed,
        reason: None,
    }
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
