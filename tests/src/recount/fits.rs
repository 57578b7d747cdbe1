//! Whether a pod may go to a node, asked of every node and every pod anew: no index, no cache, and
//! no line of the placer.
//!
//! Source: the descriptions of kube-scheduler's filter plugins. A pod counts on its node until
//! nothing is left of it there.

use std::collections::{BTreeMap, BTreeSet};

use setpoint_schemas::{
    LabelSelector, NodeName, PodAffinityTerm, PodSpec, Resources, Taint, TaintEffect,
    TopologySpreadConstraint, WhenUnsatisfiable,
};

use super::claims::claims_in;
use super::devices::enough;
use super::labels::{Labels, matches_term, selects, tolerates};
use super::world::{NodeSeen, World};

/// A pod that asks for a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) namespace: &'a str,
    pub(super) labels: &'a Labels,
    pub(super) spec: &'a PodSpec,
    /// The one node that it is for: a DaemonSet's pod has an affinity to its node.
    pub(super) only: Option<&'a NodeName>,
}

pub(super) type Filter = fn(&World, Asking<'_>, &NodeSeen) -> Answer;

/// What a node may refuse.
pub(super) const ALL: &[Filter] =
    &[usable, tainted, chosen, at_home, ports, resources, devices, spread, affinity, anti_affinity];

/// Of these what another pod in the world only ever makes stricter: they may be asked of a world that
/// lacks pods. A spread and a wish for neighbours may come true by a pod that is missing here.
pub(super) const STRICTER_BY_PODS: &[Filter] =
    &[usable, tainted, chosen, at_home, ports, resources, devices, anti_affinity];

/// Why the pod may not go to this node, by these filters; `None` when it may.
pub(super) fn refusal(
    filters: &[Filter],
    world: &World,
    pod: Asking<'_>,
    node: &NodeSeen,
) -> Option<String> {
    if pod.spec.node_name.is_some() {
        return None;
    }
    filters.iter().find_map(|filter| filter(world, pod, node).err())
}

type Answer = Result<(), String>;

fn unless(refused: bool, why: &str) -> Answer {
    if refused { Err(why.to_owned()) } else { Ok(()) }
}

fn usable(_: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    };
    let knows = !node.lost && !node.doubted;
    unless(!knows || !node.record.is_ready(), "it is not ready")?;
    unless(node.unschedulable && !bears(pod, &cordon), "it is cordoned")
}

fn tainted(_: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    let refuses =
        |taint: &Taint| taint.effect != TaintEffect::PreferNoSchedule && !bears(pod, taint);
    unless(node.taints.iter().any(refuses), "it is tainted")?;
    let key = "node.kubernetes.io/disk-pressure".to_owned();
    let full = Taint { key, value: String::new(), effect: TaintEffect::NoSchedule };
    unless(node.record.has_disk_pressure() && !bears(pod, &full), "its disk is full")
}

/// Whether the node's taints are borne, those included that stand for a cordon and for not being ready.
fn is_borne(world: &World, pod: Asking<'_>, node: &NodeSeen) -> bool {
    usable(world, pod, node).is_ok() && tainted(world, pod, node).is_ok()
}

/// A DaemonSet's pod bears more than it says: cordons, and pressure on its node.
fn bears(pod: Asking<'_>, taint: &Taint) -> bool {
    let mark = taint.key.strip_prefix("node.kubernetes.io/").unwrap_or_default();
    let by_kind =
        matches!(mark, "unschedulable" | "disk-pressure" | "memory-pressure" | "pid-pressure");
    (pod.only.is_some() && by_kind) || tolerates(&pod.spec.tolerations, taint)
}

/// Node selector and required node affinity.
fn chosen(_: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    unless(!is_chosen(pod, node), "it does not match selector or affinity")
}

fn is_chosen(pod: Asking<'_>, node: &NodeSeen) -> bool {
    let labels = &node.labels;
    let selected = pod.spec.node_selector.iter().all(|(k, v)| labels.get(k) == Some(v));
    let affinity = pod.spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
    let required = affinity.and_then(|a| a.required.as_ref());
    let name = node.record.node.as_str();
    let is_near = required
        .is_none_or(|r| r.node_selector_terms.iter().any(|t| matches_term(t, labels, name)));
    selected && is_near && pod.only.is_none_or(|only| *only == node.record.node)
}

