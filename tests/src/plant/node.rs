//! A simulated node with its agent: follows its placement list, level-triggered, and reports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use setpoint_schemas::{
    DEVICE_MILLI, Device, FENCE_LABEL, GPU_PRODUCT, Input, NodeName, NodeRecord, NodeSnapshot,
    Observation, Placement, PodObserved, PodPhase, PodUid, SessionId, add_devices,
};

use super::pod::SimPod;
use crate::draw::Draw;
use crate::manifests;

/// How often a node asks for its placements.
const POLL_MS: i64 = 400;
/// How often a node says all that it has.
const SNAPSHOT_MS: i64 = 6_000;

/// A complete list of a node's placements.
#[derive(Debug, Clone)]
pub struct List {
    /// The reign that says so.
    pub term: i64,
    /// The epoch as of which it holds.
    pub epoch: i64,
    /// The life of the agent that has the node, and its last renewal that was taken in.
    pub lease: Option<(SessionId, i64)>,
    /// The placements.
    pub placements: Vec<Arc<Placement>>,
}

/// Pods that may run at most once have ended so long after the sending of the last renewal that counts.
const PROMISE_MS: i64 = 7_000;
/// So long before they are asked to end; a pod takes a second and a look at the world.
const ASK_MS: i64 = 2_500;
/// So long before they are killed: two looks at the world.
const KILL_MS: i64 = 400;

