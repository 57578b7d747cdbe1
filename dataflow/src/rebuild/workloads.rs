//! Workloads and their pods: templates from the body, the history and the placements; where a pod
//! stands from what was last observed of it.

use std::collections::BTreeMap;

use setpoint_schemas::{Position, Resource, ResourceKey};

use super::cause;
use super::observed::Present;
use crate::decide::{Compiled, compile, history_of, is_managed_group, standing_of, template_of};
use crate::state::{PodRow, RestoreError, WorkloadKind, WorkloadMemo};
use crate::views::Standing;

type Resources = BTreeMap<ResourceKey, (Resource, Position)>;
type Memos = Vec<(ResourceKey, WorkloadMemo)>;

/// The rows of all workloads and of their pods.
pub(super) fn rows(
    resources: &Resources,
    pods: Vec<Present>,
    time_ms: i64,
) -> Result<(Memos, Vec<PodRow>), RestoreError> {
    let mut owned: BTreeMap<ResourceKey, Vec<Present>> = BTreeMap::new();
    for key in resources.keys().filter(|key| kind_of(key).is_some()) {
        owned.entry(key.clone()).or_default();
    }
    for pod in pods {
        let key = ResourceKey::parse(&pod.placement.workload).map_err(|error| {
            let key = pod.placement.uid.to_string();
            RestoreError::Unfit { key, why: error.to_string() }
        })?;
        owned.entry(key).or_default().push(pod);
    }
    let (mut memos, mut rows) = (Vec::new(), Vec::new());
    for (key, pods) in owned {
        let (memo, own) = workload(&key, resources.get(&key), pods, time_ms)?;
        memos.push((key, memo));
        rows.extend(own);
    }
    Ok((memos, rows))
}

fn kind_of(key: &ResourceKey) -> Option<WorkloadKind> {
    WorkloadKind::of(&key.kind.kind).filter(|_| is_managed_group(key))
}

fn workload(
    key: &ResourceKey,
    resource: Option<&(Resource, Position)>,
    pods: Vec<Present>,
    time_ms: i64,
) -> Result<(WorkloadMemo, Vec<PodRow>), RestoreError> {
    let unfit = |why: String| RestoreError::Unfit { key: key.to_string(), why };
    let kind = kind_of(key).ok_or_else(|| unfit("its pods have no workload".to_owned()))?;
    let compiled = resource.map(|(r, _)| compile(kind, r).map_err(unfit)).transpose()?;
    let history = compiled.as_ref().zip(resource).map(|(c, (r, _))| history_of(c, r));
    let mut memo = WorkloadMemo { history: history.unwrap_or_default(), ..Default::default() };
    let numbers = number_templates(&mut memo, compiled.as_ref(), &pods);
    let min_ready_ms =
        compiled.as_ref().map_or(0, |c| i64::from(c.spec.min_ready_seconds.max(0)) * 1_000);
    let mut rows = Vec::with_capacity(pods.len());
    for pod in pods {
        let revision = numbers.get(&*pod.placement.revision).copied().unwrap_or(memo.current);
        memo.next_pod += 1;
        rows.push(pod_row(key, pod, (revision, memo.next_pod), min_ready_ms, time_ms));
    }
    memo.next_pod += 1;
    memo.progress_ms = time_ms;
    memo.pending = true;
    if let Some((resource, position)) = resource {
        let text = format!("{} {} as it was last accepted", resource.kind, resource.name);
        memo.causes.push(cause(*position, text));
        memo.causes_served = true;
    }
    Ok((memo, rows))
}

/// Numbers the templates that have pods, oldest first, and the current one last; says which number
/// each hash has.
fn number_templates(
    memo: &mut WorkloadMemo,
    compiled: Option<&Compiled>,
    pods: &[Present],
) -> BTreeMap<String, u32> {
    let current = compiled.map(|c| c.template.hash.to_string());
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for pod in pods {
        let hash = pod.placement.revision.to_string();
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

fn pod_row(
    key: &ResourceKey,
    pod: Present,
    (revision, counter): (u32, u64),
    min_ready_ms: i64,
    time_ms: i64,
) -> PodRow {
    let Present { placement, withdrawn, observed, heard, .. } = pod;
    let (observed, cause) = observed.unzip();
    let (standing, ready_ms) = match &observed {
        _ if withdrawn => (Standing::Stopping, 0),
        Some(observed) => standing_of(observed, placement.placed_ms, min_ready_ms, time_ms),
        None => (Standing::Starting, 0),
    };
    PodRow {
        uid: placement.uid,
        name: placement.name.to_string(),
        workload: key.clone(),
        node: placement.node,
        revision,
        counter,
        generation: placement.generation,
        epoch: placement.epoch,
        term: placement.term,
        placed_ms: placement.placed_ms,
        standing,
        ready_ms,
        observed,
        heard,
        cause,
    }
}