/// Its data is there, or nowhere yet.
fn at_home(world: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    for name in claims_in(pod.spec) {
        let Some(status) = world.claim(pod.namespace, name) else {
            return Err(format!("its claim {name} is not there"));
        };
        unless(status.is_leaving(), "its claim is leaving")?;
        let awaits = status.volume_name.is_empty() && world.is_classless(pod.namespace, name);
        unless(awaits, "its claim waits for a volume")?;
        let elsewhere = !status.node.is_empty() && status.node != node.record.node.as_str();
        unless(elsewhere, "its data lives elsewhere")?;
    }
    Ok(())
}

fn ports(world: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    let taken: Vec<(String, i32, String)> = world
        .pods
        .values()
        .filter(|other| other.placement.node == node.record.node && !other.is_finished())
        .flat_map(|other| host_ports(&other.spec))
        .collect();
    let any = |address: &String| address == "0.0.0.0";
    let clashes = |(protocol, port, address): &(String, i32, String)| {
        taken
            .iter()
            .any(|(p, n, a)| p == protocol && n == port && (a == address || any(a) || any(address)))
    };
    unless(host_ports(pod.spec).iter().any(clashes), "a port is taken")
}

fn host_ports(spec: &PodSpec) -> Vec<(String, i32, String)> {
    let on_host = spec.host_network == Some(true);
    let ports = spec.containers.iter().flat_map(|container| &container.ports);
    ports
        .filter_map(|port| {
            let given = port.host_port.filter(|n| *n != 0);
            let number = given.or(on_host.then_some(port.container_port))?;
            let protocol = port.protocol.clone().filter(|p| !p.is_empty());
            let address = port.host_ip.clone().filter(|a| !a.is_empty() && a != "::");
            let protocol = protocol.unwrap_or_else(|| "TCP".to_owned());
            Some((protocol, number, address.unwrap_or_else(|| "0.0.0.0".to_owned())))
        })
        .collect()
}

fn resources(world: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    let mut used = world.reserved(&node.record.node);
    let asked = pod.spec.requests();
    used.add(&asked);
    let may = &node.record.allocatable;
    let short = |pick: fn(&Resources) -> i64| pick(&asked) > 0 && pick(&used) > pick(may);
    let short_extended = asked.extended.iter().any(|(name, amount)| {
        let of = |from: &Resources| from.extended.get(name).copied().unwrap_or(0);
        *amount > 0 && of(&used) > of(may)
    });
    unless(short(|r| r.cpu_milli), "too little cpu")?;
    unless(short(|r| r.memory_bytes), "too little memory")?;
    unless(short(|r| r.ephemeral_bytes), "too little disk")?;
    unless(short(|r| r.pods), "too many pods")?;
    unless(short_extended, "too little of an extended resource")
}

fn devices(world: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    enough(world, pod.spec, node)
}

fn spread(world: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    let hard: Vec<&TopologySpreadConstraint> = pod
        .spec
        .topology_spread_constraints
        .iter()
        .filter(|c| c.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule)
        .collect();
    for constraint in &hard {
        let Some(domain) = node.labels.get(&constraint.topology_key) else {
            return Err("it lacks the label of a spread constraint".to_owned());
        };
        let selector = with_keys(
            constraint.label_selector.as_ref(),
            &constraint.match_label_keys,
            &[],
            pod.labels,
        );
        let counts = domains(world, pod, constraint, &hard, selector.as_ref());
        let smallest = match counts.len() < as_usize(constraint.min_domains.unwrap_or(1)) {
            true => 0,
            false => counts.values().min().copied().unwrap_or(0),
        };
        let own = i64::from(selects(selector.as_ref(), pod.labels));
        let here = counts.get(domain).copied().unwrap_or(0);
        unless(here + own - smallest > i64::from(constraint.max_skew), "it would be uneven")?;
    }
    Ok(())
}

/// The pods that a constraint counts, by domain; those that stop are none of them.
fn domains(
    world: &World,
    pod: Asking<'_>,
    constraint: &TopologySpreadConstraint,
    hard: &[&TopologySpreadConstraint],
    selector: Option<&LabelSelector>,
) -> BTreeMap<String, i64> {
    let honors = |policy: &Option<String>, default: bool| {
        policy.as_deref().map_or(default, |policy| policy == "Honor")
    };
    let counts = |node: &&NodeSeen| {
        hard.iter().all(|c| node.labels.contains_key(&c.topology_key))
            && (!honors(&constraint.node_affinity_policy, true) || is_chosen(pod, node))
            && (!honors(&constraint.node_taints_policy, false) || is_borne(world, pod, node))
    };
    let mut found = BTreeMap::new();
    for node in world.nodes.values().filter(counts) {
        let matching = world.pods.values().filter(|other| {
            !other.stopping
                && !other.is_finished()
                && other.is_here()
                && other.placement.node == node.record.node
                && other.placement.pattern.namespace.as_str() == pod.namespace
                && selects(selector, &other.placement.pattern.labels)
        });
        *found.entry(node.labels[&constraint.topology_key].clone()).or_default() +=
            matching.count() as i64;
    }
    found
}

