//! Which nodes answer a pod's demands on the node itself, kept until a node's record changes.
//!
//! Nodes of one class (labels but for the host name, taints, flags, extended amounts) give one
//! answer, so a rebuild asks each class once, not each node.
//!
//! Guarantee: the nodes of `slots` pass every static filter; every other node is either counted in
//! `refused` or stands in `scarce`.

use std::collections::BTreeMap;

use setpoint_schemas::TaintEffect;

use crate::filters::{self, Stage};
use crate::ids::IdMap;
use crate::nodes::Nodes;
use crate::shape::PodShape;
use crate::tolerate;
use crate::view::View;

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
}

/// What spread constraints may honor of a node.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    matches: bool,
    tolerated: bool,
}

/// What all nodes of a class answer.
#[derive(Debug, Clone)]
struct Answer {
    marks: Marks,
    standing: Standing,
    soft_taints: bool,
}

#[derive(Debug, Clone)]
enum Standing {
    Passes,
    Scarce,
    Refused(Vec<String>),
}

impl Eligible {
    pub(crate) fn build(nodes: &Nodes, shape: &PodShape) -> Eligible {
        let view = View::bare(nodes, shape);
        let mut eligible = Eligible {
            version: nodes.version,
            marks: vec![Marks::default(); nodes.slots_len()],
            ..Eligible::default()
        };
        let mut by_class: IdMap<u128, Answer> = IdMap::default();
        for slot in nodes.order().iter().copied() {
            if shape.demand.reads_name {
                eligible.add(slot, &answer(&view, slot));
            } else {
                let class = nodes.node(slot).class;
                let known = by_class.entry(class).or_insert_with(|| answer(&view, slot));
                eligible.add(slot, known);
            }
        }
        eligible
    }

    /// Stands in where the few nodes that matter are asked one by one.
    pub(crate) fn unasked() -> Eligible {
        Eligible { soft_taints: true, ..Eligible::default() }
    }

    fn add(&mut self, slot: u32, answer: &Answer) {
        self.marks[slot as usize] = answer.marks;
        match &answer.standing {
            Standing::Passes => {
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

    /// Whether the pod's node selector and required node affinity match the node.
    pub(crate) fn matches(&self, slot: u32) -> bool {
        self.marks.get(slot as usize).is_some_and(|marks| marks.matches)
    }

    /// Whether the pod bears the node's taints.
    pub(crate) fn tolerated(&self, slot: u32) -> bool {
        self.marks.get(slot as usize).is_some_and(|marks| marks.tolerated)
    }
}

fn answer(view: &View<'_>, slot: u32) -> Answer {
    let (info, demand) = (view.nodes.node(slot).info(), &view.shape.demand);
    let untolerated = |effects| tolerate::untolerated(&info.taints, &demand.bears, effects);
    let has = |(name, amount): (&String, &i64)| {
        info.allocatable.extended.get(name).copied().unwrap_or(0) >= *amount
    };
    let standing = match filters::first_refusal(view, slot, Stage::Static) {
        Some(refusal) => Standing::Refused(refusal.reasons(view, slot)),
        None if demand.extended.iter().all(has) => Standing::Passes,
        None => Standing::Scarce,
    };
    Answer {
        marks: Marks {
            matches: demand.matches(&info.labels, info.name.as_str()),
            tolerated: untolerated(&[TaintEffect::NoSchedule, TaintEffect::NoExecute]).is_none(),
        },
        standing,
        soft_taints: untolerated(&[TaintEffect::PreferNoSchedule]).is_some(),
    }
}
