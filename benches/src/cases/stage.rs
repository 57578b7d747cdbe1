//! A case set up: nodes told, pods compiled, those that stand there before placed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_placement::{Fleet, NodeId, NodeInfo, Placing, PodId, PodShape, SAMPLES_DEFAULT};
use setpoint_schemas::{NodeName, PodUid, Quantity, Resources, Taint};

use crate::cases::case::{Case, During, Place, Pods, Zones};
use crate::cases::templates::{HOSTNAME, Pod, ZONE, node, pod};

/// A pod to be placed.
pub(crate) struct Offer {
    pub(crate) id: PodId,
    pub(crate) uid: PodUid,
    pub(crate) shape: Arc<PodShape>,
    pub(crate) pod: Pod,
    /// Which of its operation.
    pub(crate) number: usize,
    pub(crate) namespace: String,
}

/// A case's pods, compiled; ids count on in the order of the operations.
pub(crate) struct Offers {
    pub(crate) before: Vec<Offer>,
    pub(crate) backlog: Vec<Offer>,
    pub(crate) measured: Vec<Offer>,
    /// Made again and again while the measured pods are decided.
    pub(crate) nine_cpu: Vec<Offer>,
    /// Made while the measured pods are decided, where the case makes some.
    pub(crate) high: Vec<Offer>,
}

impl Offers {
    /// Those that have a place in the end, unless they were deleted.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Offer> {
        self.before.iter().chain(&self.backlog).chain(&self.measured).chain(&self.high)
    }
}

/// One every hundred pods or so: enough for every case.
const NINE_CPU: usize = 128;

/// Where each pod went.
pub(crate) type Places = BTreeMap<PodId, NodeId>;

/// The nodes of a case, as manifests with labels, by id.
pub(crate) fn nodes(case: &Case, size: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for (kind, count) in case.nodes {
        let count = if *count == 1 { 1 } else { Case::scaled(*count, size) };
        for _ in 0..count {
            let mut made = node(*kind, all.len());
            made["labels"] = json!({ (HOSTNAME): made["name"] });
            match case.zones {
                Zones::None => {}
                Zones::One => made["labels"][ZONE] = "zone1".into(),
                Zones::Three => made["labels"][ZONE] = format!("moon-{}", all.len() % 3 + 1).into(),
            }
            all.push(made);
        }
    }
    all
}

/// The node as the placer takes it.
pub(crate) fn node_info(node: &Value) -> anyhow::Result<NodeInfo> {
    let taints: Vec<Taint> = serde_json::from_value(node["taints"].clone())?;
    Ok(NodeInfo {
        name: NodeName::parse(text(&node["name"]))?,
        labels: serde_json::from_value(node["labels"].clone())?,
        taints,
        allocatable: amounts(&node["allocatable"])?,
        ready: true,
        unschedulable: false,
        watched: false,
        devices: Vec::new(),
    })
}

/// Amounts by name, as the schemas count them.
pub(crate) fn amounts(named: &Value) -> anyhow::Result<Resources> {
    let mut sum = Resources::default();
    for (name, amount) in named.as_object().into_iter().flatten() {
        let amount = Quantity::parse(text(amount))?;
        match name.as_str() {
            "cpu" => sum.cpu_milli = amount.milli(),
            "memory" => sum.memory_bytes = amount.units(),
            "pods" => sum.pods = amount.units(),
            _ => {
                sum.extended.insert(name.clone(), amount.units());
            }
        }
    }
    Ok(sum)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Compiles all pods of a case.
pub(crate) fn offers(case: &Case, size: usize) -> anyhow::Result<Offers> {
    let mut next = 0;
    let mut before = Vec::new();
    for pods in case.before {
        before.extend(made(pods, size, &mut next)?);
    }
    let backlog = case.backlog.iter().map(|pods| made(pods, size, &mut next));
    let backlog = backlog.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect();
    let measured = made(&case.measured, size, &mut next)?;
    let nine_cpu = Pods::of(Pod::NineCpu, NINE_CPU, "namespace-churn");
    let nine_cpu = made(&nine_cpu, crate::cases::case::NODES, &mut next)?;
    let high = match case.during {
        During::HighEach(pods) => Pods::of(Pod::High, case.measured.count / pods + 1, "sched-high"),
        _ => Pods::of(Pod::High, 0, "sched-high"),
    };
    let high = made(&high, size, &mut next)?;
    Ok(Offers { before, backlog, measured, nine_cpu, high })
}

/// The pods of one operation, compiled.
pub(crate) fn made(pods: &Pods, size: usize, next: &mut u32) -> anyhow::Result<Vec<Offer>> {
    let count = Case::scaled(pods.count, size);
    (0..count).map(|number| offer(pods, number, count, next)).collect()
}

fn offer(pods: &Pods, number: usize, count: usize, next: &mut u32) -> anyhow::Result<Offer> {
    let (labels, spec) = pod(pods.pod, number);
    let namespace = match pods.place {
        Place::Namespace(name) => name.to_owned(),
        Place::Labelled(prefix, over) => format!("{prefix}-{}", number * over / count),
    };
    let mut labels: BTreeMap<String, String> = serde_json::from_value(labels)?;
    labels.insert("signature".to_owned(), format!("signature-label-{}", number / pods.batch));
    let shape = PodShape::compile(&namespace, &labels, &serde_json::from_value(spec)?)?;
    let id = PodId(*next);
    *next += 1;
    let uid = PodUid::parse(&format!("pod-{}", id.0))?;
    Ok(Offer { id, uid, shape, pod: pods.pod, number, namespace })
}

/// A fleet of these nodes, namespaces told, with the pods placed that stand there before.
pub(crate) fn fleet(
    case: &Case,
    nodes: &[NodeInfo],
    offers: &Offers,
) -> anyhow::Result<(Fleet, Places)> {
    let mut fleet = Fleet::new();
    for (id, info) in (0..).zip(nodes) {
        fleet.upsert_node(NodeId(id), info.clone());
    }
    for pods in case.before.iter().chain([&case.measured]) {
        if let Place::Labelled(prefix, over) = pods.place {
            for number in 0..over {
                let team = BTreeMap::from([("team".to_owned(), "devops".to_owned())]);
                fleet.set_namespace_labels(&format!("{prefix}-{number}"), team);
            }
        }
    }
    let mut places = Places::new();
    for offer in &offers.before {
        let node = decide(&mut fleet, offer)?;
        places.insert(offer.id, node);
    }
    Ok((fleet, places))
}

/// One decision, reservation included.
pub(crate) fn decide(fleet: &mut Fleet, offer: &Offer) -> anyhow::Result<NodeId> {
    match fleet.place(&offer.uid, &offer.shape, 1, SAMPLES_DEFAULT) {
        Placing::Placed { node, .. } => {
            fleet.reserve(offer.id, node, &offer.shape);
            Ok(node)
        }
        Placing::Unplaceable(reasons) => {
            anyhow::bail!("{:?} {} of {}: {reasons}", offer.pod, offer.number, offer.namespace)
        }
    }
}
