//! The node's loop and what stands around it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use setpoint_actuators::{
    Actuator, Authority, Books, Changes, Clock, Desired, Dispatcher, Fence, Healths, Observed,
};
use setpoint_schemas::{FENCE_LABEL, FERRY_LABEL};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch as latest};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::client::Api;
use crate::clock::now_ms;
use crate::evictions::{self, EVICTIONS_QUEUED_MAX, Eviction};
use crate::fence::{self, NodeFence};
use crate::guard::Guard;
use crate::outbox::Outbox;
use crate::pressure::{self, mind::Gauge};
use crate::probes::{Caller, Prober, Subject, subjects};
use crate::registration::{Health, Ties, Told};
use crate::reports::Reports;
use crate::resolve::Resolver;
use crate::room::Room;
use crate::services::{self, Known};
use crate::session::Session;
use crate::standing::{Holder, Standing, Whose};
use crate::watch::Hearers;
use crate::{
    AgentError, AgentOptions, calls, claims, files, lease, leaving, refresh, registration, reports,
    room, samples, view, watch,
};

/// Actions in flight may finish when the agent ends, for this long.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// What was seen last is told when the agent ends, if the API answers within this.
pub(crate) const LAST_WORDS_MAX: Duration = Duration::from_secs(2);
/// A runtime that hints without pause is looked at this often at most.
const TURN_PAUSE: Duration = Duration::from_millis(10);
/// A node that returns starts nothing again that was moved meanwhile, if the API answers within
/// this; an API that does not is away, and what the last life knew counts.
const LIST_MAX: Duration = Duration::from_secs(5);
/// Shorter than this a wait is not worth a timer.
const WAKE_MIN: Duration = Duration::from_millis(5);

/// Runs the agent of a node until `shutdown`; pods run on then.
///
/// # Errors
/// [`AgentError`] when the state folder cannot be used, the client not be made, or another agent
/// took the node. An API or a runtime that does not answer is no error: both are tried again for
/// ever.
pub async fn run(
    options: AgentOptions,
    actuator: Arc<dyn Actuator>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let _lock = files::occupy(&options.state)?;
    let (options, ferry) = with_ferry(options).await?;
    let options = Arc::new(options);
    let Life { api, reports, whose, mut node, mut tasks } =
        Life::begin(&options, actuator.clone(), ferry)?;
    let by = tokio::select! {
        () = node.run(options.intervals.observe, &shutdown) => None,
        by = taken(whose) => Some(by),
        why = broken(&mut tasks) => return Err(AgentError::Broken { why }),
    };
    drop(tasks);
    if let Some(by) = by {
        let pods = leaving::leave(&*actuator, node.dispatcher, &by, &shutdown).await;
        return Err(AgentError::Superseded { node: options.node.clone(), by: by.session, pods });
    }
    node.dispatcher.drain(DRAIN_MAX).await;
    let last_words = reports::flush(&api, &options.node, &reports, LAST_WORDS_MAX);
    let _ = tokio::time::timeout(LAST_WORDS_MAX, last_words).await;
    info!(node = %options.node, "the agent ends, its pods run on");
    Ok(())
}

/// Listens where other nodes reach the pods of this one, and says so of the node.
async fn with_ferry(
    mut options: AgentOptions,
) -> Result<(AgentOptions, Option<TcpListener>), AgentError> {
    let Some(how) = &options.services else { return Ok((options, None)) };
    let (address, port) = (options.address.clone(), how.ferry_port);
    let failed = |source| AgentError::Ferry { address: address.clone(), port, source };
    let ferry = services::ferry(how, &address).await.map_err(failed)?;
    let port = ferry.local_addr().map_err(failed)?.port();
    options.labels.insert(FERRY_LABEL.to_owned(), port.to_string());
    Ok((options, Some(ferry)))
}

/// One life of an agent: the node's loop, and the tasks around it.
struct Life {
    api: Arc<Api>,
    reports: Arc<Reports>,
    whose: latest::Receiver<Whose>,
    node: NodeLoop,
    tasks: JoinSet<()>,
}

