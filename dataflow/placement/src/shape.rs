//! What a pod demands of its node and its neighbours, compiled once for all pods alike.
//!
//! Guarantee: equal demands have equal digests, whoever compiled them. Absent: the pod's name and
//! uid. Its priority is told beside: it changes no answer but who may be preempted for whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::{
    AMOUNT_MAX, PodAffinityTerm, PodSpec, PreferredSchedulingTerm, Resources,
    WeightedPodAffinityTerm,
};

use crate::CompileError;
use crate::demand::NodeDemand;
use crate::device_demand::{self, DeviceDemand};
use crate::devices::Models;
use crate::home::Home;
use crate::ids::digest_of;
use crate::ports::{self, HostPort};
use crate::query::{Force, Group, HeldTerm, PodQuery, PodTerm};
use crate::selector::{NodeTerm, label_hash};
use crate::spread::{self, Spread};

/// Many pods share one: everything that placing reads of a pod besides its uid.
#[derive(Debug, Clone)]
pub struct PodShape {
    pub(crate) digest: u128,
    /// Equal for pods that look at the same of nodes and other pods, whatever their own labels.
    pub(crate) interest: u128,
    /// Equal for pods whose interests differ only in which pods they are in.
    pub(crate) ground: u128,
    /// Equal for pods that find room on the same nodes.
    pub(crate) room: u128,
    pub(crate) namespace: String,
    pub(crate) labels: Arc<BTreeMap<String, String>>,
    pub(crate) label_hashes: Vec<u64>,
    pub(crate) requests: Resources,
    pub(crate) load: Load,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) node_name: Option<String>,
    /// Where its data is.
    pub(crate) home: Option<Home>,
    pub(crate) demand: NodeDemand,
    pub(crate) devices: Option<DeviceDemand>,
    pub(crate) node_preferences: Vec<(i64, NodeTerm)>,
    pub(crate) spread_hard: Vec<Spread>,
    pub(crate) spread_soft: Vec<Spread>,
    pub(crate) affinity: Option<Affinity>,
    pub(crate) anti_affinity: Vec<PodTerm>,
    /// Weight, below 0 for what is to be avoided.
    pub(crate) pod_preferences: Vec<(i64, PodTerm)>,
    pub(crate) held: Vec<Arc<HeldTerm>>,
    priority: i32,
    preempts: bool,
}

/// What a pod counts for when nodes are scored: its requests, or Kubernetes' defaults where it
/// asks for nothing, so that such pods spread as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Load {
    pub(crate) cpu_milli: i64,
    pub(crate) memory_bytes: i64,
}

/// `DefaultMilliCPURequest` of kube-scheduler.
const LOAD_CPU_MILLI: i64 = 100;
/// `DefaultMemoryRequest` of kube-scheduler.
const LOAD_MEMORY_BYTES: i64 = 200 << 20;
/// `HardPodAffinityWeight` of kube-scheduler: a placed pod's required affinity draws a little.
const REQUIRED_AFFINITY_WEIGHT: i64 = 1;
/// The `preemptionPolicy` of a pod that waits rather than have others go.
const NEVER: &str = "Never";
/// Kubernetes' bounds for the weight of a preference.
const WEIGHTS: std::ops::RangeInclusive<i32> = 1..=100;

/// Required pod affinity: pods that match every term draw the newcomer to their domains.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Affinity {
    /// All terms in one: a pod counts only if it matches all of them.
    pub(crate) query: Arc<PodQuery>,
    /// The topology key of each term.
    pub(crate) topology_keys: Vec<String>,
}

impl PodShape {
    /// Compiles the demands of pods of this namespace with these labels and this spec.
    ///
    /// # Errors
    /// [`CompileError`] names the field whose selector, toleration, port or bound Kubernetes would
    /// refuse.
    pub fn compile(
        namespace: &str,
        labels: &BTreeMap<String, String>,
        spec: &PodSpec,
    ) -> Result<Arc<PodShape>, CompileError> {
        PodShape::compile_on_models(namespace, &Arc::new(labels.clone()), spec, None)
    }

