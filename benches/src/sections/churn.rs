//! Memory that is steady: a fleet after ten million events, by our engine, by the whole process with
//! the model that the API reads, and by the engine by hand.
//!
//! The model learns the pods' statuses by the events, of which there are several a pod.
//!
//! What the process holds more than before the fleet was there: freed memory that the allocator keeps
//! counts, as it does for whoever runs us.

use setpoint_api::ReadModel;
use setpoint_dataflow::views::Differential;
use setpoint_dataflow::{Epoch, Outcome, Remains};
use setpoint_rules::identity;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Input, PodUid, Topic};

use crate::by_hand::{Action, ByHand, Effects, number_of};
use crate::churn::{Churn, Side, Spot};
use crate::measurement::{Aim, Measurement};
use crate::memory::resident_bytes;
use crate::plant::{
    NODE_ROOM, PODS_PER_NODE, Placed, Plant, REPLICAS, SESSION, node_number, placed, status,
};
use crate::sizes::Sizes;

/// Who is looked at, each in a process of its own.
const ENGINE: &str = "engine state";
const WHOLE: &str = "whole process with the model that the API reads";
const BY_HAND: &str = "engine by hand";

/// Bytes a pod that the engine's state may have, and the whole process.
const GOALS: (f64, f64) = (300.0, 900.0);
/// What our state may be of that by hand.
const RATIO: f64 = 2.0;
/// Percent that memory may grow in the second half of the events.
const GROWTH: f64 = 3.0;
/// Batches between two cold steps: a tenth of a second at a hundred thousand events a second.
const COLD_EVERY: usize = 10;

pub(crate) fn parts(_: &Sizes) -> Vec<String> {
    [ENGINE, WHOLE, BY_HAND].map(str::to_owned).to_vec()
}

/// One of them.
pub(crate) fn measure(which: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods = sizes.pods_max();
    let churn = Churn::with_room(pods);
    let name = |what: &str| format!("fleet of {pods} pods after {} events/{what}", sizes.events);
    let before = resident_bytes()?;
    let (half, end) = match which {
        BY_HAND => grown(churn, &mut hand(pods)?, sizes.events, Churned::fill_by_hand)?,
        _ => {
            let model = (which == WHOLE).then(ReadModel::new);
            let mut ours = Ours::new(pods, model)?;
            grown(churn, &mut ours, sizes.events, |ours, churn| ours.fill(pods, churn))?
        }
    };
    let a_pod = Measurement::new(name(which), (end - before) / pods as f64, "bytes");
    let growth = 100.0 * (end - half) / (half - before);
    let growth = Measurement::new(name(&format!("{which}, growth in the last half")), growth, "%");
    Ok(match which {
        ENGINE => vec![
            a_pod.clone().aiming(Aim::ValueAtMost, GOALS.0),
            Measurement { name: name("engine state beside the engine by hand"), ..a_pod }
                .beside(name(BY_HAND))
                .aiming(Aim::RatioAtMost, RATIO),
            growth.aiming(Aim::ValueAtMost, GROWTH),
        ],
        WHOLE => {
            vec![a_pod.aiming(Aim::ValueAtMost, GOALS.1), growth.aiming(Aim::ValueAtMost, GROWTH)]
        }
        _ => vec![a_pod, growth],
    })
}

/// Resident bytes after half of the events and after all.
fn grown<S: Side>(
    mut churn: Churn,
    side: &mut S,
    events: usize,
    fill: impl Fn(&mut S, &mut Churn) -> anyhow::Result<()>,
) -> anyhow::Result<(f64, f64)> {
    fill(side, &mut churn)?;
    churn.run(events / 2, side)?;
    let half = resident_bytes()?;
    churn.run(events / 2, side)?;
    Ok((half, resident_bytes()?))
}

/// Our engine, and the model that the API reads.
struct Ours {
    plant: Plant<Differential>,
    model: Option<ReadModel>,
    codec: Codec,
    batches: usize,
    /// Pods that are gone for good: the leader buries them, and reads the tombstones back.
    buried: Vec<PodUid>,
}

impl Ours {
    fn new(pods: usize, model: Option<ReadModel>) -> anyhow::Result<Ours> {
        let plant = Plant::with_nodes(Differential::new(), pods.div_ceil(PODS_PER_NODE))?;
        let (codec, buried) = (Codec::single_object(), Vec::new());
        Ok(Ours { plant, model, codec, batches: 0, buried })
    }

