use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, join, stream};
use serde_json::Value;

use super::{Exporter, SettingsSaved};
use crate::Result;
use crate::model::{Partition, Record, SETTINGS_KEY};
use crate::ports::{CallError, Fault, PoolDescription, SettingsCall, Version};
use crate::settings::{Gathering, Part, Settings};
use crate::time::Timestamp;

/// How many calls of one part are made at a time: the rate is the limit, and is filled at a latency
/// of a second.
const PARALLEL_CALLS: usize = 8;

/// What was asked of the pool before its run began.
pub(super) struct PoolAnswers {
    pub(super) description: PoolDescription,
    pub(super) mfa_config: Answer,
}

/// An answer, or why there is none for this pool.
pub(super) type Answer = Result<Value, CallError>;

/// The items of a part, or why there are none.
type Items = Result<Vec<Value>, CallError>;

impl Exporter {
    /// A pool that cannot say how it is secured still has its users.
    pub(super) async fn mfa_config(&self) -> Result<Answer> {
        match self.directory.mfa_config().await {
            Err(error)
                if !matches!(error.fault, Fault::Refused(_) | Fault::Invalid { .. } | Fault::NotFound) =>
            {
                Err(self.directory.explain(error))
            }
            answered => Ok(answered),
        }
    }

    /// The pool's settings, as far as they can be read. A part that is refused is noted in them; what
    /// may pass ends the export.
    pub(super) async fn read_settings(&self, pool: PoolAnswers, now: Timestamp) -> Result<Settings> {
        let PoolAnswers { description: PoolDescription { user_pool, .. }, mfa_config } = pool;
        let domains = domains(&user_pool);
        let (mfa_config, refused) = match mfa_config {
            Ok(config) => (config, None),
            Err(error) => (Value::Null, Some(error)),
        };
        let mut gathering = Gathering::new(user_pool, mfa_config);
        if let Some(error) = refused {
            self.refuse(&mut gathering, Part::MfaConfig, error)?;
        }
        let SettingsSaved::All { recipient } = &self.settings else {
            return gathering.seal(None, None, [0; 16]);
        };
        // On the heap: so many calls at once are a large future.
        Box::pin(self.gather(&mut gathering, &domains)).await?;
        let before = if recipient.is_some() { self.settings_at(now).await? } else { None };
        let mut salt = [0; 16];
        self.clock.fill_random(&mut salt);
        gathering.seal(recipient.as_ref(), before.as_ref(), salt)
    }

    /// All parts at once: each has rates of its own, and begins to wait for them at once.
    async fn gather(&self, gathering: &mut Gathering, domains: &BTreeSet<String>) -> Result<()> {
        let ids = self.client_ids().await;
        let (clients, providers, servers, domains, customizations, risks, log_delivery) = join!(
            self.clients(&ids),
            self.identity_providers(),
            self.directory.list_settings(SettingsCall::ResourceServers, "ResourceServers"),
            self.all(domains.iter().cloned().map(SettingsCall::Domain), "DomainDescription"),
            self.customizations(&ids, !domains.is_empty()),
            self.risks(&ids),
            self.log_delivery(),
        );
        for (part, items) in [
            (Part::UserPoolClients, clients),
            (Part::IdentityProviders, providers),
            (Part::ResourceServers, servers),
            (Part::Domains, domains),
            (Part::UiCustomizations, customizations),
            (Part::RiskConfigurations, risks),
        ] {
            match items {
                Ok(items) => gathering.put_each(part, items),
                Err(error) => self.refuse(gathering, part, error)?,
            }
        }
        match log_delivery {
            Ok(Some(delivery)) => gathering.put_one(Part::LogDeliveryConfiguration, delivery),
            Ok(None) => {}
            Err(error) => self.refuse(gathering, Part::LogDeliveryConfiguration, error)?,
        }
        Ok(())
    }

    fn refuse(&self, gathering: &mut Gathering, part: Part, error: CallError) -> Result<()> {
        gathering.refuse(part, error).map_err(|error| self.directory.explain(error))
    }

    async fn client_ids(&self) -> Result<Vec<String>, CallError> {
        Ok(names(&self.directory.list_settings(SettingsCall::Clients, "UserPoolClients").await?, "ClientId"))
    }

    async fn clients(&self, ids: &Result<Vec<String>, CallError>) -> Items {
        let calls = ids.clone()?.into_iter().map(SettingsCall::Client);
        self.all(calls, "UserPoolClient").await
    }

    async fn identity_providers(&self) -> Items {
        let listed = self.directory.list_settings(SettingsCall::IdentityProviders, "Providers").await?;
        let calls = names(&listed, "ProviderName").into_iter().map(SettingsCall::IdentityProvider);
        self.all(calls, "IdentityProvider").await
    }