fn as_usize(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn affinity(world: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    let near = pod.spec.affinity.as_ref().and_then(|a| a.pod_affinity.as_ref());
    let Some(near) = near.filter(|near| !near.required.is_empty()) else { return Ok(()) };
    let matches_all = |namespace: &str, labels: &Labels| {
        near.required.iter().all(|term| meant(world, term, pod, namespace, labels))
    };
    let friends: Vec<&NodeSeen> = world
        .pods
        .values()
        .filter(|p| p.is_here() && !p.is_finished())
        .filter(|p| {
            matches_all(p.placement.pattern.namespace.as_str(), &p.placement.pattern.labels)
        })
        .filter_map(|p| world.nodes.get(&p.placement.node))
        .collect();
    let has_domain = |friend: &&&NodeSeen| {
        near.required.iter().any(|term| friend.labels.contains_key(&term.topology_key))
    };
    let is_first =
        friends.iter().filter(has_domain).count() == 0 && matches_all(pod.namespace, pod.labels);
    let holds = |term: &PodAffinityTerm| {
        let Some(domain) = node.labels.get(&term.topology_key) else { return false };
        let same = |friend: &&NodeSeen| friend.labels.get(&term.topology_key) == Some(domain);
        is_first || friends.iter().any(same)
    };
    unless(!near.required.iter().all(holds), "nobody that it wants is near")
}

/// In both directions: nobody near whom it does not want, nobody near who does not want it.
fn anti_affinity(world: &World, pod: Asking<'_>, node: &NodeSeen) -> Answer {
    for other in world.pods.values().filter(|other| !other.is_finished()) {
        let Some(home) = world.nodes.get(&other.placement.node) else { continue };
        let near = |term: &PodAffinityTerm| {
            let key = &term.topology_key;
            node.labels.contains_key(key) && node.labels.get(key) == home.labels.get(key)
        };
        let theirs = Asking {
            namespace: other.placement.pattern.namespace.as_str(),
            labels: &other.placement.pattern.labels,
            spec: &other.spec,
            only: None,
        };
        let repels = |mine: Asking<'_>, them: Asking<'_>| {
            repelling(mine.spec)
                .iter()
                .any(|t| near(t) && meant(world, t, mine, them.namespace, them.labels))
        };
        unless(repels(pod, theirs), "one that it does not want is near")?;
        unless(repels(theirs, pod), "one that does not want it is near")?;
    }
    Ok(())
}

fn repelling(spec: &PodSpec) -> &[PodAffinityTerm] {
    let away = spec.affinity.as_ref().and_then(|a| a.pod_anti_affinity.as_ref());
    away.map_or(&[], |away| &away.required)
}

/// Whether a term of `owner` means a pod of this namespace with these labels.
fn meant(
    world: &World,
    term: &PodAffinityTerm,
    owner: Asking<'_>,
    namespace: &str,
    labels: &Labels,
) -> bool {
    let named: BTreeSet<&str> = match (term.namespaces.is_empty(), &term.namespace_selector) {
        (true, None) => BTreeSet::from([owner.namespace]),
        _ => term.namespaces.iter().map(String::as_str).collect(),
    };
    let chosen = term
        .namespace_selector
        .as_ref()
        .is_some_and(|s| selects(Some(s), &world.namespace_labels(namespace)));
    let selector = with_keys(
        term.label_selector.as_ref(),
        &term.match_label_keys,
        &term.mismatch_label_keys,
        owner.labels,
    );
    (named.contains(namespace) || chosen) && selects(selector.as_ref(), labels)
}

/// The selector, further narrowed by keys of the pod's own labels.
fn with_keys(
    selector: Option<&LabelSelector>,
    equal: &[String],
    different: &[String],
    labels: &Labels,
) -> Option<LabelSelector> {
    use setpoint_schemas::{LabelSelectorRequirement, SelectorOperator};
    let mut selector = selector?.clone();
    for (keys, operator) in [(equal, SelectorOperator::In), (different, SelectorOperator::NotIn)] {
        for (key, value) in keys.iter().filter_map(|key| Some((key, labels.get(key)?))) {
            let (key, values) = (key.clone(), vec![value.clone()]);
            selector.match_expressions.push(LabelSelectorRequirement { key, operator, values });
        }
    }
    Some(selector)
}
