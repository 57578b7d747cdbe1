//! What comes from the log, decoded: by the engine's own thread, or beside it.
//!
//! With several workers the input partitions are dealt out to all but the first, each with a thread
//! that fetches and decodes its own; the engine takes what they have. In which portions they come
//! does not matter: an epoch sorts its records by position, and its cut says how far each partition
//! was taken.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use setpoint_ingest::entry::Writer;
use setpoint_ingest::{Decoder, Entry, Log, LogError, READ_BYTES_MAX, Reader, RecordView};
use setpoint_schemas::{Cut, Position, Sourced, Topic};
use tracing::warn;

/// Records of one epoch at most: its decisions are one append, which must stay small enough to be
/// acknowledged within a lease's renewal.
pub(super) const EPOCH_RECORDS_MAX: usize = 10_000;
/// Records of one portion at most: a few, so that deciding begins while the next are decoded.
const PORTION_RECORDS_MAX: usize = 2_500;
/// Portions that wait for the engine: one that it takes next, and one that is ready behind it. What
/// else there is waits in the log.
const PORTIONS_QUEUED_MAX: usize = 2;
/// How long a reading thread waits for records before it looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What one record is.
pub(crate) enum Decoded {
    /// An input of the engine.
    Input(Sourced),
    /// It says nothing to the engine.
    Nothing,
    /// It was set aside; the letter is missing where it is too large to be written.
    Refused(Option<Box<Entry>>),
}

/// Records that were read together.
#[derive(Default)]
pub(crate) struct Portion {
    pub(crate) records: Vec<(Position, Decoded)>,
    /// What they took in the log.
    pub(crate) bytes: usize,
    /// How far their partitions are read.
    read: Cut,
}

/// Turns records into what they are.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) decoder: Decoder,
    pub(crate) writer: Writer,
}

/// Where decoded records come from.
pub(crate) enum Intake {
    /// This thread reads all partitions.
    Here { reader: Box<dyn Reader>, door: Door },
    /// Threads beside it read some each.
    Beside { portions: Receiver<Result<Portion, LogError>>, read: Cut },
}

impl Intake {
    /// All input partitions behind this cut, read by so many workers.
    pub(crate) fn open(
        log: &dyn Log,
        from: &Cut,
        door: Door,
        workers: usize,
    ) -> Result<Intake, LogError> {
        let readers = workers.saturating_sub(1);
        if readers == 0 {
            return Ok(Intake::Here { reader: log.reader(from, &Topic::INPUTS)?, door });
        }
        let (send, portions) = mpsc::sync_channel(PORTIONS_QUEUED_MAX);
        let mut read = Cut::default();
        for dealt in deal(log, readers)? {
            let reader = log.reader_of(from, &dealt)?;
            for (topic, partition, next) in reader.position().iter() {
                read.advance(topic, partition, next);
            }
            let (door, send) = (door.clone(), send.clone());
            std::thread::Builder::new()
                .name("reader".into())
                .spawn(move || read_on(reader, &door, &send))
                .map_err(|error| LogError::permanent("start a reading thread", error))?;
        }
        Ok(Intake::Beside { portions, read })
    }

    /// Records that are there, decoded; waits so long for the first. `None`: none came.
    pub(crate) fn next(&mut self, wait: Duration) -> Result<Option<Portion>, LogError> {
        let portion = match self {
            Intake::Here { reader, door } => {
                Some(portion(&mut **reader, door, EPOCH_RECORDS_MAX, wait)?)
            }
            Intake::Beside { portions, read } => match portions.recv_timeout(wait) {
                Ok(portion) => {
                    let portion = portion?;
                    for (topic, partition, next) in portion.read.iter() {
                        read.advance(topic, partition, next);
                    }
                    Some(portion)
                }
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(LogError::transient("read the log", "the reading threads ended"));
                }
            },
        };
        Ok(portion.filter(|portion| !portion.records.is_empty()))
    }

    /// Whether other threads read.
    pub(crate) fn is_beside(&self) -> bool {
        matches!(self, Intake::Beside { .. })
    }

    /// The next offset of each partition: all before it was handed out, or holds no record.
    pub(crate) fn position(&self) -> Cut {
        match self {
            Intake::Here { reader, .. } => reader.position(),
            Intake::Beside { read, .. } => read.clone(),
        }
    }
}

impl Portion {
    /// Adds another one's records.
    pub(crate) fn extend(&mut self, other: Portion) {
        self.records.extend(other.records);
        self.bytes += other.bytes;
    }

    /// Whether an epoch takes no more, so that its memory is bounded too.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= EPOCH_RECORDS_MAX || self.bytes >= READ_BYTES_MAX
    }
}

/// All input partitions, dealt out in turn; a reader without one is none.
fn deal(log: &dyn Log, readers: usize) -> Result<Vec<Vec<(Topic, i32)>>, LogError> {
    let mut dealt = vec![Vec::new(); readers];
    let mut turn = 0;
    for topic in Topic::INPUTS {
        for partition in 0..log.partitions(topic)? {
            dealt[turn % readers].push((topic, partition));
            turn += 1;
        }
    }
    dealt.retain(|partitions| !partitions.is_empty());
    Ok(dealt)
}

/// Reads and decodes until nobody takes it any more, or the log fails.
fn read_on(mut reader: Box<dyn Reader>, door: &Door, send: &SyncSender<Result<Portion, LogError>>) {
    let mut told = reader.position();
    loop {
        let read = portion(&mut *reader, door, PORTION_RECORDS_MAX, LOOK_EVERY);
        let is_end = read.is_err();
        // A position moves without records too: past what was compacted away.
        let is_news = read.as_ref().map_or(true, |portion| portion.read != told);
        if let Ok(portion) = &read {
            told.clone_from(&portion.read);
        }
        let is_unwanted = if is_news { send.send(read).is_err() } else { false };
        if is_end || is_unwanted {
            return;
        }
    }
}

fn portion(
    reader: &mut dyn Reader,
    door: &Door,
    records_max: usize,
    wait: Duration,
) -> Result<Portion, LogError> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    reader.show(records_max, wait, &mut |record| {
        records.push((record.position, door.decoded(record)));
        bytes += record.bytes();
    })?;
    Ok(Portion { records, bytes, read: reader.position() })
}

impl Door {
    /// A record becomes an input, or a dead letter.
    fn decoded(&self, record: RecordView<'_>) -> Decoded {
        match self.decoder.decode(record) {
            Ok(Some(sourced)) => Decoded::Input(sourced),
            Ok(None) => Decoded::Nothing,
            Err(letter) => {
                warn!(position = %record.position, reason = %letter.reason, "record set aside");
                Decoded::Refused(self.writer.dead_letter(&letter).ok().map(Box::new))
            }
        }
    }
}
