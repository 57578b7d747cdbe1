//! What a case is, as data.

use crate::cases::templates::{Node, Pod};

/// One case of kube-scheduler's own performance tests, at its largest size.
pub(crate) struct Case {
    /// Its name there.
    pub(crate) name: &'static str,
    /// Nodes of each kind, one after the other; numbers count on.
    pub(crate) nodes: &'static [(Node, usize)],
    pub(crate) zones: Zones,
    /// Pods that have their place before the clock starts.
    pub(crate) before: &'static [Pods],
    /// Pods that wait in front of the measured ones and are decided within the clock, uncounted.
    pub(crate) backlog: Option<Pods>,
    pub(crate) measured: Pods,
    pub(crate) during: During,
    pub(crate) end: End,
    pub(crate) floor: Option<Floor>,
    /// Decisions a second that we want.
    pub(crate) goal: f64,
    /// What differs from the case as it stands there; empty when nothing does.
    pub(crate) note: &'static str,
}

/// Zones, handed out round-robin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zones {
    /// Nodes have no such label.
    None,
    /// All nodes are in `zone1`.
    One,
    /// `moon-1` to `moon-3`.
    Three,
}

/// Pods of one template, as one operation makes them.
#[derive(Clone, Copy)]
pub(crate) struct Pods {
    pub(crate) pod: Pod,
    pub(crate) count: usize,
    pub(crate) place: Place,
    /// This many in a row carry the same `signature` label.
    pub(crate) batch: usize,
}

/// Which namespace pods are in.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Namespace(&'static str),
    /// As many namespaces `PREFIX-0`, `PREFIX-1` … with `team=devops`, the pods in equal shares.
    Labelled(&'static str, usize),
}

/// What happens while the measured pods are decided. Theirs happens by the clock, every so many
/// milliseconds; ours once in as many pods as their floor asks for in that time, since a run that
/// takes a twentieth of a second would see none of it.
#[derive(Clone, Copy)]
pub(crate) enum During {
    Nothing,
    /// Another pod that fits nowhere.
    NineCpuEach(usize),
    /// Another pod for which others have to go.
    HighEach(usize),
    /// A node without capacity and a nine-cpu pod come, and at the next time go.
    NodeAndPodEach(usize),
    /// One of the backlog's pods goes.
    DeleteEach(usize),
    /// One of those goes that had their place before.
    DeletePlacedEach(usize),
}

/// How the fleet must stand at the end, beside what always holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing further.
    Placed,
    /// Every node that takes pods has exactly one.
    OneANode,
}

/// What kube-scheduler's CI asks of it, in pods a second, API included.
#[derive(Clone, Copy)]
pub(crate) struct Floor {
    pub(crate) pods_a_second: f64,
    /// The file, by its folder.
    pub(crate) file: &'static str,
    pub(crate) commit: &'static str,
}

/// Of each decision that neither requires other pods nor evicts any.
pub(crate) const GOAL: f64 = 200_000.0;
/// Of required affinity and anti-affinity between pods.
pub(crate) const GOAL_BETWEEN_PODS: f64 = 50_000.0;
/// Of each decision for which others have to go, their going included.
pub(crate) const GOAL_PREEMPTING: f64 = 50_000.0;
/// The size of the largest workloads, from which smaller runs scale down.
pub(crate) const NODES: usize = 5_000;

impl Case {
    /// Whether who is where is kept beside: some pods look for others to go.
    pub(crate) fn preempts(&self) -> bool {
        matches!(self.measured.pod, Pod::High | Pod::HighWhole)
            || matches!(
                self.during,
                During::NineCpuEach(_) | During::HighEach(_) | During::NodeAndPodEach(_)
            )
    }

    /// The case on so many nodes in place of 5,000, all numbers in proportion.
    pub(crate) fn scaled(count: usize, nodes: usize) -> usize {
        (count * nodes / NODES).max(usize::from(count > 0))
    }
}

impl Pods {
    pub(crate) const fn of(pod: Pod, count: usize, namespace: &'static str) -> Pods {
        Pods { pod, count, place: Place::Namespace(namespace), batch: 1 }
    }

    pub(crate) const fn over(pod: Pod, count: usize, prefix: &'static str, over: usize) -> Pods {
        Pods { pod, count, place: Place::Labelled(prefix, over), batch: 1 }
    }
}
