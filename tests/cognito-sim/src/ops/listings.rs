//! Everything that comes in pages.

use std::ops::{Bound, RangeBounds};

use serde::Deserialize;

use super::groups::group_name;
use super::{Answer, UserRequest, parse, pool_id, username};
use crate::config::ListingBehaviour;
use crate::error::ServiceError;
use crate::filter::{Filter, Subject};
use crate::json::write_str;
use crate::names;
use crate::page::{Page, cut};
use crate::pool::{Pool, prefix_of};
use crate::state::State;
use crate::token::{Position, Seal};

const START: Position = Position { after: (0, 0), started: false, ended: false };

fn limit(limit: Option<i64>) -> Result<usize, ServiceError> {
    match limit {
        None | Some(0) => Ok(60),
        Some(limit @ 1..=60) => Ok(usize::try_from(limit).unwrap_or(60)),
        Some(_) => Err(ServiceError::constraint("limit", "Member must have value between 0 and 60")),
    }
}

/// The limit of listings that insist on one.
pub(super) fn max_results(limit: Option<i64>) -> Result<usize, ServiceError> {
    match super::required(limit, "maxResults")? {
        limit @ 1..=60 => Ok(usize::try_from(limit).unwrap_or(60)),
        _ => Err(ServiceError::constraint("maxResults", "Member must be between 1 and 60")),
    }
}

pub(super) fn start(seal: Seal, token: Option<&String>, now: u64) -> Result<Position, ServiceError> {
    token.map_or(Ok(START), |token| seal.open(token, now))
}

/// Ends an answer: `],"…Token":"…"}`, or just `]}`.
pub(super) fn close(mut out: Vec<u8>, page: &Page, member: &str, seal: Seal, now: u64) -> Vec<u8> {
    out.push(b']');
    if let Some(next) = page.next {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(member.as_bytes());
        out.extend_from_slice(b"\":");
        write_str(&mut out, &seal.token(next, now));
    }
    out.push(b'}');
    out
}

