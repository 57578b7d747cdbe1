//! The process is killed with -9 at any point: nothing acknowledged is missing and no batch is
//! there in part. The test starts itself as the child that appends.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use setpoint_ingest::{AppenderKind, Entry, Log, LogRecord};
use setpoint_ingest_embedded::{EmbeddedLog, Settings};
use setpoint_schemas::Topic;

const ROUNDS: u64 = 20;
/// The topics of each batch; the first counts batches, the others must agree with it.
const TOPICS: [Topic; 3] = [Topic::Epochs, Topic::Decisions, Topic::Placements];
const FOLDER: &str = "SETPOINT_TEST_APPEND_TO";

/// The child: appends for ever, and says each batch's number once it is acknowledged.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let log = EmbeddedLog::open(&Settings::new(Path::new(&folder))).expect("opens");
    let mut batch = count(&log, TOPICS[0]);
    let mut appender = log.appender(AppenderKind::Shared).expect("appender");
    let mut out = std::io::stdout().lock();
    loop {
        appender.append(entries(batch)).expect("appends");
        writeln!(out, "acknowledged {batch}").expect("the parent listens");
        batch += 1;
    }
}

/// One entry in the first topic, several in the others, some of them large.
fn entries(batch: usize) -> Vec<Entry> {
    let entry = |topic, size: usize| Entry {
        topic,
        key: b"k".to_vec(),
        partition_key: b"k".to_vec(),
        value: Some(format!("{batch}:{}", "x".repeat(size)).into_bytes()),
        headers: Vec::new(),
    };
    vec![
        entry(TOPICS[0], 10),
        entry(TOPICS[1], 100),
        entry(TOPICS[1], 60_000),
        entry(TOPICS[2], batch % 7 * 10_000),
    ]
}

fn count(log: &EmbeddedLog, topic: Topic) -> usize {
    usize::try_from(log.ends(&[topic]).expect("ends").next(topic, 0)).expect("count")
}

#[test]
fn nothing_acknowledged_is_missing_and_no_batch_is_partial_after_kill_9() {
    let folder = tempfile::tempdir().expect("folder");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        // Spread over the batch and its sync without being regular.
        let after = Duration::from_micros(3_000 + (round * 7_919) % 60_000);
        acknowledged = acknowledged.max(run_and_kill(folder.path(), after));
        let log = EmbeddedLog::open(&Settings::new(folder.path())).expect("opens after kill -9");
        let batches = count(&log, TOPICS[0]);
        assert!(batches >= acknowledged, "round {round}: {batches} of {acknowledged} acknowledged");
        assert_eq!(count(&log, TOPICS[1]), 2 * batches, "round {round}: a partial batch");
        assert_eq!(count(&log, TOPICS[2]), batches, "round {round}: a partial batch");
        check_contents(&log, batches);
    }
    assert!(acknowledged > 100, "the child appended {acknowledged} batches only");
}

fn check_contents(log: &EmbeddedLog, batches: usize) {
    for topic in TOPICS {
        let each = count(log, topic) / batches.max(1);
        let records = all(log, topic);
        assert_eq!(records.len(), each * batches, "{topic}: every offset holds its record");
        for (place, record) in records.iter().enumerate() {
            let value = record.value.as_deref().expect("value");
            let batch = format!("{}:", place / each);
            assert!(value.starts_with(batch.as_bytes()), "{topic}: {place} is of another batch");
        }
    }
}

/// Every record, page by page: one read is bounded in bytes.
fn all(log: &EmbeddedLog, topic: Topic) -> Vec<LogRecord> {
    let mut records: Vec<LogRecord> = Vec::new();
    loop {
        let next = records.last().map_or(0, |last| last.position.offset + 1);
        let page = log.read_at(topic, 0, next, usize::MAX).expect("reads");
        if page.is_empty() {
            return records;
        }
        records.extend(page);
    }
}

/// How many batches the child had acknowledged when it was killed, at most so long after its
/// first one.
fn run_and_kill(folder: &Path, after: Duration) -> usize {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_appends_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let said =
        |line: &str| line.strip_prefix("acknowledged ").and_then(|n| n.parse::<usize>().ok());
    let first = lines.by_ref().find_map(|line| said(&line.expect("line"))).expect("a first batch");
    let reader = std::thread::spawn(move || {
        lines.map_while(Result::ok).filter_map(|line| said(&line)).last()
    });
    std::thread::sleep(after);
    child.kill().expect("kill -9");
    child.wait().expect("the child ends");
    reader.join().expect("reader").unwrap_or(first) + 1
}
