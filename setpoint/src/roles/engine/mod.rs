//! The role `engine`: leader or standby, each serving the API.
//!
//! Guarantee: nothing is shown or acted upon before the log has acknowledged it.

pub(crate) mod open;
mod wire;
mod cleaning;
mod ground;
mod workers;
mod thread;
mod reading;
mod follow;
pub(crate) mod past;
mod lead;
mod checkpoints;
mod ports;
mod metrics;
mod gauges;

use std::sync::Arc;

use anyhow::Context as _;
use setpoint_api::{ApiState, Parts, ReadModel, Sealer, ServeOptions, TlsFiles};
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppenderKind, Log, Together};
use setpoint_settings::Settings;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use self::ports::feed::changes;

use self::metrics::Metrics;
use self::ports::feed::Audience;
use self::ports::gate::ManifestGate;
use self::ports::inbox::Inbox;
use self::ports::looks::Looks;
use self::ports::questions::Questions;
use self::ports::reader::{Pages, Reader};
use self::ports::revisions::Revisions;
use self::ports::waiters::Waiters;
use self::thread::EngineThread;
use self::wire::Wire;
use self::workers::Workers;
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
        match settings.engine.process {
            0 => serve(settings, closing).await,
            _ => workers::count_until(settings, closing).await,
        }
    })
}

/// Runs the engine and its API until `closing`.
///
/// # Errors
/// Whatever keeps it from running.
pub(crate) async fn serve(settings: Settings, closing: CancellationToken) -> anyhow::Result<()> {
    make_folders(&settings)?;
    let log = open::log(&settings, &closing)?;
    serve_on(log, settings, closing).await
}

/// The same on a log that is open already, whichever the settings name: for who looks at that log
/// from outside of the engine.
///
/// # Errors
/// Whatever keeps it from running.
pub async fn serve_on(
    log: Arc<dyn Log>,
    settings: Settings,
    closing: CancellationToken,
) -> anyhow::Result<()> {
    make_folders(&settings)?;
    let workers = Arc::new(Workers::new(&settings, &closing)?);
    let shared = Shared::open(log, &settings)?;
    let (state, inbox) = shared.api(&settings)?;
    let options = serve_options(&settings)?;
    let (address, server) = setpoint_api::serve(options, state, closing.clone()).await?;
    info!(%address, fleet = %settings.fleet, "the API listens");
    let looking = tokio::spawn(ground::keep_looking(shared.log.clone(), closing.clone()));
    tokio::spawn(shared.gauges(inbox, closing.clone()));
    let thread = shared.thread(settings, workers.clone(), closing.clone());
    let engine = std::thread::Builder::new().name("engine".into()).spawn(move || thread.run())?;
    let ended = tokio::task::spawn_blocking(move || engine.join()).await?;
    closing.cancel();
    server.await?;
    let ended = ended.map_err(|_| match workers.why_gone() {
        Some(why) => anyhow::anyhow!("{why}"),
        None => anyhow::anyhow!("the engine thread panicked"),
    })?;
    looking.await?.and(ended)
}

fn make_folders(settings: &Settings) -> anyhow::Result<()> {
    let data = &settings.data_dir;
    for folder in [data.clone(), data.join(open::LOG)] {
        super::data_folder(&folder)
            .with_context(|| format!("failed to make {}", folder.display()))?;
    }
    Ok(())
}

/// What the API and the engine's thread share.
struct Shared {
    log: SharedLog,
    wire: Wire,
    writer: Writer,
    model: Arc<ReadModel>,
    revisions: Arc<Revisions>,
    waiters: Arc<Waiters>,
    questions: Arc<Questions>,
    metrics: Arc<Metrics>,
}

impl Shared {
    /// Makes the log's topics and asks the schema registry; everything else begins empty.
    fn open(log: SharedLog, settings: &Settings) -> anyhow::Result<Self> {
        let wire = wire::open(&settings.log.schema_registry)?;
        log.ensure_topics().context("failed to make the topics")?;
        Ok(Shared {
            log,
            writer: open::writer(settings, &wire.codec),
            wire,
            model: Arc::new(ReadModel::new()),
            revisions: Arc::default(),
            waiters: Arc::default(),
            questions: Arc::default(),
            metrics: Arc::new(Metrics::new()?),
        })
    }

    /// The API's ports, filled.
    fn api(&self, settings: &Settings) -> anyhow::Result<(ApiState, Arc<Inbox>)> {
        let appender =
            self.log.appender(AppenderKind::Shared).context("failed to open an appender")?;
        let inbox = Arc::new(Inbox {
            together: Together::by(appender).context("failed to start the appender")?,
            writer: self.writer.clone(),
            waiters: self.waiters.clone(),
            questions: self.questions.clone(),
            metrics: self.metrics.clone(),
        });
        let reader = Arc::new(Reader {
            pages: Pages { log: self.log.clone(), codec: self.wire.codec.clone() },
            looks: Looks::default(),
            model: self.model.clone(),
            revisions: self.revisions.clone(),
            questions: self.questions.clone(),
            inbox: inbox.clone(),
        });
        let state = ApiState::new(Parts {
            fleet: settings.fleet.clone(),
            model: self.model.clone(),
            requests: inbox.clone(),
            observations: inbox.clone(),
            gate: Arc::new(ManifestGate),
            explain: reader.clone(),
            log: reader,
            sealer: Sealer::new(&open::sealing_key(settings)?),
            registry: self.metrics.registry.clone(),
            lease_renew_ms: setpoint_rules::lease::expected_renewal_ms(&settings.engine.policy),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        Ok((state, inbox))
    }

    fn gauges(
        &self,
        inbox: Arc<Inbox>,
        closing: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let (log, model) = (self.log.clone(), self.model.clone());
        let queues = (self.questions.clone(), inbox);
        gauges::keep_current(log, model, queues, self.metrics.clone(), closing)
    }

    fn thread(
        self,
        settings: Settings,
        workers: Arc<Workers>,
        closing: CancellationToken,
    ) -> EngineThread {
        let Shared { log, wire, writer, model, revisions, waiters, questions, metrics } = self;
        let audience = Audience { model, revisions, metrics: metrics.clone() };
        EngineThread {
            settings,
            workers,
            log,
            audience,
            waiters,
            questions,
            metrics,
            wire,
            writer,
            closing,
        }
    }
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
