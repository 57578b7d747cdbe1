//! The role `engine`: leader or standby, each serving the API.
//!
//! Guarantee: nothing is shown or acted upon before the log has acknowledged it.

mod open;
mod wire;
mod stray;
mod stall;
mod ends;
mod origin;
mod rebuilding;
mod recovery;
mod recorded;
mod cutting;
mod leader;
mod committer;
mod checkpoints;
mod burying;
mod queue;
mod feed;
mod waiters;
mod questions;
mod cleaning;
mod ground;
mod ports;
mod reader;
mod letters;
mod gate;
mod metrics;
mod actions;
mod gauges;

use std::sync::Arc;

use anyhow::Context as _;
use setpoint_api::{ApiState, Parts, ReadModel, Sealer, ServeOptions, TlsFiles};
use setpoint_ingest::{AppenderKind, Log, Together};
use setpoint_settings::Settings;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::roles::{files, signals};

/// Runs until it is told to stop.
///
/// # Errors
/// Whatever keeps it from running.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    runtime.block_on(async {
        let closing = CancellationToken::new();
        signals::cancel_on_signal(closing.clone());
        serve(settings, closing).await
    })
}

/// Runs the engine and its API until `closing`.
///
/// # Errors
/// Whatever keeps it from running.
pub(crate) async fn serve(settings: Settings, closing: CancellationToken) -> anyhow::Result<()> {
    let data = &settings.data_dir;
    for folder in [data.clone(), data.join(open::LOG), data.join(leader::CHECKPOINT)] {
        super::data_folder(&folder)
            .with_context(|| format!("failed to make {}", folder.display()))?;
    }
    let wire = wire::open(&settings.log.schema_registry)?;
    let log = open::log(&settings, &closing)?;
    log.ensure_topics().context("failed to make the topics")?;
    let shared = log.appender(AppenderKind::Shared).context("failed to open an appender")?;

    let model = Arc::new(ReadModel::new());
    let waiters = Arc::new(waiters::Waiters::default());
    let metrics = Arc::new(metrics::Metrics::new()?);
    let writer = open::writer(&settings, &wire.codec);
    let questions = Arc::new(questions::Questions::default());
    let inbox = ports::Inbox {
        together: Together::by(shared).context("failed to start the appender")?,
        writer: writer.clone(),
        waiters: waiters.clone(),
        questions: questions.clone(),
        metrics: metrics.clone(),
    };
    let inbox = Arc::new(inbox);
    let revisions = Arc::new(reader::Revisions::default());
    let reader = Arc::new(reader::Reader {
        log: log.clone(),
        codec: wire.codec.clone(),
        model: model.clone(),
        revisions: revisions.clone(),
        questions: questions.clone(),
        inbox: inbox.clone(),
    });
    let parts = Parts {
        fleet: settings.fleet.clone(),
        model: model.clone(),
        requests: inbox.clone(),
        observations: inbox.clone(),
        gate: Arc::new(gate::ManifestGate),
        explain: reader.clone(),
        log: reader,
        sealer: Sealer::new(&open::sealing_key(&settings)?),
        registry: metrics.registry.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let options = serve_options(&settings)?;
    let (address, server) =
        setpoint_api::serve(options, ApiState::new(parts), closing.clone()).await?;
    info!(%address, fleet = %settings.fleet, "the API listens");

    let looking = tokio::spawn(ground::keep_looking(log.clone(), closing.clone()));
    let gauges = gauges::keep_current(
        log.clone(),
        model.clone(),
        questions.clone(),
        metrics.clone(),
        closing.clone(),
    );
    tokio::spawn(gauges);
    let audience = feed::Audience { model, revisions, metrics: metrics.clone() };
    let closing_engine = closing.clone();
    let leader = leader::Leader {
        settings,
        log,
        audience,
        waiters,
        questions,
        metrics,
        wire,
        writer,
        closing: closing_engine,
    };
    let engine = std::thread::Builder::new().name("engine".into()).spawn(move || leader.run())?;
    let ended = tokio::task::spawn_blocking(move || engine.join()).await?;
    closing.cancel();
    server.await?;
    let ended = ended.map_err(|_| anyhow::anyhow!("the engine thread panicked"))?;
    looking.await?.and(ended)
}

fn serve_options(settings: &Settings) -> anyhow::Result<ServeOptions> {
    let api = &settings.api;
    let tls = (!api.tls_cert.is_empty()).then(|| TlsFiles {
        certificate: api.tls_cert.clone().into(),
        key: api.tls_key.clone().into(),
    });
    let tokens = if api.tokens.is_empty() { None } else { Some(open::token_file(settings)?) };
    Ok(ServeOptions { address: api.address, tls, tokens, connections: files::connections() })
}

/// The log behind one handle for all threads.
pub(crate) type SharedLog = Arc<dyn Log>;
