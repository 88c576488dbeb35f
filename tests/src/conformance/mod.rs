//! One suite for each port: what its documentation says, as assertions, for any implementation.
//!
//! Each property is a function of its own that is given an empty store; the function named
//! after the port runs them all. A property panics where an implementation does not have it.

#![allow(clippy::missing_panics_doc)] // every function here panics to say that a test fails

pub mod backup;
pub mod imports;
pub mod ledger;
pub mod lock;

use cognito_profiles::model::{Hash, Partition, PoolId, Shard};
use cognito_profiles::ports::Observation;
use cognito_profiles::run::RunId;
use cognito_profiles::time::Timestamp;

pub use backup::{backup_conformance, small_backup_conformance};
pub use imports::imports_conformance;
pub use ledger::ledger_conformance;
pub use lock::lock_conformance;

/// A pool's id.
pub fn pool() -> PoolId {
    PoolId::new("eu-west-1_Conform01")
}

/// A run's id.
pub fn run() -> RunId {
    RunId::new("20261123T075412Z-000001")
}

/// A later run's id.
pub fn later_run() -> RunId {
    RunId::new("20261124T075412Z-000002")
}

/// `millis` after a fixed day.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis)
}

/// Some partition of users.
pub fn users() -> Partition {
    Partition::Users(Shard::of_user("ab"))
}

/// That the record was as `tag` says, `millis` after the fixed day.
pub fn saw(partition: &Partition, key: &str, tag: &str, millis: i64) -> Observation {
    let content = serde_json::json!({ "tag": tag }).to_string();
    Observation {
        partition: partition.clone(),
        key: key.to_owned(),
        hash: Hash::of(content.as_bytes()),
        content,
        observed_at: at(millis),
    }
}

/// Keys that are hard to keep apart, to quote or to order, in byte order: which is the order
/// of the bytes of their UTF-8, not of UTF-16, of a locale, or of letters without their case.
pub fn hostile_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        " ",
        "!",
        "\"",
        "#",
        "##",
        "%",
        "%25",
        "'",
        "' OR 1=1 --",
        "*",
        "..",
        "/",
        "0",
        "00",
        "1",
        "10",
        "2",
        ":",
        ";",
        "<script>",
        "A",
        "AB",
        "Ab",
        "B",
        "POOL#x#HISTORY",
        "Z",
        "[",
        "\\",
        "\\n",
        "_",
        "a",
        "a b",
        "a#b",
        "aB",
        "ab",
        "b",
        "null",
        "{}",
        "|",
        "~",
        "\t",
        "\n",
        "\u{1}",
        "\u{7f}",
        "e\u{301}",
        "\u{e9}",
        "\u{df}",
        "\u{130}",
        "\u{200b}",
        "\u{202e}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10000}",
        "\u{1f600}",
        "\u{10ffff}",
    ]
    .map(str::to_owned)
    .into();
    keys.push("k".repeat(128));
    keys.push("k".repeat(127));
    keys.push("\u{1f600}".repeat(128));
    keys.sort();
    keys
}
