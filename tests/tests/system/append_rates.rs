//! How many appends a second callers get who each wait for their own: one after the other, and
//! together. The figures stand in `docs/measurements.md`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use setpoint_ingest::entry::Writer;
use setpoint_ingest::{Appended, AppenderKind, Caller, Entry, Log, Together};
use setpoint_ingest_embedded::EmbeddedLog;
use setpoint_ingest_kafka::KafkaLog;
use setpoint_ingest_kafka::testing::Kafka;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::samples;

use crate::house::alone;

/// Long enough for a few thousand appends.
const MEASURED: Duration = Duration::from_millis(1_500);
const WRITERS: [usize; 3] = [1, 16, 64];
/// Sixty-four writers who share round trips get at least so many times what they get one by one.
const GAIN_MIN: f64 = 3.0;

#[test]
fn callers_of_the_embedded_log_share_its_syncs() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let settings = setpoint_ingest_embedded::Settings::new(folder.path());
    gains("embedded log", &EmbeddedLog::open(&settings).expect("it opens"));
}

#[test]
fn callers_of_kafka_share_its_round_trips() {
    let _alone = alone();
    let Some(kafka) = Kafka::start() else { return };
    let settings = setpoint_ingest_kafka::Settings::new(&kafka.bootstrap_servers());
    let log = KafkaLog::new(settings).expect("a client");
    log.ensure_topics().expect("topics");
    gains("Apache Kafka", &log);
}

/// A thread that waits.
struct Waiting(mpsc::Sender<Appended>);

impl Caller for Waiting {
    fn waits(&self) -> bool {
        true
    }

    fn tell(self: Box<Self>, appended: Appended) {
        self.0.send(appended).expect("it waits");
    }
}

fn gains(name: &str, log: &dyn Log) {
    let shared = || log.appender(AppenderKind::Shared).expect("an appender");
    let mut last = (0.0, 0.0);
    for writers in WRITERS {
        let one_by_one = Mutex::new(shared());
        let apart = rate(writers, || {
            let mut appender = one_by_one.lock().expect("nobody panicked");
            appender.append(vec![entry()]).expect("it is appended");
        });
        let together = Together::by(shared()).expect("a thread");
        let shared = rate(writers, || {
            let (send, answer) = mpsc::channel();
            together.append(vec![entry()], Waiting(send));
            answer.recv().expect("an answer").expect("it is appended");
        });
        println!("{name}, {writers} writers: {apart:.0}/s one by one, {shared:.0}/s together");
        last = (apart, shared);
    }
    let gain = last.1 / last.0;
    assert!(gain >= GAIN_MIN, "{name}: only {gain:.1} times as many together");
}

/// Appends a second by so many writers, each of which waits for its own.
fn rate(writers: usize, append: impl Fn() + Sync) -> f64 {
    let (ends, appended) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    append();
                    appended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(MEASURED);
        ends.store(true, Ordering::Relaxed);
    });
    appended.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

fn entry() -> Entry {
    Writer::new(Codec::single_object(), "/test").lease(&samples::lease()).expect("it encodes")
}