    /// As [`PodShape::compile`], of pods that ask for devices of these models, named in one text. The
    /// shape keeps these labels, and not others like them.
    ///
    /// # Errors
    /// As there.
    pub fn compile_on_models(
        namespace: &str,
        labels: &Arc<BTreeMap<String, String>>,
        spec: &PodSpec,
        models: Option<&str>,
    ) -> Result<Arc<PodShape>, CompileError> {
        let requests = requests(spec)?;
        let devices = device_demand::compile(spec, &requests, models)?;
        let affinity = spec.affinity.clone().unwrap_or_default();
        let near = affinity.pod_affinity.unwrap_or_default();
        let away = affinity.pod_anti_affinity.unwrap_or_default();
        let node = affinity.node_affinity.unwrap_or_default();
        let (path, draws) = ("spec.affinity.podAffinity", Force::Weighs(REQUIRED_AFFINITY_WEIGHT));
        let near_terms = PodTerms { namespace, labels, path, force: draws };
        let path = "spec.affinity.podAntiAffinity";
        let away_terms = PodTerms { path, force: Force::Repels, ..near_terms };
        let near_required = near_terms.required(&near.required)?;
        let anti_affinity = away_terms.required(&away.required)?;
        let mut pod_preferences = near_terms.preferred(&near.preferred, 1)?;
        pod_preferences.extend(away_terms.preferred(&away.preferred, -1)?);
        let node_preferences = node_preferences(&node.preferred)?;
        let (spread_hard, spread_soft) = spread::compile(namespace, labels, spec)?;
        let held = held(&near_required, &anti_affinity, &pod_preferences);
        let models = devices.as_ref().map_or(Models::Any, |devices| devices.models.clone());
        let demand = NodeDemand::compile(spec, node.required.as_ref(), &requests, models)?;
        let affinity = combined(&near_required);
        let ports = ports::compile(spec)?;
        Ok(Arc::new(PodShape {
            interest: digest_of(&(
                (demand.digest, &node_preferences),
                (&affinity, &anti_affinity, &pod_preferences),
                (&spread_hard, &spread_soft),
            )),
            ground: digest_of(&(
                (demand.digest, &node_preferences, devices.is_some()),
                (spread::grounds(&spread_hard), spread::grounds(&spread_soft)),
                affinity.as_ref().map(|affinity| &affinity.topology_keys),
                anti_affinity.iter().map(|term| &term.topology_key).collect::<Vec<_>>(),
                pod_preferences.iter().map(|(_, term)| &term.topology_key).collect::<Vec<_>>(),
            )),
            room: room(demand.digest, &requests, &ports),
            digest: digest_of(&(namespace, labels, text_of(spec), &demand.models)),
            namespace: namespace.to_owned(),
            labels: Arc::clone(labels),
            label_hashes: labels.iter().map(|(k, v)| label_hash(k, v)).collect(),
            load: load(&requests),
            ports,
            node_name: spec.node_name.clone().filter(|name| !name.is_empty()),
            home: None,
            demand,
            devices,
            requests,
            node_preferences,
            spread_hard,
            spread_soft,
            affinity,
            anti_affinity,
            pod_preferences,
            held,
            priority: spec.priority.unwrap_or(0),
            preempts: spec.preemption_policy.as_deref() != Some(NEVER),
        }))
    }

    /// The same of a pod whose data lives there. It answers otherwise than all that are alike but for
    /// this, so that nothing which is remembered of them is taken for it.
    #[must_use]
    pub fn at_home(&self, home: Home) -> Arc<PodShape> {
        let mixed = |digest: u128| digest_of(&(digest, &home));
        let mut shape = self.clone();
        for digest in [
            &mut shape.digest,
            &mut shape.interest,
            &mut shape.ground,
            &mut shape.room,
            &mut shape.demand.digest,
        ] {
            *digest = mixed(*digest);
        }
        // Nodes of one class answer alike, but for the one that is the home.
        shape.demand.reads_name = true;
        shape.home = Some(home);
        Arc::new(shape)
    }