impl Life {
    /// Takes up what the last life left, and starts the tasks.
    fn begin(
        options: &Arc<AgentOptions>,
        actuator: Arc<dyn Actuator>,
        ferry: Option<TcpListener>,
    ) -> Result<Life, AgentError> {
        let guard = Guard::open(&options.state, &options.fleet, &options.node)?;
        let known = remembered(&guard)?;
        let path = options.state.join("books.json");
        let books = Books::open(&path).map_err(|source| AgentError::State { path, source })?;
        let api = Arc::new(Api::new(options)?);
        let session = Session::begin(&options.state)?;
        let pods = known.pods.len();
        info!(node = %options.node, session = %session.id, pods, "the agent starts");

        let (fence, is_watched) = NodeFence::open(&options.state, options.fence, actuator.clone())?;
        let options = &promising(options, fence.promised_ms().filter(|_| is_watched));
        let fence = Arc::new(fence);
        let reports = Outbox::new(options.node.clone(), session.id.clone());
        let reports = Arc::new(Reports::new(reports));
        let (tell_desired, desired) = latest::channel(Arc::new(known));
        let (tell_health, health) = latest::channel(Health::Good);
        let (tell_room, room) = latest::channel(Room::Enough);
        let mut gauge = Gauge::new(options.pressure.clone(), options.state.clone());
        let (tell_pressures, pressures) = latest::channel(gauge.look(Instant::now()).0);
        let (evict, evictions) = mpsc::channel(EVICTIONS_QUEUED_MAX);
        let (tell_whose, whose) = latest::channel(Whose::Ours);
        let (tell_registrations, registrations) = latest::channel(0);
        let known = Arc::new(Known::new(options.node.clone()));
        let resolver = Resolver::new(api.clone(), options.clone(), actuator.clone(), known.clone());
        let resolver = Arc::new(resolver);
        let clock: Clock = Arc::new(now_ms);
        let dispatcher =
            Dispatcher::new(actuator.clone(), resolver.clone(), clock, options.pacing, books)
                .calling(Arc::new(Caller::default()));

        let surroundings = Surroundings {
            api: api.clone(),
            actuator: actuator.clone(),
            options: options.clone(),
            session,
            fence: fence.clone(),
        };
        let hearers =
            Hearers { desired: tell_desired, whose: tell_whose, fence: Some(fence.clone()) };
        let told = Told { registrations: tell_registrations, expected: lease::Expected::new() };
        let ties = Ties { health, room, pressures, whose: whose.clone(), told };
        let mut folders = actuator.folders();
        folders.push(options.state.clone());
        let mut tasks = surroundings.spawn(guard, hearers, ties, (reports.clone(), registrations));
        if let Some(how) = &options.services {
            let (node, address) = (options.node.clone(), options.address.clone());
            let serving = services::Serving { api: api.clone(), node, address, known, ferry };
            services::spawn(&mut tasks, how, serving);
        }
        let every = options.intervals;
        tasks.spawn(room::mind(folders, every.room, tell_room));
        let (looking, lists) = (actuator.clone(), desired.clone());
        let heard = (tell_pressures, evict.clone());
        tasks.spawn(pressure::mind::mind(gauge, looking, lists, every.room, heard));
        let (measuring, lists) = (actuator.clone(), desired.clone());
        tasks.spawn(evictions::excess::mind(measuring, lists, every.excess, evict));
        let (removing, lists) = (api.clone(), desired.clone());
        tasks.spawn(claims::remove(removing, actuator.clone(), options.clone(), lists));
        tasks.spawn(refresh::refresh(actuator.clone(), resolver, desired.clone(), every.refresh));
        let (prober, healths) = Prober::open(actuator.clone(), &options.state);
        let (tell_subjects, asked) = latest::channel(Arc::default());
        tasks.spawn(prober.run(asked));
        let node = NodeLoop {
            address: options.address.clone(),
            actuator,
            dispatcher,
            desired,
            healths,
            subjects: tell_subjects,
            health: tell_health,
            reports: reports.clone(),
            evictions,
            fence,
            was: Fence::Open,
        };
        Ok(Life { api, reports, whose, node, tasks })
    }
}

