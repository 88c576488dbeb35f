//! A service with one pool, and short ways to call it.

use cognito_sim::{Cognito, Config, PoolConfig, Quotas, Reply, ServiceError, UserRecord};
use serde_json::{Value, json};

pub(crate) const NOW: u64 = 1_700_000_000_123;

pub(crate) struct Sim {
    pub(crate) cognito: Cognito,
    pub(crate) pool: String,
}

impl Sim {
    /// No quotas, so that tests of other things need not mind the time.
    pub(crate) fn new(pool: PoolConfig) -> Self {
        Self::with(Config { quotas: Quotas::off(), ..Config::seeded(1) }, pool)
    }

    pub(crate) fn with(config: Config, pool: PoolConfig) -> Self {
        let cognito = Cognito::new(config);
        let pool = cognito.admin(NOW, |admin| admin.create_pool(pool)).expect("a new pool");
        Self { cognito, pool }
    }

    pub(crate) fn named() -> Self {
        Self::new(PoolConfig::named("people"))
    }

    /// Users u0, u1, … with e-mail addresses.
    pub(crate) fn with_users(count: usize) -> Self {
        let sim = Self::named();
        sim.add(count);
        sim
    }

    pub(crate) fn add(&self, count: usize) {
        let users = (0..count).map(|i| UserRecord::new(format!("u{i}")).with("email", format!("u{i}@x.org")));
        self.cognito.admin(NOW, |admin| admin.add_users(&self.pool, users)).expect("new users");
    }

    /// A call on the pool.
    pub(crate) fn at(&self, now: u64, operation: &str, mut body: Value) -> Result<Value, Reply> {
        if body.get("UserPoolId").is_none() {
            body["UserPoolId"] = json!(self.pool);
        }
        self.cognito.call(operation, body.to_string().as_bytes(), now).json()
    }

    pub(crate) fn ok(&self, operation: &str, body: Value) -> Value {
        self.at(NOW, operation, body).unwrap_or_else(|reply| panic!("{operation}: {reply:?}"))
    }

    pub(crate) fn error(&self, operation: &str, body: Value) -> ServiceError {
        match self.at(NOW, operation, body) {
            Err(Reply::Error(error)) => error,
            other => panic!("{operation}: {other:?}"),
        }
    }

    /// The name of the error a call gets.
    pub(crate) fn code(&self, operation: &str, body: Value) -> String {
        self.error(operation, body).code.into_owned()
    }

    /// All pages of a listing, at one moment.
    pub(crate) fn pages(&self, operation: &str, body: &Value) -> Vec<Vec<Value>> {
        let (list, token) = match operation {
            "ListUsers" => ("Users", "PaginationToken"),
            "ListUsersInGroup" => ("Users", "NextToken"),
            _ => ("Groups", "NextToken"),
        };
        let mut body = body.clone();
        let mut pages = Vec::new();
        loop {
            let answer = self.ok(operation, body.clone());
            pages.push(answer[list].as_array().expect("a list").clone());
            match answer.get(token) {
                Some(next) => body[token] = next.clone(),
                None => return pages,
            }
            assert!(pages.len() < 10_000, "the listing does not end");
        }
    }

    /// The sorted names in a listing.
    pub(crate) fn names(&self, operation: &str, body: &Value) -> Vec<String> {
        let member = if operation.starts_with("ListUsers") { "Username" } else { "GroupName" };
        let mut names: Vec<String> = self
            .pages(operation, body)
            .concat()
            .iter()
            .map(|record| record[member].as_str().expect("a name").to_owned())
            .collect();
        names.sort();
        names
    }
}

/// The value of an attribute in a `UserType` or an `AdminGetUser` answer.
pub(crate) fn attribute<'a>(user: &'a Value, name: &str) -> Option<&'a str> {
    let list = user.get("Attributes").or_else(|| user.get("UserAttributes"))?.as_array()?;
    list.iter().find(|attribute| attribute["Name"] == name)?["Value"].as_str()
}

/// `[{"Name":…,"Value":…}]`.
pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}
