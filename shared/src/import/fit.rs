//! What a pool can take: the rules of creating one user in it, without asking it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::csv::Sheet;
use crate::Result;
use crate::model::{Hash, User};
use crate::ports::{CreateWith, Factor, Identity, ImportOptions, NewUser, Target, WithoutRow};
use crate::settings::{PoolSettings, SchemaAttribute};

/// Attributes that only Cognito sets.
pub(super) fn is_set_by_cognito(name: &str) -> bool {
    name == "sub" || name == "identities" || name.starts_with("cognito:")
}

/// The new pool's settings and the operator's wishes.
pub(super) struct Fit {
    pub target: PoolSettings,
    pub options: ImportOptions,
    /// The second factors the new pool can ask for by a message.
    pub factors: Vec<Factor>,
    providers: Vec<String>,
    columns: Vec<String>,
}

/// Why users who come from an identity provider are not restored.
pub(super) const FEDERATED: &str =
    "comes from an identity provider: no API can create such a user; Cognito does when they next sign in";

/// How a user is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By this row of an import job.
    Row(String),
    /// By `AdminCreateUser`.
    Api(NewUser),
    /// Not at all, for this reason.
    Not(String),
}

/// An entry of the attribute `identities`, of which Cognito writes more.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityEntry {
    #[serde(default)]
    provider_name: String,
    #[serde(default)]
    user_id: String,
}

impl Fit {
    pub fn new(target: &Target, options: &ImportOptions) -> Result<Self> {
        Ok(Self {
            target: target.settings.pool()?,
            options: options.clone(),
            factors: target.settings.factors(),
            providers: target.providers.clone(),
            columns: target.columns.clone(),
        })
    }

    /// How the user is created.
    pub fn route(&self, user: &User) -> Route {
        let new = match self.new_user(user) {
            Ok(new) => new,
            Err(reason) => return Route::Not(reason),
        };
        if self.options.create_with == CreateWith::AdminApi {
            return Route::Api(new);
        }
        match (self.row(user, &new), self.options.without_row) {
            (Ok(row), _) => Route::Row(row),
            (Err(_), WithoutRow::AdminApi) => Route::Api(new),
            (Err(reason), WithoutRow::List) => {
                Route::Not(format!("no row of an import job can carry the user: {reason}"))
            }
        }
    }

    /// The user's row of an import job, or why there can be none. A row that Cognito would refuse
    /// is none: too many of them end a whole job.
    pub fn row(&self, user: &User, new: &NewUser) -> std::result::Result<String, String> {
        match self.objections(&new.attributes).into_iter().next() {
            Some(objection) => Err(objection),
            None => self.sheet().row(new, wanted_factors(user).contains(&Factor::Sms)),
        }
    }

    /// A column that the first line of a file cannot name, if there is one: how a comma is written
    /// is documented for values only.
    pub fn unwritable_column(&self) -> Option<&str> {
        self.columns.iter().find(|name| name.contains([',', '\\', '"'])).map(String::as_str)
    }

