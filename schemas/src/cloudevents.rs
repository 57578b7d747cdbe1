//! The CloudEvents headers of a record: Kafka protocol binding, binary mode.
//!
//! Guarantee: a record's headers depend on the record and the source alone; the same event has
//! the same id wherever and however often it is written.
//! Source: CloudEvents 1.0, "Kafka Protocol Binding", section 3.2.

use crate::avro::Record;

/// A header of a log record.
pub type Header = (String, Vec<u8>);

/// The media type of the values.
pub const CONTENT_TYPE: &str = "application/avro";

/// The headers of a record written by `source`, a URI reference such as `/setpoint/demo/engine`.
#[must_use]
pub fn headers<R: Record>(record: &R, source: &str) -> Vec<Header> {
    let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
    vec![
        header("ce_specversion", "1.0".to_owned()),
        header("ce_id", record.event_id()),
        header("ce_type", event_type::<R>()),
        header("ce_source", source.to_owned()),
        header("ce_time", rfc3339(record.event_time_ms())),
        header("content-type", CONTENT_TYPE.to_owned()),
    ]
}

/// The type of a record's events, such as `dev.setpoint.pod_observed`.
#[must_use]
pub fn event_type<R: Record>() -> String {
    format!("dev.setpoint.{}", R::NAME)
}

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A time of milliseconds since 1970 as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(time_ms: i64) -> String {
    let (year, month, day) = civil(time_ms.div_euclid(MILLIS_PER_DAY));
    let ms = time_ms.rem_euclid(MILLIS_PER_DAY);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let fraction = match ms % 1000 {
        0 => String::new(),
        millis => format!(".{millis:03}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Year, month and day of a count of days since 1970 in the Gregorian calendar. Counts in years
/// that begin in March, so that the leap day is the last one, and in eras of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    const DAYS_FROM_YEAR_0_TO_1970: i64 = 719_468;
    let days = days.saturating_add(DAYS_FROM_YEAR_0_TO_1970);
    let (era, day) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lease, NodeName, SessionId};

    #[test]
    fn times_read_as_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (1_522_900_584_000, "2018-04-05T03:56:24Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ];
        for (time_ms, text) in cases {
            assert_eq!(rfc3339(time_ms), text);
        }
    }

    #[test]
    fn the_headers_of_a_record_are_those_of_the_binding() {
        let lease = Lease {
            node: NodeName::parse("n1").expect("node"),
            session: SessionId::parse("s1").expect("session"),
            sequence: 7,
            time_ms: 1_522_900_584_000,
        };
        let text = |(name, value): Header| format!("{name}={}", String::from_utf8_lossy(&value));
        let headers: Vec<_> = headers(&lease, "/setpoint/demo").into_iter().map(text).collect();
        assert_eq!(
            headers,
            [
                "ce_specversion=1.0",
                "ce_id=n1/s1/7",
                "ce_type=dev.setpoint.lease",
                "ce_source=/setpoint/demo",
                "ce_time=2018-04-05T03:56:24Z",
                "content-type=application/avro",
            ]
        );
    }
}
