//! Which questions may be about a pod, found by the pod's labels rather than by asking each.

use crate::ids::IdMap;
use crate::query::PodQuery;

/// Digests of questions, by a label that each asks for.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    by_label: IdMap<u64, Vec<u128>>,
    /// Those that ask for no particular label.
    rest: Vec<u128>,
}

impl Finder {
    pub(crate) fn insert(&mut self, digest: u128, query: &PodQuery) {
        match query.anchors() {
            None => self.rest.push(digest),
            Some(anchors) => {
                for anchor in anchors {
                    self.by_label.entry(anchor).or_default().push(digest);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, digest: u128, query: &PodQuery) {
        match query.anchors() {
            None => self.rest.retain(|other| *other != digest),
            Some(anchors) => {
                for anchor in anchors {
                    if let Some(list) = self.by_label.get_mut(&anchor) {
                        list.retain(|other| *other != digest);
                        if list.is_empty() {
                            self.by_label.remove(&anchor);
                        }
                    }
                }
            }
        }
    }

    /// The questions that may be about a pod with these labels; each once, since a pod has one
    /// value for a key.
    pub(crate) fn candidates<'a>(
        &'a self,
        label_hashes: &'a [u64],
    ) -> impl Iterator<Item = u128> + 'a {
        let labelled = label_hashes.iter().filter_map(|hash| self.by_label.get(hash)).flatten();
        labelled.chain(&self.rest).copied()
    }
}
