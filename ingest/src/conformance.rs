//! What every log must keep, as cases that both logs' tests run: a new log gets its proof for free.
//!
//! Each case begins at the log's present end and uses keys of its own, so that all may run one
//! after the other on one log. A broken promise panics with the promise in words.

use std::time::{Duration, Instant};

use setpoint_schemas::{Cut, FleetId, Topic};

use crate::{
    AppendError, Appender, AppenderKind, Entry, Log, LogRecord, READ_BYTES_MAX, Reader, covers,
    partition_of, record_bytes_max,
};

/// A promise and its proof.
pub type Case = (&'static str, fn(&dyn Log));

/// All promises, simple ones first.
pub const CASES: &[Case] = &[
    ("making the topics twice changes nothing", topics_are_made_once),
    ("what was appended is read back whole and in order", appended_is_read_back),
    ("an append of nothing succeeds and writes nothing", nothing_is_appended),
    ("equal partition keys meet in Kafka's partition", partitions_are_kafkas),
    ("a leader's append over several topics is whole", a_batch_is_whole),
    ("a later leader fences the earlier one, of its own fleet only", a_later_leader_fences),
    ("a reader starts at its cut", a_reader_starts_at_its_cut),
    ("a reader knows when it has read to the end", the_end_is_decidable),
    ("a poll wakes when something is appended", a_poll_wakes),
    ("a poll without news waits and answers nothing", a_quiet_poll_ends),
    ("one partition is read from any offset", one_partition_is_read),
    ("several appenders at once lose and double nothing", appenders_run_side_by_side),
    ("an entry over the bound is refused with its whole batch", too_large_is_refused),
    ("a large entry within the bound passes", large_is_accepted),
    ("what is read together is bounded in bytes", reads_are_bounded),
    ("a reader of some partitions reads no others", some_partitions_are_read),
    (
        "a record read without its headers is the same else",
        what_is_read_without_headers_is_the_same_else,
    ),
    ("what is shown is what is read", what_is_shown_is_what_is_read),
    ("a partition that is held is not read on", held_partitions_wait),
];

/// Runs all cases on one log.
pub fn run(log: &dyn Log) {
    for (promise, case) in CASES {
        println!("conformance: {promise}");
        case(log);
    }
}

/// How long a case waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// One poll's wait within it.
const POLL_WAIT: Duration = Duration::from_millis(50);

fn topics_are_made_once(log: &dyn Log) {
    log.ensure_topics().expect("topics are made");
    log.ensure_topics().expect("topics are there");
    for topic in Topic::ALL {
        let partitions = log.partitions(topic).expect("topic is there");
        assert!(partitions >= 1, "{topic} has {partitions} partitions");
        assert!(!topic.is_single() || partitions == 1, "{topic} has one partition");
    }
    let (starts, ends) =
        (log.starts(&Topic::ALL).expect("starts"), log.ends(&Topic::ALL).expect("ends"));
    assert!(covers(&ends, &starts), "no partition ends before it starts");
}

fn appended_is_read_back(log: &dyn Log) {
    let mut reader = reader_at_end(log, &[Topic::Nodes]);
    let mut written = vec![
        entry(Topic::Nodes, "back", "one"),
        entry(Topic::Nodes, "back", "two"),
        entry(Topic::Nodes, "back", ""),
        Entry { value: None, ..entry(Topic::Nodes, "back", "") },
    ];
    written[0].headers = vec![("ce_id".to_owned(), b"7".to_vec()), ("h".to_owned(), vec![0, 255])];
    let positions = shared(log).append(written.clone()).expect("appends");
    let read = read_some(reader.as_mut(), written.len());
    for ((entry, position), record) in written.iter().zip(&positions).zip(&read) {
        assert_same(entry, record);
        assert_eq!(record.position, *position, "positions are those that the append answered");
    }
    assert!(read.iter().all(|record| record.timestamp_ms > 1_600_000_000_000), "log time");
    let offsets: Vec<_> = positions.iter().map(|position| position.offset).collect();
    assert!(offsets.is_sorted_by(|a, b| a < b), "offsets rise: {offsets:?}");
}

fn what_is_read_without_headers_is_the_same_else(log: &dyn Log) {
    let mut reader = reader_at_end(log, &[Topic::Nodes]);
    reader.without_headers();
    let headers = vec![("ce_id".to_owned(), b"7".to_vec())];
    let written = Entry { headers, ..entry(Topic::Nodes, "bare", "one") };
    shared(log).append(vec![written.clone()]).expect("appends");
    for mut record in read_some(reader.as_mut(), 1) {
        if record.headers.is_empty() {
            record.headers.clone_from(&written.headers);
        }
        assert_same(&written, &record);
    }
}

fn what_is_shown_is_what_is_read(log: &dyn Log) {
    let mut reader = reader_at_end(log, &[Topic::Nodes]);
    let headers = vec![("ce_id".to_owned(), b"7".to_vec())];
    let written = vec![
        Entry { headers, ..entry(Topic::Nodes, "shown", "one") },
        Entry { value: None, ..entry(Topic::Nodes, "shown", "") },
        entry(Topic::Nodes, "shown", "two"),
    ];
    let positions = shared(log).append(written.clone()).expect("appends");
    let (mut shown, start) = (Vec::new(), Instant::now());
    while shown.len() < written.len() && start.elapsed() < PATIENCE {
        let before = shown.len();
        // Two at a time: the rest comes with the next call.
        let count = reader.show(2, POLL_WAIT, &mut |view| {
            let value = view.value.map(<[u8]>::to_vec);
            shown.push((view.position, view.key.to_vec(), value, view.timestamp_ms));
        });
        assert_eq!(count.expect("shows"), shown.len() - before);
        assert!(shown.len() - before <= 2);
    }
    for ((entry, position), (at, key, value, time_ms)) in written.iter().zip(positions).zip(&shown)
    {
        assert_eq!((*at, key, value), (position, &entry.key, &entry.value));
        assert!(*time_ms > 1_600_000_000_000, "log time");
    }
    assert_eq!(shown.len(), written.len());
    let nothing = reader.show(10, Duration::ZERO, &mut |_| panic!("nothing is left"));
    assert_eq!(nothing.expect("shows"), 0);
}

fn some_partitions_are_read(log: &dyn Log) {
    let from = log.ends(&[Topic::Nodes, Topic::Leases]).expect("ends");
    let nodes: Vec<(Topic, i32)> = (0..log.partitions(Topic::Nodes).expect("partitions"))
        .map(|partition| (Topic::Nodes, partition))
        .collect();
    let mut reader = log.reader_of(&from, &nodes).expect("a reader");
    let written = vec![entry(Topic::Leases, "some", "other"), entry(Topic::Nodes, "some", "own")];
    shared(log).append(written).expect("appends");
    let read = read_some(reader.as_mut(), 1);
    assert_eq!(read[0].position.topic, Topic::Nodes);
    assert!(reader.poll(10, POLL_WAIT).expect("polls").is_empty(), "the others are not read");
    let none = log.reader_of(&Cut::default(), &[(Topic::Nodes, 1_000)]);
    assert!(none.is_err() || none.is_ok_and(|r| r.position().iter().next().is_none()));
}

fn held_partitions_wait(log: &dyn Log) {
    let mut reader = reader_at_end(log, &[Topic::Leases, Topic::Nodes]);
    let here = reader.position();
    let leases = here.iter().filter(|(topic, ..)| *topic == Topic::Leases);
    let far = here.iter().filter(|(topic, ..)| *topic == Topic::Nodes);
    let held: Cut = leases.chain(far.map(|(t, p, _)| (t, p, i64::MAX))).collect();
    reader.hold_behind(Some(&held)).expect("it holds");
    let written = vec![entry(Topic::Leases, "held", "1"), entry(Topic::Nodes, "held", "2")];
    shared(log).append(written).expect("appends");
    let read = read_some(reader.as_mut(), 1);
    assert_eq!(read[0].position.topic, Topic::Nodes, "the other one is read");
    assert!(reader.poll(10, POLL_WAIT).expect("polls").is_empty(), "the held one waits");
    reader.hold_behind(None).expect("it lets go");
    assert_eq!(read_some(reader.as_mut(), 1)[0].position.topic, Topic::Leases, "and comes then");
}

fn nothing_is_appended(log: &dyn Log) {
    let before = log.ends(&Topic::ALL).expect("ends");
    assert!(shared(log).append(Vec::new()).expect("appends").is_empty());
    assert!(leader(log, "nothing").append(Vec::new()).expect("appends").is_empty());
    assert_eq!(log.ends(&Topic::ALL).expect("ends"), before);
}

fn partitions_are_kafkas(log: &dyn Log) {
    let partitions = log.partitions(Topic::Pods).expect("partitions");
    for node in 0..8 {
        let node = format!("node-{node}");
        let entry = Entry {
            partition_key: node.clone().into_bytes(),
            ..entry(Topic::Pods, &format!("pod-on-{node}"), "x")
        };
        let positions = shared(log).append(vec![entry]).expect("appends");
        assert_eq!(positions[0].partition, partition_of(node.as_bytes(), partitions), "{node}");
    }
}

fn a_batch_is_whole(log: &dyn Log) {
    let topics = [Topic::Epochs, Topic::Decisions, Topic::Placements, Topic::Desired];
    let mut reader = reader_at_end(log, &topics);
    let mut leader = leader(log, "batch");
    for round in 0..3 {
        let batch: Vec<_> =
            topics.iter().map(|topic| entry(*topic, "batch", &format!("{round}"))).collect();
        let positions = leader.append(batch.clone()).expect("appends");
        let mut read = read_some(reader.as_mut(), batch.len());
        read.sort_by_key(|record| record.position.topic);
        for record in &read {
            let place = positions.iter().position(|position| *position == record.position);
            assert_same(&batch[place.expect("a position of this batch")], record);
        }
    }
}

fn a_later_leader_fences(log: &dyn Log) {
    let mut reader = reader_at_end(log, &[Topic::Epochs]);
    let mut first = leader(log, "fenced");
    let mut other = leader(log, "other");
    first.append(vec![entry(Topic::Epochs, "", "first")]).expect("the first leader appends");
    let mut second = leader(log, "fenced");
    for attempt in 0..2 {
        let error = first.append(vec![entry(Topic::Epochs, "", "zombie")]).expect_err("is fenced");
        assert!(matches!(error, AppendError::Fenced), "attempt {attempt}: {error:?}");
    }
    second.append(vec![entry(Topic::Epochs, "", "second")]).expect("the second leader appends");
    other.append(vec![entry(Topic::Epochs, "", "other")]).expect("another fleet's leader appends");
    let values: Vec<_> = read_some(reader.as_mut(), 3).into_iter().map(|r| r.value).collect();
    let expected = ["first", "second", "other"].map(|text| Some(text.as_bytes().to_vec()));
    assert_eq!(values, expected, "nothing of the zombie is on the log");
}

fn a_reader_starts_at_its_cut(log: &dyn Log) {
    let mut appender = shared(log);
    let entries = |from: i32| (from..from + 5).map(|i| entry(Topic::Leases, "cut", &i.to_string()));
    let positions = appender.append(entries(0).collect()).expect("appends");
    let mut cut = log.ends(&[Topic::Leases]).expect("ends");
    let third = positions[2];
    let rewound = cut
        .iter()
        .map(|(t, p, next)| (t, p, if p == third.partition { third.offset } else { next }));
    cut = rewound.collect();
    let mut reader = log.reader(&cut, &[Topic::Leases]).expect("reader");
    assert_eq!(reader.position().next(Topic::Leases, third.partition), third.offset);
    let offsets: Vec<_> =
        read_some(reader.as_mut(), 3).into_iter().map(|record| record.position.offset).collect();
    assert_eq!(offsets, positions[2..].iter().map(|p| p.offset).collect::<Vec<_>>());
}

fn the_end_is_decidable(log: &dyn Log) {
    let topics = [Topic::Desired, Topic::Leases];
    let mut leader = leader(log, "end");
    for round in 0..4 {
        let batch = vec![entry(topics[0], "end", &round.to_string()), entry(topics[1], "end", "x")];
        leader.append(batch).expect("appends");
    }
    let ends = log.ends(&topics).expect("ends");
    let mut reader = log.reader(&Cut::default(), &topics).expect("reader");
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while !covers(&reader.position(), &ends) {
        let late = Instant::now() > deadline;
        assert!(!late, "the reader stands at {:?} and the end is {ends:?}", reader.position());
        let polled = reader.poll(1000, POLL_WAIT).expect("polls");
        last = polled.into_iter().rfind(|record| record.position.topic == topics[0]).or(last);
    }
    assert_eq!(last.expect("records").value.as_deref(), Some(b"3".as_slice()));
    let at_end = log.reader(&ends, &topics).expect("reader");
    assert!(covers(&at_end.position(), &ends), "a reader that starts at the end is at the end");
}

fn a_poll_wakes(log: &dyn Log) {
    let mut reader = reader_at_end(log, &[Topic::Leases]);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            shared(log).append(vec![entry(Topic::Leases, "wake", "up")]).expect("appends");
        });
        while reader.poll(10, PATIENCE).expect("polls").is_empty() {
            assert!(begun.elapsed() < PATIENCE, "the poll did not wake");
        }
    });
    assert!(begun.elapsed() < PATIENCE / 2, "the poll slept on: {:?}", begun.elapsed());
}

