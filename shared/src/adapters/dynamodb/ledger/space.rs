//! What of a run's ledger is under which key.
//!
//! | what | pk | sk |
//! |---|---|---|
//! | the run's epoch, and how many listings it opened | `RUN#<run>` | `RUN` |
//! | a listing | `<run>#<epoch>#LISTINGS` | the listing |
//! | a page, and what was on it | `<run>#<epoch>#<home>` | the listing, the attempt, the number |
//! | what was seen otherwise | `<run>#<epoch>#<home>` | `DIRECT#` and a hash of it |
//! | what is gone | `<run>#<epoch>#GONE` | the partition, and one of 64 buckets |
//! | a dead letter | `<run>#<epoch>#DEAD` | a hash of the message's name |
//!
//! A home is where the keys of some partitions are: those of users by the first character of
//! their shard, or all of them where a listing has no filter; those of one group's members; those
//! of all groups. A page's home follows from its listing, so that one write both counts a page and
//! keeps what was on it; and a partition's keys are in one home or two.
//!
//! Names are short: a page of 60 users listed by a digit of their `sub` has 1,024 bytes if the
//! listing has less than 100,000 pages, which is one write unit.

use crate::adapters::dynamodb::keys::encode;
use crate::adapters::dynamodb::query::Range;
use crate::adapters::dynamodb::table::Key;
use crate::model::{Partition, is_lower_hex};
use crate::ports::{Listing, PageId};
use crate::run::RunId;

/// Where the listings are.
pub(super) const LISTINGS: &str = "LISTINGS";

/// Where it is noted what is gone.
pub(super) const GONE: &str = "GONE";

/// Where the dead letters are.
pub(super) const DEAD: &str = "DEAD";

/// The home of users that are listed whatever their `sub`.
const ALL_USERS: &str = "U*";

/// The item of the run itself.
pub(super) fn run(run: &RunId) -> Key {
    Key::new(format!("RUN#{}", encode(run.as_str())), "RUN")
}

/// The ledger of a run since it was last cleared.
#[derive(Clone, Debug)]
pub(in crate::adapters::dynamodb) struct Space(String);

impl Space {
    pub(super) fn new(run: &RunId, epoch: u64) -> Self {
        Self(format!("{}#{epoch}", encode(run.as_str())))
    }

    pub(super) fn pk(&self, part: &str) -> String {
        format!("{}#{part}", self.0)
    }

    pub(super) fn key(&self, part: &str, sk: impl Into<String>) -> Key {
        Key::new(self.pk(part), sk)
    }

    pub(super) fn listing(&self, listing: &Listing) -> Key {
        let sk = match listing {
            Listing::Groups => "G".to_owned(),
            Listing::Users => "U".to_owned(),
            Listing::UsersBySub(lead) => format!("S{lead}"),
            Listing::Members(group) => format!("M{group}"),
            Listing::MembersAgain(group) => format!("A{group}"),
            Listing::Missing(shard) => format!("L{}", shard.as_str()),
            Listing::Replay(phase) => format!("R{}", phase.letter()),
        };
        self.key(LISTINGS, sk)
    }

    pub(super) fn page(&self, page: &PageId) -> Key {
        self.key(&home_of(&page.listing), page_sk(&page.listing, page.attempt, page.number))
    }
}

/// The pages of one attempt from number `first` to `last`, both included.
pub(super) fn pages(listing: &Listing, attempt: u32, first: u64, last: u64) -> Range {
    Range::Between(page_sk(listing, attempt, first), page_sk(listing, attempt, last))
}

/// Pages of one attempt are in the order of their numbers, with no other item between them.
pub(super) fn page_sk(listing: &Listing, attempt: u32, number: u64) -> String {
    let listing = match listing {
        Listing::Groups => "G".to_owned(),
        Listing::Users => "U".to_owned(),
        Listing::UsersBySub(lead) => format!("S{}#", encode(lead)),
        // The group is in the home.
        Listing::Members(_) => "M".to_owned(),
        Listing::MembersAgain(_) => "A".to_owned(),
        Listing::Missing(shard) => format!("L{}#", encode(shard.as_str())),
        // The phase is in the home.
        Listing::Replay(_) => "R".to_owned(),
    };
    format!("{listing}{}{}", ordered(attempt.into()), ordered(number))
}

/// A number, its digits preceded by how many there are: it sorts as a number does.
fn ordered(number: u64) -> String {
    let digits = number.to_string();
    // A `u64` has 20 digits at most.
    let count = u32::try_from(digits.len()).ok().and_then(|count| char::from_digit(count, 36)).unwrap_or('z');
    format!("{count}{digits}")
}

