//! What the kubelet says while a container waits, in its own words: people search for them.

use setpoint_schemas::Placement;

/// Of a container that ended and starts again later.
///
/// Source: the kubelet's `doBackOff`.
pub(crate) fn back_off(container: &str, placement: &Placement, backoff_ms: i64) -> String {
    let (name, namespace) = (&placement.name, &placement.pattern.namespace);
    let (wait, uid) = (duration(backoff_ms), placement.uid.text());
    format!(
        "back-off {wait} restarting failed container={container} pod={name}_{namespace}({})",
        &*uid
    )
}

/// Of a container whose image could not be had, and is asked for again later.
pub(crate) fn back_off_pulling(image: &str, why: &str) -> String {
    format!("Back-off pulling image {image:?}: ErrImagePull: {why}")
}

/// What a container left itself stands behind what is told of it.
pub(crate) fn say_behind(told: &mut String, said: &str) {
    if !told.is_empty() && !said.is_empty() {
        told.push_str(": ");
    }
    told.push_str(said);
}

/// A length of time, milliseconds, as Go writes it: `500ms`, `10s`, `1m20s`, `5m0s`.
fn duration(ms: i64) -> String {
    let (seconds, rest) = (ms / 1_000, ms % 1_000);
    if seconds == 0 {
        return if rest == 0 { "0s".to_owned() } else { format!("{rest}ms") };
    }
    let fraction = format!("{rest:03}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let small = format!("{}{point}{fraction}s", seconds % 60);
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => small,
        (0, minutes) => format!("{minutes}m{small}"),
        (hours, minutes) => format!("{hours}h{minutes}m{small}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_left_stands_behind_what_is_told() {
        for (told, said, expected) in
            [("", "", ""), ("a", "", "a"), ("", "b", "b"), ("a", "b", "a: b")]
        {
            let mut told = told.to_owned();
            say_behind(&mut told, said);
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn lengths_of_time_read_as_go_writes_them() {
        for (ms, text) in [
            (0, "0s"),
            (500, "500ms"),
            (10_000, "10s"),
            (1_500, "1.5s"),
            (80_000, "1m20s"),
            (300_000, "5m0s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
