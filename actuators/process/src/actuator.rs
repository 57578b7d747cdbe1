//! The contract over processes.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use setpoint_actuators::session::{Lines, Session, not_found};
use setpoint_actuators::{
    Act, Actuator, ActuatorError, Changes, ExecEnd, FileToMount, Observed, Parts, PodToRun,
    RuntimeInfo, Stored, Until, Usage, grace_of, read_message,
};
use setpoint_schemas::call::{ExecOptions, LogOptions};
use setpoint_schemas::{Container, FleetId, PodUid};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::able::Ourselves;
use crate::container::{Cell, LOOK_EVERY, Starter};
use crate::disk::{ContainerFile, Layout, PodFile, RunFile, Status};
use crate::kin::{Kin, Table};
use crate::{able, disk, exec, fence, logs, look, machine, session, stored, volumes};

/// What of the agent's own environment its containers get.
const ENV_INHERITED: &[&str] = &["PATH", "HOME", "LANG"];
/// The variable by which CUDA's programs know their devices.
const VISIBLE_DEVICES: &str = "CUDA_VISIBLE_DEVICES";
/// The variable by which a container finds the file for its last message: a process cannot be given one at
/// the usual place.
const MESSAGE_VARIABLE: &str = "SETPOINT_TERMINATION_MESSAGE";
/// A process that SIGKILL has not ended by then hangs in the kernel.
const KILL_MAX: Duration = Duration::from_secs(5);
/// Where processes are reached unless told otherwise: they have the machine's network.
const ADDRESS: &str = "127.0.0.1";
/// Hints beyond this are one hint.
const HINTS_MAX: usize = 16;

/// What the process runtime is made of.
#[derive(Debug, Clone)]
pub struct ProcessOptions {
    /// The fleet whose pods it minds; others in the same state folder are left alone.
    pub fleet: FleetId,
    /// The folder that keeps what runs. Must survive the agent.
    pub state: PathBuf,
    /// The program and arguments that become a container's supervisor; the container's folder is
    /// added as the last argument and [`crate::shim::run`] must take over from there.
    pub shim: Vec<OsString>,
    /// The variables of the agent's environment from which `PATH`, `HOME` and `LANG` are taken.
    pub env: Vec<(String, String)>,
}

