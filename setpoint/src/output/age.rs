//! Ages, as kubectl writes them (`HumanDuration` of `k8s.io/apimachinery/pkg/util/duration`).

use jiff::Timestamp;
use serde_json::Value;

use crate::output::field::text;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// The age of an object.
pub(crate) fn age_of(object: &Value, now: Timestamp) -> String {
    since(text(object, "/metadata/creationTimestamp"), now)
}

/// The time since an RFC 3339 text; `<unknown>` when it is none.
pub(crate) fn since(text: &str, now: Timestamp) -> String {
    match text.parse::<Timestamp>() {
        Ok(then) => human(now.as_second() - then.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// A moment of engine time as a clock shows it, in UTC.
pub(crate) fn clock(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| format!("{t:.3}"))
}

/// Two units at most; coarser when older.
pub(crate) fn human(seconds: i64) -> String {
    let two = |large: i64, large_name: &str, small: i64, small_name: &str| match seconds % large
        / small
    {
        0 => format!("{}{large_name}", seconds / large),
        rest => format!("{}{large_name}{rest}{small_name}", seconds / large),
    };
    match seconds {
        ..0 => "0s".to_owned(),
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(MINUTE, "m", 1, "s"),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(HOUR, "h", MINUTE, "m"),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(DAY, "d", HOUR, "h"),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        _ => two(YEAR, "y", DAY, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        let table = [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (11 * MINUTE + 30, "11m"),
            (3 * HOUR + 5 * MINUTE, "3h5m"),
            (20 * HOUR, "20h"),
            (3 * DAY + 2 * HOUR, "3d2h"),
            (400 * DAY, "400d"),
            (800 * DAY, "2y70d"),
        ];
        for (seconds, text) in table {
            assert_eq!(human(seconds), text, "{seconds} seconds");
        }
    }
}
