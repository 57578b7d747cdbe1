//! What the cold dataflow is to learn of pods, as it waits at the worker that counts them.
//!
//! What can be added up is: a pod that stands elsewhere adds to its namespace and to nothing else, so
//! that a million of them between two cold steps leave a row.

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::difference::Multiply;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

use super::net::Net;
use super::outbox::Waiting;
use crate::facts::PodFact;
use crate::rows::{NodeRollup, Rollup, Sighting};

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Noted {
    places: Waiting<Sighting>,
    nodes: Net<u32, NodeRollup>,
    namespaces: Net<u32, Rollup>,
}

/// The same at each worker, as its operators share it.
pub(super) type SharedNoted = Rc<RefCell<Noted>>;

impl Noted {
    /// A pod's fact begins or ceases to hold.
    pub(super) fn pod(&mut self, pod: &PodFact, difference: i64) {
        self.places.push(pod.place(), difference);
        self.nodes.add(pod.node, pod.reservation().multiply(&difference));
        self.stands(pod, difference);
    }

    /// A pod gives its room back, or takes it again.
    pub(super) fn room(&mut self, before: &PodFact, now: &PodFact, difference: i64) {
        if before.standing.holds_room() != now.standing.holds_room() {
            self.nodes.add(now.node, before.reservation().multiply(&-difference));
            self.nodes.add(now.node, now.reservation().multiply(&difference));
        }
    }

    /// What a pod adds to its namespace by where it stands begins or ceases to hold.
    pub(super) fn stands(&mut self, pod: &PodFact, difference: i64) {
        if pod.is_live() {
            self.namespaces.add(pod.namespace, pod.rollup().multiply(&difference));
        }
    }
}

/// Updates that a dataflow takes: rows with a time and a difference.
type Updates<D, R> = Vec<(D, u64, R)>;

/// Pods as the cold dataflow takes them in.
pub(super) struct Pods<'scope> {
    /// Where pods are to be.
    pub(super) places: Stream<'scope, u64, Updates<Sighting, i64>>,
    /// What nodes' pods reserve.
    pub(super) nodes: Stream<'scope, u64, Updates<u32, NodeRollup>>,
    /// The live pods of namespaces.
    pub(super) namespaces: Stream<'scope, u64, Updates<u32, Rollup>>,
}

/// What was noted of pods, as the ticks call it in.
pub(super) fn pods_at<'scope>(
    ticks: Stream<'scope, u64, Updates<u32, i64>>,
    noted: SharedNoted,
) -> Pods<'scope> {
    let mut builder = OperatorBuilder::new("Pods".to_owned(), ticks.scope());
    let to_worker = Exchange::new(|(worker, ..): &(u32, u64, i64)| u64::from(*worker));
    let mut input = builder.new_input(ticks, to_worker);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (places_out, places) = builder.new_output();
    let (nodes_out, nodes) = builder.new_output();
    let (namespaces_out, namespaces) = builder.new_output();
    let mut places_out =
        OutputBuilder::<_, CapacityContainerBuilder<Updates<_, _>>>::from(places_out);
    let mut nodes_out =
        OutputBuilder::<_, CapacityContainerBuilder<Updates<_, _>>>::from(nodes_out);
    let mut namespaces_out =
        OutputBuilder::<_, CapacityContainerBuilder<Updates<_, _>>>::from(namespaces_out);
    builder.build(move |_| {
        move |_| {
            let (mut places, mut nodes) = (places_out.activate(), nodes_out.activate());
            let mut namespaces = namespaces_out.activate();
            let mut noted = noted.borrow_mut();
            input.for_each(|time, _| {
                let at = *time.time();
                let mut session = places.session(&time);
                noted.places.take().for_each(|(place, n)| session.give((place, at, n)));
                let mut session = nodes.session(&time);
                let rows = noted.nodes.take().into_iter();
                rows.for_each(|(node, row)| session.give((node, at, row)));
                let mut session = namespaces.session(&time);
                let rows = noted.namespaces.take().into_iter();
                rows.for_each(|(name, row)| session.give((name, at, row)));
            });
        }
    });
    Pods { places, nodes, namespaces }
}
