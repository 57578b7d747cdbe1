//! A real Kafka: reading and decoding beside a bare drain of the same topic, and a decision
//! acknowledged beside a bare consume-and-produce in a transaction, on the same broker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use setpoint_dataflow::views::Differential;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppenderKind, Decoder, Entry, Log, Reader};
use setpoint_ingest_kafka::KafkaLog;
use setpoint_ingest_kafka::testing::Kafka;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Cut, Placement, PodPhase, Topic};
use setpoint_settings::LogKind;

use crate::clock::{Latencies, aiming_at, per_second, timed};
use crate::house::House;
use crate::kafka::{Drain, Echo};
use crate::measurement::{Aim, Measurement, RATE};
use crate::plant::{Placed, Plant, status};
use crate::rounds;
use crate::sizes::Sizes;

/// The share of a bare drain's rate.
const DRAIN_SHARE: f64 = 0.9;
/// What a decision may take in times of the echo: the median has no goal of its own.
const ECHO_RATIO: f64 = 3.0;
/// Records of one append.
const APPEND: usize = 10_000;
/// As the engine's loop reads.
const READ_MAX: usize = 10_000;
/// For what comes in moments.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nodes of the house.
const NODES: usize = 10;
/// Decisions whose time does not count.
const WARM_UPS: usize = 20;

const CONSUMER: &str = "kafka/consumer to decoded batch";
const ACKNOWLEDGED: &str = "kafka/record in to placement record acknowledged";

/// Both, on a broker of our own; not run where there is none.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let Some(kafka) = Kafka::start() else {
        let why = "no Java or no Kafka (scripts/kafka-jars)";
        return Ok([CONSUMER, ACKNOWLEDGED].map(|name| Measurement::not_run(name, why)).into());
    };
    let mut rows = consuming(&kafka, sizes)?;
    rows.extend(acknowledged(&kafka, sizes)?);
    Ok(rows)
}

/// Statuses a second, to structs; and bare, to bytes.
fn consuming(kafka: &Kafka, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let log = KafkaLog::new(kafka.settings())?;
    log.ensure_topics()?;
    let count = sizes.kafka_records;
    let bytes = fill(&log, count)?;
    let name = |which: &str| format!("{CONSUMER}/{which}");
    rounds::measured(sizes.rounds, |_| {
        let (decoded, ours) = timed(|| decode_all(&log, count));
        let (read, bare) =
            timed(|| Drain::open(&kafka.bootstrap_servers(), Topic::Pods.name())?.read(count));
        let (decoded, read) = (decoded?, read?);
        anyhow::ensure!((decoded, read) == (count, bytes), "{decoded} records, {read} bytes");
        Ok(vec![
            Measurement::new(name("setpoint"), per_second(count, ours), RATE)
                .beside(name("bare drain"))
                .aiming(Aim::RatioAtLeast, DRAIN_SHARE),
            Measurement::new(name("bare drain"), per_second(count, bare), RATE),
        ])
    })
}

/// The bytes of the values of so many statuses that stand in the topic afterwards.
fn fill(log: &KafkaLog, count: usize) -> anyhow::Result<usize> {
    let writer = Writer::new(Codec::single_object(), "/setpoint/bench");
    let mut appender = log.appender(AppenderKind::Shared)?;
    let mut bytes = 0;
    for first in (0..count).step_by(APPEND) {
        let entry = |number: usize| -> anyhow::Result<Entry> {
            let (uid, node) = (format!("pod-{number}"), format!("node-{}", number % NODES));
            Ok(writer.pod(&status(&uid, &node, "web", i64::try_from(number)?)?)?)
        };
        let entries: Vec<Entry> =
            (first..(first + APPEND).min(count)).map(entry).collect::<anyhow::Result<_>>()?;
        bytes +=
            entries.iter().filter_map(|entry| entry.value.as_ref()).map(Vec::len).sum::<usize>();
        appender.append(entries)?;
    }
    Ok(bytes)
}

