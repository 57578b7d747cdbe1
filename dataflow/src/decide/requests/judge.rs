//! What a request would do: each item is judged against the resources as the items before it leave
//! them.
//!
//! Guarantee: nothing changes here; deciding and foreseeing are the same judgement.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::admission::{self, Owned, Present, Refusal};
use setpoint_rules::revision::{self, Way};
use setpoint_rules::{identity, lease, reschedule, updates};
use setpoint_schemas::{
    NodeName, PodCondition, PodUid, RESOURCE_BYTES_MAX, Request, RequestItem, Resource,
    ResourceKey, Verb,
};

use super::crons::check_cron;
use super::workloads::{self, Compiled};
use crate::decide::kinds::{is_claim, is_cron_job, is_managed_group};
use crate::epoch::{Foreseen, ItemVerdict, Verdict};
use crate::state::{Asked, Services, State, WorkloadKind};

/// What an accepted item will do.
pub(super) enum Change {
    Put {
        key: ResourceKey,
        resource: Arc<Resource>,
        compiled: Option<Box<Compiled>>,
        result: &'static str,
        /// What who asked should know; empty for nothing.
        told: String,
    },
    Gone(ResourceKey),
    /// What something holds: it stays, marked as being deleted.
    Mark(Arc<Resource>),
    StopPod(PodUid),
    /// A pod goes now (0), or once another is there in its place, until this engine time.
    Evict {
        uid: PodUid,
        until_ms: i64,
        /// What it waits for.
        told: String,
    },
    RestartPod(PodUid),
    /// The conditions that others set of a pod, as its placement is to say them.
    Conditions(PodUid, String),
    ConfirmLost(NodeName),
}

/// Resources as they will be once the items so far are accepted.
pub(super) type Overlay = BTreeMap<ResourceKey, Option<Arc<Resource>>>;

/// What all of a request would do.
pub(super) struct Judged {
    /// One for each item that is not refused, in order.
    pub(super) changes: Vec<Change>,
    pub(super) items: Vec<ItemVerdict>,
    /// Why, for each item that is refused.
    pub(super) refused: Vec<String>,
}

/// Judges by the state as it is.
pub(crate) struct Judge<'a> {
    pub(crate) state: &'a State,
    /// The epoch that a change would be of.
    pub(crate) number: i64,
    /// Engine time.
    pub(crate) now: i64,
    /// What the request's Services so far were given.
    pub(crate) given: RefCell<Services>,
    /// What the request's items so far ask of quotas.
    pub(crate) asked: RefCell<Asked>,
    /// The conditions that the request's items so far set of pods.
    pub(crate) set: RefCell<BTreeMap<PodUid, Vec<PodCondition>>>,
}

