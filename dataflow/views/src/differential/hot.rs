//! The hot dataflow: what every epoch needs, and nothing else.
//!
//! Only the first worker puts facts in and holds the clock: the others act on what reaches them. So
//! an epoch whose workloads are all counted by the first worker waits for no other.

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::difference::Multiply;
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::CountTotal;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{
    ContainerChunker, KeyBatcher, KeyBuilder, KeySpine, ValBatcher, ValBuilder, ValSpine,
};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::operator::Operator;
use timely::worker::Worker;

use super::crew::Crew;
use super::noted::SharedNoted;
use super::outbox::{FIRST, Outbox, Reached, advance};
use super::shard::{Held, Keyed, Sent, shard};
use super::turns::Turns;
use crate::facts::PodFact;
use crate::rows::{Changes, Tally, WorkloadRevision};

/// The hot dataflow's input and what it tells.
pub(super) struct Hot {
    time: u64,
    /// Whether a fact changed since it last ran; without one there is nothing to run.
    moved: bool,
    facts: InputSession<u64, Sent, i64>,
    /// The last pod's fact that ceased to hold: mostly the same pod's next one follows.
    ceased: Option<PodFact>,
    workers: u32,
    reached: Reached,
    told: Told,
}

/// Where the views arrive.
#[derive(Default, Clone)]
struct Told {
    tallies: Outbox<(WorkloadRevision, Tally)>,
    stranded: Outbox<(u32, ())>,
}

/// What the cold dataflow takes in when it runs, and not when it changes.
#[derive(Default, Clone)]
pub(super) struct ForCold {
    /// The changes of tallies, gathered at the first worker, and of what else workloads have.
    pub(super) workloads: Rc<RefCell<Turns>>,
    /// What was noted of pods, at the workers that count them.
    pub(super) pods: SharedNoted,
}

impl Hot {
    pub(super) fn new(worker: &mut Worker, cold: &ForCold) -> Hot {
        let told = Told::default();
        let reached = Reached::default();
        let workers = u32::try_from(worker.peers()).unwrap_or(u32::MAX);
        let facts = worker.dataflow(|scope| {
            let (facts_in, facts) = scope.new_collection::<Sent, i64>();
            let shard = shard(facts, cold.pods.clone());

            let lost = arrange_core::<
                _,
                _,
                ContainerChunker<Keyed<u32, (), i64>>,
                KeyBatcher<u32, u64, i64>,
                KeyBuilder<u32, u64, i64>,
                KeySpine<u32, u64, i64>,
            >(shard.lost, Pipeline, "Lost");
            let held = arrange_core::<
                _,
                _,
                ContainerChunker<Keyed<u32, Held, i64>>,
                ValBatcher<u32, Held, u64, i64>,
                ValBuilder<u32, Held, u64, i64>,
                ValSpine<u32, Held, u64, i64>,
            >(shard.held, Pipeline, "Held");
            let stranded = held.join_core(lost, |_, held, ()| Some(*held));

            let counted = with_moved(shard.tallies, stranded.clone());
            let tallies = arrange_core::<
                _,
                _,
                ContainerChunker<Keyed<WorkloadRevision, (), Tally>>,
                KeyBatcher<WorkloadRevision, u64, Tally>,
                KeyBuilder<WorkloadRevision, u64, Tally>,
                KeySpine<WorkloadRevision, u64, Tally>,
            >(counted, Pipeline, "Tallies")
            .count_total_core::<i64>();

            tell(tallies, stranded, (&told, cold), &reached);
            facts_in
        });
        Hot { time: 0, moved: false, facts, ceased: None, workers, reached, told }
    }

    /// A pod's fact begins or ceases to hold.
    pub(super) fn pod(&mut self, pod: PodFact, difference: i64) {
        self.moved = true;
        match self.ceased.take() {
            Some(former)
                if difference == 1 && PodFact { standing: pod.standing, ..former } == pod =>
            {
                self.facts.update(Sent::Stands(pod, former.standing), 1);
                return;
            }
            Some(former) => self.facts.update(Sent::Pod(former), -1),
            None => {}
        }
        match difference {
            -1 => self.ceased = Some(pod),
            _ => self.facts.update(Sent::Pod(pod), difference),
        }
    }

    /// A node is lost, or no more.
    pub(super) fn lost(&mut self, node: u32, difference: i64) {
        self.moved = true;
        for worker in 0..self.workers {
            self.facts.update(Sent::Lost { node, worker }, difference);
        }
    }

    /// Brings the views up to date. The invariant of the clock: the input is advanced **and**
    /// flushed, or the end never hears of it.
    pub(super) fn run(&mut self, crew: &mut Crew) {
        if !std::mem::take(&mut self.moved) {
            return;
        }
        if let Some(former) = self.ceased.take() {
            self.facts.update(Sent::Pod(former), -1);
        }
        self.time += 1;
        advance(&mut self.facts, self.time);
        crew.work_until(|| self.reached.all(self.time));
    }

    /// What changed since this was last asked.
    pub(super) fn changes(&self) -> Changes {
        let stranded = self.told.stranded.net();
        Changes {
            tallies: self.told.tallies.net(),
            stranded: stranded.into_iter().map(|(pod, row)| (pod, row.is_some())).collect(),
        }
    }
}

type Tallied<'scope> = Stream<'scope, u64, Keyed<WorkloadRevision, (), Tally>>;

/// What pods add to the tallies, and what the loss of their nodes changes in that.
fn with_moved<'scope>(
    tallies: Tallied<'scope>,
    stranded: VecCollection<'scope, u64, Held, i64>,
) -> Tallied<'scope> {
    tallies.binary(stranded.inner, Pipeline, Pipeline, "Moved", |_, _| {
        move |tallies, stranded, output| {
            tallies.for_each(|time, rows| output.session(&time).give_container(rows));
            stranded.for_each(|time, rows| {
                let mut session = output.session(&time);
                for (held, at, difference) in rows.drain(..) {
                    let moved = Held::moved().multiply(&difference);
                    session.give(((held.key(), ()), at, moved));
                }
            });
        }
    })
}

/// The end of both views: their changes are gathered at the first worker. One operator, because
/// each costs a microsecond whenever it is scheduled.
fn tell<'scope>(
    tallies: VecCollection<'scope, u64, (WorkloadRevision, Tally), i64>,
    stranded: VecCollection<'scope, u64, Held, i64>,
    (told, cold): (&Told, &ForCold),
    reached: &Reached,
) {
    let mut builder = OperatorBuilder::new("Tell".to_owned(), tallies.scope());
    let to_first = Exchange::new(|_: &((WorkloadRevision, Tally), u64, i64)| FIRST);
    let mut tallies = builder.new_input(tallies.inner, to_first);
    let to_first = Exchange::new(|_: &(Held, u64, i64)| FIRST);
    let mut stranded = builder.new_input(stranded.inner, to_first);
    let (told, for_cold, end) = (told.clone(), cold.workloads.clone(), reached.new_end());
    builder.build(move |_| {
        move |frontiers| {
            tallies.for_each(|_, rows| {
                let mut for_cold = for_cold.borrow_mut();
                for ((revision, tally), _, difference) in rows.drain(..) {
                    told.tallies.push(((revision, tally), difference));
                    for_cold.tally(revision, &tally.multiply(&difference));
                }
            });
            stranded.for_each(|_, rows| {
                for (held, _, difference) in rows.drain(..) {
                    told.stranded.push(((held.pod, ()), difference));
                }
            });
            end.came_to(frontiers);
        }
    });
}
