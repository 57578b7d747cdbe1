//! Where a view's changes arrive, and where facts wait for the cold dataflow.

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::difference::Semigroup;
use differential_dataflow::input::InputSession;
use differential_dataflow::{Data, ExchangeData, VecCollection};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;
use timely::progress::frontier::MutableAntichain;

/// Changes that arrived: rows with a difference.
#[derive(Debug)]
pub(super) struct Outbox<D>(Rc<RefCell<Vec<(D, i64)>>>);

/// The worker at which changes are gathered: the one in the engine's thread.
pub(super) const FIRST: u64 = 0;

/// Changes that wait are netted when there are twice as many as the netting before left, and not
/// below this: sorting fewer costs more than they take.
const NETTED_MIN: usize = 4_096;

/// Changes for which an outbox keeps room: a large epoch brings as many, and what a loss of a third of a
/// million pods took is given back.
const ROWS_KEPT: usize = 1 << 17;

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

/// One end of a dataflow.
pub(super) struct End {
    reached: Reached,
    number: usize,
}

impl Reached {
    /// Whether every end has seen all changes before `time`.
    pub(super) fn all(&self, time: u64) -> bool {
        self.0.borrow().iter().all(|reached| *reached >= time)
    }

    /// One more end, that has seen nothing.
    pub(super) fn new_end(&self) -> End {
        let mut ends = self.0.borrow_mut();
        ends.push(0);
        End { reached: self.clone(), number: ends.len() - 1 }
    }
}

impl End {
    /// Takes note of how far all inputs of this end have come.
    pub(super) fn came_to(&self, frontiers: &[MutableAntichain<u64>]) {
        let times = frontiers.iter().filter_map(|input| input.frontier().first().copied());
        self.reached.0.borrow_mut()[self.number] = times.min().unwrap_or(u64::MAX);
    }
}

/// The end of a view: its changes are gathered in this outbox of the first worker, and `reached`
/// learns how far it came.
pub(super) fn deliver<D: ExchangeData>(
    view: VecCollection<'_, u64, D, i64>,
    outbox: &Outbox<D>,
    reached: &Reached,
) {
    let (outbox, end) = (outbox.clone(), reached.new_end());
    let to_first = Exchange::new(|_: &(D, u64, i64)| FIRST);
    view.inner.sink(to_first, "Outbox", move |(input, frontier)| {
        input.for_each(|_, rows| {
            let rows = rows.drain(..).map(|(row, _, difference)| (row, difference));
            outbox.0.borrow_mut().extend(rows);
        });
        end.came_to(std::slice::from_ref(frontier));
    });
}

impl<D> Outbox<D> {
    /// A change arrives.
    pub(super) fn push(&self, change: (D, i64)) {
        self.0.borrow_mut().push(change);
    }
}

impl<K: Ord + Copy, V: Ord + Copy> Outbox<(K, V)> {
    /// Takes what arrived. A count yields old and new as −1 and +1, and one epoch may bring many:
    /// only what remains after netting is a change.
    pub(super) fn net(&self) -> Vec<(K, Option<V>)> {
        let mut rows = self.0.borrow_mut();
        consolidate(&mut *rows);
        let mut changes: Vec<(K, Option<V>)> = Vec::with_capacity(rows.len());
        for ((key, value), difference) in rows.drain(..) {
            if changes.last().is_none_or(|(last, _)| *last != key) {
                changes.push((key, None));
            }
            if let (Some(change), true) = (changes.last_mut(), difference > 0) {
                change.1 = Some(value);
            }
        }
        rows.shrink_to(ROWS_KEPT);
        changes
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

    /// Gives what is left of them after netting, and their room: a fleet that was loaded took it once.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (D, i64)> + use<D> {
        let Waiting { mut facts, .. } = std::mem::take(self);
        consolidate(&mut facts);
        facts.into_iter()
    }

    pub(super) fn pour(&mut self, input: &mut InputSession<u64, D, i64>) {
        self.take().for_each(|(fact, difference)| input.update(fact, difference));
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
