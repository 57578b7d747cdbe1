//! Making one pod what a leader recorded of it.

use std::sync::Arc;

use setpoint_placement::PodId;
use setpoint_rules::identity;
use setpoint_schemas::{Placement, PodUid, Position, ResourceKey, Topic};

use super::inferred::{generation_of, own_claims_of, standing_of, template_of};
use crate::causes::Cause;
use crate::decide::turn::{Turn, first_counter};
use crate::state::{OfJob, Pod, Rare, Template, WorkloadKind, conditions_in};
use crate::views::{Standing, Views};

/// How far around the next counter a recorded pod's counter is looked for: more than one epoch
/// places, and soon looked through.
const COUNTERS_SEARCHED_MAX: u64 = 200_000;
/// What a pod is to be.
pub(super) enum Target {
    /// Recorded as placed so.
    Placed(Arc<Placement>),
    /// Recorded as withdrawn.
    Withdrawn,
    /// Placed or restarted by us, and perhaps withdrawn after that, and not recorded.
    NotPlaced(Arc<Placement>),
    /// Withdrawn by us, and not recorded.
    NotWithdrawn,
}

impl<V: Views> Turn<'_, V> {
    /// Makes a pod so; says why when it cannot.
    pub(super) fn correct_pod(&mut self, uid: &PodUid, target: Target) -> Option<String> {
        let workload = self.state.pods.by_uid(uid).map(|pod| pod.workload);
        let done = match target {
            Target::Placed(placement) => self.make_placed(&placement).err(),
            Target::Withdrawn => {
                self.make_withdrawn(uid);
                None
            }
            Target::NotPlaced(placement) => match self.take_back(uid, &placement) {
                true => None,
                false => self.revive(uid).err(),
            },
            Target::NotWithdrawn => self.revive(uid).err(),
        };
        if let Some(id) = workload {
            self.look_later(id);
        }
        done.map(|why| format!("pod {uid} cannot be made as recorded: {why}"))
    }

    fn make_withdrawn(&mut self, uid: &PodUid) {
        if let Some(id) = self.state.pods.id_of(uid) {
            self.withdraw(id, "recorded", "as recorded", None);
        }
    }

    /// A pod that only we placed was never there; one that only we restarted was not. Whether nothing is
    /// left of it.
    fn take_back(&mut self, uid: &PodUid, placement: &Placement) -> bool {
        let Some(id) = self.state.pods.id_of(uid) else { return true };
        let Some(pod) = self.state.pods.get_mut(&id) else { return true };
        if pod.epoch.get() == self.out.number && placement.generation == 1 {
            let workload = pod.workload;
            self.forget(uid);
            let Some(workload) = self.state.workload.get_mut(&workload) else { return true };
            let pods = workload.pods.iter().filter_map(|pod| self.state.pods.get(pod));
            let last = pods.map(|pod| pod.counter).max();
            workload.count_back(self.out.number, last);
            return true;
        }
        if placement.is_finished() {
            self.make_finished(id, false);
            return false;
        }
        // Only whether it leaves or what others say of it was told anew: nothing was restarted. What was
        // said is recorded when it is said the next time.
        if placement.epoch != self.out.number {
            // A bare Pod has none made in its place: what was told anew is what it says now, and that it leaves
            // was recorded before.
            let owner = self.state.workload.get(&pod.workload);
            let is_bare = owner.is_some_and(|owner| owner.kind == WorkloadKind::Bare);
            if placement.leaving_ms() > 0 && !is_bare {
                self.state.set_leaving(id, 0);
            }
            return false;
        }
        pod.generation = (generation_of(placement) - 1).max(1);
        self.state.touch_pod(id);
        false
    }

    /// Whether a pod has finished and was counted is as it is recorded.
    fn make_finished(&mut self, id: u32, is_finished: bool) {
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        if pod.is_finished() == is_finished {
            return;
        }
        pod.job_mut().is_finished = is_finished;
        if is_finished && pod.standing.is_live() {
            (pod.standing, pod.ready_ms) = (Standing::Ended, 0.into());
        }
        self.state.touch_pod(id);
        self.refact(id);
    }

    /// Until when a pod's eviction waits is as it is recorded.
    fn make_leaving(&mut self, id: u32, until_ms: i64) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        if pod.leaving_ms() == until_ms {
            return;
        }
        let workload = pod.workload;
        self.state.set_leaving(id, until_ms);
        if until_ms > 0 {
            self.state.look_again(workload, until_ms);
        }
    }

    /// A pod that only we withdrew goes on.
    fn revive(&mut self, uid: &PodUid) -> Result<(), String> {
        let id = self.state.pods.id_of(uid).ok_or("nothing is left of it here")?;
        let Some(pod) = self.state.pods.get(&id) else { return Ok(()) };
        if pod.standing != Standing::Stopping {
            return Ok(());
        }
        let owner = pod.workload;
        let workload = self.state.workload.get(&owner);
        let min_ready_ms = workload.map_or(0, |workload| workload.wants.min_ready_ms);
        let (standing, ready_ms) = match pod.last.filter(|_| pod.is_there) {
            _ if pod.is_finished() => (Standing::Ended, 0),
            Some(last) => {
                let ready = last.ready && self.state.is_open(pod);
                let said = (last.phase, ready, last.time_ms());
                standing_of(said, pod.placed_ms.get(), min_ready_ms, self.now)
            }
            None => (Standing::Starting, 0),
        };
        if let Some(pod) = self.state.pods.get_mut(&id) {
            (pod.standing, pod.ready_ms) = (standing, ready_ms.into());
            pod.note_withdrawn(0);
        }
        self.state.leaving_follows(id);
        self.fleet.stay(PodId(id));
        if standing == Standing::Ready {
            self.schedule_min_ready(uid, ready_ms + min_ready_ms);
        }
        self.state.name_pod(id);
        self.state.touch_pod(id);
        self.refact(id);
        // What a bare Pod says may have been taken back while it was to stop.
        self.bare_pod_follows(owner);
        Ok(())
    }

    fn make_placed(&mut self, placement: &Placement) -> Result<(), String> {
        let known = self.state.pods.by_uid(&placement.uid);
        // By these rules it may be elsewhere, or stand for another identity.
        let is_it = |pod: &Pod| {
            self.state.is_on(pod, &placement.node)
                && *self.state.pod_name(pod) == *placement.name.as_str()
                && self.is_worn_as_recorded(pod, placement)
        };
        match known.map(is_it) {
            Some(true) => self.revive(&placement.uid)?,
            Some(false) => {
                self.forget(&placement.uid);
                self.insert(placement)?;
            }
            None => self.insert(placement)?,
        }
        self.mend_devices(&placement.uid, &placement.devices);
        let Some(id) = self.state.pods.id_of(&placement.uid) else { return Ok(()) };
        if let Some(pod) = self.state.pods.get_mut(&id) {
            pod.generation = generation_of(placement);
            pod.epoch = placement.epoch.into();
            pod.placed_ms = placement.placed_ms.into();
            // By these rules more, or fewer, pods of its index may have failed before it.
            let failures = OfJob::of(placement).index_failures;
            if failures > 0 || pod.index().is_some() {
                pod.job_mut().index_failures = failures;
            }
        }
        self.make_finished(id, placement.is_finished());
        self.make_conditioned(id, placement);
        self.make_leaving(id, placement.leaving_ms());
        self.state.touch_pod(id);
        Ok(())
    }

    /// By these rules LimitRanges may have filled in something else.
    fn is_worn_as_recorded(&self, pod: &Pod, placement: &Placement) -> bool {
        let owner = self.state.owner(pod);
        owner.is_some_and(|owner| owner.worn_in(pod.revision, placement).as_ref() == pod.worn())
    }

    /// The conditions that others set of a pod are as they are recorded.
    fn make_conditioned(&mut self, id: u32, placement: &Placement) {
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        if pod.set_conditions(conditions_in(placement)) {
            let text = format!("the conditions of pod {} as recorded", pod.uid);
            let at = Position { topic: Topic::Placements, partition: 0, offset: 0 };
            self.gates_moved(id, &Cause::told(at, text));
        }
    }

    fn insert(&mut self, placement: &Placement) -> Result<(), String> {
        let key =
            ResourceKey::parse(&placement.pattern.workload).map_err(|error| error.to_string())?;
        let node = self.state.nodes.get(&placement.node).copied();
        let node = node.ok_or_else(|| format!("its node {} is not known", placement.node))?;
        let revision = self.revision_of(&key, placement)?;
        self.set_devices(&placement.uid, placement.devices.to_vec());
        let id = self.state.workloads.get(&key).copied().ok_or("its workload is not known")?;
        let counter = self.counter_of(&key, &placement.uid);
        let (name, claims) = (Some(placement.name.to_string()), own_claims_of(placement));
        let workload = self.state.workload.get(&id);
        let worn = workload.and_then(|workload| workload.worn_in(revision, placement));
        self.load_pod(Pod {
            uid: placement.uid.clone(),
            rare: Rare {
                name,
                job: OfJob::of(placement),
                conditions: conditions_in(placement),
                claims,
                worn,
                ..Rare::default()
            }
            .boxed(),
            workload: id,
            node,
            revision,
            counter,
            generation: generation_of(placement),
            epoch: placement.epoch.into(),
            placed_ms: placement.placed_ms.into(),
            standing: match placement.is_finished() {
                true => Standing::Ended,
                false => Standing::Starting,
            },
            ready_ms: 0.into(),
            is_there: false,
            heard: None,
            last: None,
            told: None,
            is_seen: false,
            is_touched: false,
        })
        .map_err(|error| error.to_string())?;
        if let Some(workload) = self.state.workload_by_key(&key) {
            workload.memo.next_pod = workload.memo.next_pod.max(counter + 1);
        }
        self.waits_no_more(id);
        self.node_changed_allocation(node);
        self.look_later(id);
        Ok(())
    }

    /// The number of the template with a placement's hash; a template that is not known here is
    /// made from the placement.
    fn revision_of(&mut self, key: &ResourceKey, placement: &Placement) -> Result<u32, String> {
        let workload = self.state.workload_by_key(key).ok_or("its workload is not known")?;
        let known = workload
            .templates
            .iter()
            .find(|(_, t)| t.pattern.revision == placement.pattern.revision);
        if let Some((number, _)) = known {
            return Ok(*number);
        }
        let number = workload.templates.keys().last().copied().unwrap_or(0) + 1;
        let json = template_of(placement);
        let hash = placement.pattern.revision.to_string();
        let template = Template::compile_as(key, &json, workload.kind, hash.clone())?;
        workload.templates.insert(number, Arc::new(template));
        workload.memo.templates.insert(number, json.to_string());
        workload.memo.hashes.insert(number, hash);
        if let Some(id) = self.state.workloads.get(key).copied() {
            self.find_ties(id);
            self.weigh(id);
        }
        Ok(number)
    }

    /// The counter from which a recorded uid was made; where it is not found, one that no pod
    /// before this epoch has had.
    fn counter_of(&self, key: &ResourceKey, uid: &PodUid) -> u64 {
        let workload = self.state.workloads.get(key).and_then(|id| self.state.workload.get(id));
        let Some(workload) = workload else { return 0 };
        let next = workload.memo.next_pod;
        let low = next.saturating_sub(COUNTERS_SEARCHED_MAX / 2);
        let around = (next..=next + COUNTERS_SEARCHED_MAX).chain((low..next).rev());
        let mut candidates = around.chain(0..COUNTERS_SEARCHED_MAX);
        candidates
            .find(|counter| identity::pod_uid(&workload.uid, *counter) == *uid)
            .unwrap_or_else(|| next.max(first_counter(self.out.number)))
    }
}
