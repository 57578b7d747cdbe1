//! The prober of a node: asks each container when it is due, and says what follows.
//!
//! Guarantee: one question a probe in flight, a bounded number of commands and of others in all; the
//! longest due is asked first.
//! What is said was written down before, so that the next agent goes on from there; answers that come
//! together are written down together.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use setpoint_actuators::{Actuator, Health, Healths};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::ask::Asker;
use super::checkup::{Answer, Checkup, Kind, Start};
use super::memory::Memory;
use super::subject::{Key, Subject};
use crate::clock::now_ms;

/// Commands in flight a node: as many as a runtime runs at once without noticing, and with the usual
/// second to answer enough for a node whose pods all hang.
const COMMANDS_MAX: usize = 64;
/// Other questions in flight a node: more than its pods have, by Kubernetes' 110 a node, so that those who
/// hang keep nobody waiting; each is a socket of the agent's.
const QUESTIONS_MAX: usize = 512;
/// Nothing is due for longer than this only where nobody is asked.
const WAKE_MAX: Duration = Duration::from_secs(3_600);

/// The prober of a node.
pub(crate) struct Prober {
    asker: Arc<Asker>,
    memory: Memory,
    /// What a former agent said of containers that were not seen yet.
    known: BTreeMap<Key, Health>,
    rounds: BTreeMap<Key, Round>,
    /// When which probe is due. An entry whose round says otherwise is stale.
    queue: BTreeSet<(i64, Key, Kind)>,
    asked: JoinSet<Heard>,
    /// How many of those that are asked are commands.
    commands: usize,
    healths: watch::Sender<Arc<Healths>>,
    began: Instant,
}

/// A container that is asked.
struct Round {
    subject: Arc<Subject>,
    checkup: Checkup,
}

/// An answer.
struct Heard {
    subject: Arc<Subject>,
    kind: Kind,
    answer: Answer,
}

impl Prober {
    /// The prober of this runtime, and what it says; at first what it said last, by this folder.
    pub(crate) fn open(
        actuator: Arc<dyn Actuator>,
        folder: &Path,
    ) -> (Prober, watch::Receiver<Arc<Healths>>) {
        let (memory, known) = Memory::open(folder);
        let mut healths = Healths::default();
        for (key, health) in &known {
            healths.set(&key.uid, &key.container, health.clone());
        }
        let (tell, hear) = watch::channel(Arc::new(healths));
        let prober = Prober {
            asker: Arc::new(Asker::new(actuator)),
            memory,
            known,
            rounds: BTreeMap::new(),
            queue: BTreeSet::new(),
            asked: JoinSet::new(),
            commands: 0,
            healths: tell,
            began: Instant::now(),
        };
        (prober, hear)
    }