/// The options of a node that promises so much, or nothing; nobody else may promise for it.
fn promising(options: &Arc<AgentOptions>, promised_ms: Option<i64>) -> Arc<AgentOptions> {
    let mut options = AgentOptions::clone(options);
    options.labels.remove(FENCE_LABEL);
    if let Some(promised_ms) = promised_ms {
        options.labels.insert(FENCE_LABEL.to_owned(), promised_ms.to_string());
    }
    Arc::new(options)
}

/// Waits until another agent has the node.
pub(crate) async fn taken(mut whose: latest::Receiver<Whose>) -> Holder {
    loop {
        if let Whose::Taken(by) = &*whose.borrow_and_update() {
            return by.clone();
        }
        if whose.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until a task breaks, and says how. Without it the node would be served by half an agent.
pub(crate) async fn broken(tasks: &mut JoinSet<()>) -> String {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            return error.to_string();
        }
    }
    std::future::pending().await
}

/// What the last life knew: enough to say how it is, and nothing is done by it yet.
fn remembered(guard: &Guard) -> Result<Desired, AgentError> {
    let list = guard.remembered()?;
    Ok(match list {
        Some(list) => Desired::of(Authority::None, &list.placements).with_ended(&list.ended),
        None => Desired::unknown(),
    })
}

/// Lets what the last life knew count when no list has come: enough to keep running what runs.
async fn fall_back(desired: latest::Sender<Arc<Desired>>) {
    sleep(LIST_MAX).await;
    desired.send_if_modified(|desired| {
        let counts = desired.authority == Authority::None && !desired.pods.is_empty();
        if counts {
            warn!(pods = desired.pods.len(), "no API answers: going on with what was known last");
            Arc::make_mut(desired).authority = Authority::Remembered;
        }
        counts
    });
}

/// The tasks beside the node's loop; they end when the set is dropped.
struct Surroundings {
    api: Arc<Api>,
    actuator: Arc<dyn Actuator>,
    options: Arc<AgentOptions>,
    session: Session,
    fence: Arc<NodeFence>,
}

impl Surroundings {
    fn spawn(
        self,
        guard: Guard,
        hearers: Hearers,
        ties: Ties,
        (reports, registrations): (Arc<Reports>, latest::Receiver<u64>),
    ) -> JoinSet<()> {
        let Surroundings { api, actuator, options, session, fence } = self;
        let (node, every) = (options.node.clone(), options.intervals);
        let mut tasks = JoinSet::new();
        tasks.spawn(fall_back(hearers.desired.clone()));
        let mut spawn = |task: BoxFuture<'static, ()>| {
            let api = api.clone();
            tasks.spawn(async move {
                api.greeted().await;
                task.await;
            });
        };
        let standing = Standing::new(session.id.clone());
        let (lists, retry_max) = ((guard, standing, hearers), every.retry_max);
        let (own, expected) = (every.lease, ties.told.expected.clone());
        let id = session.id.clone();
        let renew = lease::renew(api.clone(), node.clone(), id, own, expected, Some(fence));
        spawn(renew.boxed());
        spawn(watch::watch(api.clone(), node.clone(), lists, retry_max).boxed());
        spawn(reports::send(api.clone(), node.clone(), reports, registrations, every).boxed());
        spawn(samples::post(api.clone(), actuator.clone(), node.clone(), every.usage).boxed());
        if options.hears_calls {
            let (api, actuator, retry_max) = (api.clone(), actuator.clone(), every.retry_max);
            let desk = calls::Desk { api, actuator, node, retry_max };
            spawn(calls::answer(desk, ties.whose.clone()).boxed());
        }
        spawn(registration::register(api.clone(), actuator, options, session, ties).boxed());
        tasks
    }
}

