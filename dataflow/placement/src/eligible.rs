//! Which nodes answer a pod's demands on the node itself, kept until a node's record changes.
//!
//! Guarantee: the nodes of `slots` pass every static filter; every other node is either counted in
//! `refused` or stands in `scarce`.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub(crate) struct Eligible {
    /// The version of the nodes that this was built from.
    pub(crate) version: u64,
    /// By name.
    pub(crate) slots: Vec<u32>,
    /// Nodes that pass, but have too little of an extended resource even when empty.
    pub(crate) scarce: Vec<u32>,
    /// How many of the other nodes gave each reason.
    pub(crate) refused: BTreeMap<String, usize>,
    /// Whether some of the slots have a `PreferNoSchedule` taint that the pod does not bear.
    pub(crate) soft_taints: bool,
    /// By slot.
    marks: Vec<Marks>,
    /// Where each slot stands in `slots`, by slot; [`NOWHERE`] when it does not.
    positions: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

/// What spread constraints may honor of a node.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks {
    pub(crate) matches: bool,
    pub(crate) tolerated: bool,
}

/// What all nodes of a class answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) marks: Marks,
    pub(crate) standing: Standing,
    pub(crate) soft_taints: bool,
}

/// How a node stands to a pod that looks at nothing else.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    Passes,
    Scarce,
    Refused(Vec<String>),
}

impl Eligible {
    /// None yet, of nodes of this version in so many slots.
    pub(crate) fn none(version: u64, slots_len: usize) -> Eligible {
        let positions = vec![NOWHERE; slots_len];
        Eligible {
            version,
            positions,
            marks: vec![Marks::default(); slots_len],
            ..Eligible::default()
        }
    }

    /// Stands in where the few nodes that matter are asked one by one.
    pub(crate) fn unasked() -> Eligible {
        Eligible { soft_taints: true, ..Eligible::default() }
    }

    /// Takes a node in as it answers.
    pub(crate) fn add(&mut self, slot: u32, answer: &Answer) {
        self.marks[slot as usize] = answer.marks;
        match &answer.standing {
            Standing::Passes => {
                self.positions[slot as usize] = self.slots.len() as u32;
                self.slots.push(slot);
                self.soft_taints |= answer.soft_taints;
            }
            Standing::Scarce => self.scarce.push(slot),
            Standing::Refused(reasons) => {
                for reason in reasons {
                    *self.refused.entry(reason.clone()).or_insert(0) += 1;
                }
            }
        }
    }

    /// Where the slot stands in `slots`.
    pub(crate) fn position(&self, slot: u32) -> Option<usize> {
        let at = self.positions.get(slot as usize).copied().filter(|at| *at != NOWHERE)?;
        Some(at as usize)
    }

    /// Whether the pod's node selector and required node affinity match the node.
    pub(crate) fn matches(&self, slot: u32) -> bool {
        self.marks.get(slot as usize).is_some_and(|marks| marks.matches)
    }

    /// Whether the pod bears the node's taints.
    pub(crate) fn tolerated(&self, slot: u32) -> bool {
        self.marks.get(slot as usize).is_some_and(|marks| marks.tolerated)
    }
}
