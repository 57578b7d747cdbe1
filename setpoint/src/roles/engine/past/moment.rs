//! A moment of a fleet's past: an epoch, or a time.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use setpoint_schemas::EpochRecord;

use crate::clock::now_ms;

/// A moment, inclusive: the state behind this epoch, or behind the last one that was not later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// By its number.
    Epoch(i64),
    /// Engine time, milliseconds since 1970.
    TimeMs(i64),
}

impl Moment {
    /// Whether an epoch is not later than this.
    pub(crate) fn has_come(self, epoch: &EpochRecord) -> bool {
        match self {
            Moment::Epoch(number) => epoch.number <= number,
            Moment::TimeMs(time_ms) => epoch.time_ms <= time_ms,
        }
    }

    /// Whether an epoch is not earlier than this.
    pub(crate) fn has_begun(self, epoch: &EpochRecord) -> bool {
        match self {
            Moment::Epoch(number) => epoch.number >= number,
            Moment::TimeMs(time_ms) => epoch.time_ms >= time_ms,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    /// `1200` is an epoch, `2026-11-24T10:00:00Z` a time, `15m` so long ago.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse::<i64>() {
            let is_one = number >= 0;
            return is_one.then_some(Moment::Epoch(number)).ok_or_else(|| wrong(text));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Moment::TimeMs(time.as_millisecond()));
        }
        let ago: SignedDuration = text.parse().map_err(|_| wrong(text))?;
        match i64::try_from(ago.as_millis()) {
            Ok(ago_ms) if ago_ms >= 0 => Ok(Moment::TimeMs(now_ms().saturating_sub(ago_ms))),
            _ => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> String {
    format!(
        "{text:?} is no moment: say an epoch such as 1200, a time such as 2026-11-24T10:00:00Z, or how long ago, such as 15m"
    )
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Epoch(number) => write!(f, "epoch {number}"),
            Moment::TimeMs(time_ms) => match Timestamp::from_millisecond(*time_ms) {
                Ok(time) => write!(f, "{time}"),
                Err(_) => write!(f, "{time_ms} ms"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_times_and_spans_are_told_apart() {
        assert_eq!("1200".parse(), Ok(Moment::Epoch(1_200)));
        assert_eq!("1970-01-01T00:00:07Z".parse(), Ok(Moment::TimeMs(7_000)));
        let Ok(Moment::TimeMs(then)) = "15m".parse() else { panic!("a span is a time") };
        assert!((now_ms() - then - 900_000).abs() < 10_000);
        for wrong in ["-3", "yesterday-ish", "-5m", ""] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
