//! What people are told when a run ends. Counts and times; never personal data.

use serde::Serialize;
use serde_json::Value;

use crate::model::PoolId;
use crate::ports::{DeadLetter, Listing};
use crate::run::{Manifest, Run, RunStatus};
use crate::settings::NotSaved;
use crate::time::duration;

/// Why a run is failed in which nothing moves.
pub(super) const STALLED: &str = "nothing was listed or written for 30 minutes. Look into the dead-letter queues of \
the stack and the logs of its functions";

/// Why a run is failed that takes too long.
pub(super) const TOO_LONG: &str = "it took longer than 48 hours: what it saw first is too old to be one picture of \
the pool. Give it a larger share of the rate (QuotaShare, CognitoTPS)";

/// Why a run is failed that is to be finished too early.
pub(super) const UNFINISHED: &str = "it was to be finished before everything was listed and written: the state \
machine's definition is not that of this version";

/// How a run ended, for the state machine, and for who is notified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ending {
    /// `Complete`, `Held` or `Failed`.
    pub status: &'static str,
    /// The notification's subject: at most 100 characters of ASCII (API Reference, SNS Publish).
    pub subject: String,
    /// The notification's text.
    pub message: String,
}

impl Ending {
    /// The same, with what of the settings could not be saved.
    pub(super) fn without(mut self, not_saved: &[NotSaved]) -> Self {
        for part in not_saved {
            self.message = format!("{}\nNote: {}.\n", self.message, part.advice());
        }
        if not_saved.iter().any(NotSaved::is_denied) {
            self.message.push_str(ADVICE_ON_DENIED);
        }
        self
    }

    /// Of a run that has ended.
    pub(super) fn of(run: &Run) -> Self {
        let reason = run.reason.as_deref().unwrap_or("the reason was not recorded");
        let (status, summary, rest) = match run.status {
            RunStatus::Complete => ("Complete", "The backup is complete.".to_owned(), String::new()),
            RunStatus::Held => ("Held", format!("The export was HELD: {reason}."), advice_on_held(run)),
            RunStatus::Failed | RunStatus::Running => {
                ("Failed", format!("The export FAILED: {reason}."), ADVICE_ON_FAILED.to_owned())
            }
        };
        let mut message = format!("{summary}\n\n{}", facts(run));
        if !rest.is_empty() {
            message = format!("{message}\nWhat to do: {rest}\n");
        }
        Self { status, subject: subject("export", status, &run.pool), message }
    }

    /// Of a workflow that failed before its run began.
    pub(super) fn not_begun(pool: &PoolId, reason: &str) -> Self {
        let message = format!(
            "The export FAILED before it began: {reason}.\n\nUser pool  {pool}\n\nWhat to do: {ADVICE_ON_FAILED}\n"
        );
        Self { status: "Failed", subject: subject("export", "Failed", pool), message }
    }
}

const ADVICE_ON_DENIED: &str =
    "The template.yaml and pool.yaml of this version grant it: deploy them again.\n";

const ADVICE_ON_FAILED: &str = "earlier complete runs are as they were, and can be restored. The next run starts \
afresh; start one now if the cause has passed. If it fails again, see docs/OPERATIONS.md.";

fn advice_on_held(run: &Run) -> String {
    format!(
        "see whether the pool lost them by mistake: the last complete run still has everyone, and nothing was called \
gone. If they were meant to go, start the workflow again with {{\"UserPoolId\": \"{}\", \"AllowShrink\": true}}.",
        run.pool
    )
}

/// At most 100 characters of ASCII, as SNS takes it.
pub(super) fn subject(what: &str, status: &str, pool: &PoolId) -> String {
    let subject = format!("Cognito {what} {}: {pool}", status.to_lowercase());
    subject.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(100).collect()
}

fn facts(run: &Run) -> String {
    let mut lines = vec![
        format!("User pool    {}", run.pool),
        format!("Run          {}", run.id),
        format!("Began        {}", run.started_at),
    ];
    if let Some(ended_at) = run.ended_at {
        lines.push(format!("Took         {}", duration(ended_at.seconds_since(run.started_at))));
    }
    if let Some(Manifest { totals, changes, .. }) = &run.manifest {
        lines.push(format!("Users        {}", totals.users));
        lines.push(format!("Groups       {}", totals.groups));
        lines.push(format!("Memberships  {}", totals.memberships));
        lines.push(format!(
            "Changes      {} new, {} changed, {} gone, {} unchanged",
            changes.new, changes.changed, changes.gone, changes.unchanged
        ));
    }
    lines.join("\n") + "\n"
}

