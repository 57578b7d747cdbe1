//! Cutting epochs: what is ready, up to a bound, and whether deadlines may fire.

use std::time::{Duration, Instant};

use setpoint_ingest::{Entry, Log, LogError, covers};
use setpoint_schemas::{Cut, CutEntry, Position, RefusedEntry, Sourced, Topic};

use super::intake::{Decoded, Intake, Portion};
use crate::clock::Steady;

/// Without inputs an epoch is made this often, so that a standby sees that the leader lives.
pub(crate) const TICK: Duration = Duration::from_millis(1_000);

/// How long the records before the log's end may take to come. Where a broker takes longer for good, no
/// deadline ever fires; and a standby takes over from a leader that makes no epoch for five seconds.
const END_WAIT: Duration = Duration::from_secs(3);

/// How often questions are looked for while nothing comes: as long as nobody notices a wait.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the next epoch takes.
pub(crate) struct Batch {
    pub(crate) time_ms: i64,
    pub(crate) complete: bool,
    pub(crate) behind: bool,
    pub(crate) inputs: Vec<Sourced>,
    pub(crate) dead_letters: Vec<Entry>,
    pub(crate) cut: Vec<CutEntry>,
    pub(crate) refused: Vec<RefusedEntry>,
    pub(crate) records: usize,
    /// What the records take in the log.
    pub(crate) bytes: usize,
}

/// Cuts batches from what comes in.
pub(crate) struct Cutter {
    intake: Intake,
    taken: Cut,
    clock: Steady,
}

impl Cutter {
    pub(crate) fn new(intake: Intake, from: Cut, clock: Steady) -> Self {
        Cutter { intake, taken: from, clock }
    }

    /// The next batch. Waits for the first record until `due_ms` or a tick, and does `meanwhile`
    /// from time to time. When something is due the batch reads to the log's present end, so that
    /// backlog never looks like silence.
    pub(crate) fn next(
        &mut self,
        log: &dyn Log,
        due_ms: Option<i64>,
        meanwhile: impl Fn(&Cut),
    ) -> Result<Batch, LogError> {
        let wait = due_ms.map_or(TICK, |due| millis(due - self.clock.now_ms()).min(TICK));
        let mut portion = self.wait(wait, meanwhile)?.unwrap_or_default();
        // Before the ends are asked for: the batch then covers all that was there at this time.
        let time_ms = self.clock.now_ms();
        let is_due = due_ms.is_some_and(|due| due <= time_ms);
        let mut complete = false;
        if is_due {
            let ends = log.ends(&Topic::INPUTS)?;
            complete = self.read_to(&ends, &mut portion, END_WAIT)?;
        }
        let behind = !complete && (is_due || portion.is_full());
        portion.records.sort_by_key(|(position, _)| *position);
        let cut = self.moved();
        let mut batch = Batch {
            time_ms,
            complete,
            behind,
            inputs: Vec::with_capacity(portion.records.len()),
            dead_letters: Vec::new(),
            cut,
            refused: Vec::new(),
            records: portion.records.len(),
            bytes: portion.bytes,
        };
        portion.records.into_iter().for_each(|(at, decoded)| batch.take(at, decoded));
        Ok(batch)
    }

    /// The records that are there; the first ones that come, when none are.
    fn wait(
        &mut self,
        wait: Duration,
        meanwhile: impl Fn(&Cut),
    ) -> Result<Option<Portion>, LogError> {
        let until = Instant::now() + wait;
        loop {
            meanwhile(&self.taken);
            let left = until.saturating_duration_since(Instant::now());
            let first = self.intake.next(left.min(LOOK_EVERY))?;
            if let Some(mut portion) = first {
                // What other threads have ready goes into the same epoch.
                let is_beside = self.intake.is_beside();
                while is_beside && !portion.is_full() && self.more(&mut portion, Duration::ZERO)? {}
                return Ok(Some(portion));
            }
            if left <= LOOK_EVERY {
                return Ok(None);
            }
        }
    }

    /// Adds what lies before these ends, as far as it comes in this time; whether all did. A log
    /// that fell silent in between may not hold the engine up: it would neither notice that nobody
    /// commits any more nor that it is to close.
    fn read_to(
        &mut self,
        ends: &Cut,
        portion: &mut Portion,
        within: Duration,
    ) -> Result<bool, LogError> {
        let until = Instant::now() + within;
        while !covers(&self.intake.position(), ends) && !portion.is_full() {
            if Instant::now() > until {
                return Ok(false);
            }
            self.more(portion, Duration::from_millis(1))?;
        }
        Ok(covers(&self.intake.position(), ends))
    }

