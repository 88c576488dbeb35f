//! A request as an object, and what its members may be.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::super::Answer;
use crate::error::ServiceError;
use crate::names;
use crate::page::cut;
use crate::resources::Object;
use crate::rng;
use crate::state::State;
use crate::time::{Millis, seconds};
use crate::token::{Position, Seal};

static ARN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^arn:[\w+=/,.@-]+:[^\s]+$").ok());

/// The members of a request. Others than those known are refused, which is stricter than the service.
pub(super) struct Body(Object);

impl Body {
    pub(super) fn parse(body: &[u8], known: &[&str]) -> Result<Self, ServiceError> {
        let body: Object = super::super::parse(body)?;
        match body.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(ServiceError::invalid(format!("Unknown member of the request: {name}"))),
            None => Ok(Self(body)),
        }
    }

    pub(super) fn pool(&self) -> Result<String, ServiceError> {
        super::super::pool_id(self.text("UserPoolId", 1, 55)?.map(ToOwned::to_owned))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The members that are answered as they were asked for.
    pub(super) fn into_object(mut self, without: &[&str]) -> Object {
        self.0.retain(|name, _| !without.contains(&name.as_str()));
        self.0
    }

    pub(super) fn text(&self, name: &str, min: usize, max: usize) -> Result<Option<&str>, ServiceError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| wrong_type(name))?;
        names::length(name, text, min, max)?;
        Ok(Some(text))
    }

    pub(super) fn needed(&self, name: &str, min: usize, max: usize) -> Result<&str, ServiceError> {
        self.text(name, min, max)?.ok_or_else(|| ServiceError::missing(name))
    }

    pub(super) fn one_of(&self, name: &str, allowed: &[&str]) -> Result<Option<&str>, ServiceError> {
        let found = self.text(name, 0, 64)?;
        match found {
            Some(text) if !allowed.contains(&text) => Err(not_allowed(name, allowed)),
            _ => Ok(found),
        }
    }

    pub(super) fn number(&self, name: &str, min: i64, max: i64) -> Result<Option<i64>, ServiceError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let number = value.as_i64().ok_or_else(|| wrong_type(name))?;
        if !(min..=max).contains(&number) {
            return Err(ServiceError::constraint(
                name,
                &format!("Member must have value between {min} and {max}"),
            ));
        }
        Ok(Some(number))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ServiceError> {
        self.0.get(name).map(|value| value.as_bool().ok_or_else(|| wrong_type(name))).transpose()
    }

    /// A list of texts, each once.
    pub(super) fn texts(&self, name: &str, most: usize) -> Result<Vec<&str>, ServiceError> {
        let Some(value) = self.0.get(name) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| wrong_type(name))?;
        let texts: Vec<&str> = items
            .iter()
            .map(|item| item.as_str().ok_or_else(|| wrong_type(name)))
            .collect::<Result<_, _>>()?;
        if texts.len() > most {
            return Err(ServiceError::constraint(
                name,
                &format!("Member must have length less than or equal to {most}"),
            ));
        }
        if texts.iter().enumerate().any(|(at, text)| texts[..at].contains(text)) {
            return Err(ServiceError::invalid(format!("{name} has a member twice")));
        }
        Ok(texts)
    }

    pub(super) fn texts_of(&self, name: &str, allowed: &[&str]) -> Result<Vec<&str>, ServiceError> {
        let texts = self.texts(name, allowed.len())?;
        if texts.iter().any(|text| !allowed.contains(text)) {
            return Err(not_allowed(name, allowed));
        }
        Ok(texts)
    }

    /// An object of these members, as a body of its own.
    pub(super) fn object(&self, name: &str, known: &[&str]) -> Result<Option<Self>, ServiceError> {
        self.0.get(name).map(|value| Self::of(value, name, known)).transpose()
    }

    /// A list of objects of these members.
    pub(super) fn objects(&self, name: &str, most: usize, known: &[&str]) -> Result<Vec<Self>, ServiceError> {
        let Some(value) = self.0.get(name) else { return Ok(Vec::new()) };
        let items = value.as_array().filter(|items| items.len() <= most).ok_or_else(|| wrong_type(name))?;
        items.iter().map(|item| Self::of(item, name, known)).collect()
    }

    fn of(value: &Value, name: &str, known: &[&str]) -> Result<Self, ServiceError> {
        let object = value.as_object().ok_or_else(|| wrong_type(name))?;
        Self::parse(json!(object).to_string().as_bytes(), known)
    }

    pub(super) fn arn(&self, name: &str) -> Result<Option<&str>, ServiceError> {
        let arn = self.text(name, 20, 2048)?;
        match arn {
            Some(arn) if !ARN.as_ref().is_some_and(|pattern| pattern.is_match(arn)) => {
                Err(ServiceError::constraint(name, "Member must satisfy regular expression pattern: arn:…"))
            }
            _ => Ok(arn),
        }
    }
}

pub(super) fn wrong_type(name: &str) -> ServiceError {
    ServiceError::new("SerializationException", format!("{name} is not of the expected type"))
}

fn not_allowed(name: &str, allowed: &[&str]) -> ServiceError {
    ServiceError::constraint(name, &format!("Member must satisfy enum value set: {allowed:?}"))
}

pub(super) fn answer(member: &str, object: impl Into<Value>) -> Vec<u8> {
    let mut body = Object::new();
    body.insert(member.to_owned(), object.into());
    Value::Object(body).to_string().into_bytes()
}

/// Adds whose it is, and when it was made or changed.
pub(super) fn dated(mut object: Object, pool: &str, created: Option<&Value>, now: Millis) -> Object {
    object.insert("UserPoolId".to_owned(), json!(pool));
    object.insert("CreationDate".to_owned(), created.cloned().unwrap_or_else(|| json!(seconds(now))));
    object.insert("LastModifiedDate".to_owned(), json!(seconds(now)));
    object
}

/// One page of a listing of a pool: each of `records`, by key, as `shown`.
pub(super) fn page(
    state: &mut State,
    body: &Body,
    (operation, member, most): (&str, &str, i64),
    pool: &str,
    records: &[(String, Value)],
) -> Answer {
    let limit = body.number("MaxResults", 1, most)?.unwrap_or(most);
    let seal = Seal::new(state.config.seed, &[operation, pool]);
    let start = Position { after: (0, 0), started: false, ended: false };
    let start = body.text("NextToken", 1, 4096)?.map_or(Ok(start), |token| seal.open(token, state.now))?;
    let seed = state.config.seed;
    let mut placed: Vec<(u64, u32)> = Vec::new();
    for (number, (key, _)) in records.iter().enumerate() {
        placed.push((rng::hash(seed, key.as_bytes()), u32::try_from(number).unwrap_or(u32::MAX)));
    }
    placed.sort_unstable();
    let rest = placed.into_iter().filter(|(place, _)| !start.started || *place > start.after.0);
    let limit = usize::try_from(limit).unwrap_or(1);
    let page = cut(rest, start, limit, None, &state.config.listing, &mut state.chance);
    let shown = page.numbers.iter().filter_map(|&number| records.get(number as usize));
    let mut answer = Object::new();
    answer.insert(member.to_owned(), shown.map(|(_, shown)| shown.clone()).collect());
    if let Some(next) = page.next {
        answer.insert("NextToken".to_owned(), json!(seal.token(next, state.now)));
    }
    Ok(Value::Object(answer).to_string().into_bytes())
}
