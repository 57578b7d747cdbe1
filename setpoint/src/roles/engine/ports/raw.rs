//! The log as it stands, a page at a time, for tools that cannot open it: who replays it elsewhere.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use setpoint_api::ports::PortError;
use setpoint_schemas::{Cut, Topic};

use super::reader::{Pages, topic_of, unread};
use crate::raw::{RawPage, RawRecord};

/// One wait for a record that must be there.
const RAW_WAIT: Duration = Duration::from_millis(50);
/// How long a page waits for its first record, where a leader's append is still open: who asks comes again.
const RAW_PATIENCE: Duration = Duration::from_secs(2);

impl Pages {
    /// What each partition holds.
    pub(crate) fn extent(&self) -> Result<Value, PortError> {
        let starts = self.log.starts(&Topic::ALL).map_err(unread)?;
        let mut partitions = Vec::new();
        let ends = self.log.ends(&Topic::ALL).map_err(unread)?;
        for topic in Topic::ALL {
            for partition in 0..self.log.partitions(topic).map_err(unread)? {
                let (start, end) = (starts.next(topic, partition), ends.next(topic, partition));
                partitions.push(json!({
                    "topic": topic.name(), "partition": partition, "start": start, "end": end,
                }));
            }
        }
        Ok(json!({"partitions": partitions}))
    }

    /// The records of a partition from an offset on, undecoded. Where nothing stands at the end but what
    /// transactions leave, `next` lies behind it.
    pub(crate) fn raw(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        max: usize,
    ) -> Result<Value, PortError> {
        let topic = topic_of(topic)?;
        let cut: Cut = [(topic, partition, from)].into_iter().collect();
        let end = self.log.ends(&[topic]).map_err(unread)?.next(topic, partition);
        let mut reader = self.log.reader_of(&cut, &[(topic, partition)]).map_err(unread)?;
        let (mut records, until) = (Vec::new(), Instant::now() + RAW_PATIENCE);
        while records.is_empty() && reader.position().next(topic, partition) < end {
            if Instant::now() >= until {
                break;
            }
            records = reader.poll(max, RAW_WAIT).map_err(unread)?;
        }
        let next = reader.position().next(topic, partition);
        let page = RawPage { next, records: records.iter().map(RawRecord::of).collect() };
        serde_json::to_value(page).map_err(|error| PortError::Unavailable(error.to_string()))
    }
}
