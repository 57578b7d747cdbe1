//! The node's dispatcher: carries out plans, at most one action in flight a pod.
//!
//! Level-triggered: every turn observes, plans anew and begins what may begin now; what may not
//! (no token in the bucket, the runtime is busy) is not kept, so drift that disappears drops work
//! not yet begun. An action in flight that is no longer wanted is cancelled.
//! Invariant: never acts on a view older than its own actions. A turn plans only for pods whose
//! last action had ended before the turn observed.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use setpoint_schemas::PodUid;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::book::{Book, Books};
use crate::desired::{Desired, DesiredPod};
use crate::health::{self, Healths};
use crate::plan::{Plan, Work, plan};
use crate::{Actuator, ActuatorError, Observed, PodToRun};

/// An image of some gigabytes over a slow line; beyond this the pull hangs.
const START_MAX: Duration = Duration::from_secs(600);
/// Starting a container again needs no pull.
const RESTART_MAX: Duration = Duration::from_secs(60);
/// What a stop may take beyond its grace.
const STOP_EXTRA: Duration = Duration::from_secs(30);
/// A runtime that does not list its pods within this does not answer.
const OBSERVE_MAX: Duration = Duration::from_secs(30);
/// When a token or a place is missing, we look again after this.
const RETRY_MS: i64 = 50;

/// How fast a node works.
#[derive(Debug, Clone, Copy)]
pub struct Pacing {
    /// The token bucket: starts and restarts a second.
    pub starts_per_second: NonZeroU32,
    /// The token bucket: starts and restarts at once.
    pub starts_burst: NonZeroU32,
    /// The leaky bucket toward the runtime: starts and restarts in flight.
    pub starts_in_flight_max: usize,
    /// Stops in flight; they mostly wait for containers to end.
    pub stops_in_flight_max: usize,
}

/// Makes a placement ready to start: resolves what its spec only names. A failure becomes the
/// pod's status and is tried again.
pub trait Prepare: Send + Sync {
    /// The pod with environment and files.
    fn prepare<'a>(&'a self, pod: &'a DesiredPod)
    -> BoxFuture<'a, Result<PodToRun, ActuatorError>>;
}

/// The clock of the node, milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Carries out what a node should run.
pub struct Dispatcher {
    actuator: Arc<dyn Actuator>,
    prepare: Arc<dyn Prepare>,
    clock: Clock,
    pacing: Pacing,
    bucket: DefaultDirectRateLimiter,
    books: Books,
    healths: Arc<Healths>,
    in_flight: BTreeMap<PodUid, InFlight>,
    actions: JoinSet<Ended>,
}

/// What a turn saw.
#[derive(Debug)]
pub struct Turn {
    /// What the runtime has, with what probes say of it.
    pub observed: Vec<Observed>,
    /// The containers whose restart is under way, by pod: what was observed of them is the past.
    pub restarting: BTreeMap<PodUid, String>,
    /// When to take the next turn at the latest, milliseconds; `None` when nothing waits.
    pub wake_ms: Option<i64>,
}

struct InFlight {
    work: Work,
    cancel: CancellationToken,
    task: tokio::task::Id,
}

struct Ended {
    uid: PodUid,
    result: Result<(), ActuatorError>,
}

impl Default for Pacing {
    fn default() -> Self {
        Pacing {
            starts_per_second: NonZeroU32::MIN.saturating_add(19),
            starts_burst: NonZeroU32::MIN.saturating_add(49),
            starts_in_flight_max: 8,
            stops_in_flight_max: 64,
        }
    }
}

impl Dispatcher {
    /// A dispatcher toward this runtime.
    #[must_use]
    pub fn new(
        actuator: Arc<dyn Actuator>,
        prepare: Arc<dyn Prepare>,
        clock: Clock,
        pacing: Pacing,
        books: Books,
    ) -> Self {
        let quota = Quota::per_second(pacing.starts_per_second).allow_burst(pacing.starts_burst);
        Dispatcher {
            actuator,
            prepare,
            clock,
            pacing,
            bucket: RateLimiter::direct(quota),
            books,
            healths: Arc::default(),
            in_flight: BTreeMap::new(),
            actions: JoinSet::new(),
        }
    }

    /// What probes say from now on.
    pub fn hear(&mut self, healths: Arc<Healths>) {
        self.healths = healths;
    }

    /// Observes, plans, begins what may begin.
    ///
    /// # Errors
    /// When the runtime does not answer; then nothing was begun.
    pub async fn turn(&mut self, desired: &Desired) -> Result<Turn, ActuatorError> {
        self.collect(desired);
        let mut observed = self.observe().await?;
        let now_ms = (self.clock)();
        self.keep_books(desired, &observed);
        health::tell(&mut observed, desired, &self.books, &self.healths);
        let plan = plan(desired, &observed, &self.books, &self.healths, now_ms);
        self.cancel_unwanted(desired);
        let wake_ms = self.begin(desired, plan, now_ms);
        Ok(Turn { observed, restarting: self.restarting(), wake_ms })
    }