/// The process runtime could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Its state folder cannot be used.
    #[error("failed to open the state folder {path}")]
    State {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Pods as processes of this machine.
pub struct ProcessActuator {
    layout: Layout,
    fleet: FleetId,
    state: PathBuf,
    env: Vec<(String, String)>,
    starter: Starter,
    address: String,
}

impl ProcessActuator {
    /// The same, of a machine that is reached at this address.
    #[must_use]
    pub fn at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// Opens the state folder, made when it is not there.
    ///
    /// # Errors
    /// [`ProcessError`] when the folder cannot be made, read or written.
    pub fn open(options: ProcessOptions) -> Result<Self, ProcessError> {
        let layout = Layout::open(&options.state, &options.fleet);
        let layout = layout.and_then(|layout| end_leftovers(&layout).map(|()| layout));
        let layout =
            layout.map_err(|source| ProcessError::State { path: options.state.clone(), source })?;
        let inherited = |(name, _): &(String, String)| ENV_INHERITED.contains(&name.as_str());
        let starter = Starter { shim: options.shim, hints: broadcast::channel(HINTS_MAX).0 };
        let env = options.env.into_iter().filter(inherited).collect();
        let (fleet, state, address) = (options.fleet, options.state, ADDRESS.to_owned());
        Ok(ProcessActuator { layout, fleet, state, env, starter, address })
    }
}

impl Actuator for ProcessActuator {
    fn describe(&self) -> Act<'_, RuntimeInfo> {
        Box::pin(async { Ok(machine::describe(&self.state)) })
    }

    fn observe(&self) -> Act<'_, Vec<Observed>> {
        let (layout, address) = (self.layout.clone(), self.address.clone());
        Box::pin(async { off_the_runtime(move || look::observe(&layout, &address)).await })
    }

    fn start<'a>(&'a self, pod: &'a PodToRun, cancel: &'a CancellationToken) -> Act<'a, ()> {
        Box::pin(self.start_pod(pod, cancel))
    }

    fn stop<'a>(
        &'a self,
        uid: &'a PodUid,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()> {
        Box::pin(self.stop_pod(uid, grace, cancel))
    }

    fn refresh<'a>(&'a self, pod: &'a PodToRun) -> Act<'a, ()> {
        let folder = self.layout.pod(&pod.placement.uid);
        let each = move |(name, files): (&String, &Vec<FileToMount>)| {
            volumes::refresh(&folder, name, files)
        };
        // All of them, whichever fails.
        let written = pod.volumes.iter().map(each).fold(Ok(()), Result::and);
        Box::pin(std::future::ready(written))
    }

    fn restart_container<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, ()> {
        Box::pin(self.restart(uid, container))
    }

    fn end_container<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()> {
        Box::pin(async move {
            let cell = self.cell(uid, container)?;
            end(uid, std::slice::from_ref(&cell), grace, cancel).await
        })
    }

    fn exec<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a [String],
        cancel: &'a CancellationToken,
    ) -> Act<'a, ExecEnd> {
        Box::pin(async move {
            let cell = self.cell(uid, container)?;
            exec::exec(&cell, container, command, cancel)
                .await
                .map_err(|error| error.of_container(container))
        })
    }

    fn usage(&self) -> Act<'_, Vec<Usage>> {
        let layout = self.layout.clone();
        Box::pin(async { off_the_runtime(move || look::usage(&layout)).await })
    }

    fn logs<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        options: &'a LogOptions,
    ) -> Act<'a, Lines> {
        Box::pin(async move { logs::lines(self.cell(uid, container)?, container, options).await })
    }

    fn message<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, Vec<u8>> {
        Box::pin(async move {
            let path = disk::message_path(self.cell(uid, container)?.dir());
            off_the_runtime(move || read_message(&path)).await
        })
    }

    fn session<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a ExecOptions,
    ) -> Act<'a, Session> {
        Box::pin(async move {
            let cell = self.cell(uid, container)?;
            session::open(cell, container, command, &self.starter.shim).await
        })
    }

    fn fence(&self, until: Option<Until>) -> bool {
        let written = fence::write(&self.layout.fence(), until);
        if let Err(error) = &written {
            warn!(%error, "until when pods may run is not written down: they end sooner");
        }
        written.is_ok()
    }

    fn stored<'a>(&'a self, uid: &'a PodUid, parts: &'a Parts) -> Act<'a, Stored> {
        let (layout, uid, parts) = (self.layout.clone(), uid.clone(), parts.clone());
        Box::pin(async { off_the_runtime(move || stored::stored(&layout, &uid, &parts)).await })
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![self.state.clone()]
    }

    fn changes(&self) -> Changes {
        let hints = self.starter.hints.subscribe();
        let next = |mut hints: broadcast::Receiver<()>| async {
            match hints.recv().await {
                Ok(()) | Err(broadcast::error::RecvError::Lagged(_)) => Some(((), hints)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        };
        futures::stream::unfold(hints, next).boxed()
    }
}

impl ProcessActuator {
    async fn start_pod(
        &self,
        pod: &PodToRun,
        cancel: &CancellationToken,
    ) -> Result<(), ActuatorError> {
        live(cancel)?;
        self.admit(pod, cancel).await?;
        let told = pod.wants_address().then(|| pod.located(&self.address));
        let pod = told.as_ref().unwrap_or(pod);
        let uid = &pod.placement.uid;
        let mut first_error = Ok(());
        volumes::make(&self.layout.pod(uid), pod)?;
        for (index, container) in pod.spec.every_container().enumerate() {
            live(cancel)?;
            if pod.held.contains(&container.name) {
                continue;
            }
            let cell = Cell::new(self.layout.container(uid, index));
            let started = self.start_container(pod, container, &cell).await;
            first_error = first_error.and(started.map_err(|e| e.of_container(&container.name)));
        }
        first_error
    }

    /// The fence: what runs is older and stopped, or the same and kept, or newer and stays.
    async fn admit(&self, pod: &PodToRun, cancel: &CancellationToken) -> Result<(), ActuatorError> {
        let asked = &pod.placement;
        let Some(mut runs) = self.layout.read_pod(&asked.uid).map_err(|e| unreadable(&e))? else {
            return self.layout.write_pod(&self.file_of(pod)).map_err(|e| unreadable(&e));
        };
        if runs.generation > asked.generation || runs.term > asked.term {
            return Err(ActuatorError::Fenced {
                uid: asked.uid.clone(),
                generation: asked.generation,
                term: asked.term,
                generation_running: runs.generation,
                term_running: runs.term,
            });
        }
        if runs.generation < asked.generation {
            let grace = Duration::from_millis(runs.grace_ms);
            self.stop_pod(&asked.uid, grace, cancel).await?;
            return self.layout.write_pod(&self.file_of(pod)).map_err(|e| unreadable(&e));
        }
        if runs.term < asked.term {
            runs.term = asked.term;
            self.layout.write_pod(&runs).map_err(|e| unreadable(&e))?;
        }
        Ok(())
    }

    fn file_of(&self, pod: &PodToRun) -> PodFile {
        let placement = &pod.placement;
        let container = |c: &Container| ContainerFile {
            name: c.name.clone(),
            image: c.image.clone().unwrap_or_default(),
        };
        PodFile {
            fleet: self.fleet.clone(),
            uid: placement.uid.clone(),
            generation: placement.generation,
            term: placement.term,
            namespace: placement.pattern.namespace.clone(),
            name: placement.name.clone(),
            grace_ms: u64::try_from(grace_of(&pod.spec).as_millis()).unwrap_or(u64::MAX),
            containers: pod.spec.every_container().map(container).collect(),
        }
    }

    async fn start_container(
        &self,
        pod: &PodToRun,
        container: &Container,
        cell: &Cell,
    ) -> Result<(), ActuatorError> {
        cell.settle().await.map_err(|e| unreadable(&e))?;
        let status = cell.status().map_err(|e| unreadable(&e))?;
        if matches!(status, Some(Status::Running(_) | Status::Ended { .. })) {
            return Ok(());
        }
        if container.command.is_empty() {
            let message =
                "the container has no command, and processes have no image to take it from";
            cell.refuse("NoCommand", message).map_err(|e| unreadable(&e))?;
            return Err(ActuatorError::permanent("NoCommand", message));
        }
        if let Some(why) = able::refused(pod, container, Ourselves::now()) {
            cell.refuse("Unsupported", &why).map_err(|e| unreadable(&e))?;
            return Err(ActuatorError::permanent("Unsupported", why));
        }
        let run = self.run_of(pod, container, cell.dir())?;
        cell.start(&run, &self.starter).await
    }

    fn run_of(
        &self,
        pod: &PodToRun,
        container: &Container,
        dir: &Path,
    ) -> Result<RunFile, ActuatorError> {
        let placement = &pod.placement;
        let mut env = self.env.clone();
        let named = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
        env.push(named("SETPOINT_NAMESPACE", &placement.pattern.namespace));
        env.push(named("SETPOINT_POD_NAME", &placement.name));
        env.push(named("SETPOINT_POD_UID", &placement.uid));
        env.push((MESSAGE_VARIABLE.to_owned(), disk::message_path(dir).display().to_string()));
        let folder = self.layout.pod(&placement.uid);
        env.extend(volumes::variables(&folder, &pod.spec, container)?);
        env.extend(pod.env.get(&container.name).into_iter().flatten().cloned());
        env.extend(pod.device_variables(&container.name, VISIBLE_DEVICES));
        let argv = container.command.iter().chain(&container.args).cloned().collect();
        let dir = container.working_dir.as_ref().map_or_else(|| dir.to_owned(), PathBuf::from);
        let no_new_privileges = able::gains_nothing(container);
        let fence = placement.at_most_one.then(|| self.layout.fence());
        Ok(RunFile { argv, dir, env, no_new_privileges, fence })
    }

    /// The container of this name.
    fn cell(&self, uid: &PodUid, container: &str) -> Result<Cell, ActuatorError> {
        let pod = self.layout.read_pod(uid).map_err(|e| unreadable(&e))?;
        let named = |pod: PodFile| pod.containers.iter().position(|c| c.name == container);
        let index = pod.and_then(named).ok_or_else(|| not_found(&uid.text(), container))?;
        Ok(Cell::new(self.layout.container(uid, index)))
    }

    async fn stop_pod(
        &self,
        uid: &PodUid,
        grace: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), ActuatorError> {
        live(cancel)?;
        let Some(pod) = self.layout.read_pod(uid).map_err(|e| unreadable(&e))? else {
            return Ok(());
        };
        let cells: Vec<Cell> =
            (0..pod.containers.len()).map(|i| Cell::new(self.layout.container(uid, i))).collect();
        end(uid, &cells, grace, cancel).await?;
        self.layout.remove_pod(uid).map_err(|e| unreadable(&e))
    }

    async fn restart(&self, uid: &PodUid, container: &str) -> Result<(), ActuatorError> {
        let cell = self.cell(uid, container)?;
        match cell.status().map_err(|e| unreadable(&e))? {
            Some(Status::Ended { .. }) => {
                let started = cell.start_again(&self.starter).await;
                started.map_err(|error| error.of_container(container))
            }
            // Never started, or refused: that is for `start`, which knows the spec.
            Some(Status::Running(_) | Status::Failed { .. }) | None => Ok(()),
        }
    }
}

/// Ends the commands that a former agent left beside its containers.
fn end_leftovers(layout: &Layout) -> io::Result<()> {
    for pod in layout.read_pods()? {
        for index in 0..pod.containers.len() {
            session::end_leftovers(&layout.container(&pod.uid, index));
        }
    }
    Ok(())
}

/// Ends these containers of a pod with all their processes: asks them to, kills after the grace.
async fn end(
    uid: &PodUid,
    cells: &[Cell],
    grace: Duration,
    cancel: &CancellationToken,
) -> Result<(), ActuatorError> {
    live(cancel)?;
    for cell in cells {
        cell.settle().await.map_err(|e| unreadable(&e))?;
    }
    // Found before anything ends: what loses its parent is still known then.
    let families = cells.iter().map(Cell::family).collect::<io::Result<Vec<Kin>>>();
    let families = found(families.map_err(|e| unreadable(&e))?).await?;
    cells.iter().try_for_each(Cell::ask_to_end).map_err(|e| unreadable(&e))?;
    let families = match all_end(cells, grace, cancel).await? {
        true => families,
        false => ended(uid, families).await?,
    };
    if !all_end(cells, KILL_MAX, cancel).await? {
        return Err(hangs(uid));
    }
    ended(uid, families).await.map(drop)
}

/// The families, each with the members that it has now.
async fn found(mut families: Vec<Kin>) -> Result<Vec<Kin>, ActuatorError> {
    off_the_runtime(move || {
        let table = Table::read();
        families.iter_mut().for_each(|kin| drop(kin.look(&table)));
        Ok(families)
    })
    .await
}

/// Kills whatever is left of the families.
async fn ended(uid: &PodUid, mut families: Vec<Kin>) -> Result<Vec<Kin>, ActuatorError> {
    let swept = off_the_runtime(move || {
        let mut is_empty = true;
        families.iter_mut().for_each(|kin| is_empty &= kin.sweep());
        Ok((is_empty, families))
    });
    let (is_empty, families) = swept.await?;
    if is_empty { Ok(families) } else { Err(hangs(uid)) }
}

fn hangs(uid: &PodUid) -> ActuatorError {
    let message = format!("failed to kill pod {uid}: a process hangs in the kernel");
    ActuatorError::transient("KillFailed", message)
}

/// Whether all containers ended within this time.
async fn all_end(
    cells: &[Cell],
    within: Duration,
    cancel: &CancellationToken,
) -> Result<bool, ActuatorError> {
    let until = Instant::now().checked_add(within);
    loop {
        let mut running = false;
        for cell in cells {
            running |= cell.running().map_err(|e| unreadable(&e))?.is_some();
        }
        if !running {
            return Ok(true);
        }
        live(cancel)?;
        if until.is_some_and(|until| Instant::now() >= until) {
            return Ok(false);
        }
        sleep(LOOK_EVERY).await;
    }
}

fn live(cancel: &CancellationToken) -> Result<(), ActuatorError> {
    if cancel.is_cancelled() { Err(ActuatorError::Cancelled) } else { Ok(()) }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ActuatorError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).and_then(|result| result).map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> ActuatorError {
    ActuatorError::transient("StateUnreadable", format!("failed to use the state folder: {error}"))
}
