//! What may stand at a place: one row a verb, and one a flag.

use super::Candidate;
use super::place::{Asked, Place};
use crate::client;

/// What may stand there beside what the command line itself says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    Files,
    /// What has a name in the API, or a form.
    Named(What),
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A kind, and behind it names; or KIND/NAME.
    Objects,
    /// The same of kinds that have pods.
    Workloads,
    /// A pod, or KIND/NAME.
    Subject,
    Pods,
    Nodes,
    Namespaces,
    /// Containers of the pod or workload that is named before.
    Containers,
    /// The forms of `get`.
    Forms,
}

/// The kinds whose pods are updated.
const WORKLOADS: [&str; 5] =
    ["daemonsets", "deployments", "replicasets", "replicationcontrollers", "statefulsets"];

/// What the words behind a verb are.
const VERBS: &[(&str, What)] = &[
    ("get", What::Objects),
    ("describe", What::Objects),
    ("delete", What::Objects),
    ("edit", What::Objects),
    ("patch", What::Objects),
    ("label", What::Objects),
    ("annotate", What::Objects),
    ("wait", What::Objects),
    ("explain", What::Objects),
    ("status", What::Objects),
    ("scale", What::Workloads),
    ("rollout", What::Workloads),
    ("logs", What::Subject),
    ("exec", What::Subject),
    ("port-forward", What::Subject),
    ("cordon", What::Nodes),
    ("uncordon", What::Nodes),
    ("drain", What::Nodes),
    ("node", What::Nodes),
];

/// What the value of a flag is, by the flag's id.
const FLAGS: &[(&str, What)] = &[
    ("namespace", What::Namespaces),
    ("container", What::Containers),
    ("pod", What::Pods),
    ("resource", What::Objects),
];

/// What may stand at this place.
pub(super) fn wanted(place: &Place<'_>) -> Wanted {
    let verb = place.verbs.first().copied().unwrap_or_default();
    match &place.asked {
        Asked::Value { arg, .. } => {
            let id = arg.get_id().as_str();
            let is_file =
                arg.get_value_names().is_some_and(|n| n.iter().any(|n| n.as_str() == "FILE"));
            let row = FLAGS.iter().find(|(flag, _)| *flag == id);
            match row {
                _ if is_file => Wanted::Files,
                _ if (verb, id) == ("get", "output") => Wanted::Named(What::Forms),
                Some((_, what)) => Wanted::Named(*what),
                None => Wanted::Nothing,
            }
        }
        Asked::Word(_) => {
            let row = VERBS.iter().find(|(name, _)| *name == verb).map(|(_, what)| *what);
            match row {
                // A pod is named once; behind it stand ports, or another program's command line.
                Some(What::Subject) if !place.words.is_empty() => Wanted::Nothing,
                Some(_) if place.command.has_subcommands() => Wanted::Nothing,
                Some(what) => Wanted::Named(what),
                None => Wanted::Nothing,
            }
        }
        Asked::Flag(_) | Asked::Foreign => Wanted::Nothing,
    }
}

impl What {
    /// The kinds that it is about where it is about some only.
    pub(super) fn is_about(self, plural: &str) -> bool {
        self != What::Workloads || WORKLOADS.contains(&plural)
    }

    /// The kinds that every server has.
    pub(super) fn kinds(self) -> Vec<Candidate> {
        let kinds = client::plurals().filter(|plural| self.is_about(plural));
        kinds.map(|plural| Candidate::new(plural, "")).collect()
    }
}
