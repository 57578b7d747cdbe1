//! The log of a fleet as its engine's API hands it out: read-only, for who cannot open it.
//!
//! Guarantee: what [`Log`] promises of reading. Every call waits for the API: it is for threads that may.
//! Absent: appending.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use setpoint_ingest::{Appender, AppenderKind, Log, LogError, LogRecord, READ_BYTES_MAX, Reader};
use setpoint_schemas::{Cut, Topic};
use tokio::runtime::Handle;

use crate::client::{ApiError, Client};
use crate::raw::RawPage;

/// Records asked for at once: what the API hands out of a page.
const PAGE_RECORDS_MAX: usize = 1_000;
/// Between two looks for records that are yet to come.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// The log behind one server.
#[derive(Clone)]
pub(crate) struct ApiLog {
    client: Client,
    runtime: Handle,
}

/// What each partition holds.
#[derive(Debug, Deserialize)]
struct Extent {
    partitions: Vec<Holds>,
}

#[derive(Debug, Deserialize)]
struct Holds {
    topic: String,
    partition: i32,
    start: i64,
    end: i64,
}

impl ApiLog {
    /// The log of the client's server, asked by this runtime.
    pub(crate) fn new(client: Client, runtime: Handle) -> ApiLog {
        ApiLog { client, runtime }
    }

    fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, LogError> {
        let attempt = || format!("read the log of {}", self.client.server());
        let answer: Value = self
            .runtime
            .block_on(self.client.get(path, query))
            .map_err(|error| failed(attempt(), error))?;
        serde_json::from_value(answer).map_err(|error| LogError::permanent(attempt(), error))
    }

    fn extent(&self, topics: &[Topic]) -> Result<Vec<(Topic, i32, i64, i64)>, LogError> {
        let extent: Extent = self.ask("/setpoint/v1/log", &[])?;
        let known = extent.partitions.into_iter().filter_map(|holds| {
            let topic = Topic::of_name(&holds.topic)?;
            topics.contains(&topic).then_some((topic, holds.partition, holds.start, holds.end))
        });
        Ok(known.collect())
    }

    fn page(
        &self,
        topic: Topic,
        partition: i32,
        from: i64,
        max: usize,
    ) -> Result<(Vec<LogRecord>, i64), LogError> {
        let path = format!("/setpoint/v1/log/{}/{partition}", topic.name());
        let max = max.min(PAGE_RECORDS_MAX).to_string();
        let query = [("from", from.to_string()), ("max", max), ("raw", "true".to_owned())];
        let page: RawPage = self.ask(&path, &query)?;
        let decoded = page.records.into_iter().map(|record| record.record((topic, partition)));
        let records = decoded.collect::<Result<Vec<_>, _>>().map_err(|error| {
            LogError::permanent(format!("read {topic}/{partition} from {from}"), error)
        })?;
        Ok((records, page.next))
    }
}

fn failed(attempt: String, error: ApiError) -> LogError {
    match error {
        error @ (ApiError::Unreachable { .. } | ApiError::Broken { .. }) => {
            LogError::transient(attempt, error.to_string())
        }
        error => LogError::permanent(attempt, error.to_string()),
    }
}

impl Log for ApiLog {
    fn ensure_topics(&self) -> Result<(), LogError> {
        Ok(())
    }

    fn partitions(&self, topic: Topic) -> Result<i32, LogError> {
        let partitions = self.extent(&[topic])?.len();
        Ok(i32::try_from(partitions).unwrap_or(i32::MAX))
    }

    fn reader(&self, from: &Cut, topics: &[Topic]) -> Result<Box<dyn Reader>, LogError> {
        let partitions: Vec<(Topic, i32)> = self
            .extent(topics)?
            .into_iter()
            .map(|(topic, partition, ..)| (topic, partition))
            .collect();
        self.reader_of(from, &partitions)
    }

    fn reader_of(
        &self,
        from: &Cut,
        partitions: &[(Topic, i32)],
    ) -> Result<Box<dyn Reader>, LogError> {
        let starts =
            self.starts(&partitions.iter().map(|(topic, _)| *topic).collect::<Vec<_>>())?;
        let mut next = BTreeMap::new();
        for &(topic, partition) in partitions {
            let (wanted, start) = (from.next(topic, partition), starts.next(topic, partition));
            if wanted != 0 && wanted < start {
                return Err(LogError::Forgotten { topic, partition, start, wanted });
            }
            next.insert((topic, partition), wanted.max(start));
        }
        let (ends, held_behind) = (Cut::default(), None);
        Ok(Box::new(ApiReader { log: self.clone(), next, ends, held_behind }))
    }

    fn appender(&self, _: AppenderKind) -> Result<Box<dyn Appender>, LogError> {
        Err(LogError::permanent("append to the log", "over the API it is only read"))
    }

    fn ends(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        let extent = self.extent(topics)?.into_iter();
        Ok(extent.map(|(topic, partition, _, end)| (topic, partition, end)).collect())
    }

    fn starts(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        let extent = self.extent(topics)?.into_iter();
        Ok(extent.map(|(topic, partition, start, _)| (topic, partition, start)).collect())
    }

    fn read_at(
        &self,
        topic: Topic,
        partition: i32,
        offset: i64,
        max: usize,
    ) -> Result<Vec<LogRecord>, LogError> {
        let (mut records, mut from) = (Vec::new(), offset);
        let mut bytes = 0;
        while records.len() < max && bytes < READ_BYTES_MAX {
            let (page, next) = self.page(topic, partition, from, max - records.len())?;
            if next <= from {
                break;
            }
            bytes += page.iter().map(LogRecord::bytes).sum::<usize>();
            records.extend(page);
            from = next;
        }
        Ok(records)
    }
}

/// Reads partition after partition, a page each.
struct ApiReader {
    log: ApiLog,
    next: BTreeMap<(Topic, i32), i64>,
    /// As they were when they were last asked for: partitions that are read so far are not asked.
    ends: Cut,
    held_behind: Option<Cut>,
}

impl ApiReader {
    /// A partition that holds something unread, the one that lags most first.
    fn ready(&self) -> Option<((Topic, i32), i64)> {
        let unread = self.next.iter().filter_map(|(&(topic, partition), &next)| {
            let held = self.held_behind.as_ref().map(|cut| cut.next(topic, partition));
            let end = self.ends.next(topic, partition).min(held.unwrap_or(i64::MAX));
            (end > next).then_some(((topic, partition), next, end - next))
        });
        unread.max_by_key(|(.., lag)| *lag).map(|(partition, next, _)| (partition, next))
    }

    fn look(&mut self) -> Result<(), LogError> {
        let mut topics: Vec<Topic> = self.next.keys().map(|(topic, _)| *topic).collect();
        topics.dedup();
        self.ends = self.log.ends(&topics)?;
        Ok(())
    }
}

impl Reader for ApiReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, LogError> {
        let until = Instant::now() + wait;
        loop {
            if self.ready().is_none() {
                self.look()?;
            }
            if let Some(((topic, partition), from)) = self.ready() {
                let (records, next) = self.log.page(topic, partition, from, max)?;
                self.next.insert((topic, partition), next.max(from));
                if !records.is_empty() {
                    return Ok(records);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Vec::new());
            }
            if self.ready().is_none() {
                std::thread::sleep(left.min(LOOK_PAUSE));
            }
        }
    }

    fn hold_behind(&mut self, cut: Option<&Cut>) -> Result<(), LogError> {
        self.held_behind = cut.cloned();
        Ok(())
    }

    fn position(&self) -> Cut {
        self.next.iter().map(|(&(topic, partition), &next)| (topic, partition, next)).collect()
    }
}
