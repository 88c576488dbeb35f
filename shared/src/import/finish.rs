//! What belongs to a user who is created: a password nobody knows, so that "forgot password"
//! works; second factors and links as far as an API can set them; and whoever was disabled is
//! disabled at once, not when everyone else is done.

use super::fit::Fit;
use super::password::random_password;
use super::{Importer, Ongoing, all_of};
use crate::Result;
use crate::model::User;
use crate::ports::{CreateWith, Factor, Fault, Import, Mapping, MappingState, Outcome, Step};
use crate::progress::Stage;

/// Users who never chose a password, or must choose a new one, stay so: they get none.
pub(super) fn keeps_temporary_password(user: &User) -> bool {
    matches!(user.status.as_str(), "UNCONFIRMED" | "FORCE_CHANGE_PASSWORD")
}

/// The second factors to set once the user is created, or why they cannot be; `None` if there is
/// nothing to set. A row of an import job has turned codes by SMS on; what else there is, no API
/// can turn on before the user chose a password.
fn factors_to_set(
    fit: &Fit,
    user: &User,
    with: CreateWith,
) -> Option<std::result::Result<Vec<Factor>, &'static str>> {
    match fit.mfa_of(user)? {
        Ok(factors) if with == CreateWith::ImportJob => (!factors.contains(&Factor::Sms))
            .then_some(Err("an import job cannot turn this second factor on: the user does")),
        factors => Some(factors),
    }
}

/// Whether anything is left to do for a user who is created so.
pub(super) fn is_unfinished(fit: &Fit, user: &User, with: CreateWith) -> bool {
    let (links, unknown) = fit.links_of(user);
    with == CreateWith::AdminApi
        || !user.enabled
        || !links.is_empty()
        || !unknown.is_empty()
        || factors_to_set(fit, user, with).is_some()
}

impl Importer {
    /// Finishes those of these users who are not finished yet.
    pub(super) async fn finish_users(&self, ongoing: &Ongoing, subs: &[String]) -> Result<()> {
        let mut mappings = self.mappings_of(&ongoing.import, subs).await?;
        mappings.retain(|_, mapping| mapping.state == MappingState::Created);
        let users = self.users(ongoing, subs).await?;
        let todo = users.into_iter().filter_map(|user| Some((mappings.remove(&user.sub)?, user)));
        let work = todo.map(|(mapping, user)| async move { self.finish_user(ongoing, &user, mapping).await });
        all_of(work.collect()).await?;
        self.progress.advance(Stage::Finish, subs.len() as u64);
        Ok(())
    }

    /// Finishes one user from wherever it was left.
    pub(super) async fn finish_user(&self, ongoing: &Ongoing, user: &User, mapping: Mapping) -> Result<()> {
        let Ongoing { import, fit, .. } = ongoing;
        let username = mapping.new_username.clone().unwrap_or_default();
        if mapping.created_with == CreateWith::AdminApi && !keeps_temporary_password(user) {
            let password = random_password(&*self.clock, &fit.target);
            if let Err(error) = self.directory.set_password(&username, &password).await {
                return self.refused(import, mapping, error).await;
            }
        }
        if let Some(factors) = factors_to_set(fit, user, mapping.created_with) {
            self.once(import, Step::Mfa, user, async {
                match &factors {
                    Ok(factors) => self.failure(self.directory.set_mfa_preference(&username, factors).await),
                    Err(reason) => Ok(Some((*reason).to_owned())),
                }
            })
            .await?;
        }
        let (links, unknown) = fit.links_of(user);
        if !links.is_empty() || !unknown.is_empty() {
            self.once(import, Step::Link, user, async {
                for identity in &links {
                    match self.directory.link_provider(&username, identity).await {
                        Err(error) if error.fault == Fault::Exists => {}
                        linked => {
                            if let Some(failure) = self.failure(linked)? {
                                return Ok(Some(format!("{}: {failure}", identity.provider)));
                            }
                        }
                    }
                }
                let unknown = unknown.join(", ");
                Ok((!unknown.is_empty()).then(|| format!("the new pool has no identity provider {unknown}")))
            })
            .await?;
        }
        if !user.enabled {
            self.once(import, Step::Disable, user, async {
                self.failure(self.directory.disable_user(&username).await)
            })
            .await?;
        }
        self.put(import, Mapping { state: MappingState::Restored, reason: None, ..mapping }).await
    }

    /// Does one step for a user, unless it is done, and writes down what became of it.
    async fn once(
        &self,
        import: &Import,
        step: Step,
        user: &User,
        work: impl Future<Output = Result<Option<String>>>,
    ) -> Result<()> {
        if !self.done(import, step, "", std::slice::from_ref(&user.sub)).await?.is_empty() {
            return Ok(());
        }
        let failure = work.await?;
        let outcome = Outcome { step, group: String::new(), key: user.sub.clone(), failure };
        self.imports.put_outcomes(&import.id, &[outcome]).await
    }
}
