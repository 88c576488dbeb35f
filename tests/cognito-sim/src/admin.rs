//! Direct access to the pools, for tests and the demo.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::ServiceError;
use crate::group::GroupRecord;
use crate::lag::When;
use crate::pool_config::PoolConfig;
use crate::provider::IdentityProvider;
use crate::state::State;
use crate::time::Millis;
use crate::user::UserRecord;

/// Looks at and changes pools, past quotas, faults, billing and validation.
/// Names that exist already, and pools, users and groups that do not, are
/// errors here too.
#[derive(Debug)]
pub struct Admin<'a> {
    state: &'a mut State,
}

/// What is really in a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// By `sub`.
    pub users: BTreeMap<String, UserRecord>,
    /// By name.
    pub groups: BTreeMap<String, GroupRecord>,
}

impl Truth {
    /// Group and `sub` of every membership.
    pub fn memberships(&self) -> BTreeSet<(String, String)> {
        self.users
            .values()
            .flat_map(|user| user.groups.iter().map(|group| (group.clone(), user.sub.clone())))
            .collect()
    }
}

impl<'a> Admin<'a> {
    pub(crate) fn new(state: &'a mut State) -> Self {
        Self { state }
    }

    /// The time of the service.
    pub fn now(&self) -> Millis {
        self.state.now
    }

    /// Creates a pool and answers its id.
    pub fn create_pool(&mut self, config: PoolConfig) -> Result<String, ServiceError> {
        self.state.create_pool(config)
    }

    /// Deletes a pool with all that is in it.
    pub fn delete_pool(&mut self, pool: &str) -> Result<(), ServiceError> {
        self.state.domains.retain(|_, domain| domain.pool != pool);
        self.state.pools.remove(pool).map(|_| ()).ok_or_else(|| ServiceError::no_pool(pool))
    }

    /// The ids of all pools.
    pub fn pools(&self) -> Vec<String> {
        self.state.pools.keys().cloned().collect()
    }

    /// A pool's configuration.
    pub fn pool_config(&self, pool: &str) -> Result<PoolConfig, ServiceError> {
        Ok(self.state.pool(pool)?.config.clone())
    }

    /// Adds users as if they had always been there: listings show them at
    /// once. Answers how many.
    pub fn add_users(
        &mut self,
        pool: &str,
        users: impl IntoIterator<Item = UserRecord>,
    ) -> Result<usize, ServiceError> {
        let when = When { now: self.state.now, lag: 0 };
        let users = users.into_iter();
        self.state.pool_mut(pool)?.reserve(users.size_hint().0);
        let mut count = 0;
        for user in users {
            self.add(pool, user, when)?;
            count += 1;
        }
        Ok(count)
    }

    /// Creates a user now: listings notice after the configured lag. Answers
    /// its `sub`.
    pub fn create_user(&mut self, pool: &str, user: UserRecord) -> Result<String, ServiceError> {
        let when = self.state.when();
        let number = self.add(pool, user, when)?;
        let user = self.state.pool(pool)?.user(number);
        Ok(user.map(|user| user.sub.to_string()).unwrap_or_default())
    }

    fn add(&mut self, pool: &str, mut user: UserRecord, when: When) -> Result<u32, ServiceError> {
        if user.sub.is_empty() {
            user.sub = self.state.ids.uuid();
        }
        self.state.pool_mut(pool)?.add_user(user, when)
    }

    /// Changes a user: attributes, state, whether it is enabled, second factors. Its other
    /// members stay as they are, and it counts as modified now.
    pub fn update_user(
        &mut self,
        pool: &str,
        sub: &str,
        change: impl FnOnce(&mut UserRecord),
    ) -> Result<(), ServiceError> {
        let when = self.state.when();
        let pool = self.state.pool_mut(pool)?;
        let number = pool.by_sub(sub).ok_or_else(ServiceError::no_user)?;
        let mut record = match pool.user(number) {
            Some(user) => pool.record(user),
            None => return Err(ServiceError::no_user()),
        };
        change(&mut record);
        let attributes = record
            .attributes
            .into_iter()
            .map(|(name, value)| (pool.schema.intern(&name), value.into_boxed_str()))
            .collect();
        pool.update(number, when, |user| {
            user.attributes = attributes;
            user.status = record.status;
            user.enabled = record.enabled;
            user.mfa = record.mfa;
        });
        Ok(())
    }

    /// Deletes a user.
    pub fn delete_user(&mut self, pool: &str, sub: &str) -> Result<(), ServiceError> {
        let when = self.state.when();
        let pool = self.state.pool_mut(pool)?;
        let number = pool.by_sub(sub).ok_or_else(ServiceError::no_user)?;
        pool.delete_user(number, when);
        Ok(())
    }

