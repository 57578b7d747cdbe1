//! Bare librdkafka: a consumer that drains a topic, and a service that consumes a record and produces
//! another in a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// For a broker of our own on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Topics of the echo.
const IN: &str = "bench.echo.in";
const OUT: &str = "bench.echo.out";

/// A consumer that only counts.
pub(crate) struct Drain(BaseConsumer);

impl Drain {
    /// Of one partition, from its beginning.
    pub(crate) fn open(servers: &str, topic: &str) -> anyhow::Result<Drain> {
        Ok(Drain(consumer(servers, topic, Offset::Beginning)?))
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
    producer: BaseProducer,
    answers: BaseConsumer,
    closing: Arc<AtomicBool>,
    service: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Echo {
    /// Makes its topics and starts it.
    pub(crate) fn start(servers: &str) -> anyhow::Result<Echo> {
        make_topics(servers)?;
        let closing = Arc::new(AtomicBool::new(false));
        let asked = consumer(servers, IN, Offset::Beginning)?;
        let service = producer(servers, Some("bench.echo"))?;
        let is_closing = closing.clone();
        let service = std::thread::spawn(move || serve(&asked, &service, &is_closing));
        let producer = producer(servers, None)?;
        let answers = consumer(servers, OUT, Offset::Beginning)?;
        Ok(Echo { producer, answers, closing, service: Some(service) })
    }

    /// How long a record takes from being sent to its answer being seen, committed.
    pub(crate) fn round_trip(&self, payload: &[u8]) -> anyhow::Result<Duration> {
        let start = Instant::now();
        send(&self.producer, IN, payload)?;
        self.producer.flush(PATIENCE)?;
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

fn serve(
    asked: &BaseConsumer,
    producer: &BaseProducer,
    closing: &AtomicBool,
) -> anyhow::Result<()> {
    producer.init_transactions(PATIENCE)?;
    while !closing.load(Ordering::Relaxed) {
        let Some(message) = asked.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        producer.begin_transaction()?;
        send(producer, OUT, message.payload().unwrap_or_default())?;
        producer.commit_transaction(PATIENCE)?;
    }
    Ok(())
}

fn send(producer: &BaseProducer, topic: &str, payload: &[u8]) -> anyhow::Result<()> {
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).payload(payload);
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(())
}

fn client(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    config
}

fn consumer(servers: &str, topic: &str, from: Offset) -> anyhow::Result<BaseConsumer> {
    let mut config = client(servers);
    config
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create()?;
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, from)?;
    consumer.assign(&partitions)?;
    Ok(consumer)
}

fn producer(servers: &str, transactional_id: Option<&str>) -> anyhow::Result<BaseProducer> {
    let mut config = client(servers);
    config.set("enable.idempotence", "true").set("acks", "all").set("linger.ms", "0");
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    let producer: BaseProducer<DefaultProducerContext> = config.create()?;
    Ok(producer)
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
