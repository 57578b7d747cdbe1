//! Workloads and their pods: templates from the body, the history and the placements; where a pod
//! stands from what was last observed of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::job_status::JobRecord;
use setpoint_rules::memory::Memory;
use setpoint_rules::priority::Class;
use setpoint_schemas::{NodeName, Observation, PodPhase, Position, Resource, ResourceKey};

use super::observed::Present;
use crate::causes::Cause;
use crate::decide::{
    Compiled, compile, generation_of, history_of, is_managed_group, own_claims_of, standing_of,
    template_of,
};
use crate::state::{
    JobMemo, Look, OfJob, Pod, Rare, RestoreError, Seen, Why, WorkloadKind, WorkloadMemo,
    conditions_in, min_ready_ms, worn_beyond,
};
use crate::views::Standing;

type Resources = BTreeMap<ResourceKey, (Resource, Position)>;

/// The rows of all workloads and of their pods.
#[derive(Default)]
pub(super) struct Made {
    pub(super) workloads: Vec<(u32, ResourceKey, WorkloadMemo)>,
    pub(super) pods: Vec<Pod>,
    pub(super) observed: Vec<Observation>,
}

/// The rows that follow, their numbers behind those of the nodes.
pub(super) fn rows(
    resources: &Resources,
    pods: Vec<Present>,
    nodes: &BTreeMap<NodeName, u32>,
    time_ms: i64,
) -> Result<Made, RestoreError> {
    let mut owned: BTreeMap<ResourceKey, Vec<Present>> = BTreeMap::new();
    for key in resources.keys().filter(|key| kind_of(key).is_some()) {
        owned.entry(key.clone()).or_default();
    }
    for pod in pods {
        let key = ResourceKey::parse(&pod.placement.pattern.workload).map_err(|error| {
            let key = pod.placement.uid.to_string();
            RestoreError::Unfit { key, why: error.to_string() }
        })?;
        owned.entry(key).or_default().push(pod);
    }
    let mut made = Made::default();
    let first = u32::try_from(nodes.len()).unwrap_or(u32::MAX) + 1;
    for (id, (key, pods)) in (first..).zip(owned) {
        let memo = made.workload((id, nodes), &key, resources.get(&key), pods, time_ms)?;
        made.workloads.push((id, key, memo));
    }
    Ok(made)
}

fn kind_of(key: &ResourceKey) -> Option<WorkloadKind> {
    WorkloadKind::of(&key.kind.kind).filter(|_| is_managed_group(key))
}

impl Made {
    /// One workload's pods; what is remembered of it.
    fn workload(
        &mut self,
        (id, nodes): (u32, &BTreeMap<NodeName, u32>),
        key: &ResourceKey,
        resource: Option<&(Resource, Position)>,
        pods: Vec<Present>,
        time_ms: i64,
    ) -> Result<WorkloadMemo, RestoreError> {
        let unfit = |why: String| RestoreError::Unfit { key: key.to_string(), why };
        let kind = kind_of(key).ok_or_else(|| unfit("its pods have no workload".to_owned()))?;
        let compiled = resource.map(|(r, _)| compile(kind, r).map_err(unfit)).transpose()?;
        let history = compiled.as_ref().zip(resource).map(|(c, (r, _))| history_of(c, r));
        let mut memo = WorkloadMemo { history: history.unwrap_or_default(), ..Default::default() };
        let history = resource.map_or("", |(resource, _)| &resource.history);
        let memory = Memory::in_history(history);
        if memory.progress_ms > 0 {
            memo.progress = Seen::UNKNOWN;
        }
        memo.remember(memory, time_ms);
        if kind == WorkloadKind::Job {
            memo.job = Some(Box::new(job_memo(resource, &pods)));
        }
        let numbers = number_templates(&mut memo, compiled.as_ref(), &pods);
        memo.classes = classes_of(&numbers, &pods);
        if kind == WorkloadKind::Stateful {
            let told = resource.and_then(|(resource, _)| told_revision(resource));
            let told = told.and_then(|hash| numbers.get(&hash).copied());
            memo.stable = told.unwrap_or(memo.current);
        }
        let min_ready_ms = compiled.as_ref().map_or(0, |compiled| min_ready_ms(&compiled.spec));
        let mut wardrobe = Wardrobe::new();
        for mut pod in pods {
            let revision =
                numbers.get(&*pod.placement.pattern.revision).copied().unwrap_or(memo.current);
            let Some(node) = nodes.get(&pod.placement.node).copied() else { continue };
            memo.next_pod += 1;
            let observed = pod.observed.take();
            let (standing, ready_ms) = standing(&pod, observed.as_ref(), min_ready_ms, time_ms);
            let worn = worn(&mut wardrobe, &memo, revision, &pod);
            let mut row = row(pod, (id, node, revision, memo.next_pod), (standing, ready_ms));
            row.wears(worn);
            if let Some((observed, at)) = observed {
                row.observe(&observed, at);
                self.observed.push(observed);
            }
            self.pods.push(row);
        }
        memo.next_pod += 1;
        memo.pending = true;
        if kind == WorkloadKind::Daemon {
            memo.look = Look::Everywhere;
        }
        if let Some((resource, position)) = resource {
            let text = format!("{} {} as it was last accepted", resource.kind, resource.name);
            memo.whys.push(Why::from(&Cause::told(*position, text)));
            memo.whys_served = true;
        }
        Ok(memo)
    }
}

/// What pods of these revisions and specs have of LimitRanges.
type Wardrobe = BTreeMap<(u32, Box<str>), Option<Arc<str>>>;

