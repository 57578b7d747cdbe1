//! Where a view's changes arrive, and where facts wait for the cold dataflow.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::difference::Semigroup;
use differential_dataflow::input::InputSession;
use differential_dataflow::{Data, VecCollection};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

/// Changes that arrived: rows with a difference.
#[derive(Debug)]
pub(super) struct Outbox<D>(Rc<RefCell<Vec<(D, i64)>>>);

/// Changes that wait are netted when there are twice as many as the netting before left, and not
/// below this: sorting fewer costs more than they take.
const NETTED_MIN: usize = 4_096;

impl<D> Clone for Outbox<D> {
    fn clone(&self) -> Self {
        Outbox(Rc::clone(&self.0))
    }
}

impl<D> Default for Outbox<D> {
    fn default() -> Self {
        Outbox(Rc::default())
    }
}

/// How far the ends of a dataflow have come: one number an end.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached(Rc<RefCell<Vec<u64>>>);

impl Reached {
    /// Whether every end has seen all changes before `time`.
    pub(super) fn all(&self, time: u64) -> bool {
        self.0.borrow().iter().all(|reached| *reached >= time)
    }

    fn new_end(&self) -> usize {
        let mut ends = self.0.borrow_mut();
        ends.push(0);
        ends.len() - 1
    }
}

/// The end of a view: its changes arrive in these outboxes, and `reached` learns how far it came.
/// One operator, because each costs a microsecond whenever it is scheduled.
pub(super) fn deliver<D: Clone + 'static>(
    view: VecCollection<'_, u64, D, i64>,
    outboxes: &[&Outbox<D>],
    reached: &Reached,
) {
    let outboxes: Vec<Outbox<D>> = outboxes.iter().map(|outbox| (*outbox).clone()).collect();
    let (reached, end) = (reached.clone(), reached.new_end());
    view.inner.sink(Pipeline, "Outbox", move |(input, frontier)| {
        input.for_each(|_, rows| {
            for outbox in &outboxes {
                let rows = rows.iter().map(|(row, _, difference)| (row.clone(), *difference));
                outbox.0.borrow_mut().extend(rows);
            }
        });
        reached.0.borrow_mut()[end] = frontier.frontier().first().copied().unwrap_or(u64::MAX);
    });
}

impl<K: Ord + Copy, V: Ord + Copy> Outbox<(K, V)> {
    /// Takes what arrived. A count yields old and new as −1 and +1, and one epoch may bring many:
    /// only what remains after netting is a change.
    pub(super) fn net(&self) -> Vec<(K, Option<V>)> {
        let mut rows: BTreeMap<K, BTreeMap<V, i64>> = BTreeMap::new();
        for ((key, value), difference) in self.0.borrow_mut().drain(..) {
            *rows.entry(key).or_default().entry(value).or_default() += difference;
        }
        rows.into_iter()
            .filter(|(_, values)| values.values().any(|count| *count != 0))
            .map(|(key, values)| {
                (key, values.into_iter().find(|(_, count)| *count > 0).map(|(value, _)| value))
            })
            .collect()
    }
}

impl<D: Data> Outbox<D> {
    /// Takes what arrived into the input of another dataflow.
    pub(super) fn pour(&self, input: &mut InputSession<u64, D, i64>) {
        let mut rows = self.0.borrow_mut();
        consolidate(&mut rows);
        rows.drain(..).for_each(|(row, difference)| input.update(row, difference));
    }
}

/// Facts that wait for the cold dataflow. Kept outside of it, so that hot epochs neither move them
/// through its operators nor keep what is taken back before the cold step.
#[derive(Debug)]
pub(super) struct Waiting<D> {
    facts: Vec<(D, i64)>,
    netted_at: usize,
}

impl<D> Default for Waiting<D> {
    fn default() -> Self {
        Waiting { facts: Vec::new(), netted_at: NETTED_MIN }
    }
}

impl<D: Data> Waiting<D> {
    pub(super) fn push(&mut self, fact: D, difference: i64) {
        self.facts.push((fact, difference));
        if self.facts.len() >= self.netted_at {
            consolidate(&mut self.facts);
            self.netted_at = NETTED_MIN.max(2 * self.facts.len());
        }
    }

    pub(super) fn pour(&mut self, input: &mut InputSession<u64, D, i64>) {
        consolidate(&mut self.facts);
        self.facts.drain(..).for_each(|(fact, difference)| input.update(fact, difference));
        self.netted_at = NETTED_MIN;
    }
}

/// Moves an input on to `time`, with what was given to it.
pub(super) fn advance<D: Data, R: Semigroup + 'static>(
    input: &mut InputSession<u64, D, R>,
    time: u64,
) {
    input.advance_to(time);
    input.flush();
}
