//! Whether a reader has read as far as it must, and reading so far.

use std::time::Duration;

use setpoint_schemas::{Cut, Topic};

use crate::{Log, LogError, LogRecord};

/// How many records are asked for at once.
const POLL_RECORDS_MAX: usize = 4096;
/// How long one poll waits; only how often the end is looked at depends on it.
const POLL_WAIT: Duration = Duration::from_millis(20);

/// Whether a position has come to these ends, in every partition that they name.
#[must_use]
pub fn covers(position: &Cut, ends: &Cut) -> bool {
    ends.iter().all(|(topic, partition, next)| position.next(topic, partition) >= next)
}

/// Gives every record from the cut to the present ends to the caller, and says how far that is.
///
/// # Errors
/// [`LogError`] when the log does not answer.
pub fn read_all(
    log: &dyn Log,
    from: &Cut,
    topics: &[Topic],
    mut each: impl FnMut(LogRecord),
) -> Result<Cut, LogError> {
    let ends = log.ends(topics)?;
    let mut reader = log.reader(from, topics)?;
    while !covers(&reader.position(), &ends) {
        reader.poll(POLL_RECORDS_MAX, POLL_WAIT)?.into_iter().for_each(&mut each);
    }
    Ok(reader.position())
}