    /// Sign-in pages are customised where a domain shows them (API Reference, `SetUICustomization`).
    async fn customizations(&self, ids: &Result<Vec<String>, CallError>, has_domain: bool) -> Items {
        if !has_domain {
            return Ok(Vec::new());
        }
        let has_content = |item: &Value| item["CSS"].is_string() || item["ImageUrl"].is_string();
        let mut all = self.of_pool_and_clients(ids, SettingsCall::UiCustomization, "UICustomization").await?;
        all.retain(has_content);
        Ok(all)
    }

    async fn risks(&self, ids: &Result<Vec<String>, CallError>) -> Items {
        let has_content = |item: &Value| {
            let kinds = [
                "AccountTakeoverRiskConfiguration",
                "CompromisedCredentialsRiskConfiguration",
                "RiskExceptionConfiguration",
            ];
            kinds.iter().any(|kind| item[*kind].is_object())
        };
        let call = SettingsCall::RiskConfiguration;
        match self.of_pool_and_clients(ids, call, "RiskConfiguration").await {
            Err(CallError { fault: Fault::Refused(code), .. }) if means_none(&code) => Ok(Vec::new()),
            all => {
                let mut all = all?;
                all.retain(has_content);
                Ok(all)
            }
        }
    }

    async fn log_delivery(&self) -> Result<Option<Value>, CallError> {
        let answer = self.one(&SettingsCall::LogDelivery, "LogDeliveryConfiguration").await?;
        let delivers =
            |delivery: &Value| delivery["LogConfigurations"].as_array().is_some_and(|to| !to.is_empty());
        Ok(answer.filter(delivers))
    }

    /// What the pool has, and what its clients have of their own: one that has nothing is answered
    /// with the pool's. The pool first, which tells whether it makes sense to ask on.
    async fn of_pool_and_clients(
        &self,
        ids: &Result<Vec<String>, CallError>,
        call: fn(Option<String>) -> SettingsCall,
        member: &str,
    ) -> Items {
        let ids = ids.clone()?;
        let of_pool = self.one(&call(None), member).await?;
        let of_clients = self.all(ids.iter().cloned().map(|id| call(Some(id))), member).await?;
        let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let own = of_clients
            .into_iter()
            .filter(|item| item["ClientId"].as_str().is_some_and(|id| ids.contains(id)));
        Ok(of_pool.into_iter().chain(own).collect())
    }

    /// What these calls answer, in their order.
    async fn all(&self, calls: impl Iterator<Item = SettingsCall>, member: &str) -> Items {
        let calls: Vec<SettingsCall> = calls.collect();
        let answers = stream::iter(&calls).map(|call| self.one(call, member)).buffered(PARALLEL_CALLS);
        answers.try_filter_map(async |item| Ok(item)).try_collect().await
    }

    /// What a call answers; none if it is gone meanwhile, or was never there.
    async fn one(&self, call: &SettingsCall, member: &str) -> Result<Option<Value>, CallError> {
        match self.directory.read_settings(call).await {
            Ok(answer) => Ok(answer.into_json().get_mut(member).map(Value::take).filter(is_filled)),
            Err(CallError { fault: Fault::NotFound, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The settings that are current.
    async fn settings_at(&self, now: Timestamp) -> Result<Option<Settings>> {
        let keys = [SETTINGS_KEY.to_owned()];
        let found = self.backup.get(self.pool(), &Partition::Settings, &keys, now).await?;
        match found.first().map(Version::record).transpose()? {
            Some(Record::Settings(settings)) => Ok(Some(settings)),
            _ => Ok(None),
        }
    }
}

fn is_filled(item: &Value) -> bool {
    item.as_object().is_some_and(|members| !members.is_empty())
}

/// Codes that say that the pool has no threat protection to configure (API Reference,
/// `DescribeRiskConfiguration`).
fn means_none(code: &str) -> bool {
    matches!(code, "UserPoolAddOnNotEnabledException" | "FeatureUnavailableInTierException")
}

/// The domains a pool says it has.
fn domains(user_pool: &Value) -> BTreeSet<String> {
    let named = ["Domain", "CustomDomain"].into_iter().filter_map(|member| user_pool[member].as_str());
    named.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

/// What names the items of a listing, each once.
fn names(items: &[Value], member: &str) -> Vec<String> {
    let names: BTreeSet<&str> = items.iter().filter_map(|item| item[member].as_str()).collect();
    names.into_iter().map(ToOwned::to_owned).collect()
}
