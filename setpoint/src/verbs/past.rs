//! The past, for the verbs that ask about it: where its log is read, and an API of it.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use setpoint_ingest::{Log, LogError};
use setpoint_settings::Secret;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::client::{ApiLog, Client};
use crate::context::{Context, note};
use crate::failure::Failure;
use crate::remedy;
use crate::roles::engine::open::log_to_read;
use crate::roles::engine::past::moment::Moment;
use crate::roles::engine::past::replay::Past;
use crate::roles::engine::past::served::Served;

/// How often the line that tells how far it is moves.
const TICK: Duration = Duration::from_millis(250);

/// When a verb is to be answered as of.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct At {
    /// As it was then: an epoch (1200), a time (2026-11-24T10:00:00Z) or how long ago (15m)
    #[arg(long, value_name = "MOMENT", help_heading = "The past")]
    pub(crate) at: Option<Moment>,
    /// Read the log that the settings name, not the API's: of an engine that does not run, or Kafka's
    #[arg(long, requires = "at", help_heading = "The past")]
    pub(crate) offline: bool,
}

impl At {
    /// Whether a moment was named.
    pub(crate) fn is_named(&self) -> bool {
        self.at.is_some()
    }

    /// Lets the verb ask the past when a moment was named. What it returns is to be kept until the verb
    /// has its answer.
    pub(crate) async fn turn_to(&self, cx: &mut Context) -> Result<Option<Served>, Failure> {
        let Some(moment) = self.at else { return Ok(None) };
        let served = serve(cx, moment, self.offline).await?;
        cx.client = client_of(cx, &served)?;
        Ok(Some(served))
    }
}

/// The engine of this moment behind an API of its own.
pub(crate) async fn serve(cx: &Context, moment: Moment, offline: bool) -> Result<Served, Failure> {
    let what = format!("failed to go back to {moment}");
    let shown = on_log(cx, offline, &what, move |past, bar| {
        let bar = bar.clone();
        past.shown(moment, move |epoch| bar.set_message(format!("epoch {epoch}")))
    })
    .await?;
    let served = shown.serve().await.map_err(|error| failed(&what, &error))?;
    if std::io::stderr().is_terminal() {
        note(format!("as of epoch {}, {}", served.epoch, Moment::TimeMs(served.time_ms)));
    }
    Ok(served)
}

/// A client of a served past.
pub(crate) fn client_of(cx: &Context, served: &Served) -> Result<Client, Failure> {
    let mut settings = cx.settings.client.clone();
    settings.server = format!("http://{}", served.address);
    settings.token = Secret::new(served.token.clone());
    Client::new(&settings)
}

/// Does something with the past on a thread that may wait, telling how far it is on a terminal.
pub(crate) async fn on_log<T: Send + 'static>(
    cx: &Context,
    offline: bool,
    what: &str,
    work: impl FnOnce(Past, &ProgressBar) -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let (settings, client, runtime) = (cx.settings.clone(), cx.client.clone(), Handle::current());
    let worked = tokio::task::spawn_blocking(move || {
        let log: Arc<dyn Log> = match offline {
            true => log_to_read(&settings)?,
            false => Arc::new(ApiLog::new(client, runtime)),
        };
        let bar = progress();
        let done = work(Past::of(log, settings, CancellationToken::new())?, &bar);
        bar.finish_and_clear();
        done
    });
    let worked = worked.await.map_err(|error| Failure::new(what).because(error))?;
    worked.map_err(|error| failed(what, &error))
}

fn failed(what: &str, error: &anyhow::Error) -> Failure {
    let failure = error.chain().fold(Failure::new(what), |failure, cause| failure.because(cause));
    let of_log = error.chain().find_map(|cause| cause.downcast_ref::<LogError>());
    let remedy = remedy::of(error).or(of_log.and_then(LogError::remedy).map(str::to_owned));
    remedy.map_or(failure.clone(), |remedy| failure.remedy(remedy))
}

/// A line that moves; nothing when stderr is not a terminal.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}
