//! A simulated pod: what becomes of its containers as time passes.

use setpoint_actuators::{ActuatorError, Observed, PodToRun, Usage};
use setpoint_schemas::{Container, ContainerObserved, ContainerState, Placement, PodUid};

use crate::behaviour::{Answer, Behaviour};
use crate::faults::Fate;

/// What a shell and Docker say of a process that SIGKILL ended.
const CODE_OF_SIGKILL: i32 = 137;
/// A simulated container uses a tenth of a core.
const CPU_NANOS_PER_MS: i64 = 100_000;
/// A container that has lines to write writes one so often.
const LINE_EVERY_MS: i64 = 10;
/// A simulated container uses this much memory.
const MEMORY_BYTES: i64 = 32 << 20;

/// A pod on a simulated node.
#[derive(Debug, Clone)]
pub(crate) struct SimPod {
    pub(crate) placement: Placement,
    pub(crate) grace_ms: i64,
    pub(crate) containers: Vec<SimContainer>,
    /// When its containers were asked to end.
    pub(crate) asked_ms: Option<i64>,
}

/// A container on a simulated node.
#[derive(Debug, Clone)]
pub(crate) struct SimContainer {
    pub(crate) name: String,
    image: String,
    behaviour: Behaviour,
    /// What it writes, a line each [`LINE_EVERY_MS`] after its start.
    lines: Vec<String>,
    /// What it leaves as its last message.
    pub(crate) left: String,
    /// How often its start was tried.
    pub(crate) attempts: u64,
    state: State,
    /// When its life before began and ended.
    former: Option<(i64, i64)>,
    /// When it was looked at for new lines.
    looked_ms: i64,
    /// Whether it was asked to end by itself alone.
    pub(crate) is_asked: bool,
    env: Vec<(String, String)>,
    /// What a command that is run in it ends with.
    pub(crate) exec_code: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Never { reason: &'static str },
    Starting { at_ms: i64, exits: Option<(i32, i64)> },
    Running { since_ms: i64, exits: Option<(i32, i64)> },
    Ended { since_ms: i64, at_ms: i64, code: i32 },
}

impl SimPod {
    pub(crate) fn new(pod: &PodToRun) -> Self {
        SimPod {
            placement: pod.placement.clone(),
            grace_ms: i64::try_from(pod.grace().as_millis()).unwrap_or(i64::MAX),
            containers: pod.spec.every_container().map(|c| SimContainer::new(c, pod)).collect(),
            asked_ms: None,
        }
    }

    /// Lets time come to this; whether that changed anything.
    pub(crate) fn advance_to(&mut self, now_ms: i64) -> bool {
        let changed = self.containers.iter_mut().map(|container| container.advance_to(now_ms));
        changed.fold(false, |any, changed| any | changed)
    }

    /// Asks the containers to end; those that listen end at once.
    pub(crate) fn ask(&mut self, now_ms: i64) {
        self.asked_ms.get_or_insert(now_ms);
        self.containers.iter_mut().for_each(|container| container.ask(now_ms));
    }

    /// Whether something waits for one of its containers to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.asked_ms.is_some() || self.containers.iter().any(|c| c.is_asked && c.is_alive())
    }

    pub(crate) fn is_ended(&self) -> bool {
        !self.containers.iter().any(SimContainer::is_alive)
    }

    pub(crate) fn is_starting(&self) -> bool {
        self.containers.iter().any(|c| matches!(c.state, State::Starting { .. }))
    }

    pub(crate) fn observed(&self) -> Observed {
        let uid = &self.placement.uid;
        let containers: Vec<_> = self.containers.iter().map(|c| c.observed(uid)).collect();
        let started = containers.iter().map(|c| c.started_ms).filter(|&ms| ms > 0).min();
        Observed {
            uid: uid.clone(),
            generation: self.placement.generation,
            term: self.placement.term,
            namespace: self.placement.pattern.namespace.clone(),
            name: self.placement.name.clone(),
            containers,
            address: "127.0.0.1".into(),
            started_ms: started.unwrap_or(0),
        }
    }

    pub(crate) fn usage(&self, now_ms: i64) -> impl Iterator<Item = Usage> + '_ {
        self.containers.iter().filter_map(move |container| {
            let State::Running { since_ms, .. } = container.state else { return None };
            Some(Usage {
                uid: self.placement.uid.clone(),
                container: container.name.clone(),
                cpu_nanos: (now_ms - since_ms).saturating_mul(CPU_NANOS_PER_MS),
                memory_bytes: MEMORY_BYTES,
            })
        })
    }
}

impl SimContainer {
    fn new(container: &Container, pod: &PodToRun) -> Self {
        SimContainer {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            behaviour: Behaviour::of(container),
            lines: crate::behaviour::lines(container),
            left: crate::behaviour::left(container),
            attempts: 0,
            state: State::Never { reason: "ContainerCreating" },
            former: None,
            looked_ms: i64::MAX,
            is_asked: false,
            env: pod.env.get(&container.name).cloned().unwrap_or_default(),
            exec_code: 0,
        }
    }

    /// Asks it to end; one that listens ends at once.
    pub(crate) fn ask(&mut self, now_ms: i64) {
        self.is_asked = true;
        if self.behaviour != Behaviour::Stubborn {
            self.end(now_ms, 0);
        }
    }

