//! The latest changes of one kind, for watches. Bounded: who falls behind is told to list again.

use std::collections::VecDeque;

use tokio::sync::watch;

use super::Entry;

/// Changes kept per kind. A wave of this many pods in flight is what a watcher may sleep through;
/// beyond it listing again is cheaper than catching up. About 40 MB at the most, of pods.
pub const EVENTS_KEPT_MAX: usize = 65_536;

/// Changes kept of a kind with fewer objects than this: a watcher may sleep through some seconds of them.
/// Of others as many as there are objects: beyond that, too, listing again is cheaper.
const EVENTS_KEPT_MIN: usize = 4_096;

/// Bytes that the events of a kind may keep alive beside what is served. More than those of all pods that
/// are kept; of objects of a megabyte some dozens of changes, behind which listing again is cheaper too.
const EVENTS_BYTES_MAX: usize = 64 << 20;

/// One object changed: how it was and how it is.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) epoch: i64,
    pub(crate) before: Before,
    pub(crate) after: Option<Entry>,
}

/// How an object was before it changed, as far as a watcher needs to know it.
#[derive(Debug, Clone)]
pub(crate) enum Before {
    /// It was not there.
    Nothing,
    /// Who sees it now saw it before, and who does not did not: most changes are of its status.
    SeenAlike,
    /// It was this.
    Was(Entry),
}

/// Where a watcher stands in a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor(u64);

impl Cursor {
    /// Behind so many changes more.
    pub(crate) fn past(self, changes: usize) -> Cursor {
        Cursor(self.0 + changes as u64)
    }
}

/// The watcher asks for changes that are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expired;

/// The latest changes of one kind.
pub(crate) struct Ring {
    events: VecDeque<Event>,
    /// What each of them keeps alive, bytes.
    weights: VecDeque<u32>,
    /// The sum of these.
    bytes: usize,
    /// The number of the oldest event kept.
    first: u64,
    /// Changes up to and with this epoch may be missing.
    forgotten: i64,
    /// Whether changes of that very epoch were given up here, and not only those before it.
    is_torn: bool,
    news: watch::Sender<u64>,
}

impl Before {
    /// What is worth keeping of how an object was that now is so.
    fn of(before: Option<Entry>, after: Option<&Entry>) -> Before {
        match (before, after) {
            (None, _) => Before::Nothing,
            (Some(before), Some(after)) if before.is_seen_like(after) => Before::SeenAlike,
            (Some(before), _) => Before::Was(before),
        }
    }
}

impl Ring {
    /// An empty ring that knows nothing of the epochs up to this one.
    pub(crate) fn since(epoch: i64) -> Self {
        Ring {
            events: VecDeque::new(),
            weights: VecDeque::new(),
            bytes: 0,
            first: 0,
            forgotten: epoch,
            is_torn: false,
            news: watch::Sender::new(0),
        }
    }

    /// Adds that something was so and is so now, of a kind that has so many objects. Where it is another
    /// object that has the name, the end of the former and its own beginning are two changes: who keeps
    /// things by their uid would keep the former for ever.
    pub(crate) fn tell(
        &mut self,
        epoch: i64,
        (before, after): (Option<Entry>, Option<Entry>),
        objects: usize,
    ) {
        match (before, after) {
            (Some(former), Some(other)) if other.is_another(&former) => {
                let before = Before::Was(former);
                self.push(Event { epoch, before, after: None }, objects);
                let (before, after) = (Before::Nothing, Some(other));
                self.push(Event { epoch, before, after }, objects);
            }
            (before, after) => {
                let before = Before::of(before, after.as_ref());
                self.push(Event { epoch, before, after }, objects);
            }
        }
    }

    /// Adds a change of a kind that has so many objects; the oldest go when the ring is full, of events or
    /// of what they keep alive. The newest stays, however large.
    fn push(&mut self, event: Event, objects: usize) {
        let kept = objects.clamp(EVENTS_KEPT_MIN, EVENTS_KEPT_MAX);
        let weight = u32::try_from(event.bytes()).unwrap_or(u32::MAX);
        let bytes_max = EVENTS_BYTES_MAX.saturating_sub(weight as usize);
        while (self.events.len() >= kept || self.bytes > bytes_max) && self.give_up_oldest() {}
        self.events.push_back(event);
        self.weights.push_back(weight);
        self.bytes += weight as usize;
    }