/// Why a run fails that misses a message.
pub(super) fn of_dead_letter(letter: &DeadLetter) -> String {
    let error = letter.error.as_deref().unwrap_or("its function ended without an answer");
    let which = match &letter.page {
        Some(page) if matches!(letter.listing, Listing::Replay(_)) => {
            format!("batch {} of the {} could not be replayed", page.number, letter.listing)
        }
        Some(page) => {
            format!("page {} of the listing of {} could not be written", page.number, letter.listing)
        }
        None => format!("the listing of {} could not be read", letter.listing),
    };
    format!("{which} ({error}). The message is in the dead-letter queue; the function's log says more")
}

/// What the state machine knows of an error, in words. Our own errors tell themselves; of any
/// other only the name is taken, for its text may hold anything.
pub(super) fn reason(error: &str, cause: &str) -> String {
    let ours = !error.is_empty() && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let told = serde_json::from_str::<Value>(cause).ok();
    let told = told.as_ref().and_then(|cause| cause["errorMessage"].as_str());
    match told {
        Some(message) if ours => message.trim_end_matches('.').to_owned(),
        _ if error.is_empty() => "the workflow gave no reason".to_owned(),
        _ => {
            let name: String = error
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
                .take(80)
                .collect();
            format!("a step ended with {name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Changes, RunId, Totals};
    use crate::time::Timestamp;

    fn run(status: RunStatus, reason: Option<&str>) -> Run {
        let started_at = Timestamp::from_millis(1_800_000_000_000);
        Run {
            id: RunId::new("20270115T080000Z-000001"),
            pool: PoolId::new("eu-west-1_AbCdEf123"),
            status,
            started_at,
            ended_at: Some(started_at.plus_millis(200_400)),
            estimated_users: 3,
            listed_whole: true,
            manifest: Some(Manifest {
                totals: Totals { users: 3, groups: 2, memberships: 1 },
                changes: Changes { new: 1, changed: 2, gone: 0, unchanged: 3 },
                ..Manifest::default()
            }),
            reason: reason.map(str::to_owned),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn a_complete_run_is_told_in_counts() {
        let ending = Ending::of(&run(RunStatus::Complete, None));
        assert_eq!(
            (ending.status, ending.subject.as_str()),
            ("Complete", "Cognito export complete: eu-west-1_AbCdEf123")
        );
        assert_eq!(
            ending.message,
            "The backup is complete.\n\n\
             User pool    eu-west-1_AbCdEf123\n\
             Run          20270115T080000Z-000001\n\
             Began        2027-01-15T08:00:00.000Z\n\
             Took         3 min 20 s\n\
             Users        3\n\
             Groups       2\n\
             Memberships  1\n\
             Changes      1 new, 2 changed, 0 gone, 3 unchanged\n"
        );
    }

    #[test]
    fn a_held_or_failed_run_says_what_to_do() {
        let held = Ending::of(&run(RunStatus::Held, Some("5 of 9 users would be gone")));
        assert!(
            held.message.starts_with("The export was HELD: 5 of 9 users would be gone.\n"),
            "{}",
            held.message
        );
        assert!(held.message.contains(r#"{"UserPoolId": "eu-west-1_AbCdEf123", "AllowShrink": true}"#));
        let failed = Ending::of(&run(RunStatus::Failed, Some("it broke")));
        assert!(failed.message.contains("What to do: earlier complete runs are as they were"));
        let early = Ending::not_begun(&PoolId::new("x".repeat(200)), "no such pool");
        assert_eq!((early.status, early.subject.len()), ("Failed", 100));
    }

    #[test]
    fn what_could_not_be_saved_is_told_beside() {
        let complete = Ending::of(&run(RunStatus::Complete, None));
        assert_eq!(complete.clone().without(&[]), complete);
        let part = |part: &str, operation: &str, code: &str| NotSaved {
            part: part.into(),
            operation: operation.into(),
            code: code.into(),
        };
        let denied = part("UserPoolClients", "ListUserPoolClients", "AccessDeniedException");
        let told = complete.clone().without(&[denied]);
        assert_eq!((told.status, &told.subject), (complete.status, &complete.subject));
        let rest = told.message.strip_prefix(&complete.message).unwrap();
        assert!(rest.starts_with("\nNote: UserPoolClients of the pool's settings could not be saved: grant"));
        assert!(rest.ends_with("deploy them again.\n"), "{rest}");
        let unknown =
            complete.without(&[part("Domains", "DescribeUserPoolDomain", "UnknownOperationException")]);
        assert!(!unknown.message.contains("deploy them again"));
    }

    #[test]
    fn only_our_own_errors_are_quoted() {
        let cause = r#"{"errorType":"no_such_pool","errorMessage":"no user pool x."}"#;
        assert_eq!(reason("no_such_pool", cause), "no user pool x");
        assert_eq!(
            reason("Runtime.Crash", r#"{"errorMessage":"jane@example.com"}"#),
            "a step ended with Runtime.Crash"
        );
        assert_eq!(reason("store_unavailable", "not JSON"), "a step ended with store_unavailable");
        assert_eq!(reason("", "jane@example.com"), "the workflow gave no reason");
    }
}