fn a_quiet_poll_ends(log: &dyn Log) {
    let mut reader = reader_at_end(log, &[Topic::Alerts]);
    let begun = Instant::now();
    assert!(reader.poll(10, Duration::from_millis(200)).expect("polls").is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
    assert!(reader.poll(10, Duration::ZERO).expect("polls").is_empty());
}

fn one_partition_is_read(log: &dyn Log) {
    let entries = (0..5).map(|i| entry(Topic::Decisions, "at", &i.to_string())).collect();
    let positions = shared(log).append(entries).expect("appends");
    let (partition, offset) = (positions[1].partition, positions[1].offset);
    let read = log.read_at(Topic::Decisions, partition, offset, 2).expect("reads");
    let found: Vec<_> = read.iter().map(|record| record.position).collect();
    assert_eq!(found, positions[1..3]);
    let end = log.ends(&[Topic::Decisions]).expect("ends").next(Topic::Decisions, partition);
    assert!(log.read_at(Topic::Decisions, partition, end, 10).expect("reads").is_empty());
    assert!(log.read_at(Topic::Decisions, 9999, 0, 1).is_err(), "there is no such partition");
}

fn appenders_run_side_by_side(log: &dyn Log) {
    const APPENDERS: usize = 4;
    const ENTRIES: usize = 50;
    let mut reader = reader_at_end(log, &[Topic::Requests]);
    std::thread::scope(|scope| {
        for appender in 0..APPENDERS {
            scope.spawn(move || {
                let mut shared = shared(log);
                for i in 0..ENTRIES {
                    let entry = entry(Topic::Requests, &format!("by-{appender}"), &i.to_string());
                    shared.append(vec![entry]).expect("appends");
                }
            });
        }
    });
    let read = read_some(reader.as_mut(), APPENDERS * ENTRIES);
    for appender in 0..APPENDERS {
        let key = format!("by-{appender}").into_bytes();
        let values: Vec<_> = read
            .iter()
            .filter(|record| record.key == key)
            .map(|record| String::from_utf8(record.value.clone().expect("value")).expect("text"))
            .collect();
        let expected: Vec<_> = (0..ENTRIES).map(|i| i.to_string()).collect();
        assert_eq!(values, expected, "each appender's entries are there once and in order");
    }
}

fn too_large_is_refused(log: &dyn Log) {
    let before = log.ends(&[Topic::Requests, Topic::Nodes]).expect("ends");
    let mut large = entry(Topic::Requests, "large", "");
    large.value = Some(vec![b'x'; record_bytes_max(Topic::Requests) + 1]);
    for mut appender in [shared(log), leader(log, "large")] {
        let batch = vec![entry(Topic::Nodes, "large", "small"), large.clone()];
        let error = appender.append(batch).expect_err("is refused");
        assert!(matches!(error, AppendError::TooLarge { topic: Topic::Requests, .. }), "{error:?}");
        let after = log.ends(&[Topic::Requests, Topic::Nodes]).expect("ends");
        assert_eq!(after, before, "nothing of it is on the log");
        appender.append(vec![]).expect("the appender goes on");
    }
}

fn large_is_accepted(log: &dyn Log) {
    let mut reader = reader_at_end(log, &[Topic::DeadLetter]);
    let mut large = entry(Topic::DeadLetter, "large", "");
    large.value = Some(vec![b'x'; record_bytes_max(Topic::DeadLetter) - 1024]);
    leader(log, "large").append(vec![large.clone()]).expect("appends");
    assert_same(&large, &read_some(reader.as_mut(), 1)[0]);
}

fn reads_are_bounded(log: &dyn Log) {
    const LARGE: usize = 6;
    let mut reader = reader_at_end(log, &[Topic::Telemetry]);
    let large = "x".repeat(record_bytes_max(Topic::Telemetry) - 1024);
    let mut first = None;
    for _ in 0..LARGE {
        let entries = vec![entry(Topic::Telemetry, "heavy", &large)];
        let positions = shared(log).append(entries).expect("appends");
        first = first.or(positions.first().copied());
    }
    let bound = READ_BYTES_MAX + record_bytes_max(Topic::Telemetry);
    let bytes = |records: &[LogRecord]| records.iter().map(LogRecord::bytes).sum::<usize>();
    let (deadline, mut read) = (Instant::now() + PATIENCE, 0);
    while read < LARGE {
        assert!(Instant::now() < deadline, "only {read} of {LARGE} records came");
        let records = reader.poll(1000, POLL_WAIT).expect("polls");
        assert!(bytes(&records) < bound, "{} bytes in one poll", bytes(&records));
        read += records.len();
    }
    let first = first.expect("a position");
    let page = log.read_at(first.topic, first.partition, first.offset, 1000).expect("reads");
    assert!(!page.is_empty() && bytes(&page) < bound, "{} bytes in one page", bytes(&page));
}

fn entry(topic: Topic, key: &str, value: &str) -> Entry {
    Entry {
        topic,
        key: key.as_bytes().to_vec(),
        partition_key: key.as_bytes().to_vec(),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
    }
}

fn shared(log: &dyn Log) -> Box<dyn Appender> {
    log.appender(AppenderKind::Shared).expect("appender")
}

fn leader(log: &dyn Log, fleet: &str) -> Box<dyn Appender> {
    let fleet = FleetId::parse(fleet).expect("fleet id");
    log.appender(AppenderKind::Leader { fleet }).expect("leader's appender")
}

fn reader_at_end(log: &dyn Log, topics: &[Topic]) -> Box<dyn Reader> {
    log.reader(&log.ends(topics).expect("ends"), topics).expect("reader")
}

/// Exactly this many records, no more and no fewer.
fn read_some(reader: &mut dyn Reader, count: usize) -> Vec<LogRecord> {
    let deadline = Instant::now() + PATIENCE;
    let mut read = Vec::new();
    while read.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} records came", read.len());
        read.extend(reader.poll(count - read.len(), POLL_WAIT).expect("polls"));
    }
    let more = reader.poll(1, POLL_WAIT).expect("polls");
    assert!(more.is_empty(), "a record more than was appended: {more:?}");
    read
}

fn assert_same(entry: &Entry, record: &LogRecord) {
    assert_eq!(record.position.topic, entry.topic);
    assert_eq!(record.key, entry.key);
    assert!(record.value == entry.value, "the value of {} is not as written", record.position);
    assert_eq!(record.headers, entry.headers);
}