    /// What a pod of this shape reserves on its node, one pod slot included.
    #[must_use]
    pub fn requests(&self) -> &Resources {
        &self.requests
    }

    /// Who is lower may have to go for a pod of this shape.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// Whether others may have to go for a pod of this shape.
    #[must_use]
    pub fn preempts(&self) -> bool {
        self.preempts
    }

    /// Whether pods of this shape look at other pods or weigh nodes by preference: then every node
    /// is looked at.
    pub(crate) fn has_constraints(&self) -> bool {
        !self.node_preferences.is_empty() || self.looks_at_pods()
    }

    /// Whether some pods cannot be near one of this shape.
    #[must_use]
    pub fn keeps_others_away(&self) -> bool {
        !self.anti_affinity.is_empty()
    }

    /// Whether where other pods are matters to pods of this shape.
    #[must_use]
    pub fn looks_at_pods(&self) -> bool {
        self.affinity.is_some()
            || !self.anti_affinity.is_empty()
            || !self.pod_preferences.is_empty()
            || !self.spread_hard.is_empty()
            || !self.spread_soft.is_empty()
    }

    /// Whether a pod that is placed or stops may make room for one of this shape: by bringing it
    /// company, by raising the least of a spread, or by counting no more.
    #[must_use]
    pub fn hopes_for_pods(&self) -> bool {
        self.affinity.is_some() || !self.spread_hard.is_empty()
    }

    /// Every topology key that this shape names.
    pub(crate) fn topology_keys(&self) -> impl Iterator<Item = &str> {
        let terms = self.held.iter().map(|held| held.term.topology_key.as_str());
        let spreads = self.spread_hard.iter().chain(&self.spread_soft);
        terms.chain(spreads.map(|spread| spread.topology_key.as_str()))
    }

    /// Every question that this shape asks about other pods.
    pub(crate) fn queries(&self) -> impl Iterator<Item = &Arc<PodQuery>> {
        let affinity = self.affinity.iter().map(|affinity| &affinity.query);
        let anti = self.anti_affinity.iter().map(|term| &term.query);
        let preferred = self.pod_preferences.iter().map(|(_, term)| &term.query);
        let spread = self.spread_hard.iter().chain(&self.spread_soft).map(|s| &s.query);
        affinity.chain(anti).chain(preferred).chain(spread)
    }
}

/// The requests of the spec, refused when one is below zero. What no node has is no more than just that:
/// sums of larger amounts would come to the end of their numbers, and not come back.
fn requests(spec: &PodSpec) -> Result<Resources, CompileError> {
    for container in spec.every_container() {
        let all = container.resources.requests.values().chain(container.resources.limits.values());
        if all.into_iter().any(setpoint_schemas::Quantity::is_negative) {
            let path = "spec.containers.resources";
            return Err(CompileError::new(path, "a quantity is below zero"));
        }
    }
    let mut requests = spec.requests();
    let Resources { cpu_milli, memory_bytes, ephemeral_bytes, pods: _, extended } = &mut requests;
    let plain = [cpu_milli, memory_bytes, ephemeral_bytes];
    for amount in plain.into_iter().chain(extended.values_mut()) {
        *amount = (*amount).min(AMOUNT_MAX + 1);
    }
    Ok(requests)
}

/// Compiles the terms of one field about other pods.
#[derive(Clone, Copy)]
struct PodTerms<'a> {
    namespace: &'a str,
    labels: &'a BTreeMap<String, String>,
    path: &'a str,
    /// What required ones do.
    force: Force,
}

