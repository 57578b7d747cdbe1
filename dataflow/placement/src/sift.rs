//! Asks every node what depends on its record alone.
//!
//! Nodes of one class (labels but for the host name, taints, flags, extended amounts) give one
//! answer, so each class is asked once, not each node.

use setpoint_schemas::TaintEffect;

use crate::eligible::{Answer, Eligible, Marks, Standing};
use crate::filters::{self, Stage};
use crate::ids::IdMap;
use crate::inclination;
use crate::nodes::Nodes;
use crate::shape::PodShape;
use crate::tolerate;
use crate::view::View;

/// The nodes that are eligible for a pod of this shape.
pub(crate) fn sift(nodes: &Nodes, shape: &PodShape) -> Eligible {
    let view = View::bare(nodes, shape);
    let mut eligible = Eligible::none(nodes.version, nodes.slots_len());
    let mut by_class: IdMap<u128, Answer> = IdMap::default();
    for slot in nodes.order().iter().copied() {
        if shape.demand.reads_name {
            eligible.add(slot, &answer(&view, slot));
        } else {
            let class = nodes.node(slot).class;
            let known = by_class.entry(class).or_insert_with(|| answer(&view, slot));
            eligible.add(slot, known);
        }
        eligible.soft_taints |=
            eligible.position(slot).is_some() && inclination::spares_devices(nodes, shape, slot);
    }
    eligible
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
            // In Kubernetes a cordon and not being ready are taints, too.
            tolerated: info.ready
                && !filters::is_cordoned_from(view, slot)
                && untolerated(&[TaintEffect::NoSchedule, TaintEffect::NoExecute]).is_none(),
        },
        standing,
        soft_taints: untolerated(&[TaintEffect::PreferNoSchedule]).is_some(),
    }
}