    /// Creates a group.
    pub fn create_group(&mut self, pool: &str, group: GroupRecord) -> Result<(), ServiceError> {
        let when = self.state.when();
        self.state.pool_mut(pool)?.add_group(group, when)?;
        Ok(())
    }

    /// Adds groups as if they had always been there.
    pub fn add_groups(
        &mut self,
        pool: &str,
        groups: impl IntoIterator<Item = GroupRecord>,
    ) -> Result<(), ServiceError> {
        let when = When { now: self.state.now, lag: 0 };
        for group in groups {
            self.state.pool_mut(pool)?.add_group(group, when)?;
        }
        Ok(())
    }

    /// Changes a group; its name stays as it is.
    pub fn update_group(
        &mut self,
        pool: &str,
        group: &str,
        change: impl FnOnce(&mut GroupRecord),
    ) -> Result<(), ServiceError> {
        let now = self.state.now;
        let pool = self.state.pool_mut(pool)?;
        let number = pool.group_number(group).ok_or_else(ServiceError::no_group)?;
        pool.update_group(number, |record| {
            let name = record.name.clone();
            record.modified = now;
            change(record);
            record.name = name;
        });
        Ok(())
    }

    /// Deletes a group and its memberships.
    pub fn delete_group(&mut self, pool: &str, group: &str) -> Result<(), ServiceError> {
        let when = self.state.when();
        let pool = self.state.pool_mut(pool)?;
        let number = pool.group_number(group).ok_or_else(ServiceError::no_group)?;
        pool.delete_group(number, when);
        Ok(())
    }

    /// Adds a user to a group.
    pub fn join(&mut self, pool: &str, sub: &str, group: &str) -> Result<(), ServiceError> {
        let when = self.state.when();
        let pool = self.state.pool_mut(pool)?;
        let user = pool.by_sub(sub).ok_or_else(ServiceError::no_user)?;
        let group = pool.group_number(group).ok_or_else(ServiceError::no_group)?;
        pool.join(user, group, when)
    }

    /// Removes a user from a group.
    pub fn leave(&mut self, pool: &str, sub: &str, group: &str) -> Result<(), ServiceError> {
        let when = self.state.when();
        let pool = self.state.pool_mut(pool)?;
        let user = pool.by_sub(sub).ok_or_else(ServiceError::no_user)?;
        let group = pool.group_number(group).ok_or_else(ServiceError::no_group)?;
        pool.leave(user, group, when);
        Ok(())
    }

    /// One user.
    pub fn user(&self, pool: &str, sub: &str) -> Result<UserRecord, ServiceError> {
        let pool = self.state.pool(pool)?;
        pool.by_sub(sub)
            .and_then(|number| pool.user(number))
            .map(|user| pool.record(user))
            .ok_or_else(ServiceError::no_user)
    }

    /// How many users a pool has.
    pub fn user_count(&self, pool: &str) -> Result<usize, ServiceError> {
        Ok(self.state.pool(pool)?.len())
    }

    /// All that is in a pool, whatever listings say.
    pub fn truth(&self, pool: &str) -> Result<Truth, ServiceError> {
        let pool = self.state.pool(pool)?;
        Ok(Truth {
            users: pool.records(),
            groups: pool.groups().map(|group| (group.record.name.clone(), group.record.clone())).collect(),
        })
    }

    /// The `sub` of every user of a pool that became a billed active user.
    pub fn billed_users(&self, pool: &str) -> Result<BTreeSet<String>, ServiceError> {
        let pool = self.state.pool(pool)?;
        Ok(pool.billed.iter().map(ToString::to_string).collect())
    }

    /// Creates an identity provider, unchecked but for its name.
    pub fn create_identity_provider(
        &mut self,
        pool: &str,
        provider: IdentityProvider,
    ) -> Result<(), ServiceError> {
        let now = self.state.now;
        self.state.pool_mut(pool)?.add_provider(provider.complete(now))?;
        Ok(())
    }

    /// The identity providers of a pool, in the order they were created.
    pub fn identity_providers(&self, pool: &str) -> Result<Vec<IdentityProvider>, ServiceError> {
        Ok(self.state.pool(pool)?.providers.clone())
    }

    /// The ids of the import jobs ever made in a pool, the oldest first.
    pub fn import_jobs(&self, pool: &str) -> Result<Vec<String>, ServiceError> {
        Ok(self.state.pool(pool)?.jobs.iter().map(|job| job.id.clone()).collect())
    }

    /// What an import job wrote into its log in CloudWatch, line by line.
    pub fn import_log(&self, pool: &str, job: &str) -> Result<Vec<String>, ServiceError> {
        Ok(self.state.pool(pool)?.job(job)?.log())
    }
}
