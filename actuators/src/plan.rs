//! What is to be done on a node now: the difference between what it should run and what it runs.
//!
//! Invariants: at most one work a pod; a settled node yields an empty plan; planning twice from the
//! same state yields the same plan; nothing is stopped without full authority, but for pods that may run
//! at most once while they may not.
//! Absent: clocks, waiting, carrying out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use setpoint_schemas::{ContainerEnd, ContainerObserved, ContainerState, PodUid};

use crate::book::{Book, Books, Ending};
use crate::desired::{Authority, Desired, DesiredPod};
use crate::fence::Fence;
use crate::health::{Healths, failed};
use crate::life::Life;
use crate::restart::{History, Verdict, end_of, restart};
use crate::stages::Stages;
use crate::{Observed, grace_of};

/// The time between the stop signal and the kill of a pod that its node evicts. Source: the kubelet's
/// `immediateEvictionGracePeriodSeconds`.
const EVICTION_GRACE: Duration = Duration::from_secs(1);

/// All that is to be done now, and when to look again at the latest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// By pod; the order says nothing.
    pub works: BTreeMap<PodUid, Work>,
    /// When the next wait ends, milliseconds.
    pub wake_ms: Option<i64>,
}

/// One thing to be done with a pod. Ordered by urgency: what ends makes room for what starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// It should not run.
    Stop {
        /// The time between the stop signal and the kill.
        grace: Duration,
    },
    /// It has ended for good, and containers of it still run: they are ended, and it stays.
    Finish {
        /// The time between the stop signal and the kill.
        grace: Duration,
    },
    /// A container of it runs and is to be ended, because a probe of it failed for good, or its hook
    /// after the start did.
    End {
        /// The container.
        container: String,
        /// The time between the stop signal and the kill.
        grace: Duration,
        /// What is written down of it before it is done.
        ending: Ending,
    },
    /// A container of it was started, and its hook is to be run.
    Greet {
        /// The container.
        container: String,
        /// The life that it is in.
        life: Life,
    },
    /// A container of it ended and starts again in place.
    Restart {
        /// The container.
        container: String,
        /// Its history once this is done.
        history: History,
        /// How it ended: what is told of it while its next life runs.
        ended: ContainerEnd,
    },
    /// It should run, or run a higher generation, or has containers that never started.
    Start {
        /// The generation to run.
        generation: i64,
        /// The containers whose time has not come.
        held: BTreeSet<String>,
    },
}

/// What is to be done, from what should run, what runs, what is remembered, what probes say, and the
/// time.
#[must_use]
pub fn plan(
    desired: &Desired,
    observed: &[Observed],
    books: &Books,
    healths: &Healths,
    now_ms: i64,
) -> Plan {
    let mut plan = Plan::default();
    if let Fence::Closed { grace } = desired.fence {
        let fenced = observed.iter().filter(|pod| is_at_most_one(&pod.uid, desired, books));
        plan.works.extend(fenced.map(|pod| {
            let usual = books.get(&pod.uid).map_or(grace, |b| Duration::from_millis(b.grace_ms));
            (pod.uid.clone(), Work::Stop { grace: usual.min(grace) })
        }));
    }
    if desired.authority == Authority::None {
        return plan;
    }
    let running: BTreeMap<&PodUid, &Observed> = observed.iter().map(|o| (&o.uid, o)).collect();
    for (uid, pod) in desired.pods.iter().filter(|(_, pod)| !desired.is_fenced(pod)) {
        let known = Known { book: books.get(uid), healths, now_ms };
        let need = need(pod, running.get(uid).copied(), known);
        plan.note(uid, need, desired.authority);
    }
    let is_left = |uid: &PodUid, plan: &Plan| {
        !desired.pods.contains_key(uid) && !plan.works.contains_key(uid)
    };
    for uid in running.keys() {
        if !is_left(uid, &plan) {
            continue;
        }
        let grace =
            books.get(uid).map_or_else(grace_default, |b| Duration::from_millis(b.grace_ms));
        plan.note(uid, Need::Now(Work::Stop { grace }), desired.authority);
    }
    plan
}

/// Whether a pod may run at most once: by the list, or by what was written down when it was on one.
fn is_at_most_one(uid: &PodUid, desired: &Desired, books: &Books) -> bool {
    let listed = desired.pods.get(uid).map(|pod| pod.placement.at_most_one);
    listed.unwrap_or_else(|| books.get(uid).is_some_and(|book| book.at_most_one))
}

/// What one pod needs.
enum Need {
    Nothing,
    Now(Work),
    At(i64),
}

/// What is known beside what should run and what runs.
#[derive(Clone, Copy)]
struct Known<'a> {
    book: Option<&'a Book>,
    healths: &'a Healths,
    now_ms: i64,
}

fn need(pod: &DesiredPod, runs: Option<&Observed>, known: Known<'_>) -> Need {
    if !pod.invalid.is_empty() {
        return Need::Nothing;
    }
    let generation = pod.placement.generation;
    if runs.is_some_and(|runs| runs.generation > generation) {
        return Need::Nothing;
    }
    let known = Known { book: known.book.filter(|book| book.generation == generation), ..known };
    let stages = Stages::of(pod, runs, known.book);
    if pod.ended || has_finished(known.book) || stages.conclusion(known.now_ms).is_some() {
        return need_of_ending(pod, runs, &stages, known.book);
    }
    let held = stages.held();
    let need = match runs.filter(|runs| runs.generation == generation) {
        Some(runs) if !stages.lacks(&held) => need_of_started(pod, runs, known),
        // A container that cannot start must not keep the others from restarting.
        Some(runs) => match need_of_start(generation, held, known) {
            Need::Now(start) => Need::Now(start),
            later => sooner(later, need_of_started(pod, runs, known)),
        },
        None => need_of_start(generation, held, known),
    };
    sooner(need, stages.due_ms().map_or(Need::Nothing, Need::At))
}