impl Judge<'_> {
    /// What the request would do, all or nothing.
    pub(super) fn judge(&self, request: &Request) -> Judged {
        let mut overlay = Overlay::new();
        let mut judged = Judged { changes: Vec::new(), items: Vec::new(), refused: Vec::new() };
        for item in &request.items {
            match self.consider(request, item, &mut overlay) {
                Ok(change) => {
                    judged.items.push(accepted(item, &change));
                    judged.changes.push(change);
                }
                Err(refusal) => {
                    judged.refused.push(refusal.message.clone());
                    judged.items.push(ItemVerdict {
                        key: item.key(),
                        result: "refused",
                        code: refusal.code,
                        message: refusal.message,
                    });
                }
            }
        }
        if !judged.refused.is_empty() {
            let spared = judged.items.iter_mut().filter(|item| item.result != "refused");
            spared.for_each(|item| item.code = 0);
        }
        judged
    }

    /// The verdict that the request would get, and its resources as they would be.
    pub(crate) fn foresee(&self, request: &Request) -> Foreseen {
        let Judged { changes, items, refused } = self.judge(request);
        let accepted = refused.is_empty();
        let resource = |change: Change| match change {
            Change::Put { resource, .. } | Change::Mark(resource) => Some(resource),
            _ => None,
        };
        Foreseen {
            resources: changes.into_iter().filter(|_| accepted).map(resource).collect(),
            verdict: Verdict { request: request.id.clone(), accepted, items },
        }
    }

    fn consider(
        &self,
        request: &Request,
        item: &RequestItem,
        overlay: &mut Overlay,
    ) -> Result<Change, Refusal> {
        let key = item.key();
        match item.verb {
            Verb::ConfirmLost => return self.consider_node(item, request.force),
            _ if self.is_eviction(item) => {
                if let Some(change) = self.consider_eviction(request, item)? {
                    return Ok(change);
                }
            }
            Verb::RestartPod => return self.consider_restart(item).map(Change::RestartPod),
            Verb::StrategicMergePatch | Verb::Update
                if item.kind == "Pod" && item.subresource == "status" =>
            {
                let (pod, conditions) = self.consider_conditions(item)?;
                return Ok(Change::Conditions(pod, conditions));
            }
            Verb::Delete if item.kind == "Pod" && !self.state.resources.contains_key(&key) => {
                return self.consider_pod(item).map(Change::StopPod);
            }
            _ => {}
        }
        let present = match overlay.get(&key) {
            Some(overlaid) => overlaid.clone(),
            None => self.state.resources.get(&key).cloned(),
        };
        let owned = present.as_deref().map(owned_of).transpose()?;
        let at = present.as_deref().zip(owned.as_ref());
        let at = at.map(|(resource, owned)| Present { owned, version: resource.version });
        let undo;
        let item = if item.verb == Verb::RolloutUndo {
            undo = self.undo(item, &key)?;
            &undo
        } else {
            item
        };
        let filled = self.with_what_was_filled(item, &key, present.as_deref());
        let item = filled.as_ref().unwrap_or(item);
        if present.is_none() {
            self.namespace_takes(&key, item, overlay)?;
        }
        self.name_is_its_own(&key, item)?;
        match (admission::admit(at, item, &request.field_manager, request.force)?, &present) {
            (admission::Outcome::Gone, present) => {
                self.consider_deletion(item, key, present.as_deref(), overlay)
            }
            (admission::Outcome::Put(mut put, told), _) => {
                let by = (&key, request.field_manager.as_str());
                let (way, pinned) = self.pinned(item, by, present.as_deref(), &mut put);
                self.finalizers_kept(item, present.as_deref(), &mut put)?;
                self.finalized(item, &key, present.as_deref(), &mut put)?;
                self.prioritized(item, &key, present.as_deref(), &mut put, overlay)?;
                self.dated(&key, present.as_deref(), &mut put);
                self.claimed(&key, present.as_deref(), &mut put)?;
                self.volume_kept(&key, present.as_deref(), &mut put)?;
                self.limited(&key, present.as_deref(), &mut put)?;
                self.addressed(item, &key, present.as_deref(), &mut put)?;
                let told = [told, pinned].into_iter().filter(|told| !told.is_empty());
                let told = told.collect::<Vec<_>>().join(", ");
                let change = self.consider_put((item, way), key, present, put, overlay)?;
                Ok(telling(change, told))
            }
        }
    }

    fn consider_put(
        &self,
        (item, way): (&RequestItem, Way),
        key: ResourceKey,
        present: Option<Arc<Resource>>,
        put: Owned,
        overlay: &mut Overlay,
    ) -> Result<Change, Refusal> {
        let invalid = |why: String| Refusal {
            code: 422,
            message: format!("{} {:?} is invalid: {why}", item.kind, item.name),
        };
        if is_cron_job(&key) || workload_kind(&key).is_some() {
            reschedule::check(&item.kind, &put.object).map_err(invalid)?;
            updates::check(&item.kind, &put.object).map_err(invalid)?;
        }
        let body: Arc<str> = Arc::from(put.object.to_string());
        let managers: Arc<str> = Arc::from(json!(put.managers).to_string());
        within_bound(item, present.as_deref(), body.len() + managers.len())?;
        let result = match &present {
            None => "created",
            Some(before) if before.body == body && way != Way::CaughtUp => "unchanged",
            Some(_) => "configured",
        };
        let mut resource = match &present {
            Some(before) => Resource::clone(before),
            None => self.blank(item, &key),
        };
        if result == "configured" && spec_of(&resource.body) != spec_of(&body) {
            resource.generation += 1;
        }
        if present
            .as_deref()
            .is_none_or(|before| before.body != body || before.managers != managers)
            || way == Way::CaughtUp
        {
            resource.version = self.number;
        }
        (resource.body, resource.managers) = (body, managers);
        if is_claim(&key) {
            resource.status = self.claim_status(present.as_deref(), &put.object);
        }
        if self.nothing_holds(&key, &resource) {
            self.gives_back(&key, present.as_deref());
            overlay.insert(key.clone(), None);
            return Ok(Change::Gone(key));
        }
        let kind = workload_kind(&key);
        let compiled = match kind {
            Some(kind) => {
                let mut compiled = workloads::compile(kind, &resource).map_err(|why| Refusal {
                    code: 422,
                    message: format!("{} {:?} is invalid: {why}", item.kind, item.name),
                })?;
                compiled.way = way;
                Some(Box::new(compiled))
            }
            None => None,
        };
        if is_cron_job(&key) {
            check_cron(&resource).map_err(|why| Refusal {
                code: 422,
                message: format!("{} {:?} is invalid: {why}", item.kind, item.name),
            })?;
        }
        self.within_quotas(&key, present.as_deref(), &resource, compiled.as_deref())?;
        let resource = Arc::new(resource);
        self.gave(&key, &resource);
        overlay.insert(key.clone(), Some(resource.clone()));
        Ok(Change::Put { key, resource, compiled, result, told: String::new() })
    }

    /// A resource that is new.
    pub(in crate::decide) fn blank(&self, item: &RequestItem, key: &ResourceKey) -> Resource {
        Resource {
            api_version: item.api_version.clone(),
            kind: item.kind.clone(),
            namespace: item.namespace.clone(),
            name: item.name.clone(),
            uid: identity::resource_uid(&key.to_string(), self.number),
            generation: 1,
            version: self.number,
            created_ms: self.now,
            body: Arc::from(""),
            status: Arc::from("{}"),
            managers: Arc::from("{}"),
            history: Arc::from("[]"),
            deleted_ms: None,
        }
    }

    fn consider_node(&self, item: &RequestItem, force: bool) -> Result<Change, Refusal> {
        let refuse =
            |code, why: String| Refusal { code, message: format!("Node {:?} {why}", item.name) };
        let known = NodeName::parse(&item.name).ok();
        let known = known.and_then(|name| self.state.nodes.get(&name).map(|id| (name, id)));
        let (name, id) = known.ok_or_else(|| refuse(404, "not found".to_owned()))?;
        let row = self.state.node.get(id).map(|node| &node.row);
        let silent_ms = row.filter(|row| !row.lost).map(|row| self.now - row.renewed_ms);
        let policy = &self.state.meta.policy;
        match silent_ms.filter(|silent_ms| !lease::is_overdue(0, *silent_ms, policy)) {
            Some(silent_ms) if !force => {
                let why = format!(
                    "is not lost: it renewed its lease {} s ago; drain it, or stop its agent, or insist with --force",
                    silent_ms / 1_000
                );
                Err(refuse(409, why))
            }
            _ => Ok(Change::ConfirmLost(name)),
        }
    }

    fn consider_pod(&self, item: &RequestItem) -> Result<PodUid, Refusal> {
        let pod = self.state.pod_named(&item.namespace, &item.name);
        pod.map(|pod| pod.uid.clone())
            .ok_or_else(|| Refusal { code: 404, message: format!("Pod {:?} not found", item.name) })
    }

    /// Nothing starts a pod of a Job again that has finished and was counted.
    fn consider_restart(&self, item: &RequestItem) -> Result<PodUid, Refusal> {
        let uid = self.consider_pod(item)?;
        match self.state.pods.by_uid(&uid).is_some_and(|pod| pod.is_finished()) {
            true => {
                let why = "has finished and was counted: its Job starts others as it needs them";
                Err(Refusal { code: 409, message: format!("Pod {:?} {why}", item.name) })
            }
            false => Ok(uid),
        }
    }

    /// A Pod resource and a pod of another workload do not share a name.
    fn name_is_its_own(&self, key: &ResourceKey, item: &RequestItem) -> Result<(), Refusal> {
        if item.kind != "Pod" || item.verb == Verb::Delete {
            return Ok(());
        }
        let pod = self.state.pod_named(&key.namespace, &key.name);
        let owner = pod.and_then(|pod| self.state.owner(pod)).map(|owner| &owner.key);
        match owner.filter(|owner| *owner != key) {
            Some(owner) => {
                let message = format!(
                    "Pod {:?} already exists: it is one of {owner}, whose template says what it is",
                    item.name
                );
                Err(Refusal { code: 409, message })
            }
            None => Ok(()),
        }
    }

    /// An undo is a patch that brings an earlier template back.
    fn undo(&self, item: &RequestItem, key: &ResourceKey) -> Result<RequestItem, Refusal> {
        let refuse = |code, why: &str| Refusal {
            code,
            message: format!("{} {:?}: {why}", item.kind, item.name),
        };
        let workload = self.state.workloads.get(key).and_then(|id| self.state.workload.get(id));
        let workload = workload.ok_or_else(|| refuse(404, "not found"))?;
        let body: Value = serde_json::from_str(&item.body).unwrap_or_default();
        let to = body["toRevision"].as_i64().unwrap_or(0);
        let target =
            revision::undo_target(&workload.memo.history, to).map_err(|why| refuse(404, &why))?;
        let template: Value =
            serde_json::from_str(&target.template).map_err(|e| refuse(400, &e.to_string()))?;
        let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
        Ok(RequestItem { body: patch.to_string(), ..item.clone() })
    }
}

