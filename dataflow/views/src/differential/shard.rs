//! Where a fact comes to the worker that counts it.
//!
//! A pod goes to the worker of its workload, and everything that is made of it stays there until
//! the changes are gathered: one exchange on the way in, one on the way out. One operator does the
//! sending, the sorting into what is made of a fact and the note for the cold dataflow, because
//! each costs a microsecond whenever it is scheduled.

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::difference::Multiply;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

use super::outbox::Waiting;
use crate::facts::{PodFact, Standing};
use crate::rows::{Tally, WorkloadRevision};

/// A fact on its way to its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Sent {
    /// To the worker that counts its workload.
    Pod(PodFact),
    /// To this worker: each has its own pods on a lost node.
    Lost {
        /// The node.
        node: u32,
        /// The worker.
        worker: u32,
    },
}

/// A live pod on its node, as far as the loss of the node concerns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Held {
    /// The pod.
    pub(super) pod: u32,
    workload: u32,
    revision: u32,
    standing: Standing,
}

/// Updates to a collection that is keyed, as an arrangement takes them.
pub(super) type Keyed<K, V, R> = Vec<((K, V), u64, R)>;

/// What a worker makes of the facts that it gets.
pub(super) struct Shard<'scope> {
    /// What pods add to the tallies, their nodes not being lost.
    pub(super) tallies: Stream<'scope, u64, Keyed<WorkloadRevision, (), Tally>>,
    /// Live pods by node.
    pub(super) held: Stream<'scope, u64, Keyed<u32, Held, i64>>,
    /// Lost nodes.
    pub(super) lost: Stream<'scope, u64, Keyed<u32, (), i64>>,
}

/// Sends facts to their workers; there the pods are noted for the cold dataflow too.
pub(super) fn shard<'scope>(
    facts: VecCollection<'scope, u64, Sent, i64>,
    noted: Rc<RefCell<Waiting<PodFact>>>,
) -> Shard<'scope> {
    let mut builder = OperatorBuilder::new("Shard".to_owned(), facts.scope());
    let by_worker = Exchange::new(|(sent, ..): &(Sent, u64, i64)| sent.route());
    let mut input = builder.new_input(facts.inner, by_worker);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (tallies_out, tallies) = builder.new_output();
    let (held_out, held) = builder.new_output();
    let (lost_out, lost) = builder.new_output();
    let mut tallies_out =
        OutputBuilder::<_, CapacityContainerBuilder<Keyed<_, _, _>>>::from(tallies_out);
    let mut held_out = OutputBuilder::<_, CapacityContainerBuilder<Keyed<_, _, _>>>::from(held_out);
    let mut lost_out = OutputBuilder::<_, CapacityContainerBuilder<Keyed<_, _, _>>>::from(lost_out);
    builder.build(move |_| {
        move |_| {
            let (mut tallies, mut held) = (tallies_out.activate(), held_out.activate());
            let mut lost = lost_out.activate();
            let mut noted = noted.borrow_mut();
            input.for_each(|time, rows| {
                let (mut tallies, mut held) = (tallies.session(&time), held.session(&time));
                let mut lost = lost.session(&time);
                for (sent, at, difference) in rows.drain(..) {
                    match sent {
                        Sent::Pod(pod) => {
                            noted.push(pod, difference);
                            let key = (pod.workload, pod.revision);
                            tallies.give(((key, ()), at, pod.tally().multiply(&difference)));
                            if pod.is_live() {
                                held.give(((pod.node, Held::of(&pod)), at, difference));
                            }
                        }
                        Sent::Lost { node, .. } => lost.give(((node, ()), at, difference)),
                    }
                }
            });
        }
    });
    Shard { tallies, held, lost }
}

impl Sent {
    /// The worker, modulo how many there are.
    fn route(&self) -> u64 {
        match self {
            // Fibonacci hashing: the upper bits are well mixed, and the remainder is taken of the lower.
            Sent::Pod(pod) => (u64::from(pod.workload)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32,
            Sent::Lost { worker, .. } => u64::from(*worker),
        }
    }
}

impl Held {
    fn of(pod: &PodFact) -> Held {
        Held {
            pod: pod.pod,
            workload: pod.workload,
            revision: pod.revision,
            standing: pod.standing,
        }
    }

    /// The tally that it counts in.
    pub(super) fn key(&self) -> WorkloadRevision {
        (self.workload, self.revision)
    }

    /// What the loss of its node changes in that tally.
    pub(super) fn moved(&self) -> Tally {
        let mut moved = self.standing.tally_lost();
        moved.add(&self.standing.tally(), -1);
        moved
    }
}