impl PodTerms<'_> {
    fn required(&self, terms: &[PodAffinityTerm]) -> Result<Vec<PodTerm>, CompileError> {
        terms.iter().map(|term| self.compile(term, self.force)).collect()
    }

    /// With their weights, below 0 by this sign for what is to be avoided.
    fn preferred(
        &self,
        terms: &[WeightedPodAffinityTerm],
        sign: i64,
    ) -> Result<Vec<(i64, PodTerm)>, CompileError> {
        let weighted = |preferred: &WeightedPodAffinityTerm| {
            let weight = sign * weight(preferred.weight, self.path)?;
            Ok((weight, self.compile(&preferred.pod_affinity_term, Force::Weighs(weight))?))
        };
        terms.iter().map(weighted).collect()
    }

    fn compile(&self, term: &PodAffinityTerm, force: Force) -> Result<PodTerm, CompileError> {
        PodTerm::compile(term, self.namespace, self.labels, self.path, force)
    }
}

fn node_preferences(
    preferred: &[PreferredSchedulingTerm],
) -> Result<Vec<(i64, NodeTerm)>, CompileError> {
    let path = "spec.affinity.nodeAffinity";
    let weighted = |preferred: &PreferredSchedulingTerm| {
        let term = NodeTerm::compile(&preferred.preference, path)?;
        Ok((weight(preferred.weight, path)?, term))
    };
    preferred.iter().map(weighted).collect()
}

fn load(requests: &Resources) -> Load {
    let or = |amount: i64, default| if amount == 0 { default } else { amount };
    Load {
        cpu_milli: or(requests.cpu_milli, LOAD_CPU_MILLI),
        memory_bytes: or(requests.memory_bytes, LOAD_MEMORY_BYTES),
    }
}

fn room(demand: u128, requests: &Resources, ports: &[HostPort]) -> u128 {
    let Resources { cpu_milli, memory_bytes, ephemeral_bytes, pods, extended } = requests;
    digest_of(&(demand, (cpu_milli, memory_bytes, ephemeral_bytes, pods, extended), ports))
}

fn weight(weight: i32, path: &str) -> Result<i64, CompileError> {
    if WEIGHTS.contains(&weight) {
        return Ok(i64::from(weight));
    }
    Err(CompileError::new(path, "a weight must be from 1 to 100"))
}

fn combined(terms: &[PodTerm]) -> Option<Affinity> {
    let groups: Vec<Group> = terms.iter().flat_map(|t| t.query.groups().iter().cloned()).collect();
    (!terms.is_empty()).then(|| Affinity {
        query: PodQuery::new(groups),
        topology_keys: terms.iter().map(|term| term.topology_key.clone()).collect(),
    })
}

fn held(near: &[PodTerm], away: &[PodTerm], preferred: &[(i64, PodTerm)]) -> Vec<Arc<HeldTerm>> {
    let draws = Force::Weighs(REQUIRED_AFFINITY_WEIGHT);
    let near = near.iter().map(|term| HeldTerm::new(term.clone(), draws));
    let away = away.iter().map(|term| HeldTerm::new(term.clone(), Force::Repels));
    let soft = preferred.iter().map(|(w, term)| HeldTerm::new(term.clone(), Force::Weighs(*w)));
    near.chain(away).chain(soft).collect()
}

/// The fields of the spec that placing reads, as text to digest.
fn text_of(spec: &PodSpec) -> String {
    let containers: Vec<_> = spec.containers.iter().map(|c| (&c.ports, &c.resources)).collect();
    let inits = spec.init_containers.iter();
    let inits: Vec<_> = inits.map(|c| (&c.ports, &c.resources, c.is_sidecar())).collect();
    // Said only where there are some: the text of all others stays what it was.
    let inits = if inits.is_empty() { String::new() } else { format!("{inits:?} ") };
    format!(
        "{inits}{containers:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        spec.node_selector,
        spec.node_name,
        spec.affinity,
        spec.tolerations,
        spec.topology_spread_constraints,
        spec.host_network,
    )
}