    /// Adds what else comes; whether something did.
    fn more(&mut self, portion: &mut Portion, wait: Duration) -> Result<bool, LogError> {
        let more = self.intake.next(wait)?;
        let is_more = more.is_some();
        more.into_iter().for_each(|more| portion.extend(more));
        Ok(is_more)
    }

    /// The partitions that moved since the last batch.
    fn moved(&mut self) -> Vec<CutEntry> {
        let mut cut = Vec::new();
        for (topic, partition, next) in self.intake.position().iter() {
            if next > self.taken.next(topic, partition) {
                self.taken.advance(topic, partition, next);
                cut.push(CutEntry { topic: topic.name().to_owned(), partition, next });
            }
        }
        cut
    }

    /// How far each input partition was read, as an epoch's record says it.
    pub(crate) fn whole(&self) -> Vec<CutEntry> {
        let inputs = self.taken.iter().filter(|(topic, ..)| Topic::INPUTS.contains(topic));
        let entry = |(topic, partition, next): (Topic, i32, i64)| CutEntry {
            topic: topic.name().to_owned(),
            partition,
            next,
        };
        inputs.map(entry).collect()
    }

    /// How far this has read, all partitions.
    pub(crate) fn taken(&self) -> &Cut {
        &self.taken
    }
}

impl Batch {
    fn take(&mut self, position: Position, decoded: Decoded) {
        match decoded {
            Decoded::Input(sourced) => self.inputs.push(sourced),
            Decoded::Nothing => {}
            Decoded::Refused(letter) => {
                self.dead_letters.extend(letter.map(|letter| *letter));
                self.refused.push(RefusedEntry {
                    topic: position.topic.name().to_owned(),
                    partition: position.partition,
                    offset: position.offset,
                });
            }
        }
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use setpoint_ingest::entry::Writer;
    use setpoint_ingest::{AppenderKind, Decoder};
    use setpoint_ingest_embedded::{EmbeddedLog, Settings};
    use setpoint_schemas::avro::Codec;
    use setpoint_schemas::samples;

    use super::super::intake::{Door, EPOCH_RECORDS_MAX};
    use super::*;

    /// As long as a test should wait for what never comes.
    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn a_log_that_falls_silent_before_its_end_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = EmbeddedLog::open(&Settings::new(folder.path())).expect("it opens");
        let writer = Writer::new(Codec::single_object(), "/setpoint/test");
        let mut api = log.appender(AppenderKind::Shared).expect("an appender");
        api.append(vec![writer.pod(&samples::pod_observed()).expect("encodes")]).expect("appends");
        let mut cutter = cutter(&log, writer);

        let mut ends = log.ends(&Topic::INPUTS).expect("ends");
        let mut portion = Portion::default();
        assert!(cutter.read_to(&ends, &mut portion, SOON).expect("reads"), "all was there");
        ends.advance(Topic::Pods, 0, ends.next(Topic::Pods, 0) + 1);
        let began = Instant::now();
        assert!(!cutter.read_to(&ends, &mut portion, SOON).expect("reads"), "one never came");
        assert!(began.elapsed() >= SOON, "it may still have come");
        assert_eq!(portion.records.len(), 1);
    }

    #[test]
    fn an_epoch_that_is_full_is_behind_until_one_takes_the_rest() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = EmbeddedLog::open(&Settings::new(folder.path())).expect("it opens");
        let writer = Writer::new(Codec::single_object(), "/setpoint/test");
        let pod = writer.pod(&samples::pod_observed()).expect("encodes");
        let mut api = log.appender(AppenderKind::Shared).expect("an appender");
        for count in [EPOCH_RECORDS_MAX, 1] {
            api.append(vec![pod.clone(); count]).expect("appends");
        }
        let mut cutter = cutter(&log, writer);

        let mut next = |due_ms| {
            let batch = cutter.next(&log, due_ms, |_| {}).expect("reads");
            (batch.records, batch.complete, batch.behind)
        };
        assert_eq!(next(Some(0)), (EPOCH_RECORDS_MAX, false, true), "due, and not at the end");
        assert_eq!(next(None), (1, false, false), "nothing is due, and no more is there");
        assert_eq!(next(Some(0)), (0, true, false), "due, and at the end");
    }

    fn cutter(log: &EmbeddedLog, writer: Writer) -> Cutter {
        let door = Door { decoder: Decoder::new(Codec::single_object()), writer };
        let from = Cut::default();
        let intake = Intake::open(log, &from, door, 1).expect("it opens");
        Cutter::new(intake, from, Steady::at(0))
    }
}