    /// Waits until an action in flight has ended; forever when there is none. Cancel-safe.
    pub async fn ended(&mut self, desired: &Desired) {
        match self.actions.join_next().await {
            Some(ended) => self.note(desired, ended),
            None => std::future::pending().await,
        }
    }

    /// What is remembered of the pods.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// How many actions are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether a pod is about to start that should not run and may run at most once: it may be there in
    /// a moment, though nothing is seen of it.
    #[must_use]
    pub fn is_starting_unwanted(&self, desired: &Desired) -> bool {
        self.in_flight.iter().any(|(uid, action)| {
            let book = self.books.get(uid);
            let starts = matches!(action.work, Work::Start { .. } | Work::Restart { .. });
            let is_wanted = desired.pods.contains_key(uid);
            starts && !is_wanted && book.is_some_and(|book| book.at_most_one)
        })
    }

    /// Ends: actions in flight may finish within this time, then they are cancelled. Pods run on.
    pub async fn drain(mut self, within: Duration) {
        let all = async { while self.actions.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            self.in_flight.values().for_each(|action| action.cancel.cancel());
            self.actions.shutdown().await;
        }
    }

    fn restarting(&self) -> BTreeMap<PodUid, String> {
        let container = |(uid, action): (&PodUid, &InFlight)| match &action.work {
            Work::Restart { container, .. } => Some((uid.clone(), container.clone())),
            Work::Start { .. } | Work::Stop { .. } | Work::End { .. } => None,
        };
        self.in_flight.iter().filter_map(container).collect()
    }

    async fn observe(&self) -> Result<Vec<Observed>, ActuatorError> {
        let late = |_| ActuatorError::transient("RuntimeTimeout", "the runtime does not answer");
        tokio::time::timeout(OBSERVE_MAX, self.actuator.observe()).await.map_err(late)?
    }

    /// Notes the actions that have ended, before looking: afterwards would be too late.
    fn collect(&mut self, desired: &Desired) {
        while let Some(ended) = self.actions.try_join_next() {
            self.note(desired, ended);
        }
    }

    fn note(&mut self, desired: &Desired, ended: Result<Ended, tokio::task::JoinError>) {
        let Some(Ended { uid, result }) = ended.map(Some).unwrap_or_else(|e| self.crashed(&e))
        else {
            return;
        };
        let Some(action) = self.in_flight.remove(&uid) else { return };
        let pod = desired.pods.get(&uid);
        let now_ms = (self.clock)();
        match (&result, &action.work) {
            (Ok(()), work) => info!(pod = %uid, ?work, "done"),
            (Err(error), work) => {
                warn!(pod = %uid, ?work, %error, reason = error.reason(), "failed")
            }
        }
        let Some(pod) = pod else { return };
        let book = self.books.of(&uid, pod.placement.generation, grace_ms(pod));
        match (result, action.work) {
            (Ok(()), Work::Start { .. }) => book.failure = None,
            (Err(ActuatorError::Cancelled), _) | (Ok(()), _) => {}
            (Err(error), Work::Start { .. }) => book.note_failure(&pod.rule, &error, now_ms),
            // The next turn observes how it is and plans anew; the history makes it wait.
            (Err(_), Work::Restart { .. } | Work::Stop { .. } | Work::End { .. }) => {}
        }
    }

    /// A runtime that panicked has failed like any other; its pod is tried again.
    fn crashed(&self, error: &tokio::task::JoinError) -> Option<Ended> {
        tracing::error!(%error, "an action of a runtime panicked");
        let of_it = |(_, action): &(&PodUid, &InFlight)| action.task == error.id();
        let (uid, _) = self.in_flight.iter().find(of_it)?;
        let result = Err(ActuatorError::transient("RuntimePanicked", "the runtime panicked"));
        Some(Ended { uid: uid.clone(), result })
    }

    fn keep_books(&mut self, desired: &Desired, observed: &[Observed]) {
        for (uid, pod) in &desired.pods {
            let book = self.books.of(uid, pod.placement.generation, grace_ms(pod));
            book.at_most_one = pod.placement.at_most_one;
        }
        let runs = |uid: &PodUid| observed.iter().any(|pod| pod.uid == *uid);
        let wanted =
            |uid: &PodUid| desired.pods.contains_key(uid) || self.in_flight.contains_key(uid);
        let all = desired.authority < crate::desired::Authority::Full;
        self.books.retain(|uid| all || wanted(uid) || runs(uid));
    }

