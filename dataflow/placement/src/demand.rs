//! What a pod demands of a node's own marks: labels, name, taints, kinds of resources.
//!
//! Guarantee: a node's answer changes only when the node's record does, so it is kept.

use std::collections::{BTreeMap, BTreeSet};

use setpoint_schemas::{NodeSelector, PodSpec, Resources};

use crate::CompileError;
use crate::devices::Models;
use crate::ids::digest_of;
use crate::selector::{NodeTerm, Requirement, Selector};
use crate::tolerate::{self, Bears};

/// Demands on the node itself.
#[derive(Debug, Clone)]
pub(crate) struct NodeDemand {
    pub(crate) digest: u128,
    selector: Selector,
    /// One of these must match; absent demands nothing.
    required: Option<Vec<NodeTerm>>,
    pub(crate) bears: Vec<Bears>,
    /// Extended resources: a node that has less of one in all can never fit.
    pub(crate) extended: BTreeMap<String, i64>,
    /// The models of device that will do.
    pub(crate) models: Models,
    /// Whether nodes that differ in name and host name only may answer differently.
    pub(crate) reads_name: bool,
    /// The only nodes that can match, in order, when the demand names them.
    pub(crate) names: Option<BTreeSet<String>>,
}

impl NodeDemand {
    pub(crate) fn compile(
        spec: &PodSpec,
        required: Option<&NodeSelector>,
        requests: &Resources,
        models: Models,
    ) -> Result<NodeDemand, CompileError> {
        let equal = spec.node_selector.iter().map(|(k, v)| Requirement::equal(k, v));
        let selector = Selector::All(equal.collect());
        let required = match required {
            None => None,
            Some(required) => {
                let path = "spec.affinity.nodeAffinity";
                let terms = required.node_selector_terms.iter();
                Some(terms.map(|t| NodeTerm::compile(t, path)).collect::<Result<Vec<_>, _>>()?)
            }
        };
        let bears = tolerate::of_pod(spec)?;
        let extended = requests.extended.clone();
        let names = required.as_ref().and_then(|terms| {
            terms.iter().map(|t| t.only_name().map(str::to_owned)).collect::<Option<BTreeSet<_>>>()
        });
        let reads_name = spec.node_selector.contains_key(crate::HOSTNAME)
            || required.as_ref().is_some_and(|terms| terms.iter().any(NodeTerm::reads_name));
        let digest = digest_of(&(&selector, &required, &bears, &extended, &models));
        Ok(NodeDemand { digest, selector, required, bears, extended, models, reads_name, names })
    }

    /// Whether node selector and required node affinity both match.
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>, name: &str) -> bool {
        self.selector.matches(labels)
            && self
                .required
                .as_ref()
                .is_none_or(|terms| terms.iter().any(|term| term.matches(labels, name)))
    }
}