/// The loop that keeps the runtime equal to the placements.
struct NodeLoop {
    /// The node's own.
    address: String,
    actuator: Arc<dyn Actuator>,
    dispatcher: Dispatcher,
    desired: latest::Receiver<Arc<Desired>>,
    /// What probes say of the containers that run.
    healths: latest::Receiver<Arc<Healths>>,
    /// Whom they ask.
    subjects: latest::Sender<Arc<Vec<Subject>>>,
    health: latest::Sender<Health>,
    reports: Arc<Reports>,
    /// Pods that the node is to end because of what they use.
    evictions: mpsc::Receiver<Eviction>,
    /// Until when pods may run that may run at most once.
    fence: Arc<NodeFence>,
    /// Whether they might at the last turn.
    was: Fence,
}

impl NodeLoop {
    async fn run(&mut self, observe_every: Duration, shutdown: &CancellationToken) {
        let mut changes = self.actuator.changes();
        while !shutdown.is_cancelled() {
            // Before the list: who may run by this has no older list than the one that granted it.
            let (fence, open) = self.fence.now();
            let desired = self.desired.borrow_and_update().clone();
            let desired = self.fenced(desired, fence);
            let wait = self.turn(&desired).await.unwrap_or(observe_every).min(observe_every);
            let wait = open.map_or(wait, |open| open.min(wait));
            tokio::select! {
                () = sleep(wait) => {}
                () = hint(&mut changes, &*self.actuator) => sleep(TURN_PAUSE).await,
                () = self.dispatcher.ended(&desired) => {}
                // Whoever tells us may be gone, which is no news.
                Ok(()) = self.desired.changed() => {}
                Ok(()) = self.healths.changed() => {}
                Some(Eviction { uid, generation, why }) = self.evictions.recv() => {
                    self.dispatcher.evict(&uid, generation, &why);
                }
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// What should run while the fence is so.
    fn fenced(&mut self, desired: Arc<Desired>, fence: Fence) -> Arc<Desired> {
        let is_concerned = desired.pods.values().any(|pod| pod.placement.at_most_one)
            || self.dispatcher.books().has_at_most_one();
        if !is_concerned {
            return desired;
        }
        fence::tell(self.was, fence);
        self.was = fence;
        match fence {
            Fence::Open => desired,
            fence => Arc::new(Desired { fence, ..Desired::clone(&desired) }),
        }
    }

    /// One turn; returns how long the next one may wait.
    async fn turn(&mut self, desired: &Desired) -> Option<Duration> {
        self.dispatcher.hear(self.healths.borrow_and_update().clone());
        match self.dispatcher.turn(desired).await {
            Ok(turn) => {
                self.note_health(Health::Good);
                self.note_subjects(desired, &turn.observed);
                let now_ms = now_ms();
                let view = view::view(desired, &turn, self.dispatcher.books(), now_ms);
                // Of one that may be there in a moment nobody may be told that it is gone.
                if !self.dispatcher.is_starting_unwanted(desired) {
                    self.reports.change(|outbox| {
                        outbox.go_by(desired.epoch);
                        outbox.see(view, now_ms)
                    });
                }
                let wait_ms = turn.wake_ms?.saturating_sub(now_ms);
                Some(u64::try_from(wait_ms).map_or(WAKE_MIN, Duration::from_millis).max(WAKE_MIN))
            }
            Err(error) => {
                warn!(%error, "the runtime does not answer");
                self.note_health(Health::Bad(error.to_string()));
                None
            }
        }
    }

    fn note_subjects(&self, desired: &Desired, observed: &[Observed]) {
        let now = subjects(desired, observed, &self.address);
        self.subjects.send_if_modified(|subjects| {
            let is_new = **subjects != now;
            if is_new {
                *subjects = Arc::new(now);
            }
            is_new
        });
    }

    fn note_health(&self, now: Health) {
        self.health.send_if_modified(|health| {
            let is_new = *health != now;
            *health = now;
            is_new
        });
    }
}

/// Waits for a hint; a stream that ended is asked for again, no faster than the loop looks anyway.
async fn hint(changes: &mut Changes, actuator: &dyn Actuator) {
    if changes.next().await.is_none() {
        *changes = actuator.changes();
        std::future::pending().await
    }
}