type Told = (PodPhase, bool, &'static str, i64);

/// A node and its agent.
pub struct SimNode {
    /// Its name.
    pub name: NodeName,
    /// Its cpu, in thousandths of a core.
    pub cpu_milli: i64,
    /// Its devices when all of them work.
    pub devices: Vec<Device>,
    /// Whether the machine runs.
    pub machine_up: bool,
    /// Whether its agent runs.
    pub agent_up: bool,
    /// Whether its network is broken.
    pub partitioned: bool,
    /// Whether this session is registered.
    pub registered: bool,
    /// The number of the agent's life.
    pub session_number: i64,
    /// What it runs.
    pub pods: BTreeMap<PodUid, SimPod>,
    /// True time of its last own trouble.
    pub trouble_ms: i64,
    pub(crate) lists: Vec<(i64, List)>,
    /// The highest (term, epoch) accepted: on disk, so it outlives the agent.
    guard: (i64, i64),
    known: Option<BTreeMap<PodUid, Arc<Placement>>>,
    told: BTreeMap<PodUid, Told>,
    gone: Vec<Arc<Placement>>,
    sequence: i64,
    lease_sequence: i64,
    lease_ms: i64,
    poll_ms: i64,
    snapshot_ms: i64,
    is_registering: bool,
    /// True time when it was told last that we know it, or when it registered.
    known_ms: i64,
    /// Whether pods that may run at most once are ended when their time is over.
    pub is_fenced: bool,
    /// Whether that happens without an agent as well.
    pub has_watchdog: bool,
    /// True time at which such pods have ended: on disk until the machine dies.
    until_ms: i64,
    /// When each renewal of this session was sent.
    sent: BTreeMap<i64, i64>,
}

/// The devices of the node of this number: one of three has two, one of three has one.
fn devices(number: usize) -> Vec<Device> {
    let (model, count) = [("", 0), ("T4", 2), ("V100", 1)][number % 3];
    let device = |index: usize| Device {
        id: format!("GPU-{number}-{index}"),
        model: model.to_owned(),
        milli: DEVICE_MILLI,
        memory_bytes: 0,
    };
    (0..count).map(device).collect()
}

/// The record of a node that has these as well.
fn with_devices(mut record: NodeRecord, devices: Vec<Device>) -> NodeRecord {
    add_devices(&mut record.capacity, &devices);
    add_devices(&mut record.allocatable, &devices);
    if let Some(device) = devices.first() {
        record.labels.insert(GPU_PRODUCT.to_owned(), device.model.clone());
    }
    NodeRecord { devices, ..record }
}

/// A registration shows within this, or is told again.
const SHOWS_MS: i64 = 2_000;

impl SimNode {
    /// How often a lease is renewed; the policy of a journey says the same.
    pub const RENEW_MS: i64 = 2_000;

    pub(crate) fn new(number: usize, cpu_milli: i64) -> Self {
        SimNode {
            name: NodeName::parse(&format!("n{number}")).expect("a node's name"),
            cpu_milli,
            devices: devices(number),
            machine_up: true,
            agent_up: true,
            partitioned: false,
            registered: false,
            session_number: 1,
            pods: BTreeMap::new(),
            trouble_ms: 0,
            lists: Vec::new(),
            guard: (0, 0),
            known: None,
            told: BTreeMap::new(),
            gone: Vec::new(),
            sequence: 0,
            lease_sequence: 0,
            lease_ms: 0,
            poll_ms: 0,
            snapshot_ms: 0,
            is_registering: false,
            known_ms: 0,
            is_fenced: true,
            has_watchdog: number.is_multiple_of(2),
            until_ms: 0,
            sent: BTreeMap::new(),
        }
    }

    /// Whether it ends pods whose time is over, and does so without an agent in any case.
    pub(crate) fn fence(&mut self, (is_fenced, is_watched): (bool, bool)) {
        self.is_fenced = is_fenced;
        self.has_watchdog |= is_watched;
    }

    /// Whether its agent can hear us.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.machine_up && self.agent_up && !self.partitioned
    }

    pub(crate) fn note_trouble(&mut self, now_ms: i64) {
        if !self.hears() {
            self.trouble_ms = now_ms;
        }
    }

    pub(crate) fn polls(&mut self, now_ms: i64) -> bool {
        let due = self.poll_ms <= now_ms;
        if due {
            self.poll_ms = now_ms + POLL_MS;
        }
        due
    }

    /// Its list says whether we know it: who was forgotten registers anew.
    pub(crate) fn hears_whose(&mut self, now_ms: i64, is_known: bool) {
        if is_known || !self.registered {
            self.known_ms = now_ms;
        } else if self.known_ms + SHOWS_MS < now_ms {
            (self.registered, self.is_registering) = (false, false);
        }
    }

    /// The machine dies with all that runs on it.
    pub fn kill_machine(&mut self) {
        self.machine_up = false;
        self.kill_agent();
        self.pods.clear();
        self.gone.clear();
        self.told.clear();
        self.until_ms = 0;
    }

    /// The agent dies; what it started runs on.
    pub fn kill_agent(&mut self) {
        self.agent_up = false;
        self.lists.clear();
        self.known = None;
    }

    /// The agent starts, in a new session.
    pub fn start_agent(&mut self) {
        if self.agent_up {
            return;
        }
        (self.machine_up, self.agent_up, self.registered) = (true, true, false);
        self.is_registering = false;
        self.session_number += 1;
        (self.sequence, self.lease_sequence) = (0, 0);
        (self.lease_ms, self.poll_ms, self.snapshot_ms) = (0, 0, 0);
        self.told.clear();
        self.gone.clear();
        self.sent.clear();
    }

    pub(crate) fn heal(&mut self, now_ms: i64) {
        self.partitioned = false;
        self.start_agent();
        self.trouble_ms = now_ms;
    }

    /// The session of the agent's present life.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId::parse(&format!("{}-s{}", self.name, self.session_number)).expect("a session id")
    }

    pub(crate) fn step(
        &mut self,
        now_ms: i64,
        faults: bool,
        draw: &mut Draw,
        said: &mut Vec<Input>,
    ) {
        if !self.machine_up {
            return;
        }
        self.work(now_ms, faults, draw);
        self.end_those_whose_time_is_over(now_ms);
        if !self.agent_up {
            return;
        }
        self.accept_lists(now_ms);
        self.follow(now_ms, draw);
        if !self.registered {
            if !self.is_registering {
                self.is_registering = true;
                // As good as a renewal.
                self.sent.entry(0).or_insert(now_ms);
                let record = manifests::node(&self.name, &self.session(), self.cpu_milli);
                let record = NodeRecord { started_ms: self.session_number, ..record };
                let mut record = with_devices(record, self.working_devices());
                if self.has_watchdog {
                    record.labels.insert(FENCE_LABEL.to_owned(), PROMISE_MS.to_string());
                }
                said.push(Input::Node(Box::new(record)));
            }
            return;
        }
        self.renew(now_ms, said);
        self.report(now_ms, said);
    }

    /// In one life of four the last device does not work, and in one the others stand in another
    /// order.
    fn working_devices(&self) -> Vec<Device> {
        let mut devices = self.devices.clone();
        match self.session_number % 4 {
            2 => drop(devices.pop()),
            3 => devices.reverse(),
            _ => {}
        }
        devices
    }

    /// What runs goes on, whether or not an agent looks.
    fn work(&mut self, now_ms: i64, faults: bool, draw: &mut Draw) {
        let gone = &mut self.gone;
        self.pods.retain(|_, pod| {
            let stays = pod.step(now_ms, faults, draw);
            if !stays {
                gone.push(pod.placement.clone());
            }
            stays
        });
    }

    /// What kills pods that may run at most once needs no agent where there is a watchdog.
    fn end_those_whose_time_is_over(&mut self, now_ms: i64) {
        let is_watched = self.has_watchdog || self.agent_up;
        if !self.is_fenced || !is_watched || now_ms < self.until_ms - KILL_MS {
            return;
        }
        let gone = &mut self.gone;
        self.pods.retain(|_, pod| {
            let stays = !pod.placement.at_most_one;
            if !stays {
                gone.push(pod.placement.clone());
            }
            stays
        });
    }

    /// Whether a pod may start or run on.
    fn may_run(&self, now_ms: i64, placement: &Placement) -> bool {
        !placement.at_most_one || !self.is_fenced || now_ms < self.until_ms - ASK_MS
    }

    /// A list of this session grants what the renewal that it knows was sent for.
    fn hear_of_lease(&mut self, list: &List) {
        let Some((session, sequence)) = &list.lease else { return };
        if *session == self.session()
            && let Some(sent_ms) = self.sent.get(sequence)
        {
            self.until_ms = self.until_ms.max(sent_ms + PROMISE_MS);
        }
    }

    /// Only a list that is not older than the newest is believed.
    fn accept_lists(&mut self, now_ms: i64) {
        let (due, later) =
            std::mem::take(&mut self.lists).into_iter().partition(|(at, _)| *at <= now_ms);
        self.lists = later;
        let due: Vec<(i64, List)> = due;
        for (_, list) in due {
            if (list.term, list.epoch) >= self.guard {
                self.guard = (list.term, list.epoch);
                self.hear_of_lease(&list);
                self.known =
                    Some(list.placements.into_iter().map(|p| (p.uid.clone(), p)).collect());
            }
        }
    }

    fn follow(&mut self, now_ms: i64, draw: &mut Draw) {
        let Some(known) = self.known.take() else { return };
        let fenced: BTreeSet<PodUid> = self
            .pods
            .values()
            .map(|pod| &pod.placement)
            .chain(known.values())
            .filter(|placement| !self.may_run(now_ms, placement))
            .map(|placement| placement.uid.clone())
            .collect();
        for (uid, pod) in &mut self.pods {
            match known.get(uid) {
                _ if fenced.contains(uid) => pod.stop(now_ms, draw),
                None => pod.stop(now_ms, draw),
                Some(placement) if placement.generation > pod.generation => {
                    *pod = SimPod::start(placement.clone(), now_ms, draw);
                }
                Some(_) => {}
            }
        }
        for (uid, placement) in &known {
            let is_over = placement.is_finished() || fenced.contains(uid);
            if !self.pods.contains_key(uid) && !is_over {
                self.pods.insert(uid.clone(), SimPod::start(placement.clone(), now_ms, draw));
            }
        }
        self.known = Some(known);
    }

    /// Whether a pod is known to be gone for good: of one that may run at most once by a list that does
    /// not name it, since it may start again by one that does.
    fn is_gone_for_good(&self, placement: &Placement) -> bool {
        let listed = self.known.as_ref().map(|known| known.contains_key(&placement.uid));
        !self.pods.contains_key(&placement.uid) && (!placement.at_most_one || listed == Some(false))
    }

    fn renew(&mut self, now_ms: i64, said: &mut Vec<Input>) {
        if self.lease_ms <= now_ms {
            self.lease_ms = now_ms + Self::RENEW_MS;
            self.lease_sequence += 1;
            self.sent.insert(self.lease_sequence, now_ms);
            said.push(Input::Lease(manifests::lease(
                &self.name,
                &self.session(),
                self.lease_sequence,
            )));
        }
    }

    /// What changed, and from time to time everything.
    fn report(&mut self, now_ms: i64, said: &mut Vec<Input>) {
        let all = self.snapshot_ms <= now_ms;
        for placement in std::mem::take(&mut self.gone) {
            if self.is_gone_for_good(&placement) {
                self.told.remove(&placement.uid);
                let told = (PodPhase::Gone, false, "", placement.generation);
                said.push(self.observed(&placement, told, now_ms));
            }
        }
        let news: Vec<(Arc<Placement>, Told)> = self
            .pods
            .iter()
            .map(|(uid, pod)| (uid, pod, pod.told(now_ms)))
            .map(|(uid, pod, (phase, ready, reason))| {
                (uid, pod, (phase, ready, reason, pod.generation))
            })
            .filter(|(uid, _, told)| all || self.told.get(*uid) != Some(told))
            .map(|(_, pod, told)| (pod.placement.clone(), told))
            .collect();
        for (placement, told) in news {
            self.told.insert(placement.uid.clone(), told);
            said.push(self.observed(&placement, told, now_ms));
        }
        if all {
            self.snapshot_ms = now_ms + SNAPSHOT_MS;
            self.sequence += 1;
            said.push(Input::Snapshot(Box::new(NodeSnapshot {
                node: self.name.clone(),
                session: self.session(),
                sequence: self.sequence,
                time_ms: now_ms,
                uids: self.pods.keys().cloned().collect(),
                epoch: if self.known.is_some() { self.guard.1 } else { -1 },
            })));
        }
    }

    fn observed(&mut self, placement: &Placement, told: Told, now_ms: i64) -> Input {
        self.sequence += 1;
        Input::Pod(Observation::of(&PodObserved {
            uid: placement.uid.clone(),
            node: self.name.clone(),
            session: self.session(),
            sequence: self.sequence,
            time_ms: now_ms,
            namespace: placement.pattern.namespace.clone(),
            name: placement.name.clone(),
            generation: told.3,
            phase: told.0,
            ready: told.1,
            reason: told.2.to_owned(),
            message: String::new(),
            address: String::new(),
            started_ms: 0,
            containers: Vec::new(),
        }))
    }
}
