//! Where pods are, counted by question rather than by pod.
//!
//! Guarantee: each tally equals what counting all reserved pods anew would give, whenever the
//! question was first asked. Absent: which pods; only how many on which slot. A promised pod is nobody's
//! company yet: it is counted only where others are kept away from it, or by it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::finder::Finder;
use crate::hold::Hold;
use crate::ids::IdMap;
use crate::journal::Journal;
use crate::query::{HeldTerm, NamespaceLabels, PodQuery};
use crate::shape::PodShape;

/// How many pods on each slot.
pub(crate) type Counts = IdMap<u32, u32>;

#[derive(Debug, Default)]
pub(crate) struct Census {
    /// The shapes of which there are pods.
    shapes: IdMap<u128, Live>,
    /// Those that have each label.
    labelled: IdMap<u64, BTreeSet<u128>>,
    /// The questions asked so far.
    tallies: IdMap<u128, Asked>,
    queries: Finder,
    /// The terms that placed pods hold about newcomers.
    held: IdMap<u128, Held>,
    holders: Finder,
    /// How many tallies were ever begun.
    begun: u64,
}

/// A tally, by the digest of its question or its term.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    Asked(u128),
    Held(u128),
}

#[derive(Debug)]
struct Live {
    shape: Arc<PodShape>,
    pods: usize,
    /// Those that are there.
    slots: Counts,
    /// Those of them that stop.
    leaving: Counts,
    /// Those to whom room is promised.
    promised: Counts,
    /// The questions that this shape answers.
    answers: Vec<u128>,
}

#[derive(Debug)]
struct Asked {
    query: Arc<PodQuery>,
    tally: Tally,
}

#[derive(Debug)]
struct Held {
    term: Arc<HeldTerm>,
    tally: Tally,
}

/// How many pods on each slot, and what changed of it lately.
#[derive(Debug)]
struct Tally {
    slots: Counts,
    journal: Journal<(u32, i64)>,
}

/// Questions kept; beyond this all are forgotten and asked anew, since revisions that are gone
/// leave theirs behind.
const TALLIES_MAX: usize = 1 << 16;

impl Census {
    /// Counts a pod of this shape, held so, on the slot.
    pub(crate) fn add(
        &mut self,
        shape: &Arc<PodShape>,
        slot: u32,
        hold: Hold,
        namespaces: &NamespaceLabels,
    ) {
        let (queries, tallies) = (&self.queries, &self.tallies);
        let labelled = &mut self.labelled;
        let live = self.shapes.entry(shape.digest).or_insert_with(|| {
            for label in &shape.label_hashes {
                labelled.entry(*label).or_default().insert(shape.digest);
            }
            Live {
                shape: Arc::clone(shape),
                pods: 0,
                slots: Counts::default(),
                leaving: Counts::default(),
                promised: Counts::default(),
                answers: answers(shape, queries, tallies, namespaces),
            }
        });
        live.pods += 1;
        *live.held_so(hold).entry(slot).or_insert(0) += 1;
        if hold == Hold::Leaves {
            *live.leaving.entry(slot).or_insert(0) += 1;
        }
        for digest in &live.answers {
            let asked = self.tallies.get_mut(digest).expect("an answered question is kept");
            if asked.query.counts(hold) {
                asked.tally.raise(slot);
            }
        }
        for term in shape.held.iter().filter(|term| term.is_held(hold)) {
            let held = self.held.entry(term.digest).or_insert_with(|| {
                self.holders.insert(term.digest, &term.term.query);
                self.begun += 1;
                let tally = Tally::begun(self.begun, Counts::default());
                Held { term: Arc::clone(term), tally }
            });
            held.tally.raise(slot);
        }
    }

    /// A counted pod of this shape is held otherwise from now on; says whether a tally changed.
    pub(crate) fn hold_otherwise(
        &mut self,
        shape: &PodShape,
        slot: u32,
        (before, now): (Hold, Hold),
    ) -> bool {
        let live = self.shapes.get_mut(&shape.digest).expect("a counted shape is live");
        if before == Hold::Leaves {
            lower(&mut live.leaving, slot);
        }
        if now == Hold::Leaves {
            *live.leaving.entry(slot).or_insert(0) += 1;
        }
        let mut is_changed = false;
        for digest in &live.answers {
            let asked = self.tallies.get_mut(digest).expect("an answered question is kept");
            match (asked.query.counts(before), asked.query.counts(now)) {
                (true, false) => asked.tally.lower(slot),
                (false, true) => asked.tally.raise(slot),
                _ => continue,
            }
            is_changed = true;
        }
        is_changed
    }

    /// Counts a pod of this shape, held so, off the slot.
    pub(crate) fn subtract(&mut self, shape: &PodShape, slot: u32, hold: Hold) {
        let live = self.shapes.get_mut(&shape.digest).expect("a counted shape is live");
        live.pods -= 1;
        lower(live.held_so(hold), slot);
        if hold == Hold::Leaves {
            lower(&mut live.leaving, slot);
        }
        for digest in &live.answers {
            let asked = self.tallies.get_mut(digest).expect("an answered question is kept");
            if asked.query.counts(hold) {
                asked.tally.lower(slot);
            }
        }
        if live.pods == 0 {
            self.shapes.remove(&shape.digest);
            for label in &shape.label_hashes {
                let Some(others) = self.labelled.get_mut(label) else { continue };
                others.remove(&shape.digest);
                if others.is_empty() {
                    self.labelled.remove(label);
                }
            }
        }
        for term in shape.held.iter().filter(|term| term.is_held(hold)) {
            let held = self.held.get_mut(&term.digest).expect("a counted term is held");
            held.tally.lower(slot);
            if held.tally.slots.is_empty() {
                self.holders.remove(term.digest, &term.term.query);
                self.held.remove(&term.digest);
            }
        }
    }

