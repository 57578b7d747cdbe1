//! From no room to room: who has to stop for a pod, and the promise of what they leave.
//!
//! Guarantee: nobody of equal or higher priority stops, nobody stops in vain, and the pod is placed
//! only when the room is there: until then nobody else of its priority or a lower one gets it.

use std::sync::Arc;

use setpoint_placement::{NodeId, Occupant, PodId, Preemption, Roster};
use setpoint_rules::preemption::{self, Victim};
use setpoint_schemas::{Action, Cause, NodeName, PodUid};

use super::placing::Start;
use crate::decide::Turn;
use crate::state::{About, Nominated, State, WorkloadKind};
use crate::views::Views;

/// The rule's name in the ledger.
const RULE: &str = "preemption";

/// Who is on the nodes, as the state has it.
pub(super) struct Guests<'a>(pub(super) &'a State);

impl Roster for Guests<'_> {
    fn occupants<'a>(&'a self, node: NodeId, into: &mut Vec<Occupant<'a>>) {
        for (id, pod) in self.0.pods.on_with_ids(node.0) {
            let budgets = self.0.budgets.of(pod.workload, pod.revision);
            into.push(Occupant { pod: PodId(id), uid: &pod.uid, since_ms: pod.placed_ms, budgets });
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
        let found = self.look_for_victims(start, &uid, &template.shape)?;
        let node = self.fleet.node(found.node)?.name.clone();
        let workload = self.state.workload.get(&start.workload)?;
        let name = workload.pod_name(&template, &uid);
        let pod = Preemptor {
            name: format!("{}/{name}", workload.key.namespace),
            priority: template.shape.priority(),
            node: node.clone(),
            causes: self.state.causes(start.workload),
        };
        let revision = workload.memo.current;
        let victims: Vec<Victim> =
            found.victims.iter().filter_map(|id| self.victim(found.node, *id)).collect();
        for victim in &found.victims {
            self.make_go(found.node, *victim, &pod);
        }
        let awaits = preemption::awaits(node.as_str(), &victims, found.violations);
        let reason = format!("{why} preemption: {awaits}");
        let since_ms = self.now;
        let nominated = Nominated { node, revision, reason: reason.clone(), since_ms };
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

    fn victim(&self, node: NodeId, PodId(id): PodId) -> Option<Victim> {
        let (workload, revision, uid) = match self.state.nominees.by_id(node.0, id) {
            Some(nominee) => {
                let workload = self.state.workload.get(&nominee.workload)?;
                (workload, workload.memo.nominated.get(&nominee.counter)?.revision, &nominee.uid)
            }
            None => {
                let pod = self.state.pods.get(&id)?;
                (self.state.owner(pod)?, pod.revision, &pod.uid)
            }
        };
        let template = workload.templates.get(&revision)?;
        let name = match self.state.pods.get(&id).filter(|pod| pod.uid == *uid) {
            Some(pod) => self.state.pod_name(pod),
            None => workload.pod_name(template, uid).to_string(),
        };
        let name = format!("{}/{name}", workload.key.namespace);
        Some(Victim { name, priority: template.shape.priority() })
    }

    /// A victim stops; one that was only promised its room loses the promise. A bare pod is deleted
    /// with it, as in Kubernetes: nobody would make it again.
    fn make_go(&mut self, node: NodeId, PodId(id): PodId, pod: &Preemptor) {
        let Preemptor { name, priority, node: on, causes } = pod;
        if let Some(nominee) = self.state.nominees.by_id(node.0, id).cloned() {
            let workload = self.state.workload.get(&nominee.workload);
            let about = About {
                pod: nominee.uid.to_string(),
                resource: workload.map_or_else(String::new, |w| w.text.to_string()),
                node: on.to_string(),
                causes: causes.clone(),
                ..About::default()
            };
            self.unpromise(nominee.workload, nominee.counter);
            let reason = preemption::outbid(name, *priority, on.as_str());
            self.ledger.write(Action::Wait, RULE, reason, about);
            self.state.mark(nominee.workload);
            return;
        }
        let Some(workload) = self.state.pods.get(&id).map(|pod| pod.workload) else { return };
        let reason = preemption::preempted(name, *priority, on.as_str());
        self.withdraw(id, RULE, reason, causes.clone());
        let owner = self.state.workload.get(&workload);
        let bare = owner.filter(|owner| owner.kind == WorkloadKind::Bare).map(|o| o.key.clone());
        if let (Some(key), Some(cause)) = (bare, causes.first()) {
            self.gone(&key, cause);
        }
    }
}

/// The pod that others stop for.
struct Preemptor {
    /// Namespace and name.
    name: String,
    priority: i32,
    node: NodeName,
    causes: Vec<Cause>,
}