    /// `false` when there is none.
    fn give_up_oldest(&mut self) -> bool {
        let oldest = self.events.pop_front().zip(self.weights.pop_front());
        let Some((event, weight)) = oldest else { return false };
        self.first += 1;
        self.bytes -= weight as usize;
        self.forgotten = self.forgotten.max(event.epoch);
        self.is_torn = true;
        true
    }

    /// Wakes the watchers; once an epoch.
    pub(crate) fn announce(&self) {
        self.news.send_replace(self.next());
    }

    /// Forgets everything: the model starts anew at this epoch.
    pub(crate) fn reset(&mut self, epoch: i64) {
        // One number is skipped, so that even a cursor at the very end is found to be too old.
        self.first = self.next() + 1;
        self.events.clear();
        self.weights.clear();
        self.bytes = 0;
        (self.forgotten, self.is_torn) = (epoch, false);
        self.announce();
    }

    /// Where a watcher begins that has seen everything up to and with this epoch.
    pub(crate) fn after(&self, epoch: i64) -> Result<Cursor, Expired> {
        if epoch < self.forgotten {
            return Err(Expired);
        }
        Ok(self.behind(epoch))
    }

    /// Where a watcher goes on that names this epoch, which it has from a list, a bookmark or an object.
    ///
    /// An object's version is the number of its epoch, so who was cut off within an epoch names the same
    /// number as who has seen it to its end. Another number for some of its objects would not be the one
    /// that a read shows, and clients go on from the object's own. So where an epoch made several changes
    /// all of them are told again: an informer takes what it knows already and passes over the end of what
    /// it does not know, and of what it missed it would never hear. Of one change nobody has seen a part.
    ///
    /// # Errors
    /// [`Expired`] also where some of that very epoch's changes were given up. Where the model began with
    /// that epoch it has none of its changes, and who names it has listed here.
    pub(crate) fn resumed(&self, epoch: i64) -> Result<Cursor, Expired> {
        if epoch < self.forgotten || (epoch == self.forgotten && self.is_torn) {
            return Err(Expired);
        }
        let (begin, end) = (self.behind(epoch.saturating_sub(1)), self.behind(epoch));
        Ok(if end.0 - begin.0 > 1 { begin } else { end })
    }

    /// Up to `max` changes from a cursor on.
    pub(crate) fn read(&self, cursor: Cursor, max: usize) -> Result<Vec<Event>, Expired> {
        let skip = cursor.0.checked_sub(self.first).ok_or(Expired)?;
        let skip = usize::try_from(skip).map_err(|_| Expired)?;
        Ok(self.events.iter().skip(skip).take(max).cloned().collect())
    }

    /// Hears of news.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// The place behind all that is kept of the epochs up to and with this one.
    fn behind(&self, epoch: i64) -> Cursor {
        let before = self.events.partition_point(|event| event.epoch <= epoch);
        Cursor(self.first + before as u64)
    }

    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use setpoint_schemas::{Resource, samples};

    use super::*;

    fn event(epoch: i64) -> Event {
        Event { epoch, before: Before::Nothing, after: None }
    }

    #[test]
    fn a_watcher_that_sleeps_through_a_full_ring_is_told_to_list_again() {
        let mut ring = Ring::since(0);
        let early = ring.after(0).unwrap();
        for epoch in 1..=EVENTS_KEPT_MAX as i64 + 1 {
            ring.push(event(epoch), EVENTS_KEPT_MAX);
        }
        assert_eq!(ring.read(early, 1).unwrap_err(), Expired);
        assert_eq!(ring.after(0).unwrap_err(), Expired);
        let events = ring.read(ring.after(2).unwrap(), 1).unwrap();
        assert_eq!(events[0].epoch, 3);
    }

