//! How a case must have ended, found out from the manifests and the places alone.
//!
//! Guarantee: nothing here asks the placer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use setpoint_schemas::Resources;

use crate::cases::case::{Case, End, Place};
use crate::cases::stage::{Offer, Offers, Places, amounts};
use crate::cases::templates::pod;

/// A pod with its place, as the manifests tell.
struct Bound {
    labels: Value,
    namespace: String,
    spec: Value,
    node: usize,
}

/// That every measured pod is bound, that no node holds more than it has, that nobody is beside
/// whom it refuses, that required company is there, that the skew is kept, and that what should be
/// exactly full is.
pub(crate) fn check(
    case: &Case,
    nodes: &[Value],
    offers: &Offers,
    places: &Places,
) -> anyhow::Result<()> {
    let unbound = offers.measured.iter().filter(|offer| !places.contains_key(&offer.id)).count();
    anyhow::ensure!(unbound == 0, "{unbound} measured pods have no node");
    let bound: Vec<Bound> = offers.all().filter_map(|offer| bound(offer, places)).collect();
    check_capacity(nodes, &bound)?;
    check_ports(&bound)?;
    check_taints(nodes, &bound)?;
    check_company(case, nodes, &bound)?;
    check_skew(nodes, &bound)?;
    if case.end == End::OneANode {
        let takers = nodes.iter().filter(|node| node["taints"] == serde_json::json!([])).count();
        let taken: BTreeSet<usize> = bound.iter().map(|pod| pod.node).collect();
        anyhow::ensure!(taken.len() == takers, "{} of {takers} nodes are taken", taken.len());
        anyhow::ensure!(bound.len() == takers, "{} pods on {takers} nodes", bound.len());
    }
    Ok(())
}

fn bound(offer: &Offer, places: &Places) -> Option<Bound> {
    let node = places.get(&offer.id)?.0 as usize;
    let (labels, spec) = pod(offer.pod, offer.number);
    Some(Bound { labels, namespace: offer.namespace.clone(), spec, node })
}

fn check_capacity(nodes: &[Value], bound: &[Bound]) -> anyhow::Result<()> {
    let mut used = vec![Resources::default(); nodes.len()];
    for pod in bound {
        let mut asks = amounts(&pod.spec["containers"][0]["resources"]["requests"])?;
        asks.pods = 1;
        used[pod.node].add(&asks);
    }
    for (node, used) in nodes.iter().zip(&used) {
        let has = amounts(&node["allocatable"])?;
        let extended =
            |(name, asked): (&String, &i64)| *asked <= has.extended.get(name).copied().unwrap_or(0);
        let fits = used.cpu_milli <= has.cpu_milli
            && used.memory_bytes <= has.memory_bytes
            && used.pods <= has.pods
            && used.extended.iter().all(extended);
        anyhow::ensure!(fits, "{} holds {used:?}", node["name"]);
    }
    Ok(())
}

fn check_ports(bound: &[Bound]) -> anyhow::Result<()> {
    let mut taken = BTreeSet::new();
    for pod in bound {
        if let Some(port) = pod.spec["containers"][0]["ports"][0]["hostPort"].as_i64() {
            anyhow::ensure!(taken.insert((pod.node, port)), "a port is bound twice");
        }
    }
    Ok(())
}

/// No template bears a taint.
fn check_taints(nodes: &[Value], bound: &[Bound]) -> anyhow::Result<()> {
    let on_tainted = |pod: &&Bound| nodes[pod.node]["taints"] != serde_json::json!([]);
    let wrong = bound.iter().filter(on_tainted).count();
    anyhow::ensure!(wrong == 0, "{wrong} pods are on tainted nodes");
    Ok(())
}

/// Required terms between pods, of every pod that has one.
fn check_company(case: &Case, nodes: &[Value], bound: &[Bound]) -> anyhow::Result<()> {
    for (field, wants) in [("podAffinity", true), ("podAntiAffinity", false)] {
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        let term = |pod: &Bound| pod.spec["affinity"][field][required][0].clone();
        let mut matched: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for pod in bound.iter().filter(|pod| !term(pod).is_null()) {
            let term = term(pod);
            let counts = matched.entry(term.to_string()).or_insert_with(|| {
                let mut counts = BTreeMap::new();
                for other in bound.iter().filter(|other| is_about(case, &term, other)) {
                    *counts.entry(domain(nodes, other, &term)).or_insert(0) += 1;
                }
                counts
            });
            let itself = usize::from(is_about(case, &term, pod));
            let others = counts.get(&domain(nodes, pod, &term)).copied().unwrap_or(0) - itself;
            anyhow::ensure!((others > 0) == wants, "{field} of a pod in {}", pod.namespace);
        }
    }
    Ok(())
}

fn is_about(case: &Case, term: &Value, other: &Bound) -> bool {
    let named = term["namespaces"].as_array();
    let namespace = match named {
        Some(named) => named.iter().any(|name| *name == *other.namespace),
        None => labelled(case, &other.namespace),
    };
    namespace && has_labels(&other.labels, &term["labelSelector"]["matchLabels"])
}

fn has_labels(labels: &Value, wanted: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(key, value)| labels[key] == *value)
}

fn labelled(case: &Case, namespace: &str) -> bool {
    let is_prefix = |place: Place| match place {
        Place::Labelled(prefix, _) => namespace.starts_with(prefix),
        Place::Namespace(_) => false,
    };
    case.before.iter().chain([&case.measured]).any(|pods| is_prefix(pods.place))
}

fn domain(nodes: &[Value], pod: &Bound, term: &Value) -> String {
    let key = term["topologyKey"].as_str().unwrap_or_default();
    nodes[pod.node]["labels"][key].to_string()
}

/// Constraints that must hold, over all domains of nodes without taints.
fn check_skew(nodes: &[Value], bound: &[Bound]) -> anyhow::Result<()> {
    let hard = |pod: &&Bound| {
        pod.spec["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "DoNotSchedule"
    };
    let Some(first) = bound.iter().find(hard) else { return Ok(()) };
    let constraint = &first.spec["topologySpreadConstraints"][0];
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    let key = constraint["topologyKey"].as_str().unwrap_or_default();
    for node in nodes.iter().filter(|node| node["taints"] == serde_json::json!([])) {
        counts.insert(node["labels"][key].to_string(), 0);
    }
    let wanted = &constraint["labelSelector"]["matchLabels"];
    for pod in bound.iter().filter(|pod| has_labels(&pod.labels, wanted)) {
        *counts.entry(domain(nodes, pod, constraint)).or_insert(0) += 1;
    }
    let skew = counts.values().max().unwrap_or(&0) - counts.values().min().unwrap_or(&0);
    let bound = constraint["maxSkew"].as_i64().unwrap_or(0);
    anyhow::ensure!(skew <= bound, "the skew is {skew}, at most {bound} was asked");
    Ok(())
}