/// The part of an ordered index after a position.
fn after(position: Position) -> impl RangeBounds<(u64, u32)> {
    let from = if position.started { Bound::Excluded(position.after) } else { Bound::Unbounded };
    (from, Bound::Unbounded)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UsersRequest {
    user_pool_id: Option<String>,
    limit: Option<i64>,
    pagination_token: Option<String>,
    filter: Option<String>,
    attributes_to_get: Option<Vec<String>>,
}

pub(super) fn users(state: &mut State, body: &[u8]) -> Answer {
    let request: UsersRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let limit = limit(request.limit)?;
    let filter_text = request.filter.unwrap_or_default();
    let filter = Filter::parse(&filter_text)?;
    if state.config.listing.refuse_sub_prefix
        && let Some(Filter { subject: Subject::Sub, prefix: true, .. }) = filter
    {
        return Err(ServiceError::invalid("Filter type not supported for attribute sub."));
    }
    let now = state.now;
    let State { pools, config, chance, .. } = state;
    let pool = pools.get(&id).ok_or_else(|| ServiceError::no_pool(&id))?;
    let wanted = wanted_attributes(pool, request.attributes_to_get.as_deref())?;
    let seal = Seal::new(config.seed, &["ListUsers", &id, &filter_text]);
    let start = start(seal, request.pagination_token.as_ref(), now)?;
    let page = users_page(pool, filter.as_ref(), start, limit, &config.listing, chance);

    let mut out = Vec::with_capacity(64 + page.numbers.len() * 1024);
    out.extend_from_slice(b"{\"Users\":[");
    for (i, user) in page.numbers.iter().filter_map(|&number| pool.listed(number)).enumerate() {
        if let Some(wanted) = &wanted
            && wanted.iter().any(|id| id.is_some_and(|id| user.value(id).is_none()))
        {
            return Err(ServiceError::invalid("One or more requested attributes do not exist on user."));
        }
        if i > 0 {
            out.push(b',');
        }
        user.write(&mut out, &pool.schema, wanted.as_deref());
    }
    Ok(close(out, &page, "PaginationToken", seal, now))
}

/// The numbers of the attributes asked for; `None` inside stands for `sub`.
fn wanted_attributes(
    pool: &Pool,
    names: Option<&[String]>,
) -> Result<Option<Vec<Option<u16>>>, ServiceError> {
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return Ok(None);
    };
    names
        .iter()
        .map(|name| {
            names::attribute_name(name)?;
            if name == "sub" {
                return Ok(None);
            }
            pool.schema
                .id(name)
                .map(Some)
                .ok_or_else(|| ServiceError::invalid("One or more requested attributes do not exist."))
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

fn users_page(
    pool: &Pool,
    filter: Option<&Filter>,
    start: Position,
    limit: usize,
    behaviour: &ListingBehaviour,
    chance: &mut crate::rng::Rng,
) -> Page {
    // Those that prefix filters pretend not to see: the first of the listing.
    let missed = filter
        .filter(|filter| filter.prefix && behaviour.prefix_misses > 0)
        .and_then(|_| pool.order.iter().nth(behaviour.prefix_misses - 1));
    let matches = |&(place, number): &(u64, u32)| {
        missed.is_none_or(|missed| *missed < (place, number))
            && pool
                .listed(number)
                .is_some_and(|user| filter.is_none_or(|filter| filter.matches(user, &pool.schema)))
    };
    let repeat =
        Some(start.after).filter(|_| start.started).filter(|last| matches(last)).map(|(_, number)| number);
    let prefix = filter
        .filter(|filter| filter.subject == Subject::Sub && filter.value.len() >= 2)
        .map(|filter| prefix_of(&filter.value));
    if let Some(prefix) = prefix {
        let from = if start.started {
            Bound::Excluded((prefix, start.after.0, start.after.1))
        } else {
            Bound::Included((prefix, 0, 0))
        };
        let to = Bound::Included((prefix, u64::MAX, u32::MAX));
        let records =
            pool.by_prefix.range((from, to)).map(|&(_, place, number)| (place, number)).filter(matches);
        cut(records, start, limit, repeat, behaviour, chance)
    } else {
        let records = pool.order.range(after(start)).copied().filter(matches);
        cut(records, start, limit, repeat, behaviour, chance)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupPageRequest {
    user_pool_id: Option<String>,
    group_name: Option<String>,
    limit: Option<i64>,
    next_token: Option<String>,
}

pub(super) fn users_in_group(state: &mut State, body: &[u8]) -> Answer {
    let request: GroupPageRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let name = group_name(request.group_name)?;
    let limit = limit(request.limit)?;
    let now = state.now;
    let State { pools, config, chance, .. } = state;
    let pool = pools.get(&id).ok_or_else(|| ServiceError::no_pool(&id))?;
    let number = pool.group_number(&name).ok_or_else(ServiceError::no_group)?;
    let group = pool.group(number).ok_or_else(ServiceError::no_group)?;
    let seal = Seal::new(config.seed, &["ListUsersInGroup", &id, &name]);
    let start = start(seal, request.next_token.as_ref(), now)?;
    let member =
        |&(_, user): &(u64, u32)| pool.listed(user).is_some_and(|user| user.groups.contains(&number));
    let repeat =
        Some(start.after).filter(|_| start.started).filter(|last| member(last)).map(|(_, number)| number);
    let records = group.members.range(after(start)).copied().filter(member);
    let page = cut(records, start, limit, repeat, &config.listing, chance);
    let mut out = Vec::with_capacity(64 + page.numbers.len() * 1024);
    out.extend_from_slice(b"{\"Users\":[");
    for (i, user) in page.numbers.iter().filter_map(|&number| pool.listed(number)).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        user.write(&mut out, &pool.schema, None);
    }
    Ok(close(out, &page, "NextToken", seal, now))
}

pub(super) fn groups(state: &mut State, body: &[u8]) -> Answer {
    let request: GroupPageRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let limit = limit(request.limit)?;
    let now = state.now;
    let State { pools, config, chance, .. } = state;
    let pool = pools.get(&id).ok_or_else(|| ServiceError::no_pool(&id))?;
    let seal = Seal::new(config.seed, &["ListGroups", &id]);
    let start = start(seal, request.next_token.as_ref(), now)?;
    let visible = |&(_, group): &(u64, u32)| pool.group(group).is_some_and(|group| group.visible(now));
    let repeat =
        Some(start.after).filter(|_| start.started).filter(|last| visible(last)).map(|(_, number)| number);
    let records = pool.group_order.range(after(start)).copied().filter(visible);
    let page = cut(records, start, limit, repeat, &config.listing, chance);
    Ok(write_groups(pool, &page, seal, now))
}

fn write_groups(pool: &Pool, page: &Page, seal: Seal, now: u64) -> Vec<u8> {
    let mut out = b"{\"Groups\":[".to_vec();
    for (i, group) in page.numbers.iter().filter_map(|&number| pool.group(number)).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        group.write(&mut out, &pool.id);
    }
    close(out, page, "NextToken", seal, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupsOfUserRequest {
    #[serde(flatten)]
    user: UserRequest,
    limit: Option<i64>,
    next_token: Option<String>,
}

pub(super) fn groups_of_user(state: &mut State, body: &[u8]) -> Answer {
    let request: GroupsOfUserRequest = parse(body)?;
    let id = pool_id(request.user.user_pool_id)?;
    let name = username(request.user.username)?;
    let limit = limit(request.limit)?;
    let now = state.now;
    let State { pools, config, chance, .. } = state;
    let pool = pools.get(&id).ok_or_else(|| ServiceError::no_pool(&id))?;
    let number = pool.find(&name).ok_or_else(ServiceError::no_user)?;
    let user = pool.user(number).ok_or_else(ServiceError::no_user)?;
    let seal = Seal::new(config.seed, &["AdminListGroupsForUser", &id, &user.sub]);
    let start = start(seal, request.next_token.as_ref(), now)?;
    let mut places: Vec<(u64, u32)> = user
        .groups
        .iter()
        .filter_map(|&number| Some((pool.group(number)?.place, number)))
        .filter(|place| !start.started || *place > start.after)
        .collect();
    places.sort_unstable();
    let page = cut(places.into_iter(), start, limit, None, &config.listing, chance);
    Ok(write_groups(pool, &page, seal, now))
}
