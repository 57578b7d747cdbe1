//! Our engine and the one by hand on the same fleet, fed with the same statuses.
//!
//! A status that follows a placement names the node that its engine chose; all else is the same,
//! byte for byte.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use setpoint_dataflow::views::Differential;
use setpoint_dataflow::{Outcome, Served};
use setpoint_rules::identity;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Input, NodeName, PodObserved, PodPhase, PodUid, Topic};

use crate::by_hand::{Action, ByHand, Decision, Effects, number_of};
use crate::clock::timed;
use crate::cold::Cold;
use crate::plant::{NODE_ROOM, PODS_PER_NODE, Placed, Plant, REPLICAS, SESSION, placed};

/// A prime, so that every pod has its turn and neighbours do not follow each other.
const STRIDE: usize = 7_919;

/// Both engines, and the pods that live on both.
pub(crate) struct Duel {
    plant: Plant<Differential>,
    by_hand: ByHand,
    codec: Codec,
    pods: Vec<Live>,
    next: usize,
    /// Whether our engine last told its readers that a pod is ready.
    told: HashMap<PodUid, bool>,
    /// What our engine worked, by which its cold steps fall due.
    worked: Duration,
    cold: Cold,
}

/// A pod that lives on both.
struct Live {
    ours: Placed,
    /// Its node by hand, where that is another.
    theirs: NodeName,
    is_ready: bool,
}

/// The bytes of a batch, for ours and for theirs.
type Batch = (Vec<Vec<u8>>, Vec<Vec<u8>>);

impl Duel {
    /// Both with this many pods, all available.
    pub(crate) fn new(pods: usize) -> anyhow::Result<Self> {
        let mut plant = Plant::with_nodes(Differential::new(), pods.div_ceil(PODS_PER_NODE))?;
        plant.load(pods, |_, _| ())?;
        plant.engine.take_rows();
        let codec = Codec::single_object();
        let pods = plant.pods();
        let sample = plant.ready(&pods[0])?;
        let by_hand = by_hand(&plant, &pods, &codec.encode(&sample)?)?;
        let told = pods.iter().map(|pod| (pod.0.uid.clone(), true)).collect();
        let live = |ours: Placed| Live { theirs: ours.0.node.clone(), ours, is_ready: true };
        let pods = pods.into_iter().map(live).collect();
        Ok(Duel {
            plant,
            by_hand,
            codec,
            pods,
            next: 0,
            told,
            worked: Duration::ZERO,
            cold: Cold::default(),
        })
    }