    /// The file of an import job.
    pub fn sheet(&self) -> Sheet<'_> {
        Sheet { columns: &self.columns, target: &self.target }
    }

    /// What the user is created with, or why that is impossible.
    pub fn new_user(&self, user: &User) -> std::result::Result<NewUser, String> {
        if user.is_federated() {
            return Err(FEDERATED.to_owned());
        }
        Ok(NewUser { username: self.sign_in_name(user)?, attributes: self.attributes(user) })
    }

    /// Under which name the new pool knows who is created so: names that it takes for the same
    /// have the same hash.
    pub fn name_hash(&self, name: &str) -> Hash {
        if self.target.is_case_sensitive() {
            Hash::of(name.as_bytes())
        } else {
            Hash::of(name.to_lowercase().as_bytes())
        }
    }

    /// The names a user of the new pool may have been created under.
    pub fn name_hashes_of(&self, found: &User) -> Vec<Hash> {
        if !self.target.makes_usernames() {
            return vec![self.name_hash(&found.username)];
        }
        let addresses = ["email", "phone_number"].into_iter().filter_map(|name| found.attributes.get(name));
        addresses.map(|address| self.name_hash(address)).collect()
    }

    /// The second factors to turn on, of those an API can; or why they cannot be. None for a user
    /// who had none.
    pub fn mfa_of(&self, user: &User) -> Option<std::result::Result<Vec<Factor>, &'static str>> {
        let wanted = wanted_factors(user);
        if wanted.is_empty() {
            return None;
        }
        let known: Vec<Factor> = wanted.into_iter().filter(|factor| self.factors.contains(factor)).collect();
        if known.is_empty() {
            return Some(Err("the new pool does not ask for this second factor"));
        }
        Some(Ok(known))
    }

    /// The identities that are linked to a user of the pool's own: those whose provider the new
    /// pool has, and the names of the providers it lacks.
    pub fn links_of(&self, user: &User) -> (Vec<Identity>, Vec<String>) {
        let known = |identity: &Identity| self.providers.contains(&identity.provider);
        let (known, unknown): (Vec<_>, Vec<_>) = links(user).into_iter().partition(known);
        let mut unknown: Vec<String> = unknown.into_iter().map(|identity| identity.provider).collect();
        unknown.sort_unstable();
        unknown.dedup();
        (known, unknown)
    }

    /// The attributes the user will have. An empty value is none: Cognito removes an attribute that
    /// is given one, and takes it for no number and no text of some length.
    pub fn attributes(&self, user: &User) -> BTreeMap<String, String> {
        let kept = user.attributes.iter().filter(|(name, value)| self.keeps(name) && !value.is_empty());
        let mut attributes: BTreeMap<String, String> =
            kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(name) = &self.options.old_sub_attribute {
            attributes.insert(name.clone(), user.sub.clone());
        }
        attributes
    }

    /// Whether an attribute is restored at all.
    pub fn keeps(&self, name: &str) -> bool {
        !is_set_by_cognito(name) && !self.options.drop_attributes.iter().any(|dropped| dropped == name)
    }

    /// The name the user is created under: in a pool that makes usernames itself, the address
    /// or number they sign in with.
    fn sign_in_name(&self, user: &User) -> std::result::Result<String, String> {
        if !self.target.makes_usernames() {
            return Ok(user.username.clone());
        }
        let takes = |name: &&str| self.target.username_attributes.iter().any(|taken| taken == name);
        let value = |name: &str| user.attributes.get(name).filter(|value| !value.is_empty());
        ["email", "phone_number"].iter().copied().filter(takes).find_map(value).cloned().ok_or_else(|| {
            format!(
                "has no {}, which the new pool signs in with",
                self.target.username_attributes.join(" or ")
            )
        })
    }

    /// What of a user the pool's schema will not accept, one short sentence each, without values.
    pub fn objections(&self, attributes: &BTreeMap<String, String>) -> Vec<String> {
        let mut found: Vec<String> = attributes
            .iter()
            .filter_map(|(name, value)| {
                let attribute = self.target.attribute(name)?;
                Some(format!("{name} {}", objection(attribute, value)?))
            })
            .collect();
        let required =
            self.target.schema_attributes.iter().filter(|attribute| attribute.required == Some(true));
        let missing =
            required.filter(|attribute| attribute.name != "sub" && !attributes.contains_key(&attribute.name));
        found.extend(missing.map(|attribute| format!("{} is required and missing", attribute.name)));
        found
    }
}

/// The second factors a listing shows of a user: that they get codes by SMS or e-mail.
fn wanted_factors(user: &User) -> Vec<Factor> {
    let medium = |medium: &str| {
        user.mfa_options.iter().any(|option| option.delivery_medium.as_deref() == Some(medium))
    };
    let factors = [("SMS", Factor::Sms), ("EMAIL", Factor::Email)].into_iter();
    factors.filter(|(name, _)| medium(name)).map(|(_, factor)| factor).collect()
}

