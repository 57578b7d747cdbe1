//! Times as Kubernetes writes them, and ages as kubectl prints them.

use jiff::Timestamp;
use serde_json::{Value, json};

/// RFC 3339 with whole seconds in UTC; `null` for a time that never was (0 or out of range).
pub(crate) fn rfc3339(ms: i64) -> Value {
    if ms <= 0 {
        return Value::Null;
    }
    let time = Timestamp::from_millisecond(ms);
    time.map_or(Value::Null, |time| json!(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}

/// The age of an object at a time, such as `5m12s` or `3d4h`, in kubectl's own steps
/// (`k8s.io/apimachinery/pkg/util/duration.HumanDuration`).
pub(crate) fn age(object: &Value, now_ms: i64) -> String {
    let created = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
    let created = created.and_then(|text| text.parse::<Timestamp>().ok());
    created.map_or("<unknown>".to_owned(), |at| human((now_ms - at.as_millisecond()) / 1000))
}

/// The time from one moment to a later one, both milliseconds, in kubectl's words.
pub(super) fn between(from_ms: i64, to_ms: i64) -> String {
    human((to_ms - from_ms).max(0) / 1000)
}

/// The moment of a field with a time, milliseconds since 1970.
pub(super) fn time_ms(field: &Value) -> Option<i64> {
    let time = field.as_str()?.parse::<Timestamp>().ok()?;
    Some(time.as_millisecond())
}

/// Seconds in kubectl's words.
fn human(seconds: i64) -> String {
    let two = |major: i64, unit: &str, minor: i64, small: &str| {
        if minor == 0 { format!("{major}{unit}") } else { format!("{major}{unit}{minor}{small}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(hours / 24, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{}d", hours / 24),
        63_072_000..252_288_000 => two(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        for (seconds, text) in [
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (7200, "120m"),
            (10_800, "3h"),
            (11_000, "3h3m"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (864_000, "10d"),
            (63_158_400, "2y1d"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }
}