/// A resource fits into its record. One that is larger from an earlier version may only shrink.
fn within_bound(
    item: &RequestItem,
    present: Option<&Resource>,
    bytes: usize,
) -> Result<(), Refusal> {
    let before = present.map_or(0, |resource| resource.body.len() + resource.managers.len());
    if bytes <= RESOURCE_BYTES_MAX.max(before) {
        return Ok(());
    }
    let message = format!(
        "{} {:?}: with its field managers it would have {bytes} bytes, more than the {RESOURCE_BYTES_MAX} of a resource",
        item.kind, item.name
    );
    Err(Refusal { code: 413, message })
}

pub(crate) fn workload_kind(key: &ResourceKey) -> Option<WorkloadKind> {
    WorkloadKind::of(&key.kind.kind).filter(|_| is_managed_group(key))
}

fn owned_of(resource: &Resource) -> Result<Owned, Refusal> {
    let broken = |e: serde_json::Error| Refusal {
        code: 500,
        message: format!("stored {} does not read: {e}", resource.key()),
    };
    Ok(Owned {
        object: serde_json::from_str(&resource.body).map_err(broken)?,
        managers: serde_json::from_str(&resource.managers).map_err(broken)?,
    })
}

fn spec_of(body: &str) -> Value {
    let mut object: Value = serde_json::from_str(body).unwrap_or_default();
    object.as_object_mut().map(|map| map.remove("metadata"));
    object
}

fn accepted(item: &RequestItem, change: &Change) -> ItemVerdict {
    let (result, code) = match change {
        Change::Put { result: "created", .. } => ("created", 201),
        Change::Put { result, .. } => (*result, 200),
        Change::Gone(_) | Change::Mark(_) | Change::StopPod(_) => ("deleted", 200),
        Change::Evict { until_ms: 0, .. } => ("deleted", 200),
        Change::Evict { .. }
        | Change::RestartPod(_)
        | Change::Conditions(..)
        | Change::ConfirmLost(_) => ("configured", 200),
    };
    let message = match change {
        Change::Put { told, .. } | Change::Evict { told, .. } => told.clone(),
        Change::Mark(leaving) => Judge::what_holds(leaving),
        _ => String::new(),
    };
    ItemVerdict { key: item.key(), result, code, message }
}

fn telling(change: Change, told: String) -> Change {
    match change {
        Change::Put { key, resource, compiled, result, .. } => {
            Change::Put { key, resource, compiled, result, told }
        }
        other => other,
    }
}