    /// A batch of statuses that say something else than before: how long ours and theirs took.
    pub(crate) fn statuses(&mut self, count: usize) -> anyhow::Result<(Duration, Duration)> {
        let mut batch = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            self.next = (self.next + STRIDE) % self.pods.len();
            let Live { ours, is_ready, .. } = &mut self.pods[self.next];
            *is_ready = !*is_ready;
            let status = match is_ready {
                true => self.plant.ready(ours)?,
                false => self.plant.in_phase(ours, PodPhase::Running)?,
            };
            self.write(&status, self.next, &mut batch)?;
        }
        let (ours, theirs, _) = self.take(&batch)?;
        self.rest();
        Ok((ours, theirs))
    }

    /// A batch of moves: so many pods fail; then they are gone, and those placed instead are ready.
    pub(crate) fn moves(&mut self, count: usize) -> anyhow::Result<(Duration, Duration)> {
        self.make_ready()?;
        let mut which = Vec::with_capacity(count);
        let mut batch = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            self.next = (self.next + STRIDE) % self.pods.len();
            which.push(self.next);
            let status = self.plant.in_phase(&self.pods[self.next].ours, PodPhase::Failed)?;
            self.write(&status, self.next, &mut batch)?;
        }
        let (mut ours, mut theirs, decided) = self.take(&batch)?;
        let next = self.decided(decided, count)?;
        let mut batch = (Vec::with_capacity(2 * count), Vec::with_capacity(2 * count));
        for (index, live) in which.into_iter().zip(next) {
            let gone = self.plant.in_phase(&self.pods[index].ours, PodPhase::Gone)?;
            self.write(&gone, index, &mut batch)?;
            self.pods[index] = live;
            let ready = self.plant.ready(&self.pods[index].ours)?;
            self.write(&ready, index, &mut batch)?;
        }
        let (then, then_theirs, _) = self.take(&batch)?;
        (ours, theirs) = (ours + then, theirs + then_theirs);
        self.rest();
        Ok((ours, theirs))
    }

    /// All pods are ready again: a workload that is not whole has its pods replaced with pauses.
    fn make_ready(&mut self) -> anyhow::Result<()> {
        let mut batch = (Vec::new(), Vec::new());
        for pod in 0..self.pods.len() {
            if !std::mem::replace(&mut self.pods[pod].is_ready, true) {
                let ready = self.plant.ready(&self.pods[pod].ours)?;
                self.write(&ready, pod, &mut batch)?;
            }
        }
        if !batch.0.is_empty() {
            self.take(&batch)?;
            self.rest();
        }
        Ok(())
    }

    /// A status for both.
    fn write(&self, status: &PodObserved, pod: usize, batch: &mut Batch) -> anyhow::Result<()> {
        let theirs = &self.pods[pod].theirs;
        batch.0.push(self.codec.encode(status)?);
        let same = *theirs == status.node;
        batch.1.push(match same {
            true => batch.0[batch.0.len() - 1].clone(),
            false => self.codec.encode(&PodObserved { node: theirs.clone(), ..status.clone() })?,
        });
        Ok(())
    }

    /// How long either takes from the bytes to the effect, and what was decided.
    fn take(
        &mut self,
        (ours, theirs): &Batch,
    ) -> anyhow::Result<(Duration, Duration, (Outcome, Effects))> {
        let (outcome, our_time) = timed(|| self.step(ours));
        let outcome = outcome?;
        self.worked += our_time;
        let mut effects = Effects::default();
        let (all_read, their_time) = timed(|| {
            let all = theirs.iter().all(|bytes| self.by_hand.take(bytes, &mut effects));
            self.by_hand.settle(&mut effects);
            all
        });
        anyhow::ensure!(all_read, "the engine by hand could not read a status");
        let seen = |served: &&Served| matches!(served, Served::Pod(_) | Served::PodGone(_));
        let taken = outcome.served.iter().filter(seen).count();
        anyhow::ensure!(
            taken == ours.len() && effects.taken == ours.len(),
            "of {} statuses ours took {taken}, the engine by hand {}",
            ours.len(),
            effects.taken
        );
        self.hear(&outcome);
        Ok((our_time, their_time, (outcome, effects)))
    }

    /// Keeps what readers are told of pods: the engine does not keep it for them.
    fn hear(&mut self, outcome: &Outcome) {
        for served in &outcome.served {
            match served {
                Served::Pod(pod) => self.told.insert(pod.uid().clone(), pod.is_ready()),
                Served::PodGone(uid) => self.told.remove(uid),
                _ => None,
            };
        }
    }

    /// One epoch of these records, with the cold step when it is due.
    fn step(&mut self, records: &[Vec<u8>]) -> anyhow::Result<Outcome> {
        let mut inputs = Vec::with_capacity(records.len());
        for bytes in records {
            let observed = self.codec.observation(bytes)?;
            inputs.push(self.plant.sourced(Topic::Pods, Input::Pod(observed)));
        }
        let epoch = self.plant.epoch(inputs);
        let mut outcome = self.plant.engine.step(epoch);
        if self.cold.is_due(self.worked) {
            let (cold, took) = timed(|| self.plant.step_cold());
            self.cold.ran(self.worked + took, took, cold.is_cold_left);
            outcome.resources.extend(cold.resources);
        }
        Ok(outcome)
    }

    /// What is not measured: leases, and the rows that a checkpoint would take.
    fn rest(&mut self) {
        self.plant.renew();
        self.plant.engine.take_rows();
    }

    /// The pods that both started, in one order: they must be the same ones.
    fn decided(
        &self,
        (outcome, effects): (Outcome, Effects),
        count: usize,
    ) -> anyhow::Result<Vec<Live>> {
        let starts = effects.decisions.iter().filter(|one| one.action == Action::Start);
        let theirs: HashMap<u128, &Decision> = starts.map(|one| (one.uid, one)).collect();
        let stops = effects.decisions.len() - theirs.len();
        let mut live = Vec::with_capacity(count);
        for ours in placed(&outcome.placements) {
            let uid = number_of(&ours.0.uid.text());
            let same = uid.and_then(|uid| theirs.get(&uid));
            let same =
                same.ok_or_else(|| anyhow::anyhow!("{} started by ours only", ours.0.uid))?;
            let theirs = format!("node-{}", same.node).parse()?;
            live.push(Live { ours, theirs, is_ready: true });
        }
        let withdrawn = outcome.placements.len() - live.len();
        anyhow::ensure!(
            (live.len(), theirs.len(), withdrawn, stops) == (count, count, count, count),
            "of {count} moves ours decided {} starts and {withdrawn} stops, the engine by hand {} and {stops}",
            live.len(),
            theirs.len()
        );
        Ok(live)
    }

    /// That both hold the same: the same pods with the same status, and the same counts a workload.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        while self.plant.step_cold().is_cold_left {}
        let everything = self.plant.engine.everything();
        self.by_hand.check(NODE_ROOM)?;
        let theirs: HashMap<u128, bool> =
            self.by_hand.placed().map(|(uid, ready, _)| (uid, ready)).collect();
        let mut count = 0;
        for Placed(pod) in placed(&everything.placements) {
            let uid = number_of(&pod.uid.text());
            let same = uid.and_then(|uid| theirs.get(&uid)) == self.told.get(&pod.uid);
            anyhow::ensure!(same, "{} does not stand the same by hand", pod.uid);
            count += 1;
        }
        anyhow::ensure!(count == theirs.len(), "{count} pods, by hand {}", theirs.len());
        for (key, resource) in &everything.resources {
            let (Some(number), Some(resource)) = (workload_of(&key.name), resource) else {
                continue;
            };
            let status: serde_json::Value = serde_json::from_str(&resource.status)?;
            let counted = |field: &str| status[field].as_i64().unwrap_or(0);
            let [starting, available, ..] = self.by_hand.tally(number);
            let ours = (counted("replicas"), counted("availableReplicas"));
            let same = ours == (starting + available, available);
            anyhow::ensure!(same, "{key}: {ours:?}, by hand {starting} and {available}");
        }
        Ok(())
    }
}

