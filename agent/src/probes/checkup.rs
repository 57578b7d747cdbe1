//! All probes of one life of a container, together: startup before the others. Pure.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/pods/probes/>, and the kubelet's prober for
//! what that leaves open: a container is not ready before it was asked, and lives until it fails.

use setpoint_actuators::{Failed, Health, Life};
use setpoint_schemas::{Container, Probe, cut};

use super::machine::{Machine, Timing, Verdict};

/// What is told of a failure: a program may have written anything, and as much.
const MESSAGE_BYTES_MAX: usize = 1_024;
/// A program whose words change each time is not told of each time: each is a record on the log.
const MESSAGE_PAUSE_MS: i64 = 60_000;
/// Those that begin together part by up to this part of their period.
const SHIFT_PART: i64 = 10;

/// Which probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Startup,
    Liveness,
    Readiness,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Passed,
    /// And why.
    Failed(String),
    /// It could not be asked, and why: it counts for nothing.
    Unknown(String),
}

/// Where a container stands when its checkup begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The time.
    pub(super) now_ms: i64,
    /// For how long the container has run.
    pub(super) age_ms: i64,
    /// Where in its period it is asked, of a thousand parts: differs from container to container.
    pub(super) spread: i64,
}

/// All probes of one life of a container.
#[derive(Debug, Clone)]
pub(super) struct Checkup {
    startup: Option<Machine>,
    liveness: Option<Machine>,
    readiness: Option<Machine>,
    health: Health,
    /// When the container began.
    begun_ms: i64,
    spread: i64,
    /// When the message was told.
    told_ms: i64,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Startup, Kind::Liveness, Kind::Readiness];

    fn word(self) -> &'static str {
        match self {
            Kind::Startup => "Startup",
            Kind::Liveness => "Liveness",
            Kind::Readiness => "Readiness",
        }
    }

    /// The probe of this kind that a container has.
    pub(super) fn of(self, container: &Container) -> Option<&Probe> {
        match self {
            Kind::Startup => container.startup_probe.as_ref(),
            Kind::Liveness => container.liveness_probe.as_ref(),
            Kind::Readiness => container.readiness_probe.as_ref(),
        }
    }
}

impl Checkup {
    /// Of a container of which nothing is known.
    pub(super) fn begin(container: &Container, life: Life, start: Start) -> Self {
        let mut checkup = Checkup::new(container, life, start);
        match &mut checkup.startup {
            Some(startup) => {
                let at_ms = checkup.begun_ms.saturating_add(startup.timing().delay_ms);
                startup.begin(at_ms.max(start.now_ms), shift_ms(startup, start.spread));
            }
            None => checkup.start(start.now_ms),
        }
        checkup
    }

    /// Of a container about which a former agent said this: it goes on from there, and is asked
    /// anew within a period, or when its first time had come.
    pub(super) fn resume(container: &Container, before: &Health, start: Start) -> Self {
        if !before.started {
            return Checkup::begin(container, before.life.clone(), start);
        }
        let mut checkup = Checkup::new(container, before.life.clone(), start);
        checkup.health = before.clone();
        if let Some(readiness) = &mut checkup.readiness {
            let verdict = if before.ready { Verdict::Passes } else { Verdict::Fails };
            *readiness = Machine::new(readiness.timing(), verdict);
        }
        for machine in [&mut checkup.liveness, &mut checkup.readiness].into_iter().flatten() {
            let late_ms = machine.timing().period_ms.saturating_mul(start.spread) / 1_000;
            let first_ms = checkup.begun_ms.saturating_add(machine.timing().delay_ms);
            machine.begin(first_ms.max(start.now_ms).saturating_add(late_ms), 0);
        }
        checkup
    }

    fn new(container: &Container, life: Life, start: Start) -> Self {
        let machine = |kind: Kind, verdict| {
            kind.of(container).map(|probe| Machine::new(Timing::of(probe), verdict))
        };
        let startup = machine(Kind::Startup, Verdict::Open);
        let readiness = machine(Kind::Readiness, Verdict::Open);
        let started = startup.is_none();
        let ready = started && readiness.is_none();
        Checkup {
            startup,
            liveness: machine(Kind::Liveness, Verdict::Passes),
            readiness,
            health: Health { life, started, ready, message: String::new(), failed: None },
            begun_ms: start.now_ms.saturating_sub(start.age_ms.max(0)),
            spread: start.spread,
            told_ms: i64::MIN,
        }
    }

