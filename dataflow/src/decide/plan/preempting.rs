//! From no room to room: who has to stop for a pod, and the promise of what they leave.
//!
//! Guarantee: nobody of equal or higher priority stops, nobody stops in vain, and the pod is placed
//! only when the room is there: until then nobody else of its priority or a lower one gets it.

use std::sync::Arc;

use setpoint_placement::{NodeId, Occupant, PodId, Preemption, Roster};
use setpoint_rules::job_failures::Cause as Failure;
use setpoint_rules::preemption::{self, Victim};
use setpoint_rules::statefulset;
use setpoint_schemas::{Action, NodeName, PodUid};

use super::placing::Start;
use crate::Served;
use crate::causes::Causes;
use crate::decide::Turn;
use crate::decided::About;
use crate::state::{Nominated, Nominee, State, WorkloadKind};
use crate::views::Views;

/// The rule's name in the ledger.
const RULE: &str = "preemption";

/// Who is on the nodes, as the state has it.
pub(super) struct Guests<'a>(pub(super) &'a State);

impl Roster for Guests<'_> {
    fn occupants<'a>(&'a self, node: NodeId, into: &mut Vec<Occupant<'a>>) {
        for (id, pod) in self.0.pods.on_with_ids(node.0) {
            let budgets = self.0.budgets.of(pod.workload, pod.revision);
            into.push(Occupant {
                pod: PodId(id),
                uid: &pod.uid,
                since_ms: pod.placed_ms.get(),
                budgets,
            });
        }
        for nominee in self.0.nominees.on(node.0) {
            let (pod, since_ms) = (PodId(nominee.id), nominee.since_ms);
            into.push(Occupant { pod, uid: &nominee.uid, since_ms, budgets: &[] });
        }
    }

    fn allowed(&self, budget: u32) -> i64 {
        self.0.budgets.allowed(budget)
    }
}

