//! Who counts the views: workers of this process, or of several.
//!
//! Process 0 decides, has the log and serves the API; the others count. None of them can go on
//! without the others: the log has everything, and whoever starts next begins from it.

mod hosts;
mod lines;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use setpoint_dataflow::views::{Differential, Gone, Seat, serve};
use setpoint_settings::Settings;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use self::lines::{Hello, Lines};

/// How the views are counted.
pub(crate) struct Workers {
    here: NonZeroUsize,
    cluster: Option<Lines>,
    /// Of the views that were made last.
    gone: Mutex<Arc<Gone>>,
    closing: CancellationToken,
}

impl Workers {
    /// As the settings say.
    ///
    /// # Errors
    /// When the list of processes cannot be read, or has no place for this one.
    pub(crate) fn new(settings: &Settings, closing: &CancellationToken) -> anyhow::Result<Self> {
        let engine = &settings.engine;
        let here = usize::try_from(engine.workers).ok().and_then(NonZeroUsize::new);
        let here = here.unwrap_or(NonZeroUsize::MIN);
        let cluster = match engine.processes.is_empty() {
            true => None,
            false => {
                let hosts = hosts::read(Path::new(&engine.processes), engine.process)?;
                let hello = Hello::of(&settings.fleet, here, hosts.len());
                Some(Lines { hosts, own: engine.process, hello })
            }
        };
        Ok(Workers { here, cluster, gone: Mutex::default(), closing: closing.clone() })
    }

    /// Workers of each process.
    pub(crate) fn here(&self) -> usize {
        self.here.get()
    }

    /// Empty views. With several processes this waits until all of them are there.
    ///
    /// # Errors
    /// When this process is to close before that, or cannot listen.
    pub(crate) fn views(&self) -> anyhow::Result<Differential> {
        match &self.cluster {
            None => Ok(Differential::with_workers(self.here)),
            Some(lines) => {
                let views = Differential::in_cluster(self.seat(lines)?);
                views.context("failed to use the lines to the other processes")
            }
        }
    }

    /// Looks whether every process of the cluster is still there.
    ///
    /// # Errors
    /// When one is gone: what it counted is lost, and only the log has it.
    pub(crate) fn are_there(&self) -> anyhow::Result<()> {
        self.why_gone().map_or(Ok(()), |why| Err(anyhow::anyhow!(why)))
    }

    /// Why the views cannot go on, when another process is gone.
    pub(crate) fn why_gone(&self) -> Option<String> {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.why().map(str::to_owned)
    }

    fn seat(&self, lines: &Lines) -> anyhow::Result<Seat> {
        let connected = lines.connect(&self.closing)?;
        info!(processes = lines.hosts.len(), "all processes of the cluster are connected");
        let gone = Arc::new(Gone::default());
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = gone.clone();
        Ok(Seat { process: lines.own, workers: self.here, lines: connected, gone })
    }
}

/// Counts for the engine in process 0 until `closing`; each time it lets go of its views, waits for
/// its next ones.
///
/// # Errors
/// When another process is gone, or this one cannot listen.
pub(super) async fn count_until(
    settings: Settings,
    closing: CancellationToken,
) -> anyhow::Result<()> {
    let (send, ended) = tokio::sync::oneshot::channel();
    let told = closing.clone();
    // Not a task: it cannot be interrupted while it serves, and nobody waits for it at the end.
    std::thread::Builder::new()
        .name("worker-0".into())
        .spawn(move || drop(send.send(count(&settings, &told))))?;
    tokio::select! {
        () = closing.cancelled() => Ok(()),
        ended = ended => ended.context("the workers ended without a word")?,
    }
}

fn count(settings: &Settings, closing: &CancellationToken) -> anyhow::Result<()> {
    let workers = Workers::new(settings, closing)?;
    let lines = workers.cluster.as_ref().context("there is no list of processes")?;
    loop {
        let seat = workers.seat(lines)?;
        let thread = std::thread::Builder::new().name("worker-0".into());
        let served = thread.spawn(move || serve(seat))?.join();
        // A line that closed behind the last word is no loss.
        let Ok(served) = served else {
            let why = workers.why_gone().unwrap_or_else(|| "a worker panicked".to_owned());
            error!(why, "the cluster has ended; start all its processes anew");
            anyhow::bail!(why);
        };
        served.context("failed to use the lines to the other processes")?;
        info!("process 0 let go of its views; waiting for its next ones");
    }
}