/// Where the pages of a listing are.
pub(super) fn home_of(listing: &Listing) -> String {
    match listing {
        Listing::Groups => "G".to_owned(),
        Listing::Users => ALL_USERS.to_owned(),
        Listing::UsersBySub(lead) => of_users(lead),
        Listing::Members(group) | Listing::MembersAgain(group) => format!("M{group}"),
        Listing::Missing(shard) => of_users(shard.as_str()),
        Listing::Replay(phase) => format!("R{}", phase.letter()),
    }
}

/// The home of what was seen of a partition, where no listing says otherwise.
pub(super) fn own_home_of(partition: &Partition) -> String {
    match partition {
        Partition::Settings => "S".to_owned(),
        Partition::Groups => "G".to_owned(),
        Partition::Users(shard) => of_users(shard.as_str()),
        Partition::Members(group, _) => format!("M{group}"),
    }
}

/// Where keys of a partition can be.
pub(super) fn homes_of(partition: &Partition) -> Vec<String> {
    let mut homes = vec![own_home_of(partition)];
    if matches!(partition, Partition::Users(_)) {
        homes.push(ALL_USERS.to_owned());
    }
    homes
}

/// By the first character of their shard: a digit, or `z`.
fn of_users(lead: &str) -> String {
    match lead.as_bytes().first() {
        None => ALL_USERS.to_owned(),
        Some(digit) if is_lower_hex(*digit) => format!("U{}", char::from(*digit)),
        Some(_) => "Uz".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Shard;

    #[test]
    fn pages_sort_by_attempt_and_number() {
        let numbers = [0, 1, 9, 10, 11, 99, 100, 16_700, 100_000, u64::MAX];
        for listing in [Listing::Users, Listing::UsersBySub("a".to_owned())] {
            let pages: Vec<String> = [0, 1, 9, 10, u32::MAX]
                .iter()
                .flat_map(|attempt| numbers.map(|number| page_sk(&listing, *attempt, number)))
                .collect();
            assert!(pages.is_sorted_by(|one, next| one < next), "{pages:?}");
        }
    }

    #[test]
    fn no_listing_has_a_page_between_those_of_another() {
        let leads = ["", "a", "a#10", "a#1011", "#", "##", "$", "EEN"];
        let listings: Vec<Listing> = leads
            .iter()
            .flat_map(|lead| {
                let shard: Shard = serde_json::from_value((*lead).into()).unwrap();
                [Listing::UsersBySub((*lead).to_owned()), Listing::Missing(shard)]
            })
            .chain([
                Listing::Users,
                Listing::Groups,
                Listing::Members(String::new()),
                Listing::MembersAgain(String::new()),
            ])
            .collect();
        for listing in &listings {
            let Range::Between(first, last) = pages(listing, 1, 0, u64::MAX) else { panic!("a range") };
            for other in &listings {
                for (attempt, number) in [(0, 0), (1, 0), (1, 5), (1, 11), (2, 0), (11, 1)] {
                    let sk = page_sk(other, attempt, number);
                    let between = (&first..=&last).contains(&&sk);
                    assert_eq!(between, other == listing && attempt == 1, "{sk} for {listing:?}");
                }
            }
        }
    }

    #[test]
    fn what_a_listing_shows_is_where_it_is_looked_for() {
        let shows = [
            (Listing::UsersBySub("a".to_owned()), Partition::of_user("ab1"), true),
            (Listing::UsersBySub("ab".to_owned()), Partition::of_user("ab1"), true),
            (Listing::UsersBySub("b".to_owned()), Partition::of_user("ab1"), false),
            (Listing::UsersBySub("A".to_owned()), Partition::of_user("AB1"), true),
            (Listing::UsersBySub("a".to_owned()), Partition::of_user("a!1"), false),
            (Listing::UsersBySub(String::new()), Partition::of_user("ab1"), true),
            (Listing::Missing(Shard::of_user("")), Partition::of_user("AB1"), true),
            (Listing::Users, Partition::of_user("ab1"), true),
            (Listing::Users, Partition::of_member("U*", "ab1"), false),
            (Listing::Groups, Partition::Groups, true),
            (Listing::Members("a".to_owned()), Partition::of_member("a", "ab1"), true),
            (Listing::MembersAgain("a".to_owned()), Partition::of_member("a", "ab1"), true),
            (Listing::Members("a".to_owned()), Partition::of_member("b", "ab1"), false),
            (Listing::Users, Partition::Settings, false),
        ];
        for (listing, partition, fits) in shows {
            assert_eq!(homes_of(&partition).contains(&home_of(&listing)), fits, "{listing:?} {partition:?}");
        }
    }
}