    fn fill(&mut self, pods: usize, churn: &mut Churn) -> anyhow::Result<()> {
        let model = self.model.as_ref();
        let mut all_known = true;
        self.plant.load_written(pods, |outcome, _| {
            show(model, outcome);
            for pod in placed(&outcome.placements) {
                let spot = spot(&pod);
                all_known &= spot.is_some();
                churn.add(spot.unwrap_or_default());
            }
        })?;
        anyhow::ensure!(all_known, "a pod without a UUID was placed");
        // From here on changes are kept for watchers, as they are where an engine leads.
        if let Some(model) = model {
            model.set_ready(true);
        }
        Ok(())
    }
}

impl Side for Ours {
    fn take(&mut self, batch: &[Vec<u8>]) -> anyhow::Result<Vec<Spot>> {
        let mut inputs = Vec::with_capacity(batch.len());
        for bytes in batch {
            let observed = self.codec.observation(bytes)?;
            inputs.push(self.plant.sourced(Topic::Pods, Input::Pod(observed)));
        }
        for uid in self.buried.drain(..) {
            inputs.push(self.plant.sourced(Topic::Pods, Input::PodRemoved(uid)));
        }
        self.batches += 1;
        let cold = self.batches.is_multiple_of(COLD_EVERY);
        let epoch = self.plant.epoch(inputs);
        let outcome = self.plant.engine.step(Epoch { cold, ..epoch });
        show(self.model.as_ref(), &outcome);
        self.buried.extend(outcome.remains.iter().filter_map(Remains::pod).cloned());
        if cold {
            self.plant.renew();
            self.plant.engine.take_rows();
        }
        let spots: Option<Vec<Spot>> = placed(&outcome.placements).map(|pod| spot(&pod)).collect();
        spots.ok_or_else(|| anyhow::anyhow!("a pod without a UUID was placed"))
    }
}

fn show(model: Option<&ReadModel>, outcome: &Outcome) {
    let Some(model) = model else { return };
    let changes = setpoint::roles::engine::changes(model, outcome);
    model.apply(changes, outcome.number, outcome.term, outcome.time_ms);
}

fn spot(pod: &Placed) -> Option<Spot> {
    let uid = number_of(&pod.0.uid.text())?;
    let node = u32::try_from(node_number(&pod.0.node)?).ok()?;
    Some(Spot { uid, node, is_ready: false })
}

/// The engine by hand, and how many pods it is to have.
struct Churned {
    by_hand: ByHand,
    pods: usize,
    nodes: usize,
}

fn hand(pods: usize) -> anyhow::Result<Churned> {
    let header = Codec::single_object().encode(&status("pod", "node-0", "web", 1)?)?;
    let by_hand = ByHand::new(&header)?;
    Ok(Churned { by_hand, pods, nodes: pods.div_ceil(PODS_PER_NODE) })
}

impl Churned {
    fn fill_by_hand(&mut self, churn: &mut Churn) -> anyhow::Result<()> {
        for node in 0..self.nodes {
            self.by_hand.add_node(&format!("node-{node}"), SESSION, NODE_ROOM);
        }
        let mut count = 0;
        for workload in 0..u32::try_from(self.pods.div_ceil(REPLICAS))? {
            let key = format!("apps/Deployment/default/web-{workload}");
            let uid = identity::resource_uid(&key, 1);
            self.by_hand.add_workload(&uid, REPLICAS as i64, REPLICAS as u64);
            for counter in 0..REPLICAS as u64 {
                let node = u32::try_from(count % self.nodes)?;
                let uid = identity::pod_uid(&uid, counter);
                self.by_hand.add_pod(&uid.text(), workload, node)?;
                let uid = number_of(&uid.text()).unwrap_or_default();
                churn.add(Spot { uid, node, is_ready: true });
                count += 1;
            }
        }
        Ok(())
    }
}

impl Side for Churned {
    fn take(&mut self, batch: &[Vec<u8>]) -> anyhow::Result<Vec<Spot>> {
        let mut effects = Effects::default();
        let all_read = batch.iter().all(|bytes| self.by_hand.take(bytes, &mut effects));
        anyhow::ensure!(all_read, "the engine by hand could not read a status");
        self.by_hand.settle(&mut effects);
        let starts = effects.decisions.iter().filter(|one| one.action == Action::Start);
        Ok(starts.map(|one| Spot { uid: one.uid, node: one.node, is_ready: false }).collect())
    }
}