/// Who a user of the pool's own is to identity providers.
pub(super) fn links(user: &User) -> Vec<Identity> {
    let Some(text) = user.attributes.get("identities") else { return Vec::new() };
    // What cannot be read is seen when the restored pool is compared.
    let entries: Vec<IdentityEntry> = serde_json::from_str(text).unwrap_or_default();
    let identity = |entry: IdentityEntry| Identity { provider: entry.provider_name, user_id: entry.user_id };
    entries.into_iter().map(identity).filter(|identity| !identity.user_id.is_empty()).collect()
}

/// Why a value does not fit an attribute, if it does not.
fn objection(attribute: &SchemaAttribute, value: &str) -> Option<&'static str> {
    let bound = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
    match attribute.attribute_data_type.as_str() {
        "Number" => {
            let Ok(number) = value.parse::<f64>() else { return Some("is not a number") };
            let limits = &attribute.number_attribute_constraints;
            let outside = bound(&limits.min_value).is_some_and(|least| number < least)
                || bound(&limits.max_value).is_some_and(|most| number > most);
            outside.then_some("is out of range")
        }
        "Boolean" => (!matches!(value, "true" | "false")).then_some("is not true or false"),
        "String" => {
            #[allow(clippy::cast_precision_loss)] // attributes have at most 2,048 characters
            let length = value.chars().count() as f64;
            let limits = &attribute.string_attribute_constraints;
            if bound(&limits.min_length).is_some_and(|least| length < least) {
                return Some("is too short");
            }
            bound(&limits.max_length).is_some_and(|most| length > most).then_some("is too long")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MfaOption;
    use crate::settings::Settings;
    use serde_json::{Value, json};

    fn fit(pool: Value, options: &ImportOptions) -> Fit {
        let target = Target { settings: Settings::new(pool, Value::Null), ..Target::default() };
        Fit::new(&target, options).unwrap()
    }

    fn user(status: &str, attributes: &[(&str, &str)]) -> User {
        User {
            sub: "old-sub".into(),
            username: "ann".into(),
            attributes: attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            enabled: true,
            status: status.into(),
            created_at: None,
            modified_at: None,
            mfa_options: Vec::new(),
        }
    }

    #[test]
    fn signs_in_with_what_the_new_pool_takes() {
        let emails = fit(json!({"UsernameAttributes": ["email"]}), &ImportOptions::default());
        let created = emails.new_user(&user("CONFIRMED", &[("email", "a@example.com")])).unwrap();
        assert_eq!(created.username, "a@example.com");
        assert!(emails.new_user(&user("CONFIRMED", &[("phone_number", "+1")])).is_err());
        let both = fit(json!({"UsernameAttributes": ["phone_number", "email"]}), &ImportOptions::default());
        assert_eq!(both.new_user(&user("CONFIRMED", &[("phone_number", "+1")])).unwrap().username, "+1");
        let names = fit(json!({}), &ImportOptions::default());
        assert_eq!(names.new_user(&user("CONFIRMED", &[])).unwrap().username, "ann");
        assert_eq!(names.new_user(&user("EXTERNAL_PROVIDER", &[])), Err(FEDERATED.to_owned()));
    }

    #[test]
    fn leaves_out_what_cannot_or_shall_not_be_set_and_keeps_the_old_sub() {
        let options = ImportOptions {
            drop_attributes: vec!["custom:x".into()],
            old_sub_attribute: Some("custom:old".into()),
            ..ImportOptions::default()
        };
        let attributes =
            [("identities", "[]"), ("cognito:mfa_enabled", "true"), ("custom:x", "1"), ("name", "Ann")];
        let created = fit(json!({}), &options).new_user(&user("CONFIRMED", &attributes)).unwrap();
        let expected =
            BTreeMap::from([("name".into(), "Ann".into()), ("custom:old".into(), "old-sub".into())]);
        assert_eq!(created.attributes, expected);
    }

    #[test]
    fn objects_to_values_the_schema_does_not_take() {
        let pool = json!({"SchemaAttributes": [
            {"Name": "custom:n", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MaxValue": "9"}},
            {"Name": "custom:s", "AttributeDataType": "String", "StringAttributeConstraints": {"MaxLength": "2"}},
            {"Name": "email", "AttributeDataType": "String", "Required": true},
        ]});
        let attributes = [("custom:n", "10"), ("custom:s", "éé"), ("name", "any")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(
            fit(pool, &ImportOptions::default()).objections(&attributes),
            ["custom:n is out of range", "email is required and missing"]
        );
    }

    #[test]
    fn rows_where_they_can_carry_the_user_and_what_was_chosen_where_not() {
        let pool = json!({"AutoVerifiedAttributes": ["email"],
            "SchemaAttributes": [{"Name": "custom:n", "AttributeDataType": "Number"}]});
        let columns = ["cognito:username", "email", "email_verified", "cognito:mfa_enabled", "custom:n"];
        let target = Target {
            settings: Settings::new(pool, Value::Null),
            columns: columns.map(str::to_owned).to_vec(),
            ..Target::default()
        };
        let with = |without_row| {
            let options =
                ImportOptions { create_with: CreateWith::ImportJob, without_row, ..ImportOptions::default() };
            Fit::new(&target, &options).unwrap()
        };
        let verified = [("email", "a@x.test"), ("email_verified", "true")];
        let (plain, unverified) = (user("CONFIRMED", &verified), user("CONFIRMED", &verified[..1]));
        let refused = user("CONFIRMED", &[verified[0], verified[1], ("custom:n", "many")]);
        let fit = with(WithoutRow::AdminApi);
        assert_eq!(fit.route(&plain), Route::Row("ann,a@x.test,true,false,\n".to_owned()));
        assert!(matches!(fit.route(&unverified), Route::Api(_)));
        assert!(matches!(fit.route(&refused), Route::Api(_)), "a row that is refused may end the whole job");
        let Route::Not(reason) = with(WithoutRow::List).route(&unverified) else { panic!("listed") };
        assert_eq!(reason, "no row of an import job can carry the user: they have no verified email");
        assert_eq!(fit.route(&user("EXTERNAL_PROVIDER", &verified)), Route::Not(FEDERATED.to_owned()));
    }

    #[test]
    fn second_factors_and_links_as_far_as_the_new_pool_has_them() {
        let mfa = json!({"MfaConfiguration": "OPTIONAL", "SmsMfaConfiguration": {}});
        let target = Target {
            settings: Settings::new(json!({}), mfa),
            providers: vec!["Google".to_owned()],
            ..Target::default()
        };
        let fit = Fit::new(&target, &ImportOptions::default()).unwrap();
        let option =
            |medium: &str| MfaOption { delivery_medium: Some(medium.to_owned()), attribute_name: None };
        let with = |mediums: &[&str]| User {
            mfa_options: mediums.iter().map(|medium| option(medium)).collect(),
            ..user("CONFIRMED", &[])
        };
        assert_eq!(fit.mfa_of(&with(&[])), None);
        assert_eq!(fit.mfa_of(&with(&["SMS", "EMAIL"])), Some(Ok(vec![Factor::Sms])));
        assert!(fit.mfa_of(&with(&["EMAIL"])).unwrap().is_err());
        let identities = r#"[{"userId":"7","providerName":"Google","providerType":"Google"},
            {"userId":"8","providerName":"Corp"},{"providerName":"Corp"}]"#;
        let (known, unknown) = fit.links_of(&user("CONFIRMED", &[("identities", identities)]));
        assert_eq!(known, [Identity { provider: "Google".to_owned(), user_id: "7".to_owned() }]);
        assert_eq!(unknown, ["Corp"]);
        for odd in ["", "[]", "{}", "no JSON"] {
            assert_eq!(fit.links_of(&user("CONFIRMED", &[("identities", odd)])), (vec![], vec![]));
        }
    }
}
