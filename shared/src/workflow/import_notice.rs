//! What people are told when an import ends. Counts, times and reasons; never personal data.

use super::notice::{Ending, subject};
use crate::import::Counts;
use crate::model::PoolId;
use crate::ports::{Import, ImportStatus};
use crate::time::duration;

/// Why an import is failed in which nothing moves.
pub(super) const STALLED: &str = "no user and no group was restored for 2 hours. Look into the dead-letter queue of \
ReplayQueue and the logs of ReplayUpdatesFunction";

/// The most reasons that are told; the tool tells all of them.
const MOST_REASONS: usize = 20;

/// Of an import that has come to its end.
pub(super) fn of(import: &Import, counts: &Counts) -> Ending {
    let (status, told, summary) = match import.status {
        ImportStatus::Complete => {
            ("Complete", "complete", "Everything was restored, and the new pool is as the backup says.")
        }
        _ => (
            "PartiallyFailed",
            "partially failed",
            "The import came to its end. Something is listed as not restored, or differs from the backup.",
        ),
    };
    let mut message = format!("{summary}\n\n{}{}{}", facts(import), counted(counts), reasons(counts));
    if import.status != ImportStatus::Complete {
        message = format!("{message}\nWhat to do: {}\n", advice(import));
    }
    Ending { status, subject: subject("import", told, &import.into_pool), message }
}

/// Of an import that failed; of one that did not begin, nothing is known.
pub(super) fn failed(into: &PoolId, import: Option<&Import>, reason: &str) -> Ending {
    let rest = match import {
        None => format!("Into         {into}\n\nNothing was written. Start it again.\n"),
        Some(import) => format!(
            "{}\nWhat to do: start it again with the same input. It goes on where it stopped; nobody is \
             created twice.\n",
            facts(import)
        ),
    };
    let message = format!("The import FAILED: {reason}.\n\n{rest}");
    Ending { status: "Failed", subject: subject("import", "Failed", into), message }
}

fn facts(import: &Import) -> String {
    let mut lines = vec![
        format!("Into         {}", import.into_pool),
        format!("From         {}, run {}, as of {}", import.from_pool, import.run, import.as_of),
        format!("Import       {}", import.id),
    ];
    if let Some(ended_at) = import.ended_at {
        lines.push(format!("Took         {}", duration(ended_at.seconds_since(import.started_at))));
    }
    lines.join("\n") + "\n"
}

fn counted(counts: &Counts) -> String {
    let rows = [
        ("Users", counts.users_created),
        ("  by jobs", counts.users_by_job),
        ("Disabled", counts.users_disabled),
        ("MFA set", counts.factors_set),
        ("Linked", counts.users_linked),
        ("Groups", counts.groups_created),
        ("Memberships", counts.memberships_added),
        ("Not restored", counts.failures),
        ("Compared", counts.compared),
        ("Different", counts.differences),
    ];
    rows.map(|(name, count)| format!("{name:13}{count}\n")).concat()
}

fn reasons(counts: &Counts) -> String {
    if counts.reasons.is_empty() {
        return String::new();
    }
    let mut reasons: Vec<_> = counts.reasons.iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1));
    let mut lines = vec![String::new(), "Not restored, by reason:".to_owned()];
    let told = reasons.iter().take(MOST_REASONS);
    lines.extend(told.map(|((kind, reason), count)| format!("{count:>9}  {kind}: {reason}")));
    if let Some(more) = reasons.len().checked_sub(MOST_REASONS).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n") + "\n"
}

fn advice(import: &Import) -> String {
    format!(
        "see which records these are: `cognito-profiles report --backup dynamodb:TABLE --user-pool-id {}`. What \
         can be mended, mend, and start the import again: it does what it could not do, and compares again. \
         docs/OPERATIONS.md says what Cognito never gives back.",
        import.into_pool
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Kind;
    use crate::ports::{ImportOptions, Target};
    use crate::run::RunId;
    use crate::time::Timestamp;

    fn import(status: ImportStatus) -> Import {
        let started_at = Timestamp::from_millis(1_800_000_000_000);
        Import {
            id: "20270115T080000Z-00000a".to_owned(),
            from_pool: PoolId::new("eu-west-1_Old"),
            into_pool: PoolId::new("eu-west-1_New"),
            run: RunId::new("20270115T020000Z-000001"),
            as_of: started_at.plus_millis(-20_000_000),
            options: ImportOptions::default(),
            status,
            started_at,
            ended_at: Some(started_at.plus_millis(200_400)),
            target: Target::default(),
            compared: None,
            place: None,
            reason: None,
            ends: 0,
            edition: 0,
        }
    }

    #[test]
    fn a_complete_import_is_told_in_counts() {
        let counts = Counts {
            users_created: 3,
            users_by_job: 2,
            memberships_added: 4,
            compared: 7,
            ..Counts::default()
        };
        let ending = of(&import(ImportStatus::Complete), &counts);
        assert_eq!(
            (ending.status, ending.subject.as_str()),
            ("Complete", "Cognito import complete: eu-west-1_New")
        );
        assert_eq!(
            ending.message,
            "Everything was restored, and the new pool is as the backup says.\n\n\
             Into         eu-west-1_New\n\
             From         eu-west-1_Old, run 20270115T020000Z-000001, as of 2027-01-15T02:26:40.000Z\n\
             Import       20270115T080000Z-00000a\n\
             Took         3 min 20 s\n\
             Users        3\n  by jobs    2\nDisabled     0\nMFA set      0\nLinked       0\nGroups       0\n\
             Memberships  4\nNot restored 0\nCompared     7\nDifferent    0\n"
        );
    }

    #[test]
    fn one_that_is_partial_or_failed_says_why_and_what_to_do() {
        let reason = |number: u64| ((Kind::User, format!("reason {number}")), number);
        let reasons: BTreeMap<_, _> = (1..=25).map(reason).collect();
        let counts = Counts { failures: 325, reasons, ..Counts::default() };
        let partial = of(&import(ImportStatus::Partial), &counts);
        assert_eq!(
            (partial.status, partial.subject.as_str()),
            ("PartiallyFailed", "Cognito import partially failed: eu-west-1_New")
        );
        assert!(partial.message.contains("       25  user: reason 25\n       24  user: reason 24\n"));
        assert!(partial.message.contains("\nand 5 more\n\nWhat to do: see which"), "{}", partial.message);
        let into = PoolId::new("eu-west-1_New");
        let failed_later = failed(&into, Some(&import(ImportStatus::Failed)), "it broke");
        assert!(
            failed_later.message.starts_with("The import FAILED: it broke.\n\nInto         eu-west-1_New")
        );
        assert!(failed_later.message.contains("goes on where it stopped"));
        assert!(failed(&into, None, "it broke").message.contains("Nothing was written"));
    }
}
