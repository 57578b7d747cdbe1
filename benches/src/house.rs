//! The whole engine in this process: its role as `setpoint engine` runs it, on a log that the bench
//! sees from outside.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{Appender, AppenderKind, Entry, Log, Reader};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Cut, EpochRecord, Topic};
use setpoint_settings::{LogKind, Settings};
use tokio_util::sync::CancellationToken;

use crate::plant::node_record;

/// For everything that a house should do in moments.
const PATIENCE: Duration = Duration::from_secs(120);
/// Nodes of the bench have no agents: nobody renews their leases.
const LEASE_MS: i64 = 24 * 3_600 * 1_000;
/// Records read at once.
const READ_MAX: usize = 10_000;
/// Nodes of one append.
const NODES_TOGETHER: usize = 1_000;

/// An engine that leads, and how to reach it.
pub(crate) struct House {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) address: SocketAddr,
    pub(crate) writer: Writer,
    appender: Box<dyn Appender>,
    closing: CancellationToken,
    engine: Option<std::thread::JoinHandle<anyhow::Result<()>>>,
}

impl House {
    /// Starts one on this log; its checkpoint lies in this folder.
    pub(crate) fn start(log: Arc<dyn Log>, folder: &Path, kind: LogKind) -> anyhow::Result<House> {
        let mut settings = Settings { data_dir: folder.to_owned(), ..Settings::default() };
        settings.log.kind = kind;
        settings.api.address.set_port(setpoint_test_support::free_port());
        let policy = &mut settings.engine.policy;
        // What is paced, and that nobody answers, is not what is measured.
        (policy.starts_per_second, policy.starts_burst) = (1 << 30, 1 << 30);
        policy.lease_grace_ms = LEASE_MS;
        let (address, closing) = (settings.api.address, CancellationToken::new());
        let (engines_log, engines_closing) = (log.clone(), closing.clone());
        let engine = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new()?;
            let served = setpoint::roles::engine::serve_on(engines_log, settings, engines_closing);
            runtime.block_on(served)
        });
        log.ensure_topics().context("failed to make the topics")?;
        let appender = log.appender(AppenderKind::Shared)?;
        let writer = Writer::new(Codec::single_object(), "/setpoint/bench");
        let house = House { log, address, writer, appender, closing, engine: Some(engine) };
        house.until("the engine leads", || Ok(house.end(Topic::Epochs)? > 0))?;
        Ok(house)
    }

    /// Appends as one of many writers does.
    pub(crate) fn append(&mut self, entries: Vec<Entry>) -> anyhow::Result<()> {
        self.appender.append(entries)?;
        Ok(())
    }

    /// Nodes that the engine knows of when this returns.
    pub(crate) fn add_nodes(&mut self, count: usize) -> anyhow::Result<()> {
        let mut epochs = self.reader(Topic::Epochs)?;
        for first in (0..count).step_by(NODES_TOGETHER) {
            let some = first..(first + NODES_TOGETHER).min(count);
            let entries: anyhow::Result<Vec<Entry>> =
                some.map(|node| Ok(self.writer.node(&node_record(node)?)?)).collect();
            self.append(entries?)?;
        }
        let nodes = self.end(Topic::Nodes)?;
        let codec = Codec::single_object();
        self.until("the nodes are known", || {
            let records = epochs.poll(READ_MAX, Duration::from_millis(50))?;
            let mut is_read = false;
            for record in records.iter().filter_map(|record| record.value.as_deref()) {
                let epoch: EpochRecord = codec.decode(record)?;
                let of_nodes = |topic: &str| topic == Topic::Nodes.name();
                is_read |= epoch.cut.iter().any(|cut| of_nodes(&cut.topic) && cut.next >= nodes);
            }
            Ok(is_read)
        })
    }

    /// A reader of what is appended to a topic from now on.
    pub(crate) fn reader(&self, topic: Topic) -> anyhow::Result<Box<dyn Reader>> {
        let ends = self.log.ends(&[topic])?;
        Ok(self.log.reader(&ends, &[topic])?)
    }

    /// The next offset of a topic, all its partitions together.
    fn end(&self, topic: Topic) -> anyhow::Result<i64> {
        let ends: Cut = self.log.ends(&[topic])?;
        Ok(ends.iter().filter(|(of, ..)| *of == topic).map(|(.., next)| next).sum())
    }

    fn until(
        &self,
        what: &str,
        mut is_so: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        while !is_so()? {
            let ended = self.engine.as_ref().is_none_or(std::thread::JoinHandle::is_finished);
            anyhow::ensure!(!ended, "the engine ended before this was so: {what}");
            anyhow::ensure!(start.elapsed() < PATIENCE, "not so in time: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends the engine; an error when it ended by itself, or badly.
    pub(crate) fn close(mut self) -> anyhow::Result<()> {
        self.closing.cancel();
        let ended = self.engine.take().map(std::thread::JoinHandle::join);
        ended.transpose().map_err(|_| anyhow::anyhow!("the engine panicked"))?.unwrap_or(Ok(()))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
