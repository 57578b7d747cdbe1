//! Bare librdkafka: a consumer that drains a topic, and a service that consumes a record and produces
//! another in a transaction.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// For a broker of our own on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Topics of the echo.
const IN: &str = "bench.echo.in";
const OUT: &str = "bench.echo.out";

/// Its own thread hands out the acknowledgements as they come: a poll of the caller's would last to its
/// end, and so would a commit that has to wait for one.
type Sender = ThreadedProducer<Acknowledged>;

/// Tells of each record whether it was acknowledged.
struct Acknowledged(mpsc::Sender<bool>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        // Who does not wait for it has gone.
        let _ = self.0.send(result.is_ok());
    }
}

/// A producer and what it hears.
struct Producing {
    sender: Sender,
    heard: mpsc::Receiver<bool>,
}

impl Producing {
    fn open(servers: &str, transactional_id: Option<&str>) -> anyhow::Result<Producing> {
        let mut config = client(servers);
        config.set("enable.idempotence", "true").set("acks", "all").set("linger.ms", "0");
        if let Some(id) = transactional_id {
            config.set("transactional.id", id);
        }
        let (tell, heard) = mpsc::channel();
        Ok(Producing { sender: config.create_with_context(Acknowledged(tell))?, heard })
    }

    /// Sends a record and waits until it is acknowledged.
    fn send(&self, topic: &str, payload: &[u8]) -> anyhow::Result<()> {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).payload(payload);
        self.sender.send(record).map_err(|(error, _)| error)?;
        let acknowledged = self.heard.recv_timeout(PATIENCE)?;
        anyhow::ensure!(acknowledged, "a record was not acknowledged");
        Ok(())
    }
}

/// A consumer that only counts.
pub(crate) struct Drain(BaseConsumer);

impl Drain {
    /// Of one partition, from its beginning.
    pub(crate) fn open(servers: &str, topic: &str) -> anyhow::Result<Drain> {
        Ok(Drain(consumer(servers, topic)?))
    }

    /// The bytes of so many records.
    pub(crate) fn read(&self, count: usize) -> anyhow::Result<usize> {
        let mut bytes = 0;
        for read in 0..count {
            let message = self.0.poll(PATIENCE);
            let message = message.with_context(|| format!("{read} of {count} records came"))??;
            bytes += message.payload().map_or(0, <[u8]>::len);
        }
        Ok(bytes)
    }
}

/// A service that answers each record with another, in a transaction of its own.
pub(crate) struct Echo {
    producer: Producing,
    answers: BaseConsumer,
    closing: Arc<AtomicBool>,
    service: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Echo {
    /// Makes its topics and starts it.
    pub(crate) fn start(servers: &str) -> anyhow::Result<Echo> {
        make_topics(servers)?;
        let closing = Arc::new(AtomicBool::new(false));
        let asked = consumer(servers, IN)?;
        let service = Producing::open(servers, Some("bench.echo"))?;
        let is_closing = closing.clone();
        let service = std::thread::spawn(move || serve(&asked, &service, &is_closing));
        let producer = Producing::open(servers, None)?;
        let answers = consumer(servers, OUT)?;
        Ok(Echo { producer, answers, closing, service: Some(service) })
    }

    /// How long a record takes from being sent to its answer being seen, committed.
    pub(crate) fn round_trip(&self, payload: &[u8]) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.producer.send(IN, payload)?;
        self.answers.poll(PATIENCE).context("no answer came")??;
        Ok(start.elapsed())
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.service.take().map(JoinHandle::join) {
            eprintln!("the echo failed: {error:#}");
        }
    }
}

fn serve(asked: &BaseConsumer, answers: &Producing, closing: &AtomicBool) -> anyhow::Result<()> {
    let producer = &answers.sender;
    producer.init_transactions(PATIENCE)?;
    while !closing.load(Ordering::Relaxed) {
        let Some(message) = asked.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        producer.begin_transaction()?;
        answers.send(OUT, message.payload().unwrap_or_default())?;
        producer.commit_transaction(PATIENCE)?;
    }
    Ok(())
}

fn client(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    config
}

/// Of the only partition, from its first record: where that is need not be asked for.
fn consumer(servers: &str, topic: &str) -> anyhow::Result<BaseConsumer> {
    let mut config = client(servers);
    config
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create()?;
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Offset(0))?;
    consumer.assign(&partitions)?;
    Ok(consumer)
}

fn make_topics(servers: &str) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(servers).create()?;
    let topics = [IN, OUT].map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let made = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new()))?;
    for topic in made {
        topic.map_err(|(name, code)| anyhow::anyhow!("{name}: {code}"))?;
    }
    Ok(())
}
