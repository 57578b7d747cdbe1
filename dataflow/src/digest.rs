//! The hash over what an epoch decided: a replay must reach the same.
//!
//! Guarantee: two outcomes with the same hash have the same ledger entries and the same placements,
//! but for a 64-bit collision. A decision is spoken for by the parts that its words are made of, a
//! placement by its revision, which is the hash of the template that its spec, its labels and its
//! annotations are made of.

use setpoint_schemas::{Action, Decision, TakenDevice};
use xxhash_rust::xxh3::Xxh3;

use crate::causes::{Cause, NameParts, PodSaid, Said};
use crate::decided::{About, Compared, Decided, Entry, Reason, Taken};
use crate::epoch::{Outcome, PlacementChange};

/// Bytes that are hashed at once: many small pieces cost more than what is in them.
const PIECE_BYTES: usize = 4 << 10;

/// The hash of the ledger's entries and the placements.
pub(crate) fn hash_of(out: &Outcome) -> i64 {
    let mut digest = Digest { hash: Xxh3::new(), piece: Vec::with_capacity(PIECE_BYTES) };
    for decided in &out.decisions {
        digest.decided(decided);
        digest.flush(PIECE_BYTES);
    }
    for change in &out.placements {
        digest.placement(change);
        digest.flush(PIECE_BYTES);
    }
    digest.flush(0);
    i64::from_ne_bytes(digest.hash.digest().to_ne_bytes())
}

struct Digest {
    hash: Xxh3,
    piece: Vec<u8>,
}

impl Digest {
    fn decided(&mut self, decided: &Decided) {
        match &decided.0 {
            Entry::Taken(taken) => self.taken(taken),
            Entry::Read(decision) => self.read(decision),
        }
    }

    fn taken(&mut self, taken: &Taken) {
        let Taken { epoch, term, time_ms, sequence, action, rule, reason, about } = taken;
        self.numbers([*epoch, *term, i64::from(*sequence), *time_ms, rank(*action)]);
        self.text(rule);
        match reason {
            Reason::Words(words) => {
                self.tag(0);
                self.text(words);
            }
            Reason::TooFew(workload, devices) => {
                self.tag(1);
                self.text(workload);
                self.devices(devices);
            }
        }
        let About { pod, resource, node, request, causes, alternatives } = about;
        self.bytes(pod.as_ref().map_or(&[], |pod| pod.bytes()));
        self.text(resource.as_deref().unwrap_or_default());
        self.text(node.as_ref().map_or("", |node| node.as_str()));
        self.text(request.as_ref().map_or("", |request| request.as_str()));
        self.numbers([causes.len() as i64, alternatives.len() as i64]);
        causes.iter().for_each(|cause| self.cause(cause));
        for Compared { node, scores } in alternatives {
            self.text(node.as_str());
            self.numbers(scores.parts.map(i64::from));
            self.numbers([i64::from(scores.sum)]);
        }
    }

    fn cause(&mut self, cause: &Cause) {
        let at = cause.at;
        self.numbers([at.topic as i64, i64::from(at.partition), at.offset]);
        match &cause.said {
            Said::Words(words) => {
                self.tag(0);
                self.text(words);
            }
            Said::Pod(PodSaid { namespace, name, node, phase, ready, reason }) => {
                self.tag(1);
                self.text(namespace);
                match name {
                    NameParts::Whole(name) => {
                        self.tag(0);
                        self.text(name);
                    }
                    NameParts::Derived(stem, uid) => {
                        self.tag(1);
                        self.text(stem);
                        self.bytes(uid.bytes());
                    }
                }
                self.text(node.as_str());
                self.numbers([*phase as i64, i64::from(*ready)]);
                self.text(reason.as_deref().unwrap_or_default());
            }
            Said::Renewal(node, sequence) => {
                self.tag(2);
                self.text(node.as_str());
                self.numbers([*sequence]);
            }
            Said::Pods(node, pods, sequence) => {
                self.tag(3);
                self.text(node.as_str());
                self.numbers([*pods as i64, *sequence]);
            }
        }
    }

    /// One that was read back has no parts: its words stand for it.
    fn read(&mut self, decision: &Decision) {
        self.text(&format!("{decision:?}"));
    }

    fn placement(&mut self, change: &PlacementChange) {
        self.bytes(change.uid.bytes());
        self.text(change.node.as_str());
        self.numbers([i64::from(change.placement.is_some())]);
        if let Some(placement) = &change.placement {
            self.text(placement.pattern.namespace.as_str());
            self.text(placement.name.as_str());
            self.text(&placement.pattern.workload);
            self.text(&placement.pattern.revision);
            let (epoch, term) = (placement.epoch, placement.term);
            self.numbers([placement.generation, term, epoch, placement.placed_ms]);
            self.devices(&placement.devices);
        }
    }

    fn devices(&mut self, taken: &[TakenDevice]) {
        self.numbers([taken.len() as i64]);
        for TakenDevice { container, index, id, milli } in taken {
            self.text(id);
            self.text(container);
            self.numbers([i64::from(*index), i64::from(*milli)]);
        }
    }

    fn tag(&mut self, tag: u8) {
        self.piece.push(tag);
    }

    fn numbers<const LEN: usize>(&mut self, numbers: [i64; LEN]) {
        numbers.iter().for_each(|number| self.piece.extend_from_slice(&number.to_le_bytes()));
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Their number stands before them, so that no text runs into the next.
    fn bytes(&mut self, bytes: &[u8]) {
        self.piece.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.piece.extend_from_slice(bytes);
    }

    /// Hashes what has gathered, if it is more than this.
    fn flush(&mut self, bytes: usize) {
        if self.piece.len() > bytes {
            self.hash.update(&self.piece);
            self.piece.clear();
        }
    }
}

/// A number for each action that stays the same.
fn rank(action: Action) -> i64 {
    action as i64
}
