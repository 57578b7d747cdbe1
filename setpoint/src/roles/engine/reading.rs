//! Reading the log back: how much at once, and how patiently.

use std::time::Duration;

use setpoint_ingest::{Log, LogRecord};
use setpoint_schemas::Topic;

/// Records asked for at once: some megabytes of the usual ones. What a read may hold in bytes is the
/// log's own bound.
pub(super) const POLL_RECORDS_MAX: usize = 4096;
/// How long a poll of what must be there waits.
pub(super) const POLL_WAIT: Duration = Duration::from_millis(50);

/// Gives the records of a partition to the caller, some at a time.
pub(super) fn read_on(
    log: &dyn Log,
    (topic, partition): (Topic, i32),
    from: i64,
    end: i64,
    mut each: impl FnMut(&[LogRecord]),
) -> anyhow::Result<()> {
    let mut next = from.max(0);
    while next < end {
        let records = log.read_at(topic, partition, next, POLL_RECORDS_MAX)?;
        let Some(last) = records.last() else { break };
        next = last.position.offset + 1;
        each(&records);
    }
    Ok(())
}
