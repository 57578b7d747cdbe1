//! What follows from a change for the endpoints of Services.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::{FERRY_LABEL, PodUid};

use super::inner::Inner;
use super::parts::PodParts;
use super::services::{Facts, Member, is_service};
use super::{Change, NodeServed};

impl Inner {
    /// Takes in a change, and what follows from it for the endpoints of Services.
    pub(super) fn take_with_endpoints(&mut self, change: Change) {
        let pod = match &change {
            Change::Placement(uid, _) | Change::PodGone(uid) => Some(uid.clone()),
            Change::Pod(seen) | Change::PodSince(seen, _) => Some(seen.uid().clone()),
            _ => None,
        };
        let was = pod.as_ref().and_then(|uid| self.member(uid));
        let service = match &change {
            Change::Resource(key, resource) if is_service(key) => {
                Some((key.clone(), resource.clone()))
            }
            _ => None,
        };
        let node = match &change {
            Change::Node(name, served) => {
                let reached = |served: &Arc<NodeServed>| {
                    let record = &served.record;
                    let ferry = record.labels.get(FERRY_LABEL).cloned();
                    (served.lost, record.address.clone(), ferry)
                };
                let before = self.nodes.get(name.as_str()).map(reached);
                (before != served.as_ref().map(reached)).then(|| name.clone())
            }
            _ => None,
        };
        self.take(change);
        if let Some(uid) = pod {
            self.refresh(&uid, was);
        }
        if let Some((key, resource)) = service {
            let Inner { services, pods, nodes, .. } = self;
            let facts_of = |id| facts(pods.by_id(id)?, nodes);
            services.set(&key, resource.as_deref(), facts_of);
        }
        let uids: Vec<PodUid> = node.map_or_else(Vec::new, |node| {
            self.placements_on(&node).into_iter().map(|placed| placed.uid.clone()).collect()
        });
        for uid in uids {
            let was = self.member(&uid);
            self.refresh(&uid, was);
        }
    }

    /// The endpoints of the Services that select a pod follow what is known of it now.
    fn refresh(&mut self, uid: &PodUid, was: Option<Member>) {
        let is = self.member(uid);
        let Inner { services, pods, nodes, .. } = self;
        services.pod(was, is, || facts(pods.parts(uid)?, nodes));
    }

    fn member(&self, uid: &PodUid) -> Option<Member> {
        let id = self.pods.id_of(uid)?;
        Member::of(id, self.pods.by_id(id)?)
    }
}

fn facts(parts: &PodParts, nodes: &BTreeMap<Arc<str>, Arc<NodeServed>>) -> Option<Facts> {
    let node = parts.placement().and_then(|placement| nodes.get(placement.node.as_str()));
    Facts::of(parts, node.map(Arc::as_ref))
}
