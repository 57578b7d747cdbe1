//! A placed pod: numbers only, as small as a million of them ask for. It is its own row in the
//! checkpoint.
//!
//! Absent: what was observed of it in full. Readers and the checkpoint are told that, and the engine
//! keeps what it decides by.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{Observation, PodPhase, PodUid, Position, Topic};
use xxhash_rust::xxh3::xxh3_64;

use super::job::OfJob;
use super::packed::Packed;
use crate::views::Standing;

/// A placed pod. Its names follow from its workload, its template and its node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pod {
    pub(crate) uid: PodUid,
    pub(crate) counter: u64,
    pub(crate) generation: u32,
    /// The epoch in which it was placed or restarted last; its term follows.
    pub(crate) epoch: Packed,
    pub(crate) placed_ms: Packed,
    /// Engine time since when it is ready; 0 while it is not.
    pub(crate) ready_ms: Packed,
    /// How far its node's word of it is known, its absence included.
    pub(crate) heard: Option<Heard>,
    /// The observation that brought it where it stands.
    pub(crate) last: Option<Last>,
    /// What few pods have.
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) workload: u32,
    pub(crate) node: u32,
    pub(crate) revision: u32,
    pub(crate) standing: Standing,
    /// Whether its node had it when it spoke of it last.
    pub(crate) is_there: bool,
    /// Where it stands as the views have it.
    #[serde(skip)]
    pub(crate) told: Option<Standing>,
    /// Whether the views know that its node has said that it has it.
    #[serde(skip)]
    pub(crate) is_seen: bool,
    /// Whether its row is to be written to the checkpoint.
    #[serde(skip)]
    pub(crate) is_touched: bool,
}

/// A place in what a session of a node's agent says. A session is known by its digest, of 48 bits: it
/// is only ever asked whether two of one node are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    session: Packed,
    sequence: Packed,
}

/// The last observation, as far as it decides or is a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    /// By its node's clock.
    time_ms: Packed,
    offset: Packed,
    partition: [u8; 4],
    topic: Topic,
    pub(crate) phase: PodPhase,
    pub(crate) ready: bool,
}

/// What few pods have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rare {
    /// Its name, where it does not follow from its template and its uid.
    pub(crate) name: Option<String>,
    /// The last observation's reason.
    pub(crate) reason: String,
    /// What it has as a Job's pod.
    pub(crate) job: OfJob,
    /// The epoch that withdrew a pod which may run at most once, 0 before that; [`UNPROVEN`] where no
    /// word of its node proves any more that it ended.
    pub(crate) withdrawn: i64,
    /// The conditions that others set of it, as its placement says them; empty where there are none.
    pub(crate) conditions: String,
    /// Until when its eviction waits, engine time; 0 where nobody evicts it.
    pub(crate) leaving_ms: i64,
    /// As the pod of an update that is watched.
    pub(crate) begin: Begin,
    /// The templates of the claims that it has for itself, as a StatefulSet's pod.
    pub(crate) claims: Vec<String>,
    /// What its containers have by the LimitRanges of when it was made, where they filled in anything.
    pub(crate) worn: Option<Arc<str>>,
}

/// How a pod of an update that is watched began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// Engine time at which it was first seen to have begun; 0 before that.
    pub(crate) ms: i64,
    /// Whether it failed as it began, and was counted.
    pub(crate) failed: bool,
}

/// Behind every epoch.
pub(crate) const UNPROVEN: i64 = i64::MAX;

impl Pod {
    /// Whether what the node's present session says at this sequence is news of this pod.
    pub(crate) fn is_news(&self, said: Heard) -> bool {
        self.heard.is_none_or(|heard| {
            heard.session != said.session || heard.sequence.get() < said.sequence.get()
        })
    }

    /// Takes in what is kept of an observation.
    pub(crate) fn observe(&mut self, observed: &Observation, at: Position) {
        self.is_there = true;
        self.last = Some(Last::of(observed, at));
        if self.rare.is_some() || !observed.reason().is_empty() {
            let rare = self.rare.take().map(|rare| *rare).unwrap_or_default();
            self.rare = Rare { reason: observed.reason().to_owned(), ..rare }.boxed();
        }
    }

    /// Its name is kept only where it is another than the one that follows.
    pub(crate) fn name_is_rare(&mut self, follows: &str) {
        if let Some(rare) = self.rare.take() {
            let mut rare = *rare;
            rare.name = rare.name.filter(|name| name != follows);
            self.rare = rare.boxed();
        }
    }

    /// The epoch that withdrew it, as [`Rare`] has it.
    pub(crate) fn withdrawn(&self) -> i64 {
        self.rare.as_ref().map_or(0, |rare| rare.withdrawn)
    }

    /// Notes the epoch that withdrew it.
    pub(crate) fn note_withdrawn(&mut self, epoch: i64) {
        let rare = self.rare.take().map(|rare| *rare).unwrap_or_default();
        self.rare = Rare { withdrawn: epoch, ..rare }.boxed();
    }

    /// How it began, where its update is watched.
    pub(crate) fn begin(&self) -> Begin {
        self.rare.as_ref().map_or_else(Begin::default, |rare| rare.begin)
    }

    /// Notes how it began.
    pub(crate) fn note_begin(&mut self, begin: Begin) {
        let rare = self.rare.take().map(|rare| *rare).unwrap_or_default();
        self.rare = Rare { begin, ..rare }.boxed();
    }

    /// The templates of the claims that it has for itself.
    pub(crate) fn own_claims(&self) -> &[String] {
        self.rare.as_ref().map_or(&[], |rare| &rare.claims)
    }

    /// The last observation's reason.
    pub(crate) fn reason(&self) -> &str {
        self.rare.as_ref().map_or("", |rare| &rare.reason)
    }
}

impl Heard {
    /// What this session says at this sequence.
    pub(crate) fn of(session: &str, sequence: i64) -> Heard {
        let digest = xxh3_64(session.as_bytes());
        Heard { session: Packed::lowest_of(digest), sequence: sequence.into() }
    }
}

impl Last {
    fn of(observed: &Observation, at: Position) -> Last {
        let Position { topic, partition, offset } = at;
        let (time_ms, offset) = (observed.time_ms().into(), offset.into());
        let (phase, ready) = (observed.phase(), observed.is_ready());
        Last { time_ms, offset, partition: partition.to_le_bytes(), topic, phase, ready }
    }

    /// Where it stands on the log.
    pub(crate) fn position(&self) -> Position {
        let partition = i32::from_le_bytes(self.partition);
        Position { topic: self.topic, partition, offset: self.offset.get() }
    }

    /// When it was observed, by its node's clock.
    pub(crate) fn time_ms(&self) -> i64 {
        self.time_ms.get()
    }
}

impl Rare {
    /// Kept only when it says something.
    pub(crate) fn boxed(self) -> Option<Box<Rare>> {
        (self != Rare::default()).then(|| Box::new(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million pods are held in a process: each field more is eight megabytes.
    const POD_BYTES_MAX: usize = 112;

    #[test]
    fn a_pod_is_small() {
        let bytes = size_of::<Option<Pod>>();
        assert!(bytes <= POD_BYTES_MAX, "a pod takes {bytes} bytes");
    }
}
