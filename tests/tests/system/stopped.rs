//! What a test does to an engine's folder while no engine runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use setpoint_ingest::entry::{self, Writer};
use setpoint_ingest::{AppenderKind, Log};
use setpoint_ingest_embedded::{EmbeddedLog, Settings};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Action, Cause, Decision, EpochRecord, FleetId, Lease, Placement, Topic};

const DAY_MS: i64 = 24 * 3_600_000;
/// Longer than any topic that forgets by time keeps anything.
pub(crate) const EVERYTHING_DAYS: i64 = 40;
/// Longer than leases are kept and nodes and pods are left alone, shorter than epochs are kept.
pub(crate) const LEASES_DAYS: i64 = 3;

/// Records of one append of many.
const APPENDED_TOGETHER: usize = 10_000;

/// The folder of a stopped engine.
pub(crate) struct Stopped(PathBuf);

impl Stopped {
    /// Of the engine of this name in a house.
    pub(crate) fn new(house: &Path, name: &str) -> Stopped {
        Stopped(house.join(name))
    }

    /// Its checkpoint's folder.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    /// Removes the checkpoint.
    pub(crate) fn lose_checkpoint(&self) {
        fs::remove_dir_all(self.checkpoint()).expect("there is a checkpoint");
    }

    /// Copies the checkpoint's folder.
    pub(crate) fn copy_checkpoint(&self, to: &Path) {
        copy(&self.checkpoint(), to);
    }

    /// Puts a copy in the checkpoint's place.
    pub(crate) fn put_checkpoint(&self, from: &Path) {
        self.lose_checkpoint();
        copy(from, &self.checkpoint());
    }

    /// The log forgets what it would in so many days without an engine.
    pub(crate) fn trim(&self, days: i64) {
        let log = self.log();
        log.clean(now_ms() + days * DAY_MS).expect("the log is cleaned");
        let start = log.starts(&[Topic::Leases]).expect("starts").next(Topic::Leases, 0);
        assert!(start > 0, "there were leases, and they are forgotten");
    }

    /// Appends so many renewals of the lease that was renewed last: what comes from agents while no
    /// engine takes it.
    pub(crate) fn append_renewals(&self, renewals: usize) {
        let (log, codec) = (self.log(), Codec::single_object());
        let lease = last_of(&log, Topic::Leases, |bytes| codec.decode::<Lease>(bytes).ok());
        let writer = Writer::new(codec, "/setpoint/test");
        let entry = writer.lease(&lease).expect("it is encoded");
        let mut appender = log.appender(AppenderKind::Shared).expect("an appender");
        let mut left = renewals;
        while left > 0 {
            let some = left.min(APPENDED_TOGETHER);
            appender.append(vec![entry.clone(); some]).expect("it is appended");
            left -= some;
        }
    }

    /// Appends an epoch in which an engine of these rules stopped a placed pod for no reason that
    /// ours knows; answers the pod's uid.
    pub(crate) fn append_a_stop(&self, rules: &str) -> String {
        let (log, codec) = (self.log(), Codec::single_object());
        let last = last_of(&log, Topic::Epochs, |bytes| codec.decode::<EpochRecord>(bytes).ok());
        let placed =
            last_of(&log, Topic::Placements, |bytes| codec.decode::<Placement>(bytes).ok());
        let number = last.number + 1;
        let decision = Decision {
            epoch: number,
            term: last.term,
            sequence: 0,
            time_ms: last.time_ms,
            action: Action::Stop,
            pod: placed.uid.to_string(),
            resource: placed.pattern.workload.to_string(),
            node: placed.node.to_string(),
            request: String::new(),
            rule: "whim".to_owned(),
            reason: "an engine of other rules wanted it so".to_owned(),
            causes: vec![Cause {
                topic: Topic::Requests.name().to_owned(),
                partition: 0,
                offset: 0,
                text: "nothing in particular".to_owned(),
            }],
            alternatives: Vec::new(),
        };
        let epoch = EpochRecord {
            number,
            cut: Vec::new(),
            decisions: 1,
            decisions_hash: 1,
            settings: String::new(),
            rules: rules.to_owned(),
            renew_leases: false,
            refused: Vec::new(),
            rebuilt: false,
            behind: false,
            ..last
        };
        let writer = Writer::new(codec, "/setpoint/test");
        let entries = vec![
            writer.epoch(&epoch).expect("encodes"),
            entry::placement_removed(&placed.uid, &placed.node, number),
            writer.decision(&decision).expect("encodes"),
        ];
        let fleet = FleetId::parse("setpoint").expect("a fleet");
        let mut leader = log.appender(AppenderKind::Leader { fleet }).expect("an appender");
        leader.append(entries).expect("appends");
        placed.uid.to_string()
    }

    fn log(&self) -> EmbeddedLog {
        EmbeddedLog::open(&Settings::new(&self.0.join("log"))).expect("the log opens")
    }
}

/// The last record of a topic that decodes.
fn last_of<T>(log: &EmbeddedLog, topic: Topic, decode: impl Fn(&[u8]) -> Option<T>) -> T {
    let (mut last, mut from) = (None, 0);
    loop {
        // One read is bounded in bytes.
        let records = log.read_at(topic, 0, from, usize::MAX).expect("reads");
        let Some(end) = records.last().map(|record| record.position.offset + 1) else { break };
        let decoded = records.iter().rev().find_map(|record| decode(record.value.as_deref()?));
        (last, from) = (decoded.or(last), end);
    }
    last.expect("a record")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file is copied");
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time")
}
