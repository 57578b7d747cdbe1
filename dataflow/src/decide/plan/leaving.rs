//! Pods whose eviction waits: they go once others are there in their place and budgets let them, and stay
//! when that took too long.

use setpoint_rules::disruption::{RULE, Ruling};
use setpoint_schemas::{Action, PodUid};

use super::placing::placement_of;
use crate::causes::Causes;
use crate::decide::Turn;
use crate::decided::Reason;
use crate::epoch::PlacementChange;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Looks at those of a workload that leave, one after the other: what the first takes of a budget the
    /// next one sees.
    pub(super) fn let_leaving_go(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let with_uid = |id: &u32| self.state.pods.get(id).map(|pod| (pod.uid.clone(), *id));
        let mut leaving: Vec<(PodUid, u32)> =
            workload.leaving.iter().filter_map(with_uid).collect();
        leaving.sort();
        for (_, pod) in leaving {
            self.let_go(id, pod);
        }
    }

    fn let_go(&mut self, id: u32, pod: u32) {
        let until_ms = self.state.pods.get(&pod).map_or(0, |pod| pod.leaving_ms());
        match self.state.eviction_ruling(pod, until_ms, self.now) {
            Ruling::Go => {
                let reason = self.why_it_goes(pod);
                let causes = self.state.causes(id);
                self.withdraw(pod, RULE, reason, causes);
            }
            Ruling::GiveUp(why) if self.complete => {
                let reason = format!("its eviction is given up, its time is over: {why}");
                let causes = self.state.causes(id);
                self.set_leaving(pod, 0, reason, causes);
            }
            // What is still to be read may tell that another is there.
            Ruling::GiveUp(_) => self.state.look_again(id, self.now),
            Ruling::Wait(_) => self.state.look_again(id, until_ms),
        }
    }

    fn why_it_goes(&self, pod: u32) -> &'static str {
        let pod = self.state.pods.get(&pod);
        let owner = pod.and_then(|pod| self.state.owner(pod));
        match pod {
            _ if owner.is_none_or(|owner| owner.desired() == 0) => {
                "its eviction was asked for, and its workload wants none"
            }
            Some(pod) if self.state.is_replaced_first(pod) => {
                "its eviction was asked for, and another pod is there in its place"
            }
            _ => "its eviction was asked for, and it serves nobody",
        }
    }

    /// A pod is to leave, or to stay after all (0): its node and all readers are told by its placement.
    pub(in crate::decide) fn set_leaving(
        &mut self,
        id: u32,
        until_ms: i64,
        reason: impl Into<Reason>,
        causes: impl Into<Causes>,
    ) {
        self.state.set_leaving(id, until_ms);
        let Some(pod) = self.state.pods.get(&id) else { return };
        let (workload, placement) = (pod.workload, placement_of(self.state, pod));
        let Some((uid, node, about)) = self.about_pod(id, causes) else { return };
        self.ledger.write(Action::Wait, RULE, reason, about);
        self.out.placements.push(PlacementChange { uid, node, placement });
        self.state.mark(workload);
        if until_ms > 0 {
            self.state.look_again(workload, until_ms);
        }
    }
}