    /// Keeps the answer to this question from now on.
    pub(crate) fn keep(&mut self, query: &Arc<PodQuery>, namespaces: &NamespaceLabels) {
        if self.tallies.contains_key(&query.digest) {
            return;
        }
        if self.tallies.len() >= TALLIES_MAX {
            self.forget();
        }
        let mut slots = Counts::default();
        let maybe: Vec<u128> = match query.anchors() {
            Some(anchors) => self.with_any_of(&anchors).collect(),
            None => self.shapes.keys().copied().collect(),
        };
        for digest in maybe {
            let Some(live) = self.shapes.get_mut(&digest) else { continue };
            if query.matches(&live.shape.namespace, &live.shape.labels, namespaces) {
                live.answers.push(query.digest);
                live.sum(&mut slots, query);
            }
        }
        self.queries.insert(query.digest, query);
        self.begun += 1;
        let tally = Tally::begun(self.begun, slots);
        self.tallies.insert(query.digest, Asked { query: Arc::clone(query), tally });
    }

    /// The shapes that have one of these labels, of which none has two: they are values of one key.
    fn with_any_of(&self, labels: &[u64]) -> impl Iterator<Item = u128> {
        labels.iter().filter_map(|label| self.labelled.get(label)).flatten().copied()
    }

    /// How many pods answer the question on each slot.
    pub(crate) fn count(&self, query: &PodQuery, namespaces: &NamespaceLabels) -> Cow<'_, Counts> {
        if let Some(asked) = self.tallies.get(&query.digest) {
            return Cow::Borrowed(&asked.tally.slots);
        }
        let mut slots = Counts::default();
        for live in self.shapes.values() {
            if query.matches(&live.shape.namespace, &live.shape.labels, namespaces) {
                live.sum(&mut slots, query);
            }
        }
        Cow::Owned(slots)
    }

    /// The terms of placed pods that speak of newcomers of this shape, by digest, in no order.
    pub(crate) fn held_about<'a>(
        &'a self,
        shape: &'a PodShape,
        namespaces: &'a NamespaceLabels,
    ) -> impl Iterator<Item = u128> + 'a {
        self.holders.candidates(&shape.label_hashes).filter(move |digest| {
            let query = &self.held[digest].term.term.query;
            query.matches(&shape.namespace, &shape.labels, namespaces)
        })
    }

    /// A term that placed pods hold, and where its holders are.
    pub(crate) fn held(&self, digest: u128) -> (&HeldTerm, &Counts) {
        let held = &self.held[&digest];
        (&held.term, &held.tally.slots)
    }

    /// What changed of a tally; `None` of one that is not kept.
    pub(crate) fn journal(&self, source: Source) -> Option<&Journal<(u32, i64)>> {
        let tally = match source {
            Source::Asked(digest) => self.tallies.get(&digest).map(|asked| &asked.tally),
            Source::Held(digest) => self.held.get(&digest).map(|held| &held.tally),
        };
        tally.map(|tally| &tally.journal)
    }

    /// Forgets what depends on the labels of namespaces.
    pub(crate) fn namespaces_changed(&mut self) {
        if self.tallies.values().any(|asked| asked.query.reads_namespaces()) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.tallies.clear();
        self.queries = Finder::default();
        for live in self.shapes.values_mut() {
            live.answers.clear();
        }
    }
}

impl Live {
    /// Where those are that hold their room so.
    fn held_so(&mut self, hold: Hold) -> &mut Counts {
        match hold {
            Hold::Placed | Hold::Leaves => &mut self.slots,
            Hold::Nominated => &mut self.promised,
        }
    }

    /// Adds those of its pods that the question counts.
    fn sum(&self, into: &mut Counts, query: &PodQuery) {
        for (slot, all) in &self.slots {
            let left_out = if query.counts(Hold::Leaves) { None } else { self.leaving.get(slot) };
            let counted = all - left_out.copied().unwrap_or(0);
            if counted > 0 {
                *into.entry(*slot).or_insert(0) += counted;
            }
        }
        if query.counts(Hold::Nominated) {
            for (slot, promised) in &self.promised {
                *into.entry(*slot).or_insert(0) += promised;
            }
        }
    }
}

/// Numbers of entries apart from tally to tally, so that none is taken for another's.
const ENTRIES_MAX: u64 = 1 << 32;

impl Tally {
    /// The tally of this number.
    fn begun(number: u64, slots: Counts) -> Tally {
        Tally { slots, journal: Journal::starting(number * ENTRIES_MAX) }
    }

    fn raise(&mut self, slot: u32) {
        *self.slots.entry(slot).or_insert(0) += 1;
        self.journal.push((slot, 1));
    }

    fn lower(&mut self, slot: u32) {
        lower(&mut self.slots, slot);
        self.journal.push((slot, -1));
    }
}

fn answers(
    shape: &PodShape,
    queries: &Finder,
    tallies: &IdMap<u128, Asked>,
    namespaces: &NamespaceLabels,
) -> Vec<u128> {
    let matches = |digest: &u128| {
        let query = &tallies[digest].query;
        query.matches(&shape.namespace, &shape.labels, namespaces)
    };
    queries.candidates(&shape.label_hashes).filter(matches).collect()
}

fn lower(counts: &mut Counts, slot: u32) {
    let count = counts.get_mut(&slot).expect("what was counted is there to lower");
    *count -= 1;
    if *count == 0 {
        counts.remove(&slot);
    }
}
