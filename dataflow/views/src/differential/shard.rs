//! Where a fact comes to the worker that counts it.
//!
//! A pod goes to the worker of its workload, and everything that is made of it stays there until
//! the changes are gathered: one exchange on the way in, one on the way out. One operator does the
//! sending, the sorting into what is made of a fact and the note for the cold dataflow, because
//! each costs a microsecond whenever it is scheduled.

use differential_dataflow::VecCollection;
use differential_dataflow::difference::Multiply;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

use super::net::Net;
use super::noted::SharedNoted;
use crate::facts::{PodFact, Standing};
use crate::rows::{Tally, WorkloadRevision};

/// 2^64 divided by the golden ratio, for Fibonacci hashing (Knuth, TAOCP 3, 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A fact on its way to its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Sent {
    /// To the worker that counts its workload.
    Pod(PodFact),
    /// There too: the pod stands as it says, and not as before; all else of it stays.
    Stands(PodFact, Standing),
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

/// Sends facts to their workers; there the pods are noted for the cold dataflow too. What they add to
/// the tallies is added up first: a tally that many pods change is one update.
pub(super) fn shard<'scope>(
    facts: VecCollection<'scope, u64, Sent, i64>,
    noted: SharedNoted,
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
    let mut counted = Net::default();
    builder.build(move |_| {
        move |_| {
            let (mut tallies, mut held) = (tallies_out.activate(), held_out.activate());
            let mut lost = lost_out.activate();
            let mut noted = noted.borrow_mut();
            input.for_each_time(|time, batches| {
                let at = *time.time();
                let mut held = held.session(&time);
                let mut lost = lost.session(&time);
                for (sent, _, difference) in batches.flat_map(|rows| rows.drain(..)) {
                    match sent {
                        Sent::Pod(pod) => {
                            noted.pod(&pod, difference);
                            counted.add(pod.key(), pod.tally().multiply(&difference));
                            if pod.is_live() {
                                held.give(((pod.node, Held::of(&pod)), at, difference));
                            }
                        }
                        Sent::Stands(pod, before) => {
                            let former = PodFact { standing: before, ..pod };
                            noted.room(&former, &pod, difference);
                            noted.stands(&former, -difference);
                            noted.stands(&pod, difference);
                            counted.add(pod.key(), before.tally().multiply(&-difference));
                            counted.add(pod.key(), pod.tally().multiply(&difference));
                            let held_more = i64::from(pod.is_live()) - i64::from(before.is_live());
                            if held_more != 0 {
                                let row = (pod.node, Held::of(&pod));
                                held.give((row, at, held_more * difference));
                            }
                        }
                        Sent::Lost { node, .. } => lost.give(((node, ()), at, difference)),
                    }
                }
                let mut tallies = tallies.session(&time);
                for (key, tally) in counted.take() {
                    tallies.give(((key, ()), at, tally));
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
            // The upper bits are well mixed, and the remainder is taken of the lower.
            Sent::Pod(pod) | Sent::Stands(pod, _) => {
                (u64::from(pod.workload)).wrapping_mul(GOLDEN) >> 32
            }
            Sent::Lost { worker, .. } => u64::from(*worker),
        }
    }
}

impl Held {
    fn of(pod: &PodFact) -> Held {
        Held { pod: pod.pod, workload: pod.workload, revision: pod.revision }
    }

    /// The tally that it counts in.
    pub(super) fn key(&self) -> WorkloadRevision {
        (self.workload, self.revision)
    }

    /// What the loss of its node changes in that tally: the same for all that are live.
    pub(super) fn moved() -> Tally {
        let mut moved = Standing::Starting.tally_lost();
        moved.add(&Standing::Starting.tally(), -1);
        moved
    }
}
