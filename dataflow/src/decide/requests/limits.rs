//! LimitRanges: what they fill in when a pod is asked for, and whom they refuse.
//!
//! A LimitRange counts from the request after the one that made it.

use serde_json::Value;
use setpoint_rules::admission::{Owned, Refusal};
use setpoint_rules::limits::{self, LimitRange};
use setpoint_rules::quota;
use setpoint_schemas::{PodSpec, Resource, ResourceKey};

use super::judge::Judge;
use crate::decide::Turn;
use crate::decide::kinds::is_claim;
use crate::state::WorkloadKind;
use crate::views::Views;

impl Judge<'_> {
    /// A bare pod that is new gets what it does not say, and neither it nor a claim goes beyond what is allowed.
    /// What is there is looked at only where it asks for something else than before.
    pub(super) fn limited(
        &self,
        key: &ResourceKey,
        present: Option<&Resource>,
        put: &mut Owned,
    ) -> Result<(), Refusal> {
        let is_pod = &*key.kind.kind == "Pod" && key.kind.group.is_empty();
        if !is_pod && !is_claim(key) {
            return Ok(());
        }
        let ranges = self.state.limits.of(&key.namespace);
        if ranges.is_empty() {
            return Ok(());
        }
        let before: Option<Value> =
            present.map(|present| serde_json::from_str(&present.body).unwrap_or_default());
        match is_pod {
            true => fill_and_judge(key, &ranges, before.as_ref(), &mut put.object["spec"]),
            false => judge_claim(key, &ranges, before.as_ref(), &put.object),
        }
    }

    /// Why a claim that nobody asked for by a request may not be made.
    pub(in crate::decide) fn limits_refuse(
        &self,
        key: &ResourceKey,
        body: &Value,
    ) -> Option<String> {
        let ranges = self.state.limits.of(&key.namespace);
        judge_claim(key, &ranges, None, body).err().map(|refusal| refusal.message)
    }
}

fn fill_and_judge(
    key: &ResourceKey,
    ranges: &[&LimitRange],
    before: Option<&Value>,
    spec: &mut Value,
) -> Result<(), Refusal> {
    match before {
        None => drop(limits::fill(ranges, spec)),
        Some(before) => {
            limits::keep(ranges, spec, &before["spec"]);
            if limits::worn(&before["spec"]) == limits::worn(spec) {
                return Ok(());
            }
        }
    }
    // What is no spec is told where it is compiled.
    let Ok(spec) = serde_json::from_value::<PodSpec>(spec.clone()) else { return Ok(()) };
    match limits::refuse(ranges, &spec) {
        Some(refused) => Err(Refusal { code: refused.code(), message: refused.of_pod(&key.name) }),
        None => Ok(()),
    }
}

fn judge_claim(
    key: &ResourceKey,
    ranges: &[&LimitRange],
    before: Option<&Value>,
    body: &Value,
) -> Result<(), Refusal> {
    let asked = |body: &Value| body["spec"]["resources"].clone();
    if before.is_some_and(|before| asked(before) == asked(body)) {
        return Ok(());
    }
    match ranges.iter().find_map(|range| range.forbids_claim(body)) {
        Some(why) => {
            let message = quota::forbidden(&quota::resource_of(&key.kind), &key.name, &why);
            Err(Refusal { code: 403, message })
        }
        None => Ok(()),
    }
}

impl<V: Views> Turn<'_, V> {
    /// A LimitRange is new or changed: pods that are there stay as they are, and who waits is looked at.
    pub(crate) fn limit_range_put(&mut self, resource: &Resource) {
        self.limit_range_known(resource);
        self.limits_changed_in(&resource.key());
    }

    /// The same when the engine begins: nothing is decided by it, and no workload is there yet.
    pub(crate) fn limit_range_known(&mut self, resource: &Resource) {
        let body = serde_json::from_str(&resource.body).unwrap_or_default();
        self.state.limits.put(&resource.key(), LimitRange::of(&body));
    }

    /// A LimitRange is gone.
    pub(crate) fn limit_range_gone(&mut self, key: &ResourceKey) {
        self.state.limits.remove(key);
        self.limits_changed_in(key);
    }

    /// The next pods of the workloads of a namespace are others now: those that wait do so anew, and room is
    /// promised to none as it was.
    fn limits_changed_in(&mut self, range: &ResourceKey) {
        for id in self.state.workloads_in(&range.namespace) {
            self.weigh(id);
            let Some(workload) = self.state.workload.get(&id) else { continue };
            if !workload.memo.waits() || workload.kind == WorkloadKind::Bare {
                continue;
            }
            self.waits_no_more(id);
            if self.state.daemons.contains(&id) {
                self.state.look_everywhere(id);
            }
            self.state.mark(id);
        }
    }
}