    /// Asks for ever those that are to be asked.
    pub(crate) async fn run(mut self, mut subjects: watch::Receiver<Arc<Vec<Subject>>>) {
        loop {
            self.ask_due();
            let wake = self.wake();
            tokio::select! {
                changed = subjects.changed() => match changed {
                    Ok(()) => {
                        let now = subjects.borrow_and_update().clone();
                        self.take_in(&now);
                    }
                    // Nobody is there any more to hear of it.
                    Err(_) => return,
                },
                Some(Ok(heard)) = self.asked.join_next() => self.heard_all(&heard),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// From now on these are asked.
    fn take_in(&mut self, subjects: &[Subject]) {
        let kept: BTreeSet<&Key> = subjects.iter().map(|subject| &subject.key).collect();
        self.rounds.retain(|key, _| kept.contains(key));
        self.queue.retain(|(_, key, _)| kept.contains(key));
        for subject in subjects {
            match self.rounds.get_mut(&subject.key) {
                Some(round) if *round.subject == *subject => {}
                // Somewhere else, or asked by another copy of its spec; not by another spec.
                Some(round) if round.subject.life == subject.life => {
                    round.subject = Arc::new(subject.clone());
                }
                _ => self.begin(subject),
            }
        }
        self.say();
    }

    fn begin(&mut self, subject: &Subject) {
        let start = Start {
            now_ms: self.now_ms(),
            age_ms: now_ms().saturating_sub(subject.life.started_ms),
            spread: subject.key.spread(),
        };
        let known = self.known.remove(&subject.key).filter(|health| health.life == subject.life);
        let container = subject.container();
        let checkup = match &known {
            Some(before) => Checkup::resume(container, before, start),
            None => Checkup::begin(container, subject.life.clone(), start),
        };
        let round = Round { subject: Arc::new(subject.clone()), checkup };
        self.rounds.insert(subject.key.clone(), round);
        self.queue.retain(|(_, key, _)| *key != subject.key);
        self.enqueue(&subject.key);
    }

    fn enqueue(&mut self, key: &Key) {
        let Some(round) = self.rounds.get(key) else { return };
        for kind in Kind::ALL {
            if let Some(due_ms) = round.checkup.due_ms(kind) {
                self.queue.insert((due_ms, key.clone(), kind));
            }
        }
    }

    fn ask_due(&mut self) {
        let now_ms = self.now_ms();
        while let Some(next) = self.next().filter(|(due_ms, ..)| *due_ms <= now_ms).cloned() {
            self.queue.remove(&next);
            let (due_ms, key, kind) = next;
            let Some(round) = self.rounds.get_mut(&key) else { continue };
            if round.checkup.due_ms(kind) == Some(due_ms) && round.checkup.ask(kind, now_ms) {
                self.commands += usize::from(is_command(&round.subject, kind));
                self.asked.spawn(ask(self.asker.clone(), round.subject.clone(), kind));
            }
        }
    }

    /// What is due first of that for which there is room.
    fn next(&self) -> Option<&(i64, Key, Kind)> {
        let others = self.asked.len() - self.commands;
        let rooms = [others < QUESTIONS_MAX, self.commands < COMMANDS_MAX];
        let is_command = |key: &Key, kind| {
            self.rounds.get(key).is_some_and(|round| is_command(&round.subject, kind))
        };
        if !rooms.contains(&true) {
            return None;
        }
        self.queue.iter().find(|(_, key, kind)| rooms[usize::from(is_command(key, *kind))])
    }

    /// Takes in this answer and all that have come with it.
    fn heard_all(&mut self, first: &Heard) {
        let mut is_news = self.heard(first);
        while let Some(Ok(heard)) = self.asked.try_join_next() {
            is_news |= self.heard(&heard);
        }
        if is_news {
            self.say();
        }
    }

    /// Takes in an answer; whether something else is to be said by it.
    fn heard(&mut self, Heard { subject, kind, answer }: &Heard) -> bool {
        let now_ms = self.now_ms();
        self.commands -= usize::from(is_command(subject, *kind));
        let Some(round) = self.rounds.get_mut(&subject.key) else { return false };
        // What a former life answered says nothing of this one.
        let Some(probe) =
            kind.of(subject.container()).filter(|_| round.subject.life == subject.life)
        else {
            return false;
        };
        let before = round.checkup.health().clone();
        round.checkup.answered(*kind, probe, answer, now_ms);
        let health = round.checkup.health();
        if (before.started, before.ready) != (health.started, health.ready) {
            let Key { uid, container } = &subject.key;
            let (started, ready) = (health.started, health.ready);
            info!(pod = %uid, container, started, ready, "its probes say so");
        }
        if before.failed.is_none() && health.failed.is_some() {
            let Key { uid, container } = &subject.key;
            warn!(pod = %uid, container, probe = ?kind, "failed for good: it is to be ended");
        }
        let is_news = before != *health;
        self.enqueue(&subject.key);
        is_news
    }

    /// Tells what holds now, if that is something else. Whoever hears of it may tell the API at once,
    /// and we may be killed in the next instant: so it is written down first.
    fn say(&mut self) {
        let mut now = Healths::clone(&self.healths.borrow());
        let rounds = &self.rounds;
        let mut is_news = now.retain(|uid, container| {
            rounds.contains_key(&Key { uid: uid.clone(), container: container.to_owned() })
        });
        for (key, round) in rounds {
            is_news |= now.set(&key.uid, &key.container, round.checkup.health().clone());
        }
        if is_news {
            self.memory.keep(&now);
            self.healths.send_replace(Arc::new(now));
        }
    }

    /// When there is something to do at the latest.
    fn wake(&self) -> Instant {
        let due = self.next().map(|(due_ms, ..)| {
            self.began + Duration::from_millis(u64::try_from(*due_ms).unwrap_or(0))
        });
        let latest = Instant::now() + WAKE_MAX;
        due.unwrap_or(latest).min(latest)
    }

    /// Milliseconds of this prober, which no one sets back.
    fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Whether a probe asks by a command.
fn is_command(subject: &Subject, kind: Kind) -> bool {
    kind.of(subject.container()).is_some_and(|probe| probe.exec.is_some())
}

async fn ask(asker: Arc<Asker>, subject: Arc<Subject>, kind: Kind) -> Heard {
    let answer = match kind.of(subject.container()) {
        Some(probe) => AssertUnwindSafe(asker.ask(&subject, probe)).catch_unwind().await,
        None => Ok(Answer::Unknown("missing probe".to_owned())),
    };
    let answer = answer.unwrap_or_else(|_| Answer::Unknown("the prober panicked".to_owned()));
    Heard { subject, kind, answer }
}

#[cfg(test)]
#[path = "prober_tests.rs"]
mod tests;