    fn epochs_told(ring: &Ring, from: Cursor) -> Vec<i64> {
        let events = ring.read(from, usize::MAX).unwrap();
        events.iter().map(|event| event.epoch).collect()
    }

    #[test]
    fn who_goes_on_from_an_epoch_of_several_changes_hears_all_of_it_again() {
        let mut ring = Ring::since(0);
        for epoch in [1, 2, 2, 2, 3] {
            ring.push(event(epoch), 0);
        }
        let resumed = |epoch| epochs_told(&ring, ring.resumed(epoch).unwrap());
        assert_eq!(resumed(0), [1, 2, 2, 2, 3]);
        assert_eq!(resumed(1), [2, 2, 2, 3], "of one change nobody has seen a part");
        assert_eq!(resumed(2), [2, 2, 2, 3]);
        assert_eq!(resumed(3), Vec::<i64>::new());
        assert_eq!(epochs_told(&ring, ring.after(2).unwrap()), [3], "who has listed here");
    }

    #[test]
    fn who_goes_on_from_an_epoch_that_is_cut_off_lists_again() {
        let mut ring = Ring::since(1);
        assert!(ring.resumed(1).is_ok(), "nothing was given up");
        assert_eq!(ring.resumed(0).unwrap_err(), Expired);
        for place in 0..=EVENTS_KEPT_MIN {
            ring.push(event(if place < 2 { 2 } else { 3 }), 0);
        }
        assert_eq!(ring.resumed(2).unwrap_err(), Expired);
        assert!(ring.after(2).is_ok());
        assert_eq!(epochs_told(&ring, ring.resumed(3).unwrap()).len(), EVENTS_KEPT_MIN - 1);
        ring.reset(9);
        assert!(ring.resumed(9).is_ok());
    }

    #[test]
    fn of_few_objects_few_changes_are_kept() {
        let mut ring = Ring::since(0);
        for epoch in 1..=3 * EVENTS_KEPT_MIN as i64 {
            ring.push(event(epoch), 2 * EVENTS_KEPT_MIN);
        }
        assert_eq!(ring.events.len(), 2 * EVENTS_KEPT_MIN);
        ring.push(event(i64::MAX), 0);
        assert_eq!(ring.events.len(), EVENTS_KEPT_MIN);
        assert_eq!(ring.after(2 * EVENTS_KEPT_MIN as i64 - 1).unwrap_err(), Expired);
        assert!(ring.after(3 * EVENTS_KEPT_MIN as i64).is_ok());
    }

    #[test]
    fn of_large_objects_few_changes_are_kept() {
        let body_bytes = EVENTS_BYTES_MAX / 8;
        let resource = || {
            let body = Arc::from("x".repeat(body_bytes));
            Entry::Resource(Arc::new(Resource { body, ..samples::desired() }))
        };
        let mut ring = Ring::since(0);
        for epoch in 1..=20 {
            ring.push(Event { epoch, before: Before::Was(resource()), after: None }, 0);
        }
        assert_eq!(ring.events.len(), 7, "eight and what they are told by are too large");
        assert!(ring.bytes <= EVENTS_BYTES_MAX && ring.bytes >= 7 * body_bytes);
        assert_eq!(ring.after(12).unwrap_err(), Expired);
        assert_eq!(epochs_told(&ring, ring.after(13).unwrap()), (14..=20).collect::<Vec<i64>>());
        for epoch in 21..=30 {
            ring.push(event(epoch), 0);
        }
        assert_eq!(ring.events.len(), 17, "small ones take next to nothing");
        ring.reset(31);
        assert_eq!((ring.bytes, ring.weights.len()), (0, 0));
    }

    #[test]
    fn a_model_that_starts_anew_ends_every_watch() {
        let mut ring = Ring::since(0);
        let end = ring.after(0).unwrap();
        ring.reset(9);
        assert_eq!(ring.read(end, 1).unwrap_err(), Expired);
        assert_eq!(ring.after(8).unwrap_err(), Expired);
        assert!(ring.after(9).is_ok());
    }
}
