//! What LimitRanges fill in for the pods of a workload: for those that it makes now, and for those that it has.
//!
//! Absent: what a revision is compiled to.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_rules::limits::Refused;

/// What is filled in, with revisions as they are with it.
#[derive(Debug)]
pub(crate) struct Fillings<T> {
    /// For new pods, by revision, where anything is.
    now: BTreeMap<u32, Now>,
    /// Revisions as pods have them that were made with something filled in, or will have them.
    worn: BTreeMap<(u32, Arc<str>), Filled<T>>,
}

/// What the LimitRanges say to new pods of a revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Now {
    /// What their containers have by them.
    pub(crate) worn: Option<Arc<str>>,
    pub(crate) refused: Option<Refused>,
}

#[derive(Debug)]
struct Filled<T> {
    revision: T,
    /// How many pods have it.
    pods: usize,
}

impl<T> Default for Fillings<T> {
    fn default() -> Self {
        Fillings { now: BTreeMap::new(), worn: BTreeMap::new() }
    }
}

impl<T> Fillings<T> {
    /// What is said to new pods of a revision.
    pub(crate) fn now(&self, revision: u32) -> Option<&Now> {
        self.now.get(&revision)
    }

    /// Whether nothing is said to new pods.
    pub(crate) fn are_silent(&self) -> bool {
        self.now.is_empty()
    }

    /// This is said from now on.
    pub(crate) fn say(&mut self, now: BTreeMap<u32, Now>) {
        self.now = now;
        self.forget_unworn();
    }

    /// A revision as its pods have it that have this.
    pub(crate) fn of(&self, revision: u32, worn: &Arc<str>) -> Option<&T> {
        // The key is made again: few pods ask, and none that have nothing filled in.
        self.worn.get(&(revision, worn.clone())).map(|filled| &filled.revision)
    }

    /// All revisions as pods have them, or will.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Arc<str>, &T)> {
        self.worn.iter().map(|((revision, worn), filled)| (*revision, worn, &filled.revision))
    }

    /// The same text as it is kept for all pods that have it.
    pub(crate) fn kept(&self, revision: u32, worn: &Arc<str>) -> Option<Arc<str>> {
        let known = self.worn.get_key_value(&(revision, worn.clone()));
        known.map(|((_, worn), _)| worn.clone())
    }

    /// Keeps a revision as pods have it that have this.
    pub(crate) fn keep(&mut self, revision: u32, worn: Arc<str>, as_worn: T) {
        self.worn.insert((revision, worn), Filled { revision: as_worn, pods: 0 });
    }

    /// A revision that pods have so is compiled to something else.
    pub(crate) fn replace(&mut self, revision: u32, worn: &Arc<str>, as_worn: T) {
        if let Some(filled) = self.worn.get_mut(&(revision, worn.clone())) {
            filled.revision = as_worn;
        }
    }

    /// A pod that has this is there.
    pub(crate) fn comes(&mut self, revision: u32, worn: &Arc<str>) {
        if let Some(filled) = self.worn.get_mut(&(revision, worn.clone())) {
            filled.pods += 1;
        }
    }

    /// Nothing is left of one.
    pub(crate) fn goes(&mut self, revision: u32, worn: &Arc<str>) {
        if let Some(filled) = self.worn.get_mut(&(revision, worn.clone())) {
            filled.pods = filled.pods.saturating_sub(1);
        }
        self.forget_unworn();
    }

    /// What neither pods have nor new ones will have is not kept.
    fn forget_unworn(&mut self) {
        let now = &self.now;
        let will_be = |revision: &u32, worn: &Arc<str>| {
            now.get(revision).is_some_and(|now| now.worn.as_ref() == Some(worn))
        };
        self.worn.retain(|(revision, worn), filled| filled.pods > 0 || will_be(revision, worn));
    }
}