/// The number of the next pod of a workload that has placed so many: those whose name another one has are
/// passed over.
fn next_after(workload: &str, placed: usize) -> u64 {
    let mut endings = HashSet::new();
    let is_named =
        |counter: &u64| endings.insert(identity::ending(&identity::pod_uid(workload, *counter)));
    (0..).filter(is_named).nth(placed - 1).map_or(0, |last| last + 1)
}

/// The engine by hand with the fleet of ours.
fn by_hand(plant: &Plant<Differential>, pods: &[Placed], header: &[u8]) -> anyhow::Result<ByHand> {
    let mut by_hand = ByHand::new(header)?;
    for node in 0..plant.nodes() {
        by_hand.add_node(&format!("node-{node}"), SESSION, NODE_ROOM);
    }
    let everything = plant.engine.everything();
    let uids: BTreeMap<u32, String> = everything
        .resources
        .iter()
        .filter_map(|(key, resource)| {
            Some((workload_of(&key.name)?, resource.as_ref()?.uid.clone()))
        })
        .collect();
    for (at, (number, uid)) in uids.iter().enumerate() {
        anyhow::ensure!(at == *number as usize, "workload {at} is missing");
        by_hand.add_workload(uid, REPLICAS as i64, next_after(uid, REPLICAS));
    }
    for Placed(pod) in pods {
        let workload = pod.pattern.workload.rsplit('/').next().and_then(workload_of);
        let node = pod.node.as_str().strip_prefix("node-").and_then(|node| node.parse().ok());
        let (Some(workload), Some(node)) = (workload, node) else {
            anyhow::bail!("{} is of {} on {}", pod.uid, pod.pattern.workload, pod.node)
        };
        by_hand.add_pod(&pod.uid.text(), workload, node)?;
    }
    Ok(by_hand)
}

/// The number of the Deployment of this name.
fn workload_of(name: &str) -> Option<u32> {
    name.strip_prefix("web-")?.parse().ok()
}
