//! Decisions of long ago, looked up on the log: it keeps them for its retention, the read model only the
//! latest.

use std::time::{Duration, Instant};

use setpoint_api::ports::PortError;
use setpoint_ingest::LogRecord;
use setpoint_schemas::{Decision, Topic};

use super::letters::is_cut_short;
use super::reader::{PAGE_RECORDS_MAX, Pages, unread};

/// Decisions looked through for one answer, the latest of each partition: twenty pages of the log, about what
/// the read model keeps itself, and weeks of a fleet that has something decided every minute.
const DECISIONS_SEARCHED_MAX: usize = 20_000;
/// How long a look goes on: who asks has been told what is known, and others look as well.
const LOOK_MAX: Duration = Duration::from_secs(2);

impl Pages {
    /// Up to `max` wanted decisions of those before this epoch and sequence, newest first.
    pub(crate) fn ledger(
        &self,
        before: (i64, i32),
        max: usize,
        wanted: &dyn Fn(&Decision) -> bool,
    ) -> Result<Vec<Decision>, PortError> {
        let topic = Topic::Decisions;
        let ends = self.log.ends(&[topic]).map_err(unread)?;
        let starts = self.log.starts(&[topic]).map_err(unread)?;
        let mut found: Vec<Decision> = Vec::new();
        let until = Instant::now() + LOOK_MAX;
        for (_, partition, end) in ends.iter() {
            let range = (starts.next(topic, partition), end);
            let is_meant = |d: &Decision| (d.epoch, d.sequence) < before && wanted(d);
            found.extend(self.latest(partition, range, (max, until), is_meant)?);
        }
        found.sort_by_key(|decision| std::cmp::Reverse((decision.epoch, decision.sequence)));
        found.truncate(max);
        Ok(found)
    }

    /// The latest decisions of a partition that are meant, newest first.
    fn latest(
        &self,
        partition: i32,
        (start, mut end): (i64, i64),
        (max, until): (usize, Instant),
        is_meant: impl Fn(&Decision) -> bool,
    ) -> Result<Vec<Decision>, PortError> {
        let (mut found, mut searched, mut page) = (Vec::new(), 0, PAGE_RECORDS_MAX);
        while end > start && found.len() < max && searched < DECISIONS_SEARCHED_MAX {
            if Instant::now() >= until {
                break;
            }
            let from = (end - i64::try_from(page).unwrap_or(i64::MAX)).max(start);
            let read = self.log.read_at(Topic::Decisions, partition, from, page);
            let records = read.map_err(unread)?;
            if is_cut_short(&records, end) && page > 1 {
                page /= 2;
                continue;
            }
            let decoded = |record: &LogRecord| -> Option<Decision> {
                self.codec.decode(record.value.as_deref()?).ok()
            };
            let of_page = records.iter().rev().filter(|record| record.position.offset < end);
            found.extend(of_page.filter_map(decoded).filter(&is_meant).take(max - found.len()));
            searched += page;
            end = from;
        }
        Ok(found)
    }
}