    /// How a command ends that is run in it.
    pub(crate) fn answer(&self, command: &[String]) -> Answer {
        Answer::of(command, &self.env, self.exec_code)
    }

    pub(crate) fn was_started(&self) -> bool {
        !matches!(self.state, State::Never { .. })
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// Starts it; what it meets is its fate.
    pub(crate) fn start(&mut self, fate: Fate, now_ms: i64) -> Result<(), ActuatorError> {
        self.attempts += 1;
        self.is_asked = false;
        if self.behaviour == Behaviour::Unstartable {
            self.state = State::Never { reason: "NoCommand" };
            let error = ActuatorError::permanent("NoCommand", "the container cannot be started");
            return Err(error.of_container(&self.name));
        }
        if fate.fails {
            if !self.has_ended() {
                self.state = State::Never { reason: "RunContainerError" };
            }
            let error = ActuatorError::transient("RunContainerError", "a simulated start failed");
            return Err(error.of_container(&self.name));
        }
        if let State::Ended { since_ms, at_ms, .. } = self.state {
            self.former = Some((since_ms, at_ms));
        }
        let exits = match self.behaviour {
            Behaviour::Exits { code, after_ms } => Some((code, after_ms)),
            _ => fate.exits,
        };
        self.looked_ms = now_ms;
        self.state = State::Starting { at_ms: now_ms.saturating_add(fate.takes_ms), exits };
        self.advance_to(now_ms);
        Ok(())
    }

    /// What it wrote in this life or in the one before, each line with its time, and whether more may
    /// come; `None` when it had no such life.
    pub(crate) fn written(&self, is_former: bool, now_ms: i64) -> Option<(Vec<(i64, &str)>, bool)> {
        let (since_ms, until_ms, lives) = match (is_former, &self.state) {
            (true, _) => self.former.map(|(since_ms, at_ms)| (since_ms, at_ms, false))?,
            (false, State::Running { since_ms, .. }) => (*since_ms, now_ms, true),
            (false, State::Ended { since_ms, at_ms, .. }) => (*since_ms, *at_ms, false),
            (false, State::Never { .. } | State::Starting { .. }) => return None,
        };
        let times = (since_ms..=until_ms).step_by(LINE_EVERY_MS.unsigned_abs() as usize);
        Some((times.zip(self.lines.iter().map(String::as_str)).collect(), lives))
    }

    /// Whether a line may have come since the last look.
    fn writes(&mut self, now_ms: i64) -> bool {
        let looked_ms = std::mem::replace(&mut self.looked_ms, now_ms);
        let State::Running { since_ms, .. } = self.state else { return false };
        let lines = i64::try_from(self.lines.len()).unwrap_or(i64::MAX);
        looked_ms < since_ms.saturating_add(lines.saturating_mul(LINE_EVERY_MS))
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    pub(crate) fn kill(&mut self, now_ms: i64) {
        self.end(now_ms, CODE_OF_SIGKILL);
    }

    fn advance_to(&mut self, now_ms: i64) -> bool {
        let before = self.state.clone();
        if let State::Starting { at_ms, exits } = self.state
            && at_ms <= now_ms
        {
            self.state = State::Running { since_ms: at_ms, exits };
        }
        if let State::Running { since_ms, exits: Some((code, after_ms)) } = self.state
            && since_ms.saturating_add(after_ms) <= now_ms
        {
            self.state = State::Ended { since_ms, at_ms: since_ms.saturating_add(after_ms), code };
        }
        self.writes(now_ms) || self.state != before
    }

    fn end(&mut self, now_ms: i64, code: i32) {
        match self.state {
            State::Running { since_ms, .. } => {
                self.state = State::Ended { since_ms, at_ms: now_ms, code };
            }
            State::Starting { .. } => self.state = State::Never { reason: "ContainerCreating" },
            State::Never { .. } | State::Ended { .. } => {}
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.state, State::Starting { .. } | State::Running { .. })
    }

    fn observed(&self, uid: &PodUid) -> ContainerObserved {
        let mut seen = ContainerObserved {
            name: self.name.clone(),
            id: String::new(),
            image: self.image.clone(),
            state: ContainerState::Waiting,
            ready: false,
            restarts: 0,
            exit_code: None,
            reason: "ContainerCreating".into(),
            message: String::new(),
            started_ms: 0,
            finished_ms: 0,
            started: true,
            last: None,
        };
        match self.state {
            State::Never { reason } => seen.reason = reason.into(),
            State::Starting { .. } => {}
            State::Running { since_ms, .. } => {
                (seen.state, seen.ready) = (ContainerState::Running, true);
                (seen.reason, seen.started_ms) = (String::new(), since_ms);
                seen.id = format!("{uid}/{}/{}", self.name, self.attempts);
            }
            State::Ended { since_ms, at_ms, code } => {
                (seen.state, seen.exit_code) = (ContainerState::Terminated, Some(code));
                (seen.started_ms, seen.finished_ms) = (since_ms, at_ms);
                seen.reason = if code == 0 { "Completed" } else { "Error" }.into();
                seen.id = format!("{uid}/{}/{}", self.name, self.attempts);
            }
        }
        seen
    }
}
