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

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use setpoint_schemas::PodUid;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::action::{Action, Ended};
use crate::book::{Book, Books, Ending, Finished};
use crate::desired::{Desired, DesiredPod};
use crate::health::{self, Healths};
use crate::hooks::{Call, NoCalls};
use crate::message;
use crate::plan::{Plan, Work, plan};
use crate::prepare::Prepare;
use crate::stages::Stages;
use crate::status::{PodStatus, status};
use crate::{Actuator, ActuatorError, Observed};

/// A runtime that does not list its pods within this does not answer.
const OBSERVE_MAX: Duration = Duration::from_secs(30);
/// When a token or a place is missing, we look again after this.
const RETRY_MS: i64 = 50;
/// Who could not be stopped or ended, or left a message unread, is tried again after this: a runtime that refuses at once would be
/// asked without end.
const PAUSE_MS: i64 = 1_000;

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

/// The clock of the node, milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Carries out what a node should run.
pub struct Dispatcher {
    actuator: Arc<dyn Actuator>,
    prepare: Arc<dyn Prepare>,
    call: Arc<dyn Call>,
    clock: Clock,
    pacing: Pacing,
    bucket: DefaultDirectRateLimiter,
    books: Books,
    healths: Arc<Healths>,
    in_flight: BTreeMap<PodUid, InFlight>,
    /// Until when those are left alone whose end failed, milliseconds.
    paused: BTreeMap<PodUid, i64>,
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
            call: Arc::new(NoCalls),
            clock,
            pacing,
            bucket: RateLimiter::direct(quota),
            books,
            healths: Arc::default(),
            in_flight: BTreeMap::new(),
            paused: BTreeMap::new(),
            actions: JoinSet::new(),
        }
    }

    /// The same, which sends the requests of hooks.
    #[must_use]
    pub fn calling(mut self, call: Arc<dyn Call>) -> Self {
        self.call = call;
        self
    }

    /// What probes say from now on.
    pub fn hear(&mut self, healths: Arc<Healths>) {
        self.healths = healths;
    }

    /// The node evicts a pod of this generation, for this reason: it ends for good with the next turns. One
    /// that is not taken up, or has ended, is left as it is. Written down before anything is done; where the
    /// disk is full that fails, with a warning, and it ends all the same: who measures it again evicts it again.
    pub fn evict(&mut self, uid: &PodUid, generation: i64, why: &str) {
        let is_meant = |book: &&Book| {
            book.generation == generation && book.finished.is_none() && book.evicted.is_none()
        };
        let Some(grace_ms) = self.books.get(uid).filter(is_meant).map(|book| book.grace_ms) else {
            return;
        };
        warn!(pod = %uid, why, "the pod is evicted");
        self.books.of(uid, generation, grace_ms).evicted = Some(why.to_owned());
        self.save();
    }

    /// Observes, plans, begins what may begin.
    ///
    /// # Errors
    /// When the runtime does not answer; then nothing was begun.
    pub async fn turn(&mut self, desired: &Desired) -> Result<Turn, ActuatorError> {
        self.collect(desired);
        let mut observed = self.observe().await?;
        let now_ms = (self.clock)();
        self.keep_books(desired, &observed, now_ms);
        health::tell(&mut observed, desired, &self.books, &self.healths);
        let heard = message::hear(&*self.actuator, desired, &mut self.books, &mut observed).await;
        if heard.is_late {
            self.save();
        }
        self.note_finished(desired, &observed, now_ms);
        let plan = plan(desired, &observed, &self.books, &self.healths, now_ms);
        self.cancel_unwanted(desired, &plan);
        let again_ms = heard.asks_again.then(|| now_ms.saturating_add(PAUSE_MS));
        let wake_ms = self.begin(desired, plan, now_ms).into_iter().chain(again_ms).min();
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
            _ => None,
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
        if result.is_err() && matches!(action.work, Work::Stop { .. } | Work::End { .. }) {
            self.paused.insert(uid.clone(), now_ms.saturating_add(PAUSE_MS));
        }
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
            (Ok(()), Work::Greet { container, life }) => {
                book.greeted.insert(container, life);
                self.save();
            }
            (Err(ActuatorError::Cancelled), _) | (Ok(()), _) => {}
            (Err(error), Work::Start { .. }) => book.note_failure(&pod.rule, &error, now_ms),
            (Err(error), Work::Greet { container, life }) if !error.is_transient() => {
                let message = format!("PostStartHook failed: {error}");
                book.ungreeted.insert(container, Ending { life, message });
            }
            // The next turn observes how it is and plans anew; the history or the pause makes it wait.
            (Err(_), _) => {}
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

    fn keep_books(&mut self, desired: &Desired, observed: &[Observed], now_ms: i64) {
        for (uid, pod) in &desired.pods {
            let book = self.books.of(uid, pod.placement.generation, grace_ms(pod));
            book.take_up(&pod.spec, now_ms);
            book.at_most_one = pod.placement.at_most_one;
        }
        let runs = |uid: &PodUid| observed.iter().any(|pod| pod.uid == *uid);
        let wanted =
            |uid: &PodUid| desired.pods.contains_key(uid) || self.in_flight.contains_key(uid);
        let all = desired.authority < crate::desired::Authority::Full;
        self.books.retain(|uid| all || wanted(uid) || runs(uid));
    }

    /// Writes down which pods have ended for good: also when the runtime has nothing left of them they
    /// are not started again.
    fn note_finished(&mut self, desired: &Desired, observed: &[Observed], now_ms: i64) {
        let running: BTreeMap<&PodUid, &Observed> = observed.iter().map(|o| (&o.uid, o)).collect();
        let mut is_news = false;
        for (uid, pod) in &desired.pods {
            let (runs, book) = (running.get(uid).copied(), self.books.get(uid));
            let stages = Stages::of(pod, runs, book);
            let has_ended = !stages.is_running() && stages.conclusion(now_ms).is_some();
            if !has_ended || book.is_none_or(|book| book.finished.is_some()) {
                continue;
            }
            let told = status(pod, runs, book, None, now_ms);
            info!(pod = %uid, phase = ?told.phase, reason = told.reason, "a pod has ended for good");
            let book = self.books.of(uid, pod.placement.generation, grace_ms(pod));
            book.finished = Some(finished(told));
            is_news = true;
        }
        if is_news {
            self.save();
        }
    }

    fn save(&self) {
        if let Err(error) = self.books.save() {
            warn!(%error, "failed to write down what is remembered of pods");
        }
    }

    /// A start that is under way for a pod that should no longer run, or not this generation; a hook
    /// whose container something else is to become of.
    fn cancel_unwanted(&self, desired: &Desired, plan: &Plan) {
        for (uid, action) in &self.in_flight {
            let wanted = desired.pods.get(uid).filter(|pod| !desired.is_fenced(pod));
            let wanted = wanted.map(|pod| pod.placement.generation);
            let is_unwanted = match &action.work {
                Work::Start { generation, .. } => wanted != Some(*generation),
                Work::Stop { .. } => false,
                Work::Greet { .. } => plan.works.get(uid) != Some(&action.work),
                _ => wanted.is_none(),
            };
            if is_unwanted {
                action.cancel.cancel();
            }
        }
    }

    /// Begins what may begin now, the most urgent first; returns when to look again.
    fn begin(&mut self, desired: &Desired, plan: Plan, now_ms: i64) -> Option<i64> {
        // A clock that was set back pauses nobody longer than it should.
        let is_paused =
            |until_ms: i64| (now_ms..=now_ms.saturating_add(PAUSE_MS)).contains(&until_ms);
        self.paused.retain(|_, until_ms| is_paused(*until_ms));
        let mut wake_ms = plan.wake_ms.into_iter().chain(self.paused.values().copied()).min();
        let mut works: Vec<(PodUid, Work)> = plan.works.into_iter().collect();
        works
            .retain(|(uid, _)| !self.in_flight.contains_key(uid) && !self.paused.contains_key(uid));
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
        // What mostly waits.
        let is_stop = |work: &Work| !matches!(work, Work::Start { .. } | Work::Restart { .. });
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
        self.save();
        let cancel = CancellationToken::new();
        let action = Action {
            actuator: self.actuator.clone(),
            prepare: self.prepare.clone(),
            call: self.call.clone(),
            parting: self.books.get(&uid).map(|book| book.parting.clone()).unwrap_or_default(),
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

fn finished(told: PodStatus) -> Finished {
    let PodStatus { phase, reason, message, started_ms, containers, .. } = told;
    Finished { phase, reason, message, started_ms, containers }
}

/// What of a work must be known also when we end before it is done.
fn note_begun(book: &mut Book, work: &Work) {
    match work {
        Work::Restart { container, history, ended } => {
            book.histories.insert(container.clone(), *history);
            book.lasts.insert(container.clone(), ended.clone());
        }
        Work::End { container, ending, .. } => {
            book.endings.insert(container.clone(), ending.clone());
        }
        _ => {}
    }
}

fn grace_ms(pod: &DesiredPod) -> u64 {
    u64::try_from(pod.grace().as_millis()).unwrap_or(u64::MAX)
}
