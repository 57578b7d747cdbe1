//! Requests: all of one or nothing of it, in log order.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::job_failures::Cause as Failure;
use setpoint_schemas::{
    Action, NodeName, NodeRecord, PodUid, Request, RequestItem, Resource, ResourceKey, Verb,
};

use super::judge::{Change, Judge, Judged};
use super::workloads::Compiled;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::kinds::{
    is_budget, is_claim, is_cron_job, is_namespace, is_node, is_priority_class, is_storage_class,
    is_volume, node_key,
};
use crate::decide::nodes::Asked;
use crate::decide::plan::placement_of;
use crate::decided::About;
use crate::epoch::{ItemVerdict, PlacementChange, Verdict};
use crate::state::{Table, is_limit_range, is_quota};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Decides a request. One that was decided before is answered as before.
    pub(crate) fn request(&mut self, request: &Request, cause: Cause) {
        if let Some(verdict) = self.state.answered.verdict(&request.id) {
            self.out.verdicts.push(verdict);
            return;
        }
        let Judged { changes, items, refused } = self.judge().judge(request);
        let is_accepted = refused.is_empty();
        let about = About {
            request: Some(request.id.clone()),
            causes: cause.clone().into(),
            ..about(request)
        };
        if is_accepted {
            let reason = format!("{} by {}", summary(&items), request.actor);
            self.ledger.write(Action::Accept, "admission", reason, about);
            changes.into_iter().for_each(|change| self.carry_out(change, &cause));
            self.restart_followers(&cause);
            self.restart_dependants(&cause);
        } else {
            self.ledger.write(Action::Refuse, "admission", refused.join("; "), about);
        }
        self.answer(Verdict { request: request.id.clone(), accepted: is_accepted, items });
    }

    fn answer(&mut self, verdict: Verdict) {
        let forgotten = self.state.answered.keep(&verdict);
        forgotten.iter().for_each(|request| self.state.touch(Table::Answers, request));
        self.state.touch(Table::Answers, &verdict.request);
        self.out.verdicts.push(verdict);
    }

    pub(in crate::decide) fn judge(&self) -> Judge<'_> {
        Judge {
            state: self.state,
            number: self.out.number,
            now: self.now,
            given: RefCell::default(),
            asked: RefCell::default(),
            set: RefCell::default(),
        }
    }

    fn carry_out(&mut self, change: Change, cause: &Cause) {
        match change {
            Change::Put { result: "unchanged", key, resource, .. } => {
                let before = self.state.set_resource(&key, Some(resource.clone()));
                // Who owns which field may have changed: the log and the readers are told.
                if before.as_ref() != Some(&resource) {
                    self.out.resources.push((key, Some(resource)));
                }
            }
            Change::Put { key, resource, compiled, .. } => {
                if let Some(compiled) = &compiled {
                    self.note_updated(&key, compiled);
                }
                self.put(key, resource, compiled, cause);
            }
            Change::Gone(key) => self.gone(&key, cause),
            Change::Mark(leaving) => self.mark_deleted(leaving, cause),
            Change::StopPod(uid) => {
                if let Some(pod) = self.state.pods.id_of(&uid) {
                    self.job_pod_lost(pod, Failure::Other);
                    self.withdraw(pod, "delete", "its deletion was asked for", cause.clone());
                }
            }
            Change::Evict { uid, until_ms, .. } => self.evict_asked(&uid, until_ms, cause),
            Change::RestartPod(uid) => self.restart(&uid, cause),
            Change::Conditions(uid, text) => self.set_conditions(&uid, text, cause),
            Change::ConfirmLost(node) => {
                self.confirm_lost(&node, cause);
            }
        }
    }

    pub(crate) fn put(
        &mut self,
        key: ResourceKey,
        resource: Arc<Resource>,
        compiled: Option<Box<Compiled>>,
        cause: &Cause,
    ) {
        let resource = match &compiled {
            Some(compiled) => self.with_history(&key, resource, compiled),
            None => resource,
        };
        self.note_source(&key, &resource);
        let before = self.state.set_resource(&key, Some(resource.clone()));
        self.out.resources.push((key.clone(), Some(resource.clone())));
        match compiled {
            Some(compiled) => self.workload_put(&resource, *compiled, cause),
            None => self.learn(&key, &resource, cause),
        }
        self.owners_look(&key, before.as_deref(), cause);
        if is_claim(&key) {
            self.grow_volume(&resource);
        }
        if let Some(id) = self.node_about(&key) {
            let before = self.taints_of(id);
            self.node_changed(id);
            self.evict_from(id, Some(Asked { cause, before: &before }));
            self.said_gone.insert(id);
        }
    }

    /// Deletes a resource.
    pub(crate) fn gone(&mut self, key: &ResourceKey, cause: &Cause) {
        if !self.state.resources.contains_key(key) {
            return;
        }
        if is_claim(key) {
            self.release_volume(key);
        }
        self.deleted_claims_go(key);
        let before = self.state.set_resource(key, None);
        self.out.resources.push((key.clone(), None));
        self.unlearn(key, cause);
        self.owners_look(key, before.as_deref(), cause);
        if let Some(id) = self.node_about(key) {
            self.node_changed(id);
            self.deleted_with(id);
        }
    }

    /// Takes in what a resource that is no workload says of others.
    pub(crate) fn learn(&mut self, key: &ResourceKey, resource: &Resource, cause: &Cause) {
        if is_namespace(key) {
            self.namespace_labels(resource);
        } else if is_priority_class(key) {
            self.class_put(resource);
        } else if is_budget(key) {
            self.budget_put(resource);
        } else if is_quota(key) {
            self.quota_put(resource);
        } else if is_limit_range(key) {
            self.limit_range_put(resource);
        } else if is_cron_job(key) {
            self.cron_put(resource, cause);
        } else if is_claim(key) {
            self.claim_put(key, resource);
        } else if is_volume(key) {
            self.volume_put(key, resource);
        } else if is_storage_class(key) {
            self.storage_class_put(resource);
        }
    }

    /// What a resource, which is there no longer, said of others does not hold any more; a namespace's
    /// labels go when the namespace ends.
    pub(crate) fn unlearn(&mut self, key: &ResourceKey, cause: &Cause) {
        self.workload_gone(key, cause);
        if is_priority_class(key) {
            self.state.classes.remove(&key.name);
        } else if is_budget(key) {
            self.budget_gone(key);
        } else if is_quota(key) {
            self.quota_gone(key);
        } else if is_limit_range(key) {
            self.limit_range_gone(key);
        } else if is_cron_job(key) {
            self.cron_gone(key);
        } else if is_claim(key) {
            self.claim_gone(key);
        } else if is_volume(key) {
            self.volume_gone(key);
        } else if is_storage_class(key) {
            self.state.claims.remove_class(&key.name);
        } else if let Some(id) = self.node_about(key) {
            self.node_leaves(id);
        }
    }

    /// The node that a resource is about, where it is known.
    pub(crate) fn node_about(&self, key: &ResourceKey) -> Option<u32> {
        let node = is_node(key).then(|| NodeName::parse(&key.name).ok()).flatten()?;
        self.state.nodes.get(&node).copied()
    }

    /// An operator's restart: the generation rises, the agent restarts what runs a lower one.
    fn restart(&mut self, uid: &PodUid, cause: &Cause) {
        let Some(id) = self.state.pods.id_of(uid) else { return };
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        pod.generation += 1;
        pod.epoch = self.out.number.into();
        self.state.touch_pod(id);
        let Some(pod) = self.state.pods.get(&id) else { return };
        let (Some(owner), Some(host)) = (self.state.owner(pod), self.state.host(pod)) else {
            return;
        };
        let (placement, node) = (placement_of(self.state, pod), host.row.record.node.clone());
        let about = About {
            pod: Some(uid.clone()),
            resource: Some(owner.text.clone()),
            node: Some(node.clone()),
            causes: cause.clone().into(),
            ..About::default()
        };
        self.ledger.write(Action::Restart, "restart", "its restart was asked for", about);
        self.out.placements.push(PlacementChange { uid: uid.clone(), node, placement });
    }

    /// A node's resource: desired state of a node, which it does not report itself.
    pub(crate) fn ensure_node_resource(&mut self, record: &NodeRecord) {
        let spec = if record.is_watched() { json!({"unschedulable": true}) } else { json!({}) };
        let metadata = json!({"name": record.node});
        let body = json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec});
        self.ensure(node_key(&record.node), &body);
    }

    pub(crate) fn ensure(&mut self, key: ResourceKey, body: &Value) {
        if self.state.resources.contains_key(&key) {
            return;
        }
        let item = RequestItem {
            verb: Verb::Create,
            api_version: body["apiVersion"].as_str().unwrap_or("v1").to_owned(),
            kind: key.kind.kind.to_string(),
            namespace: String::new(),
            name: key.name.to_string(),
            subresource: String::new(),
            body: String::new(),
            expected_version: None,
        };
        let resource =
            Resource { body: Arc::from(body.to_string()), ..self.judge().blank(&item, &key) };
        let resource = Arc::new(resource);
        self.state.set_resource(&key, Some(resource.clone()));
        self.out.resources.push((key, Some(resource)));
    }
}

fn about(request: &Request) -> About {
    match request.items.as_slice() {
        [item] => About { resource: Some(item.key().to_string().into()), ..About::default() },
        _ => About::default(),
    }
}

fn summary(items: &[ItemVerdict]) -> String {
    match items {
        [item] => format!("{} {}", item.key, item.result),
        items => format!("{} resources", items.len()),
    }
}
