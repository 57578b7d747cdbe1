//! The hash over what an epoch decided: a replay must reach the same.
//!
//! Guarantee: two outcomes with the same hash have the same ledger entries and the same placements,
//! but for a 64-bit collision. A placement is spoken for by its revision, which is the hash of the
//! template that its spec, its labels and its annotations are made of.

use setpoint_schemas::{Action, Decision};
use xxhash_rust::xxh3::Xxh3;

use crate::epoch::{Outcome, PlacementChange};

/// The hash of the ledger's entries and the placements.
pub(crate) fn hash_of(out: &Outcome) -> i64 {
    let mut digest = Digest(Xxh3::new());
    out.decisions.iter().for_each(|decision| digest.decision(decision));
    out.placements.iter().for_each(|change| digest.placement(change));
    i64::from_ne_bytes(digest.0.digest().to_ne_bytes())
}

struct Digest(Xxh3);

impl Digest {
    fn decision(&mut self, decision: &Decision) {
        let Decision { epoch, term, sequence, time_ms, action, .. } = decision;
        self.numbers([*epoch, *term, i64::from(*sequence), *time_ms, rank(*action)]);
        let Decision { pod, resource, node, request, rule, reason, .. } = decision;
        [pod, resource, node, request, rule, reason].into_iter().for_each(|text| self.text(text));
        let Decision { causes, alternatives, .. } = decision;
        self.numbers([causes.len() as i64, alternatives.len() as i64]);
        for cause in causes {
            self.numbers([i64::from(cause.partition), cause.offset]);
            self.text(&cause.topic);
            self.text(&cause.text);
        }
        for other in alternatives {
            self.text(&other.node);
            self.text(&other.verdict);
            self.numbers([i64::from(other.score.is_some()), other.score.unwrap_or(0)]);
        }
    }

    fn placement(&mut self, change: &PlacementChange) {
        self.text(&change.uid.text());
        self.text(change.node.as_str());
        self.numbers([i64::from(change.placement.is_some())]);
        if let Some(placement) = &change.placement {
            self.text(placement.namespace.as_str());
            self.text(placement.name.as_str());
            self.text(&placement.workload);
            self.text(&placement.revision);
            let (epoch, term) = (placement.epoch, placement.term);
            self.numbers([placement.generation, term, epoch, placement.placed_ms]);
            for taken in &placement.devices {
                self.text(&taken.id);
                self.text(&taken.container);
                self.numbers([i64::from(taken.index), i64::from(taken.milli)]);
            }
        }
    }

    fn numbers<const LEN: usize>(&mut self, numbers: [i64; LEN]) {
        numbers.iter().for_each(|number| self.0.update(&number.to_le_bytes()));
    }

    /// Its length stands before it, so that no text runs into the next.
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }
}

/// A number for each action that stays the same.
fn rank(action: Action) -> i64 {
    action as i64
}