/// What a pod has of LimitRanges: each spec is read once.
fn worn(
    known: &mut Wardrobe,
    memo: &WorkloadMemo,
    revision: u32,
    pod: &Present,
) -> Option<Arc<str>> {
    let spec = pod.placement.pattern.spec.clone();
    let worn = known
        .entry((revision, spec))
        .or_insert_with_key(|(revision, spec)| worn_beyond(memo.templates.get(revision)?, spec));
    worn.clone()
}

/// Numbers the templates that have pods, oldest first, and the current one last; says which number
/// each hash has.
fn number_templates(
    memo: &mut WorkloadMemo,
    compiled: Option<&Compiled>,
    pods: &[Present],
) -> BTreeMap<String, u32> {
    let current = compiled.map(|c| c.template.pattern.revision.to_string());
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for pod in pods {
        let hash = pod.placement.pattern.revision.to_string();
        if Some(&hash) == current.as_ref() || numbers.contains_key(&hash) {
            continue;
        }
        memo.current += 1;
        match memo.history.iter().find(|r| r.hash == hash && !r.template.is_empty()) {
            Some(known) => memo.templates.insert(memo.current, known.template.clone()),
            None => {
                memo.hashes.insert(memo.current, hash.clone());
                memo.templates.insert(memo.current, template_of(&pod.placement).to_string())
            }
        };
        numbers.insert(hash, memo.current);
    }
    if let Some((compiled, hash)) = compiled.zip(current) {
        memo.current += 1;
        memo.templates.insert(memo.current, compiled.json.to_string());
        numbers.insert(hash, memo.current);
    }
    numbers
}

/// The hash of the revision before the update, as a StatefulSet's status tells it.
fn told_revision(set: &Resource) -> Option<String> {
    let status: Value = serde_json::from_str(&set.status).ok()?;
    let name = status["currentRevision"].as_str()?;
    Some(name.strip_prefix(&set.name)?.strip_prefix('-')?.to_owned())
}

/// The classes that revisions have their priority of, as their placements say.
fn classes_of(numbers: &BTreeMap<String, u32>, pods: &[Present]) -> BTreeMap<u32, Class> {
    let mut classes = BTreeMap::new();
    for pod in pods {
        let Some(number) = numbers.get(&*pod.placement.pattern.revision) else { continue };
        if classes.contains_key(number) {
            continue;
        }
        let spec: Value = serde_json::from_str(&pod.placement.pattern.spec).unwrap_or_default();
        if let (Some(name), Some(value)) =
            (spec["priorityClassName"].as_str(), spec["priority"].as_i64())
        {
            let policy = &spec["preemptionPolicy"];
            let class = serde_json::json!({"value": value, "preemptionPolicy": policy});
            classes.insert(*number, Class::of(name, &class));
        }
    }
    classes
}

/// What is known of a Job by its status; and by its pods how often their indexes failed before them.
/// Pauses begin anew.
fn job_memo(resource: Option<&(Resource, Position)>, pods: &[Present]) -> JobMemo {
    let status = resource.and_then(|(r, _)| serde_json::from_str(&r.status).ok());
    let record = JobRecord::of_status(&status.unwrap_or_default());
    let mut memo = JobMemo { record, ..JobMemo::default() };
    for pod in pods {
        let of = OfJob::of(&pod.placement);
        let phase = pod.observed.as_ref().map(|(observed, _)| observed.phase());
        let failed = u32::from(of.is_finished && phase == Some(PodPhase::Failed));
        let (Some(index), count) = (of.index, of.index_failures + failed) else { continue };
        let is_open =
            !memo.record.completed.contains(index) && !memo.record.failed_indexes.contains(index);
        if is_open && count > 0 {
            let known = memo.failed.entry(index).or_default();
            known.count = known.count.max(count);
        }
    }
    memo
}

/// Where a pod stands, and since when it is ready.
fn standing(
    pod: &Present,
    observed: Option<&(Observation, Position)>,
    min_ready_ms: i64,
    time_ms: i64,
) -> (Standing, i64) {
    match observed {
        _ if pod.withdrawn => (Standing::Stopping, 0),
        _ if pod.placement.is_finished() => (Standing::Ended, 0),
        Some((observed, _)) => {
            let ready = observed.is_ready() && pod.placement.gates_are_open();
            let said = (observed.phase(), ready, observed.time_ms());
            standing_of(said, pod.placement.placed_ms, min_ready_ms, time_ms)
        }
        None => (Standing::Starting, 0),
    }
}

/// A pod of this workload on this node, of this revision, with this counter.
fn row(
    pod: Present,
    (workload, node, revision, counter): (u32, u32, u32, u64),
    (standing, ready_ms): (Standing, i64),
) -> Pod {
    let Present { placement, heard, .. } = pod;
    let (name, generation) = (Some(placement.name.to_string()), generation_of(&placement));
    let (job, leaving_ms) = (OfJob::of(&placement), placement.leaving_ms());
    let (conditions, claims) = (conditions_in(&placement), own_claims_of(&placement));
    Pod {
        uid: placement.uid,
        rare: Rare { name, job, conditions, leaving_ms, claims, ..Rare::default() }.boxed(),
        workload,
        node,
        revision,
        counter,
        generation,
        epoch: placement.epoch.into(),
        placed_ms: placement.placed_ms.into(),
        standing,
        ready_ms: ready_ms.into(),
        heard,
        last: None,
        is_there: false,
        told: None,
        is_seen: false,
        is_touched: false,
    }
}