/// What still runs of a pod that has ended for good is ended. Of one that its node evicted all is removed
/// once it was written down how it ended: what it held is what was missing.
fn need_of_ending(
    pod: &DesiredPod,
    runs: Option<&Observed>,
    stages: &Stages<'_>,
    book: Option<&Book>,
) -> Need {
    let is_evicted = book.is_some_and(|book| book.evicted.is_some());
    let grace = if is_evicted { pod.grace().min(EVICTION_GRACE) } else { pod.grace() };
    match runs {
        _ if stages.is_running() => Need::Now(Work::Finish { grace }),
        Some(_) if is_evicted && has_finished(book) => Need::Now(Work::Stop { grace }),
        _ => Need::Nothing,
    }
}

fn has_finished(book: Option<&Book>) -> bool {
    book.is_some_and(|book| book.finished.is_some())
}

fn need_of_start(
    generation: i64,
    held: BTreeSet<String>,
    Known { book, now_ms, .. }: Known<'_>,
) -> Need {
    let Some(failure) = book.and_then(|book| book.failure.as_ref()) else {
        return Need::Now(Work::Start { generation, held });
    };
    match failure.retry_ms {
        None => Need::Nothing,
        Some(retry_ms) if failure.noted_ms <= now_ms && now_ms < retry_ms => Need::At(retry_ms),
        Some(_) => Need::Now(Work::Start { generation, held }),
    }
}

/// What of its containers is to be ended, and what has ended and starts again.
fn need_of_started(pod: &DesiredPod, runs: &Observed, known: Known<'_>) -> Need {
    let ended = sooner(need_of_greeting(pod, runs, known), need_of_ended(pod, runs, known));
    sooner(need_of_failed(pod, runs, known), ended)
}

/// The first container that was started and whose hook is still to be run.
fn need_of_greeting(pod: &DesiredPod, runs: &Observed, Known { book, .. }: Known<'_>) -> Need {
    let stages = Stages::of(pod, Some(runs), book);
    let greet = |seen: &ContainerObserved| {
        let spec = pod.spec.every_container().find(|spec| spec.name == seen.name)?;
        let (container, life) = (seen.name.clone(), Life::of(seen));
        stages.is_to_be_greeted(spec, seen).then_some(Work::Greet { container, life })
    };
    runs.containers.iter().find_map(greet).map_or(Need::Nothing, Need::Now)
}

fn need_of_failed(pod: &DesiredPod, runs: &Observed, known: Known<'_>) -> Need {
    let ungreeted = |container: &ContainerObserved| {
        let ending = known.book?.ungreeted.get(&container.name)?;
        let is_it = container.state == ContainerState::Running && ending.life.is_of(container);
        let (name, ending) = (container.name.clone(), ending.clone());
        is_it.then(|| Work::End { container: name, grace: pod.grace(), ending })
    };
    if let Some(end) = runs.containers.iter().find_map(ungreeted) {
        return Need::Now(end);
    }
    let end = |container: &ContainerObserved| {
        let failed = failed(known.healths, &runs.uid, container)?;
        Some(Work::End {
            container: container.name.clone(),
            grace: failed.grace.unwrap_or_else(|| pod.grace()),
            ending: Ending { life: Life::of(container), message: failed.message },
        })
    };
    runs.containers.iter().find_map(end).map_or(Need::Nothing, Need::Now)
}

fn need_of_ended(pod: &DesiredPod, runs: &Observed, Known { book, now_ms, .. }: Known<'_>) -> Need {
    runs.containers.iter().fold(Need::Nothing, |need, container| {
        let Some(end) = end_of(container) else { return need };
        let history = book.map(|book| book.history(&container.name)).unwrap_or_default();
        match restart(&pod.rule_of(&container.name), history, end, now_ms) {
            Verdict::Restart(history) => {
                let Some(ended) = container.end() else { return need };
                let container = container.name.clone();
                sooner(need, Need::Now(Work::Restart { container, history, ended }))
            }
            Verdict::Wait { until_ms, .. } => sooner(need, Need::At(until_ms)),
            Verdict::Settled | Verdict::Exhausted => need,
        }
    })
}

fn sooner(one: Need, other: Need) -> Need {
    match (one, other) {
        (Need::Now(work), _) | (_, Need::Now(work)) => Need::Now(work),
        (Need::At(a), Need::At(b)) => Need::At(a.min(b)),
        (Need::At(at), Need::Nothing) | (Need::Nothing, Need::At(at)) => Need::At(at),
        (Need::Nothing, Need::Nothing) => Need::Nothing,
    }
}

fn grace_default() -> Duration {
    grace_of(&setpoint_schemas::PodSpec::default())
}

impl Plan {
    fn note(&mut self, uid: &PodUid, need: Need, authority: Authority) {
        match need {
            Need::Nothing => {}
            Need::At(at_ms) => self.wake_ms = Some(self.wake_ms.map_or(at_ms, |ms| ms.min(at_ms))),
            Need::Now(work) if work.authority() <= authority => {
                let former = self.works.insert(uid.clone(), work);
                assert!(former.is_none(), "pod {uid} has two works");
            }
            Need::Now(_) => {}
        }
    }
}

impl Work {
    fn authority(&self) -> Authority {
        match self {
            Work::Restart { .. } | Work::End { .. } | Work::Greet { .. } | Work::Finish { .. } => {
                Authority::Remembered
            }
            Work::Start { .. } | Work::Stop { .. } => Authority::Full,
        }
    }
}

#[cfg(test)]
mod tests;
