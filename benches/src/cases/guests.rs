//! Who is where, for pods that look for others to go: what the engine's state tells the placer.

use setpoint_placement::{Fleet, NodeId, Occupant, Placing, PodId, Roster, SAMPLES_DEFAULT};
use setpoint_schemas::PodUid;

use crate::cases::stage::{Offer, Offers, Places};

/// The pods on each node, by the nodes' numbers.
pub(crate) struct Guests<'a> {
    on: Vec<Vec<PodId>>,
    /// By the pods' numbers.
    uids: Vec<Option<&'a PodUid>>,
    /// Those who had to go.
    pub(crate) gone: Vec<PodId>,
    /// Pods placed beside the measured ones.
    pub(crate) placed_beside: Vec<(PodId, NodeId)>,
}

impl<'a> Guests<'a> {
    /// As the pods stand that were there before.
    pub(crate) fn of(offers: &'a Offers, places: &Places, nodes: usize) -> Guests<'a> {
        let mut uids = Vec::new();
        for offer in offers.all() {
            uids.resize(uids.len().max(offer.id.0 as usize + 1), None);
            uids[offer.id.0 as usize] = Some(&offer.uid);
        }
        let mut on = vec![Vec::new(); nodes];
        for (pod, node) in places {
            on[node.0 as usize].push(*pod);
        }
        Guests { on, uids, gone: Vec::new(), placed_beside: Vec::new() }
    }

    /// One decision: where it fits nowhere, others go at once and it takes their place.
    pub(crate) fn decide(&mut self, fleet: &mut Fleet, offer: &Offer) -> anyhow::Result<NodeId> {
        let node = match fleet.place(&offer.uid, &offer.shape, 1, SAMPLES_DEFAULT) {
            Placing::Placed { node, .. } => node,
            Placing::Unplaceable(reasons) => {
                let found = fleet.preempt(&offer.uid, &offer.shape, 1, self);
                let found = found.ok_or_else(|| {
                    anyhow::anyhow!("nobody can go for {:?} {}: {reasons}", offer.pod, offer.number)
                })?;
                for victim in &found.victims {
                    fleet.release(*victim);
                }
                self.on[found.node.0 as usize].retain(|pod| !found.victims.contains(pod));
                self.gone.extend(&found.victims);
                found.node
            }
        };
        fleet.reserve(offer.id, node, &offer.shape);
        self.on[node.0 as usize].push(offer.id);
        Ok(node)
    }
}

impl Roster for Guests<'_> {
    fn occupants<'r>(&'r self, node: NodeId, into: &mut Vec<Occupant<'r>>) {
        let here = self.on.get(node.0 as usize).into_iter().flatten();
        into.extend(here.filter_map(|pod| {
            let uid = self.uids.get(pod.0 as usize).copied().flatten()?;
            Some(Occupant { pod: *pod, uid, since_ms: 0, budgets: &[] })
        }));
    }

    fn allowed(&self, _budget: u32) -> i64 {
        0
    }
}