    /// What is said of it now.
    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// When the probe of this kind is to be asked; `None` while it is not.
    pub(super) fn due_ms(&self, kind: Kind) -> Option<i64> {
        self.machine(kind)?.due_ms()
    }

    /// Whether the probe of this kind is to be asked now; it is in flight then.
    pub(super) fn ask(&mut self, kind: Kind, now_ms: i64) -> bool {
        self.machine_mut(kind).is_some_and(|machine| machine.ask(now_ms))
    }

    /// Takes in what a probe answered.
    pub(super) fn answered(&mut self, kind: Kind, probe: &Probe, answer: &Answer, now_ms: i64) {
        let passed = match answer {
            Answer::Passed => Some(true),
            Answer::Failed(_) => Some(false),
            Answer::Unknown(_) => None,
        };
        let Some(machine) = self.machine_mut(kind) else { return };
        let before = machine.verdict();
        let verdict = machine.answered(passed, now_ms);
        let failed_now = verdict == Verdict::Fails && before != Verdict::Fails;
        match (kind, verdict) {
            (Kind::Startup, Verdict::Passes) => self.startup_passed(now_ms),
            (Kind::Startup | Kind::Liveness, Verdict::Fails) => self.failed(kind, probe, answer),
            (Kind::Readiness, Verdict::Passes) => self.ready(),
            (Kind::Readiness, Verdict::Fails) => self.health.ready = false,
            (_, Verdict::Open | Verdict::Passes) => {}
        }
        self.tell(kind, answer, failed_now, now_ms);
    }

    /// It has started: the others are asked from now on, and it is not asked again whether it has.
    fn startup_passed(&mut self, now_ms: i64) {
        if let Some(startup) = &mut self.startup {
            startup.hold();
        }
        if !self.health.started {
            self.health.started = true;
            self.start(now_ms);
        }
    }

    fn start(&mut self, now_ms: i64) {
        for machine in [&mut self.liveness, &mut self.readiness].into_iter().flatten() {
            let at_ms = self.begun_ms.saturating_add(machine.timing().delay_ms);
            machine.begin(at_ms.max(now_ms), shift_ms(machine, self.spread));
        }
        if self.readiness.is_none() {
            self.ready();
        }
    }

    /// Why it is to be ended stays said until it has.
    fn ready(&mut self) {
        self.health.ready = true;
        if self.health.failed.is_none() {
            self.health.message.clear();
        }
    }

    /// It is to be ended, and not asked again: the next life begins anew.
    fn failed(&mut self, kind: Kind, probe: &Probe, answer: &Answer) {
        let message = sentence(kind, answer);
        self.health.failed = Some(Failed { message, grace: probe.grace() });
        [&mut self.startup, &mut self.liveness].into_iter().flatten().for_each(Machine::hold);
    }

    /// Says what failed: at once where it changes something, otherwise now and then while it is not
    /// ready.
    fn tell(&mut self, kind: Kind, answer: &Answer, is_news: bool, now_ms: i64) {
        if *answer == Answer::Passed || (self.health.ready && !is_news) {
            return;
        }
        let is_time = now_ms.saturating_sub(self.told_ms) >= MESSAGE_PAUSE_MS;
        if is_news || self.health.message.is_empty() || is_time {
            self.health.message = sentence(kind, answer);
            self.told_ms = now_ms;
        }
    }

    fn machine(&self, kind: Kind) -> Option<&Machine> {
        match kind {
            Kind::Startup => self.startup.as_ref(),
            Kind::Liveness => self.liveness.as_ref(),
            Kind::Readiness => self.readiness.as_ref(),
        }
    }

    fn machine_mut(&mut self, kind: Kind) -> Option<&mut Machine> {
        match kind {
            Kind::Startup => self.startup.as_mut(),
            Kind::Liveness => self.liveness.as_mut(),
            Kind::Readiness => self.readiness.as_mut(),
        }
    }
}

fn shift_ms(machine: &Machine, spread: i64) -> i64 {
    machine.timing().period_ms.saturating_mul(spread) / 1_000 / SHIFT_PART
}

/// The kubelet's words.
fn sentence(kind: Kind, answer: &Answer) -> String {
    let (verb, why) = match answer {
        Answer::Passed => return String::new(),
        Answer::Failed(why) => ("failed", why),
        Answer::Unknown(why) => ("errored", why),
    };
    cut(format!("{} probe {verb}: {}", kind.word(), why.trim()), MESSAGE_BYTES_MAX)
}

#[cfg(test)]
#[path = "checkup_tests.rs"]
mod tests;
