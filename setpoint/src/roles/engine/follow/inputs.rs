//! The inputs that a recorded epoch took, read back.
//!
//! Guarantee: what is read ahead of the epochs that take it is bounded. Partitions are not equally
//! long, so an epoch's cut may name one record of this and ten thousand of that: whoever is far
//! ahead waits until the epochs have come after.

use std::collections::{BTreeMap, VecDeque};

use setpoint_ingest::{Log, LogRecord, READ_BYTES_MAX, Reader, covers};
use setpoint_schemas::{Cut, Topic};

use super::stall::Stall;
use crate::roles::engine::reading::{POLL_RECORDS_MAX, POLL_WAIT};

/// Bytes that are held ahead before partitions that are far enough wait: four reads. One more read
/// may exceed it.
const AHEAD_BYTES_MAX: usize = 4 * READ_BYTES_MAX;
/// They go on when half of that is taken: each pause costs a fetch.
const AHEAD_BYTES_MIN: usize = AHEAD_BYTES_MAX / 2;

/// The inputs, and what was read of them ahead.
pub(super) struct Inputs {
    reader: Box<dyn Reader>,
    ahead: BTreeMap<(Topic, i32), VecDeque<LogRecord>>,
    bytes: usize,
    is_holding: bool,
}

impl Inputs {
    /// Those that this reader reads.
    pub(super) fn new(reader: Box<dyn Reader>) -> Self {
        Inputs { reader, ahead: BTreeMap::new(), bytes: 0, is_holding: false }
    }

    /// How far they are read.
    pub(super) fn position(&self) -> Cut {
        self.reader.position()
    }

    /// All before the cut that was not taken yet, in order.
    pub(super) fn take_until(
        &mut self,
        log: &dyn Log,
        wanted: &Cut,
        mut stall: Stall,
    ) -> anyhow::Result<Vec<LogRecord>> {
        while !covers(&self.reader.position(), wanted) {
            self.hold(wanted)?;
            let records = self.reader.poll(POLL_RECORDS_MAX, POLL_WAIT)?;
            stall.look(!records.is_empty(), log, wanted)?;
            self.bytes += records.iter().map(LogRecord::bytes).sum::<usize>();
            for record in records {
                let partition = (record.position.topic, record.position.partition);
                self.ahead.entry(partition).or_default().push_back(record);
            }
        }
        Ok(self.taken(wanted))
    }

    /// Lets partitions wait that have come to the cut, while too much is held of them.
    fn hold(&mut self, wanted: &Cut) -> anyhow::Result<()> {
        let bound = if self.is_holding { AHEAD_BYTES_MIN } else { AHEAD_BYTES_MAX };
        match (self.bytes > bound, self.is_holding) {
            (true, _) => self.reader.hold_behind(Some(wanted))?,
            (false, true) => self.reader.hold_behind(None)?,
            (false, false) => {}
        }
        self.is_holding = self.bytes > bound;
        Ok(())
    }

    fn taken(&mut self, wanted: &Cut) -> Vec<LogRecord> {
        let mut taken = Vec::new();
        for ((topic, partition), records) in &mut self.ahead {
            let next = wanted.next(*topic, *partition);
            let is_wanted = |record: &LogRecord| record.position.offset < next;
            while let Some(record) = records.pop_front_if(|record| is_wanted(record)) {
                taken.push(record);
            }
        }
        self.bytes -= taken.iter().map(LogRecord::bytes).sum::<usize>();
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use setpoint_ingest::LogError;
    use setpoint_schemas::Position;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Two partitions, read in turn: a long one of large records, and one with a single record.
    struct Uneven {
        next: [i64; 2],
        held: Option<Cut>,
        read_bytes: usize,
    }

    const LARGE_BYTES: usize = 1 << 20;

    impl Reader for Uneven {
        fn poll(&mut self, _: usize, _: Duration) -> Result<Vec<LogRecord>, LogError> {
            let until = |partition| self.held.as_ref().map(|cut| cut.next(Topic::Pods, partition));
            let is_on = |partition: usize| {
                until(partition as i32).is_none_or(|until| self.next[partition] < until)
            };
            let partition = if is_on(0) { 0 } else { 1 };
            if !is_on(partition) {
                return Ok(Vec::new());
            }
            let offset = self.next[partition];
            self.next[partition] += 1;
            self.read_bytes += LARGE_BYTES;
            Ok(vec![LogRecord {
                position: Position { topic: Topic::Pods, partition: partition as i32, offset },
                key: Vec::new(),
                value: Some(vec![0; LARGE_BYTES]),
                headers: Vec::new(),
                timestamp_ms: 0,
            }])
        }

        fn hold_behind(&mut self, cut: Option<&Cut>) -> Result<(), LogError> {
            self.held = cut.cloned();
            Ok(())
        }

        fn position(&self) -> Cut {
            (0..2).map(|p| (Topic::Pods, p, self.next[p as usize])).collect()
        }
    }

    /// A log that nobody asks anything.
    fn nobody_asks() -> setpoint_ingest_embedded::EmbeddedLog {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = setpoint_ingest_embedded::Settings::new(folder.path());
        setpoint_ingest_embedded::EmbeddedLog::open(&settings).expect("a log")
    }

    #[test]
    fn who_is_far_ahead_waits_for_the_others() {
        let reader = Uneven { next: [0, 0], held: None, read_bytes: 0 };
        let mut inputs = Inputs::new(Box::new(reader));
        let (log, closing) = (nobody_asks(), CancellationToken::new());
        let wanted: Cut = [(Topic::Pods, 0, 1), (Topic::Pods, 1, 1)].into_iter().collect();
        let taken = inputs.take_until(&log, &wanted, Stall::new(&closing)).expect("they are read");
        assert_eq!(taken.len(), 2);
        assert!(inputs.bytes <= AHEAD_BYTES_MAX + LARGE_BYTES, "{} are held", inputs.bytes);
        // What was held is taken by the next epochs, and then the reading goes on.
        for next in 2..=60 {
            let wanted: Cut = [(Topic::Pods, 0, next)].into_iter().collect();
            let taken = inputs.take_until(&log, &wanted, Stall::new(&closing)).expect("read");
            assert_eq!(taken.len(), 1, "{next}");
            assert!(inputs.bytes <= AHEAD_BYTES_MAX + LARGE_BYTES);
        }
    }
}
