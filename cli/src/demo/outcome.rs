//! What came back, by kind of user: told from the simulated pool, not from the backup.

use std::collections::BTreeSet;

use cognito_profiles::import::Report;
use cognito_profiles::model::Kind;
use cognito_sim::{Truth, UserRecord, UserStatus};

use crate::exit::Failure;
use crate::output::Output;
use crate::table::Table;
use crate::text;

/// A kind of record: how many there were, how many came back, and why the others did not.
struct Row {
    what: &'static str,
    was: u64,
    is: u64,
    why: &'static str,
}

pub struct Outcome {
    rows: Vec<Row>,
    /// Users that no API can create.
    impossible: BTreeSet<String>,
    /// Users that were not restored.
    missing: BTreeSet<String>,
}

impl Outcome {
    /// What became of all that was there `before`.
    pub fn of(before: &Truth, report: &Report) -> Self {
        let failed = |kind: Kind| report.failures.iter().filter(move |failure| failure.record == kind);
        let missing: BTreeSet<String> = failed(Kind::User).map(|failure| failure.key.clone()).collect();
        let row = |what, why, is_one: fn(&UserRecord) -> bool| {
            let those = || before.users.values().filter(move |user| is_one(user));
            let back = those().filter(|user| !missing.contains(&user.sub)).count() as u64;
            Row { what, was: those().count() as u64, is: back, why }
        };
        let memberships = before.memberships().len() as u64;
        let groups = before.groups.len() as u64;
        let rows = vec![
            row("ordinary users", "", |user| !is_impossible(user) && user.enabled && is_confirmed(user)),
            row("  never confirmed, or with a first password", "", |user| {
                !is_impossible(user) && !is_confirmed(user)
            }),
            row("  disabled", "", |user| !is_impossible(user) && !user.enabled),
            row("users from an identity provider", "Cognito makes them when they next sign in", is_federated),
            row("users without an e-mail address", "this pool signs in by e-mail", |user| {
                is_impossible(user) && !is_federated(user)
            }),
            Row {
                what: "groups",
                was: groups,
                is: report.counts.groups_created,
                why: "Cognito makes those of identity providers",
            },
            Row {
                what: "memberships",
                was: memberships,
                is: report.counts.memberships_added,
                why: "the others wait for such users and groups",
            },
        ];
        let impossible = before.users.values().filter(|user| is_impossible(user));
        let impossible = impossible.map(|user| user.sub.clone()).collect();
        Self { rows, impossible, missing }
    }

    pub fn show(&self, output: &Output) -> Result<(), Failure> {
        let mut table = Table::new(output, ["", ">IN THE BACKUP", ">IN THE NEW POOL", ""]);
        for Row { what, was, is, why } in &self.rows {
            let why = if was == is { "" } else { why };
            table.row([what, &text::number(*was), &text::number(*is), why])?;
        }
        table.end()
    }

    /// What is not as it should be, if anything.
    pub fn unexpected(&self, report: &Report) -> Option<String> {
        if !report.differences.is_empty() {
            return Some(format!("{} records differ from the backup", report.differences.len()));
        }
        let wrong = self.missing.symmetric_difference(&self.impossible).count();
        (wrong > 0).then(|| format!("{wrong} users are missing or restored against expectation"))
    }
}

fn is_confirmed(user: &UserRecord) -> bool {
    !matches!(user.status, UserStatus::Unconfirmed | UserStatus::ForceChangePassword)
}

fn is_federated(user: &UserRecord) -> bool {
    user.status == UserStatus::ExternalProvider
}

/// Whether no API can create the user in a pool that signs in by e-mail.
fn is_impossible(user: &UserRecord) -> bool {
    is_federated(user) || user.attribute("email").is_none_or(str::is_empty)
}