    /// A start that is under way for a pod that should no longer run, or not this generation.
    fn cancel_unwanted(&self, desired: &Desired) {
        for (uid, action) in &self.in_flight {
            let wanted = desired.pods.get(uid).filter(|pod| !desired.is_fenced(pod));
            let wanted = wanted.map(|pod| pod.placement.generation);
            let is_unwanted = match action.work {
                Work::Start { generation } => wanted != Some(generation),
                Work::Restart { .. } | Work::End { .. } => wanted.is_none(),
                Work::Stop { .. } => false,
            };
            if is_unwanted {
                action.cancel.cancel();
            }
        }
    }

    /// Begins what may begin now, the most urgent first; returns when to look again.
    fn begin(&mut self, desired: &Desired, plan: Plan, now_ms: i64) -> Option<i64> {
        let mut wake_ms = plan.wake_ms;
        let mut works: Vec<(PodUid, Work)> = plan.works.into_iter().collect();
        works.retain(|(uid, _)| !self.in_flight.contains_key(uid));
        works.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        for (uid, work) in works {
            if !self.has_place(&work) {
                let retry_ms = now_ms.saturating_add(RETRY_MS);
                wake_ms = Some(wake_ms.map_or(retry_ms, |ms| ms.min(retry_ms)));
                continue;
            }
            self.begin_one(uid, work, desired);
        }
        wake_ms
    }

    fn has_place(&self, work: &Work) -> bool {
        let is_stop = |work: &Work| matches!(work, Work::Stop { .. } | Work::End { .. });
        let same = |action: &&InFlight| is_stop(&action.work) == is_stop(work);
        let in_flight = self.in_flight.values().filter(same).count();
        if is_stop(work) {
            return in_flight < self.pacing.stops_in_flight_max;
        }
        in_flight < self.pacing.starts_in_flight_max && self.bucket.check().is_ok()
    }

    fn begin_one(&mut self, uid: PodUid, work: Work, desired: &Desired) {
        let pod = desired.pods.get(&uid);
        if let Some(pod) = pod {
            let book = self.books.of(&uid, pod.placement.generation, grace_ms(pod));
            note_begun(book, &work);
        }
        if let Err(error) = self.books.save() {
            warn!(%error, "failed to write down restart counts");
        }
        let cancel = CancellationToken::new();
        let action = Action {
            actuator: self.actuator.clone(),
            prepare: self.prepare.clone(),
            uid: uid.clone(),
            pod: pod.cloned(),
            work: work.clone(),
            cancel: cancel.clone(),
        };
        info!(pod = %uid, ?work, "begun");
        let task = self.actions.spawn(action.run()).id();
        let former = self.in_flight.insert(uid, InFlight { work, cancel, task });
        assert!(former.is_none(), "a pod has two actions in flight");
    }
}

/// One action, with all that it needs.
struct Action {
    actuator: Arc<dyn Actuator>,
    prepare: Arc<dyn Prepare>,
    uid: PodUid,
    pod: Option<DesiredPod>,
    work: Work,
    cancel: CancellationToken,
}

impl Action {
    async fn run(self) -> Ended {
        let result = match tokio::time::timeout(self.deadline(), self.act()).await {
            Ok(result) => result,
            Err(_) => {
                Err(ActuatorError::transient("DeadlineExceeded", "the runtime takes too long"))
            }
        };
        Ended { uid: self.uid, result }
    }

    fn deadline(&self) -> Duration {
        match &self.work {
            Work::Stop { grace } | Work::End { grace, .. } => grace.saturating_add(STOP_EXTRA),
            Work::Restart { .. } => RESTART_MAX,
            Work::Start { .. } => START_MAX,
        }
    }

    async fn act(&self) -> Result<(), ActuatorError> {
        match (&self.work, &self.pod) {
            (Work::Stop { grace }, _) => self.actuator.stop(&self.uid, *grace, &self.cancel).await,
            (Work::Restart { container, .. }, _) => {
                self.actuator.restart_container(&self.uid, container).await
            }
            (Work::End { container, grace, .. }, _) => {
                self.actuator.end_container(&self.uid, container, *grace, &self.cancel).await
            }
            (Work::Start { .. }, Some(pod)) => {
                let ready = tokio::select! {
                    ready = self.prepare.prepare(pod) => ready?,
                    () = self.cancel.cancelled() => return Err(ActuatorError::Cancelled),
                };
                self.actuator.start(&ready, &self.cancel).await
            }
            // A start is planned for pods of the list only.
            (Work::Start { .. }, None) => Err(ActuatorError::Cancelled),
        }
    }
}

/// What of a work must be known also when we end before it is done.
fn note_begun(book: &mut Book, work: &Work) {
    match work {
        Work::Restart { container, history } => {
            book.histories.insert(container.clone(), *history);
        }
        Work::End { container, ending, .. } => {
            book.endings.insert(container.clone(), ending.clone());
        }
        Work::Start { .. } | Work::Stop { .. } => {}
    }
}

fn grace_ms(pod: &DesiredPod) -> u64 {
    u64::try_from(pod.grace().as_millis()).unwrap_or(u64::MAX)
}