impl<V: Views> Turn<'_, V> {
    /// Makes room for the pod of this number, which fits nowhere for this reason, if pods of lower
    /// priority can: they stop, and the room is promised. What it waits for then; `None` when
    /// nobody can help.
    pub(super) fn preempt(&mut self, start: &Start, counter: u64, why: &str) -> Option<String> {
        let workload = self.state.workload.get(&start.workload)?;
        let (template, uid) = (workload.current_template()?, workload.pod_uid(counter));
        let own = start.ordinal().filter(|_| workload.has_claims_by_name());
        let shape = self.state.shape_of(workload, &template, own);
        let found = self.look_for_victims(start, &uid, &shape)?;
        let node = self.fleet.node(found.node)?.name.clone();
        let workload = self.state.workload.get(&start.workload)?;
        let name = match own {
            Some(ordinal) => statefulset::pod_name(&workload.key.name, ordinal),
            None => workload.name_to_be(&template, counter, &uid).to_string(),
        };
        let pod = Preemptor {
            name: format!("{}/{name}", workload.key.namespace),
            priority: template.shape.priority(),
            node: node.clone(),
            causes: self.causes_of(start.workload, found.node),
        };
        let revision = workload.memo.current;
        let holders = found.victims.iter().filter_map(|id| self.holder(found.node, *id));
        let holders: Vec<Holder> = holders.collect();
        let victims: Vec<Victim> = holders.iter().filter_map(|h| self.victim(h)).collect();
        holders.into_iter().for_each(|holder| self.make_go(holder, &pod));
        let awaits = preemption::awaits(node.as_str(), &victims, found.violations);
        let reason = format!("{why} preemption: {awaits}");
        let since_ms = self.now;
        let devices = self.fleet.devices_left_by_leaving(found.node, &template.shape);
        let nominated = Nominated { node, revision, reason: reason.clone(), since_ms, devices };
        self.promise(start.workload, counter, nominated);
        Some(reason)
    }

    fn look_for_victims(
        &mut self,
        start: &Start,
        uid: &PodUid,
        shape: &Arc<setpoint_placement::PodShape>,
    ) -> Option<Preemption> {
        let guests = Guests(self.state);
        match &start.node {
            Some(node) => {
                let node = NodeId(*guests.0.nodes.get(node)?);
                self.fleet.preempt_on(node, shape, &guests)
            }
            None => {
                let epoch = u64::try_from(self.out.number).unwrap_or(0);
                self.fleet.preempt(uid, shape, epoch, &guests)
            }
        }
    }

    /// Who holds room under this number in the placer.
    fn holder(&self, node: NodeId, PodId(id): PodId) -> Option<Holder> {
        match self.state.nominees.by_id(node.0, id) {
            Some(nominee) => Some(Holder::Promised(nominee.clone())),
            None => self.state.pods.get(&id).map(|pod| Holder::Placed(id, pod.workload)),
        }
    }

    fn victim(&self, holder: &Holder) -> Option<Victim> {
        let (workload, revision, name) = match holder {
            Holder::Promised(nominee) => {
                let workload = self.state.workload.get(&nominee.workload)?.as_ref();
                let revision = workload.memo.nominated.get(&nominee.counter)?.revision;
                let template = workload.templates.get(&revision)?;
                let name = workload.name_to_be(template, nominee.counter, &nominee.uid);
                (workload, revision, name.to_string())
            }
            Holder::Placed(id, _) => {
                let pod = self.state.pods.get(id)?;
                (self.state.owner(pod)?, pod.revision, self.state.pod_name(pod).to_owned())
            }
        };
        let priority = workload.templates.get(&revision)?.shape.priority();
        Some(Victim { name: format!("{}/{name}", workload.key.namespace), priority })
    }

    /// A victim stops, or loses its promise.
    fn make_go(&mut self, holder: Holder, pod: &Preemptor) {
        match holder {
            Holder::Promised(nominee) => self.outbid(&nominee, pod),
            Holder::Placed(id, workload) => self.evict(id, workload, pod),
        }
    }

    fn outbid(&mut self, nominee: &Nominee, pod: &Preemptor) {
        let workload = self.state.workload.get(&nominee.workload);
        let about = About {
            pod: Some(nominee.uid.clone()),
            resource: workload.map(|workload| workload.text.clone()),
            node: Some(pod.node.clone()),
            causes: pod.causes.clone(),
            ..About::default()
        };
        self.unpromise(nominee.workload, nominee.counter);
        let reason = preemption::outbid(&pod.name, pod.priority, pod.node.as_str());
        self.ledger.write(Action::Wait, RULE, reason.clone(), about);
        self.state.mark(nominee.workload);
        self.waits_outbid(nominee, &pod.node, reason);
    }

    /// A DaemonSet's pod goes on waiting on its node: readers know at once that no room is kept for it,
    /// though it may be looked at in the next epoch only.
    fn waits_outbid(&mut self, nominee: &Nominee, node: &NodeName, reason: String) {
        let Some(workload) = self.state.workload.get_mut(&nominee.workload) else { return };
        let Some(here) = workload.memo.waiting_here.get_mut(node) else { return };
        here.reason = reason;
        let group = here.alone();
        let pods = workload.pods_waiting(&group).into_iter();
        self.out.served.extend(pods.map(|pod| Served::Waiting(Arc::new(pod))));
        self.state.touch_workload(nominee.workload);
    }

    /// A bare pod is deleted with it, as in Kubernetes: nobody would make it again.
    fn evict(&mut self, id: u32, workload: u32, pod: &Preemptor) {
        let reason = preemption::preempted(&pod.name, pod.priority, pod.node.as_str());
        self.job_pod_lost(id, Failure::Disrupted);
        self.withdraw(id, RULE, reason, pod.causes.clone());
        let owner = self.state.workload.get(&workload);
        let bare = owner.filter(|owner| owner.kind == WorkloadKind::Bare).map(|o| o.key.clone());
        if let (Some(key), Some(cause)) = (bare, pod.causes.first()) {
            self.delete(&key, None, cause);
        }
    }

    /// What brought the workload to be looked at. Of one that nobody remembers a cause of, as a leader
    /// that was rebuilt does not, what was last said of the node.
    fn causes_of(&self, workload: u32, node: NodeId) -> Causes {
        let causes = self.state.causes(workload);
        if !causes.is_empty() {
            return causes;
        }
        let host = self.state.node.get(&node.0);
        host.map(|host| host.row.cause.clone()).into()
    }
}

/// Who holds room on a node.
enum Holder {
    /// The pod of this number, of this workload.
    Placed(u32, u32),
    /// A pod that has it promised.
    Promised(Nominee),
}

/// The pod that others stop for.
struct Preemptor {
    /// Namespace and name.
    name: String,
    priority: i32,
    node: NodeName,
    causes: Causes,
}
