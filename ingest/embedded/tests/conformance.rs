//! The embedded log keeps the contract, with one partition a topic and with several.

use std::time::{Duration, Instant};

use setpoint_ingest::{AppenderKind, Entry, Log, LogError, conformance};
use setpoint_ingest_embedded::{Cleaned, EmbeddedLog, Settings};
use setpoint_schemas::{Cut, Topic};

fn settings(partitions: i32) -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().expect("folder");
    let settings = Settings { partitions, ..Settings::new(&folder.path().join("log")) };
    (folder, settings)
}

fn entry(topic: Topic, key: &str, value: Option<&str>) -> Entry {
    Entry {
        topic,
        key: key.as_bytes().to_vec(),
        partition_key: key.as_bytes().to_vec(),
        value: value.map(|value| value.as_bytes().to_vec()),
        headers: Vec::new(),
    }
}

#[test]
fn the_contract_holds_with_one_partition_a_topic() {
    let (_folder, settings) = settings(1);
    conformance::run(&EmbeddedLog::open(&settings).expect("opens"));
}

#[test]
fn the_contract_holds_with_several_partitions_a_topic() {
    let (_folder, settings) = settings(3);
    conformance::run(&EmbeddedLog::open(&settings).expect("opens"));
}

#[test]
fn what_was_appended_is_there_when_the_log_is_opened_again() {
    let (_folder, settings) = settings(2);
    let log = EmbeddedLog::open(&settings).expect("opens");
    let mut appender = log.appender(AppenderKind::Shared).expect("appender");
    appender.append(vec![entry(Topic::Nodes, "a", Some("1"))]).expect("appends");
    let ends = log.ends(&Topic::ALL).expect("ends");
    drop((appender, log));
    let log = EmbeddedLog::open(&settings).expect("opens");
    assert_eq!(log.ends(&Topic::ALL).expect("ends"), ends);
    let mut reader = log.reader(&Cut::default(), &[Topic::Nodes]).expect("reader");
    assert_eq!(reader.poll(10, Duration::ZERO).expect("polls").len(), 1);
}

#[test]
fn a_second_opener_and_another_number_of_partitions_are_refused() {
    let (_folder, mut settings) = settings(2);
    let log = EmbeddedLog::open(&settings).expect("opens");
    assert!(EmbeddedLog::open(&settings).is_err(), "it is open");
    drop(log);
    settings.partitions = 3;
    let Err(LogError::Permanent { source, .. }) = EmbeddedLog::open(&settings) else {
        panic!("another number of partitions is refused");
    };
    assert_eq!(source.to_string(), "its number of partitions is 2, and 3 is asked for");
}

#[test]
fn a_damaged_log_is_refused_and_not_read_in_part() {
    let (_folder, settings) = settings(1);
    let log = EmbeddedLog::open(&settings).expect("opens");
    let mut appender = log.appender(AppenderKind::Shared).expect("appender");
    for i in 0..100 {
        let value = format!("{i}-{}", "x".repeat(2000));
        appender.append(vec![entry(Topic::Nodes, "a", Some(&value))]).expect("appends");
    }
    drop((appender, log));
    let files = std::fs::read_dir(&settings.path).expect("folder");
    let mut walls: Vec<_> = files
        .map(|file| file.expect("file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    walls.sort();
    let path = walls.pop().expect("a write-ahead log");
    let mut bytes = std::fs::read(&path).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xAA);
    std::fs::write(&path, bytes).expect("writes");
    assert!(EmbeddedLog::open(&settings).is_err(), "acknowledged records are damaged");
}

/// The log's clock in this test: the first of January 2026.
const THEN_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 86_400_000;

#[test]
fn cleanup_forgets_what_it_may_and_keeps_the_rest() {
    let (_folder, settings) = settings(1);
    let log = EmbeddedLog::open(&Settings { clock_ms: || THEN_MS, ..settings }).expect("opens");
    let mut appender = log.appender(AppenderKind::Shared).expect("appender");
    let nodes =
        [("a", Some("1")), ("b", Some("1")), ("a", Some("2")), ("c", Some("1")), ("c", None)];
    let entries = nodes.map(|(key, value)| entry(Topic::Nodes, key, value));
    appender.append(entries.to_vec()).expect("appends");
    appender.append(vec![entry(Topic::Leases, "a", Some("1"))]).expect("appends");
    let nodes = || {
        let records = log.read_at(Topic::Nodes, 0, 0, 10).expect("reads");
        let shown = records
            .iter()
            .map(|r| format!("{}{}", String::from_utf8_lossy(&r.key), r.position.offset));
        shown.collect::<Vec<_>>().join(" ")
    };

    assert_eq!(log.clean(THEN_MS + DAY_MS / 2).expect("cleans"), Cleaned::default());
    assert_eq!(nodes(), "a0 b1 a2 c3 c4");
    let cleaned = log.clean(THEN_MS + DAY_MS + 1).expect("cleans");
    assert_eq!(cleaned, Cleaned { expired: 1, compacted: 2 });
    assert_eq!(nodes(), "b1 a2 c4", "the latest of each key, the tombstone still");
    assert_eq!(log.clean(THEN_MS + 3 * DAY_MS).expect("cleans").compacted, 1);
    assert_eq!(nodes(), "b1 a2");

    assert_eq!(log.starts(&[Topic::Leases]).expect("starts").next(Topic::Leases, 0), 1);
    assert_eq!(log.ends(&[Topic::Leases]).expect("ends").next(Topic::Leases, 0), 1);
    let mut reader = log.reader(&Cut::default(), &[Topic::Nodes, Topic::Leases]).expect("reader");
    assert_eq!(reader.poll(10, Duration::ZERO).expect("polls").len(), 2);
    assert_eq!(reader.position().next(Topic::Nodes, 0), 5, "past the gap of compaction");
    let positions = appender.append(vec![entry(Topic::Leases, "a", Some("2"))]).expect("appends");
    assert_eq!(positions[0].offset, 1, "offsets go on after cleanup");
}

#[test]
fn a_cut_before_the_start_is_told_and_not_skipped() {
    let (_folder, settings) = settings(1);
    let log = EmbeddedLog::open(&Settings { clock_ms: || THEN_MS, ..settings }).expect("opens");
    let mut appender = log.appender(AppenderKind::Shared).expect("appender");
    let two = ["1", "2"].map(|value| entry(Topic::Leases, "a", Some(value)));
    appender.append(two.to_vec()).expect("appends");
    log.clean(THEN_MS + 2 * DAY_MS).expect("cleans");
    let cut: Cut = [(Topic::Leases, 0, 1)].into_iter().collect();
    let error = log.reader(&cut, &[Topic::Leases]).err().expect("is refused").to_string();
    assert_eq!(error, "setpoint.leases/0 begins at offset 2, and offset 1 was asked for");
}

#[test]
fn appends_of_many_threads_share_their_syncs() {
    let (_folder, settings) = settings(1);
    let log = EmbeddedLog::open(&settings).expect("opens");
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut appender = log.appender(AppenderKind::Shared).expect("appender");
                for _ in 0..100 {
                    appender.append(vec![entry(Topic::Nodes, "a", Some("1"))]).expect("appends");
                }
            });
        }
    });
    println!("800 appends by 8 threads took {:?}", begun.elapsed());
    assert_eq!(log.ends(&[Topic::Nodes]).expect("ends").next(Topic::Nodes, 0), 800);
}