fn decode_all(log: &KafkaLog, count: usize) -> anyhow::Result<usize> {
    let decoder = Decoder::new(Codec::single_object());
    let mut reader = log.reader(&Cut::default(), &[Topic::Pods])?;
    let (mut decoded, mut refused, start) = (0, None, Instant::now());
    while decoded < count {
        // As the engine reads.
        reader.show(
            READ_MAX,
            Duration::from_secs(1),
            &mut |record| match decoder.decode(record) {
                Ok(input) => decoded += usize::from(std::hint::black_box(input).is_some()),
                Err(letter) => refused = Some(letter.reason),
            },
        )?;
        anyhow::ensure!(refused.is_none(), "refused: {refused:?}");
        anyhow::ensure!(start.elapsed() < PATIENCE, "{decoded} of {count} records came");
    }
    Ok(decoded)
}

/// One pod fails at a time; its replacement's placement is seen when it is committed.
fn acknowledged(kafka: &Kafka, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let folder = sizes.folder()?;
    let log: Arc<dyn Log> = Arc::new(KafkaLog::new(kafka.settings())?);
    let mut house = House::start(log, folder.path(), LogKind::Kafka)?;
    house.add_nodes(NODES)?;
    let mut pods = Pods::of(&mut house, WARM_UPS + sizes.kafka_decisions)?;
    let echo = Echo::start(&kafka.bootstrap_servers())?;
    let payload = Codec::single_object().encode(&status("pod", "node-0", "web", 1)?)?;
    for _ in 0..WARM_UPS {
        pods.fail_one(&mut house)?;
        echo.round_trip(&payload)?;
    }
    let each = (sizes.kafka_decisions / sizes.rounds).max(1);
    let bare = format!("{ACKNOWLEDGED}/bare transactional echo");
    let rows = rounds::measured(sizes.rounds, |_| {
        let (mut ours, mut echoed) = (Latencies::new()?, Latencies::new()?);
        for _ in 0..each {
            ours.record(pods.fail_one(&mut house)?);
            echoed.record(echo.round_trip(&payload)?);
        }
        let ours = ours.rows(&format!("{ACKNOWLEDGED}/setpoint"), None).into_iter();
        let beside = |row: Measurement| {
            let which = if row.name.ends_with("/p50") { "p50" } else { "p99" };
            row.beside(format!("{bare}/{which}"))
        };
        let mut rows = aiming_at(ours.map(beside).collect(), ECHO_RATIO, ECHO_RATIO);
        rows.extend(echoed.rows(&bare, None));
        Ok(rows)
    });
    house.close()?;
    rows
}

/// Pods of one Deployment each, so that none waits because another of its kind failed.
struct Pods {
    standing: Vec<Placed>,
    plant: Plant<Differential>,
    placements: Box<dyn Reader>,
}

impl Pods {
    fn of(house: &mut House, count: usize) -> anyhow::Result<Pods> {
        let mut plant = Plant::with_nodes(Differential::new(), 1)?;
        let placements = house.reader(Topic::Placements)?;
        let request = house.writer.request(&plant.request(0..count, 1)?)?;
        house.append(vec![request])?;
        let mut pods = Pods { standing: Vec::new(), plant, placements };
        while pods.standing.len() < count {
            let pod = pods.next_placed()?;
            pods.standing.push(pod);
        }
        Ok(pods)
    }

    fn fail_one(&mut self, house: &mut House) -> anyhow::Result<Duration> {
        let pod = self.standing.pop().ok_or_else(|| anyhow::anyhow!("no pod is left"))?;
        let failed = self.plant.in_phase(&pod, PodPhase::Failed)?;
        let entry = house.writer.pod(&failed)?;
        let start = Instant::now();
        house.append(vec![entry])?;
        let next = self.next_placed()?;
        let took = start.elapsed();
        anyhow::ensure!(
            next.0.pattern.workload == pod.0.pattern.workload,
            "another pod was placed"
        );
        Ok(took)
    }

    /// The next placement that was committed; tombstones are passed over.
    fn next_placed(&mut self) -> anyhow::Result<Placed> {
        let start = Instant::now();
        loop {
            for record in self.placements.poll(1, Duration::from_millis(100))? {
                if let Some(value) = &record.value {
                    let placement: Placement = Codec::single_object().decode(value)?;
                    return Ok(Placed(Arc::new(placement)));
                }
            }
            anyhow::ensure!(start.elapsed() < PATIENCE, "no placement came");
        }
    }
}
