//! Points in time, in whole milliseconds: what Cognito gives, and what two stores can agree on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC. Written as RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The same, if it can be written: RFC 3339 ends with the year 9999.
    pub fn writable(millis: i64) -> Option<Self> {
        jiff::Timestamp::from_millisecond(millis).ok().map(|_| Self(millis))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The next instant that differs.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// This instant moved by `millis`, which may be negative.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Seconds from `earlier` to here; negative if `earlier` is later.
    #[allow(clippy::cast_precision_loss)] // a difference of two dates fits a float
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1000.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// The text is neither RFC 3339 nor a date.
#[derive(Debug, thiserror::Error)]
#[error("not a time: write it as 2026-11-23, 2026-11-23T07:00:00Z or 2026-11-23T07:00:00+01:00")]
pub struct NotATime;

impl FromStr for Timestamp {
    type Err = NotATime;

    /// Reads RFC 3339, or a bare date as its last millisecond in UTC ("as of that day").
    fn from_str(text: &str) -> Result<Self, NotATime> {
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(time.as_millisecond()));
        }
        // A time without its zone must not pass for a date.
        if text.len() != "2026-11-23".len() {
            return Err(NotATime);
        }
        let date: jiff::civil::Date = text.parse().map_err(|_| NotATime)?;
        let next_day = date.tomorrow().map_err(|_| NotATime)?;
        let midnight = next_day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| NotATime)?;
        Ok(Self(midnight.timestamp().as_millisecond() - 1))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Seconds as people say them: `4.2 s`, `3 min 20 s`, `2 h 5 min`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be small and positive
pub fn duration(seconds: f64) -> String {
    if seconds < 59.5 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    let whole = seconds.round().min(1e15) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours} h {minutes} min") } else { format!("{minutes} min {seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_and_read_back_to_the_millisecond() {
        let time = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
    }

    #[test]
    fn durations_read_plainly() {
        assert_eq!([0.04, 59.4, 61.0, 7_500.0].map(duration), ["0.0 s", "59.4 s", "1 min 1 s", "2 h 5 min"]);
    }

    #[test]
    fn a_bare_date_means_its_end() {
        let time: Timestamp = "2026-11-23".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-23T23:59:59.999Z");
        for vague in ["yesterday", "2026-11-23T07:00:00", "20261123", "2026-11-23 07:00", ""] {
            assert!(vague.parse::<Timestamp>().is_err(), "{vague}");
        }
    }
}
