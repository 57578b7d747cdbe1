//! StatefulSets: pods with identities, each of which may run at most once.
//!
//! Guarantee: an identity gets a pod only when nothing is left of the one that it had. Absent: when
//! that is certain; `nodes/release.rs` says so of lost nodes.

use std::collections::BTreeMap;

use setpoint_rules::statefulset::{self, Revision, Steps, Update};

use super::placing::Start;
use crate::decide::Turn;
use crate::state::{Identities, Identity, Waiting, Workload};
use crate::views::{Standing, Views};

/// A name that another workload's pod has is looked for again this often: it is none of ours to say when
/// that goes.
const NAME_LOOK_MS: i64 = 10_000;

/// The pods of a StatefulSet by their numbers.
#[derive(Default)]
struct Members {
    /// How each identity stands.
    standings: BTreeMap<u32, statefulset::Standing>,
    /// The one pod of each that is to run.
    live: BTreeMap<u32, u32>,
    /// Pods that have no identity of their own.
    strays: Vec<u32>,
}

impl<V: Views> Turn<'_, V> {
    /// Stops the pods that are too many or outdated, and starts those that are missing, as the set's
    /// policy has it.
    pub(crate) fn plan_stateful(&mut self, id: u32, starts: &mut Vec<Start>) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let members = self.members(workload);
        let identities = workload.wants.identities.clone();
        let Some(identities) = identities.filter(|_| !workload.deleted) else {
            let pods = members.live.values().chain(&members.strays).copied().collect();
            self.stop_members(id, pods, "its workload was deleted");
            self.expects_nobody(id);
            if let Some(workload) = self.state.workload.get(&id)
                && self.now < workload.memo.unproven_until_ms
            {
                self.state.look_again(id, workload.memo.unproven_until_ms);
            }
            return;
        };
        let Some(workload) = self.state.workload.get(&id) else { return };
        let (counts, stands_still) = (workload.counts_with(0), workload.stands_still());
        if self.track_progress(id, &counts) {
            return;
        }
        let mut steps = statefulset::steps(&identities.wanted, &members.standings);
        if stands_still {
            steps.outdated.clear();
        }
        let scaled_away = self.scaled_away(id, &identities, &members, &steps);
        self.scaled_claims_go(id, &scaled_away);
        let of = |ordinals: &[u32]| -> Vec<u32> {
            ordinals.iter().filter_map(|ordinal| members.live.get(ordinal).copied()).collect()
        };
        self.stop_members(id, members.strays.clone(), "more pods than desired");
        self.stop_members(id, of(&steps.surplus), "more pods than desired");
        self.stop_members(id, of(&steps.outdated), "replaced by the current revision");
        self.update_is_over(id, &identities, &members);
        self.start_members(id, &steps, starts);
    }

    /// The numbers that are not wanted any more, of pods that stop now, stop already, or had no place.
    fn scaled_away(
        &self,
        id: u32,
        identities: &Identities,
        members: &Members,
        steps: &Steps,
    ) -> Vec<u32> {
        let is_leaving =
            |standing: &statefulset::Standing| *standing == statefulset::Standing::Leaving;
        let leaving = members.standings.iter().filter(|(_, standing)| is_leaving(standing));
        let waited = self.state.workload.get(&id).map(|workload| &workload.memo.ordinals);
        let ordinals = leaving.map(|(ordinal, _)| *ordinal);
        let ordinals = ordinals.chain(waited.into_iter().flatten().copied());
        let is_surplus = |ordinal: &u32| !identities.wanted.wants(*ordinal);
        steps.surplus.iter().copied().chain(ordinals.filter(is_surplus)).collect()
    }

    fn members(&self, workload: &Workload) -> Members {
        let mut members = Members::default();
        let mut pods: Vec<(u64, u32)> = workload
            .pods
            .iter()
            .filter_map(|id| Some((self.state.pods.get(id)?.counter, *id)))
            .collect();
        pods.sort_unstable();
        for (_, id) in pods {
            let Some(pod) = self.state.pods.get(&id) else { continue };
            let is_live = !matches!(pod.standing, Standing::Stopping | Standing::Ended);
            match self.state.ordinal_of(workload, pod) {
                Some(ordinal) if is_live && !members.live.contains_key(&ordinal) => {
                    let available = pod.standing == Standing::Available;
                    let updated = pod.revision == workload.memo.current;
                    let standing = statefulset::Standing::Live { available, updated };
                    members.standings.insert(ordinal, standing);
                    members.live.insert(ordinal, id);
                }
                Some(ordinal) if !is_live => {
                    members.standings.entry(ordinal).or_insert(statefulset::Standing::Leaving);
                }
                _ if is_live => members.strays.push(id),
                _ => {}
            }
        }
        members
    }

    fn stop_members(&mut self, id: u32, pods: Vec<u32>, reason: &'static str) {
        if pods.is_empty() {
            return;
        }
        let causes = self.state.causes(id);
        for pod in pods {
            self.withdraw(pod, "statefulset", reason, causes.clone());
        }
    }

    /// An update is over when all have the template's revision and are available: from then on that is
    /// the current one.
    fn update_is_over(&mut self, id: u32, identities: &Identities, members: &Members) {
        let wanted = &identities.wanted;
        let is_done = |standing: &statefulset::Standing| {
            *standing == statefulset::Standing::Live { available: true, updated: true }
        };
        let is_over = matches!(wanted.update, Update::Rolling { .. })
            && members.standings.len() == wanted.replicas as usize
            && members.standings.iter().all(|(n, standing)| wanted.wants(*n) && is_done(standing));
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        if is_over && workload.memo.stable != workload.memo.current {
            workload.memo.stable = workload.memo.current;
            self.state.touch_workload(id);
            self.state.status_changed(id);
        }
    }

    fn start_members(&mut self, id: u32, steps: &Steps, starts: &mut Vec<Start>) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let (memo, key) = (&workload.memo, &workload.key);
        let is_free = |ordinal: u32| {
            let name = statefulset::pod_name(&key.name, ordinal);
            self.state.pod_named(&key.namespace, &name).is_none()
        };
        let revision = |revision| match revision {
            Revision::Current => workload.stable(),
            Revision::Updated => memo.current,
        };
        let identity = |(ordinal, of): &(u32, Revision)| Identity {
            ordinal: *ordinal,
            revision: revision(*of),
        };
        let free = steps.start.iter().filter(|(ordinal, _)| is_free(*ordinal));
        let identities: Vec<Identity> = free.map(identity).collect();
        let is_taken = identities.len() < steps.start.len();
        let (not_before_ms, unproven_ms) = (memo.not_before_ms, memo.unproven_until_ms);
        if is_taken {
            self.state.look_again(id, self.now + NAME_LOOK_MS);
        }
        if identities.is_empty() {
            return self.expects_nobody(id);
        }
        let later_ms = not_before_ms.max(unproven_ms);
        if self.now < later_ms {
            self.expects_nobody(id);
            return self.state.look_again(id, later_ms);
        }
        let refused = self.make_own_claims(id, &identities);
        let Some(workload) = self.state.workload.get(&id) else { return };
        let identities = workload.promised_first(identities);
        let (from, revision) = (workload.memo.next_pod, workload.memo.current);
        match self.prioritize(id) {
            Ok(priority) => {
                starts.push(Start::of_identities(id, priority, identities).without(refused));
            }
            Err(reason) => {
                self.unpromise_all(id);
                let count = identities.len() as u64;
                self.wait(id, Some(Waiting { reason, from, count, revision }));
            }
        }
    }

    /// No identity is to start now.
    fn expects_nobody(&mut self, id: u32) {
        self.waits_no_more(id);
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let memo = &mut workload.memo;
        let was_served = std::mem::replace(&mut memo.whys_served, true);
        if !was_served || !memo.ordinals.is_empty() {
            memo.ordinals.clear();
            self.state.touch_workload(id);
        }
    }
}
