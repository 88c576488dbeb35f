use std::collections::{BTreeMap, HashMap};

use super::fit::Route;
use super::{Importer, Ongoing, all_of};
use crate::Result;
use crate::model::{Partition, Record, User};
use crate::ports::{CallError, CreateWith, Fault, Import, Mapping, MappingState, NewUser, Sent};
use crate::progress::Stage;

impl Importer {
    /// Creates those of these users who are not created yet, and writes down what each became.
    pub(super) async fn create_users(&self, ongoing: &Ongoing, subs: &[String]) -> Result<()> {
        let mut begun = self.mappings_of(&ongoing.import, subs).await?;
        begun.retain(|_, mapping| mapping.state != MappingState::Failed || mapping.new_sub.is_some());
        let users = self.users(ongoing, subs).await?;
        let todo = users.into_iter().map(|user| (begun.remove(&user.sub), user)).filter(|(begun, _)| {
            begun.as_ref().is_none_or(|mapping| mapping.state != MappingState::Restored)
        });
        let work = todo.map(|(begun, user)| async move {
            match begun.filter(|mapping| mapping.new_sub.is_some()) {
                Some(created) => self.finish_user(ongoing, &user, created).await,
                None => self.create_user(ongoing, &user).await,
            }
        });
        all_of(work.collect()).await?;
        self.progress.advance(Stage::CreateUsers, subs.len() as u64);
        Ok(())
    }

    async fn create_user(&self, ongoing: &Ongoing, user: &User) -> Result<()> {
        let import = &ongoing.import;
        let new = match ongoing.fit.route(user) {
            Route::Api(new) => new,
            Route::Not(reason) => return self.give_up(import, mapping_of(user), reason).await,
            // Carried by a job; the batch was made when the import was asked for otherwise.
            Route::Row(_) => return Ok(()),
        };
        match self.directory.create_user(&new).await {
            Ok(created) => self.created(ongoing, user, created).await,
            Err(error) if matches!(error.fault, Fault::Exists | Fault::AliasExists) => {
                self.taken(ongoing, user, &new, error).await
            }
            Err(error) => self.refused(import, mapping_of(user), error).await,
        }
    }

    async fn created(&self, ongoing: &Ongoing, user: &User, created: User) -> Result<()> {
        let mapping = Mapping {
            new_sub: Some(created.sub),
            new_username: Some(created.username),
            state: MappingState::Created,
            ..mapping_of(user)
        };
        self.put(&ongoing.import, mapping.clone()).await?;
        self.finish_user(ongoing, user, mapping).await
    }

    /// The name is taken. By whom, the listing of the new pool will tell.
    async fn taken(&self, ongoing: &Ongoing, user: &User, new: &NewUser, error: CallError) -> Result<()> {
        let name = ongoing.fit.name_hash(&new.username);
        let sent = Sent { name, sub: user.sub.clone(), row: None };
        let import = &ongoing.import;
        // Whoever was sent under this name before has the better claim to who is there.
        let before = self.imports.sent_as(&import.id, &[name]).await?;
        if before.iter().any(|before| before.sub != user.sub) {
            return self.refused(import, mapping_of(user), error).await;
        }
        self.imports.put_sent(&import.id, &[sent]).await?;
        let reason = Some(described(&error));
        self.put(import, Mapping { state: MappingState::Taken, reason, ..mapping_of(user) }).await
    }

    /// These users, as they were.
    pub(super) async fn users(&self, ongoing: &Ongoing, subs: &[String]) -> Result<Vec<User>> {
        let mut by_partition: BTreeMap<Partition, Vec<String>> = BTreeMap::new();
        for sub in subs {
            by_partition.entry(Partition::of_user(sub)).or_default().push(sub.clone());
        }
        let snapshot = &ongoing.snapshot;
        let mut users = Vec::new();
        for (partition, subs) in by_partition {
            for version in self.backup.get(snapshot.pool(), &partition, &subs, snapshot.at).await? {
                if let Record::User(user) = version.record()? {
                    users.push(user);
                }
            }
        }
        Ok(users)
    }

    /// What became of these users, by their old `sub`.
    pub(super) async fn mappings_of(
        &self,
        import: &Import,
        subs: &[String],
    ) -> Result<HashMap<String, Mapping>> {
        let found = self.imports.mappings_of(&import.id, subs).await?;
        Ok(found.into_iter().map(|mapping| (mapping.sub.clone(), mapping)).collect())
    }

    /// Cognito refused something of this user: it is listed, and stops nobody else.
    pub(super) async fn refused(&self, import: &Import, mapping: Mapping, error: CallError) -> Result<()> {
        if error.is_fatal() {
            return Err(self.directory.explain(error));
        }
        self.give_up(import, mapping, described(&error)).await
    }

    /// Why a call could not be made, if it could not; an error if none could be.
    pub(super) fn failure(&self, called: std::result::Result<(), CallError>) -> Result<Option<String>> {
        match called {
            Ok(()) => Ok(None),
            Err(error) if error.is_fatal() => Err(self.directory.explain(error)),
            Err(error) => Ok(Some(described(&error))),
        }
    }

    pub(super) async fn give_up(&self, import: &Import, mapping: Mapping, reason: String) -> Result<()> {
        self.put(import, Mapping { state: MappingState::Failed, reason: Some(reason), ..mapping }).await
    }

    pub(super) async fn put(&self, import: &Import, mapping: Mapping) -> Result<()> {
        self.imports.put_mappings(&import.id, &[mapping]).await
    }
}

fn described(error: &CallError) -> String {
    format!("{}: {}", error.operation, error.reason())
}

/// Nothing has become of the user yet.
pub(super) fn mapping_of(user: &User) -> Mapping {
    Mapping {
        sub: user.sub.clone(),
        username: user.username.clone(),
        new_sub: None,
        new_username: None,
        state: MappingState::Failed,
        created_with: CreateWith::AdminApi,
        reason: None,
        line: None,
    }
}
