//! Deletions that are asked for: whether they may be, and whether what is deleted goes or stays for what
//! holds it.
//!
//! Guarantee: deleting again changes nothing but how what is owned goes, where that is said; no finalizer
//! comes to those of what is being deleted, and with the last of them it goes.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::admission::{Owned, Refusal};
use setpoint_rules::finalizers::{self, FOREGROUND, KUBERNETES, ORPHAN, Propagation};
use setpoint_schemas::{RequestItem, Resource, ResourceKey, Verb};

use super::judge::{Change, Judge, Overlay, workload_kind};
use crate::decide::kinds::{is_claim, is_namespace};
use crate::state::WorkloadKind;

impl Judge<'_> {
    /// What a deletion would do.
    pub(super) fn consider_deletion(
        &self,
        item: &RequestItem,
        key: ResourceKey,
        present: Option<&Resource>,
        overlay: &mut Overlay,
    ) -> Result<Change, Refusal> {
        self.class_may_go(&key)?;
        let leaving = match present {
            Some(present) => {
                self.volume_may_go(&key, present)?;
                let asked = propagation(item)?;
                let leaving = match is_namespace(&key) {
                    true => Some(self.consider_terminating(present)?),
                    false => self.leaving(&key, present, asked),
                };
                pods_may_stay(item, &key, asked, leaving.as_deref())?;
                leaving
            }
            None => None,
        };
        if let Some(leaving) = leaving {
            overlay.insert(key, Some(leaving.clone()));
            return Ok(Change::Mark(leaving));
        }
        self.gives_back(&key, present);
        overlay.insert(key.clone(), None);
        Ok(Change::Gone(key))
    }

    /// Whether a resource may be deleted at all, whoever does.
    pub(in crate::decide) fn may_go(
        &self,
        key: &ResourceKey,
        present: &Resource,
    ) -> Result<(), Refusal> {
        self.class_may_go(key)?;
        self.volume_may_go(key, present)?;
        if is_namespace(key) {
            self.consider_terminating(present)?;
        }
        Ok(())
    }

    /// What is deleted as it is from then on, where something holds it; `None`: it goes at once.
    pub(in crate::decide) fn leaving(
        &self,
        key: &ResourceKey,
        present: &Resource,
        asked: Option<Propagation>,
    ) -> Option<Arc<Resource>> {
        let before = finalizers::of_text(&present.kind, &present.body);
        let names = finalizers::once_deleted(before.clone(), asked);
        if names.is_empty() && !self.is_used(key) {
            return None;
        }
        let mut leaving = present.clone();
        if names != before {
            let mut body: Value = serde_json::from_str(&present.body).unwrap_or_default();
            finalizers::write(&mut body, &names);
            leaving.body = Arc::from(body.to_string());
        }
        if leaving.deleted_ms.is_none() {
            leaving.deleted_ms = Some(self.now);
            leaving.generation += 1;
        }
        if is_claim(key) {
            leaving.status = self.claim_leaves(present);
        }
        if leaving != *present {
            leaving.version = self.number;
        }
        Some(Arc::new(leaving))
    }

    /// Whether nothing holds an object any more whose deletion was asked for.
    pub(super) fn nothing_holds(&self, key: &ResourceKey, resource: &Resource) -> bool {
        resource.deleted_ms.is_some()
            && !is_namespace(key)
            && !self.is_used(key)
            && finalizers::of_text(&resource.kind, &resource.body).is_empty()
    }

    /// What whoever deletes should know of what holds it.
    pub(super) fn what_holds(leaving: &Resource) -> String {
        let mut names = finalizers::of_text(&leaving.kind, &leaving.body);
        names.retain(|name| name != FOREGROUND && name != ORPHAN);
        match names.as_slice() {
            [] if leaving.kind == "PersistentVolumeClaim" => {
                "pods use it: it goes when the last of them is gone".to_owned()
            }
            [] => String::new(),
            names => format!("finalizers hold it until they are taken away: {}", names.join(", ")),
        }
    }

    /// Nothing new holds what is being deleted. Who applies a manifest does not say by it how what is owned
    /// goes: that stays as whoever deleted it said.
    pub(super) fn finalizers_kept(
        &self,
        item: &RequestItem,
        present: Option<&Resource>,
        put: &mut Owned,
    ) -> Result<(), Refusal> {
        let Some(present) = present.filter(|present| present.deleted_ms.is_some()) else {
            return Ok(());
        };
        let before = finalizers::of_text(&present.kind, &present.body);
        let mut after = finalizers::of(&present.kind, &put.object);
        if item.verb == Verb::Apply {
            let ours = |name: &&String| [FOREGROUND, ORPHAN].contains(&name.as_str());
            let lost: Vec<String> =
                before.iter().filter(ours).filter(|name| !after.contains(name)).cloned().collect();
            if !lost.is_empty() {
                after.extend(lost);
                finalizers::write(&mut put.object, &after);
            }
        }
        finalizers::none_is_new(&before, &after).map_err(|why| invalid(item, &why))
    }

    /// The finalizers of a namespace are said where it is made, and where they are asked for as such. The
    /// one that is taken away when nothing is left in it is always among them, and is not written down alone.
    pub(super) fn finalized(
        &self,
        item: &RequestItem,
        key: &ResourceKey,
        present: Option<&Resource>,
        put: &mut Owned,
    ) -> Result<(), Refusal> {
        if !is_namespace(key) {
            return Ok(());
        }
        let asked = spec_finalizers(&put.object);
        let is_asked = item.subresource == FINALIZE;
        let is_given = is_asked || present.is_none();
        let mut names = match present {
            Some(present) if !is_given => spec_finalizers_in(&present.body),
            _ => asked,
        };
        if !names.iter().any(|name| name == KUBERNETES) {
            if is_asked {
                let why = "spec.finalizers: Forbidden: the finalizer \"kubernetes\" is taken away when \
                           nothing is left in the namespace; take away those of what is left in it";
                return Err(invalid(item, why));
            }
            names.insert(0, KUBERNETES.to_owned());
        }
        if is_asked && let Some(present) = present {
            put.object = serde_json::from_str(&present.body).unwrap_or_default();
            put.managers = serde_json::from_str(&present.managers).unwrap_or_default();
        }
        let Some(object) = put.object.as_object_mut() else { return Ok(()) };
        if names.len() > 1 {
            object.insert("spec".to_owned(), json!({"finalizers": names}));
        } else {
            object.remove("spec");
        }
        Ok(())
    }
}

/// The subresource by which the finalizers of a namespace are written.
const FINALIZE: &str = "finalize";

/// What of a namespace's finalizers others are to take away, as text.
pub(super) fn spec_finalizers_in(body: &str) -> Vec<String> {
    spec_finalizers(&serde_json::from_str(body).unwrap_or_default())
}

fn spec_finalizers(namespace: &Value) -> Vec<String> {
    let names = namespace["spec"]["finalizers"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What is to become of what the object owns, as the deletion says.
fn propagation(item: &RequestItem) -> Result<Option<Propagation>, Refusal> {
    let options: Value = serde_json::from_str(&item.body).unwrap_or_default();
    let Some(named) = options["propagationPolicy"].as_str() else { return Ok(None) };
    let known = Propagation::of_name(named);
    known.map(Some).ok_or_else(|| {
        let why = format!(
            "propagationPolicy: Unsupported value: {named:?}: supported values: \"Background\", \
             \"Foreground\", \"Orphan\""
        );
        invalid(item, &why)
    })
}

/// A workload's pods are its own: none of them stays without it. What is in a namespace neither.
fn pods_may_stay(
    item: &RequestItem,
    key: &ResourceKey,
    asked: Option<Propagation>,
    leaving: Option<&Resource>,
) -> Result<(), Refusal> {
    let named = || leaving.map(|leaving| finalizers::of_text(&leaving.kind, &leaving.body));
    let is_orphaning = asked == Some(Propagation::Orphan)
        || named().is_some_and(|names| names.iter().any(|name| name == ORPHAN));
    let has_pods = workload_kind(key).is_some_and(|kind| kind != WorkloadKind::Bare);
    if !is_orphaning || !(has_pods || is_namespace(key)) {
        return Ok(());
    }
    let why = match has_pods {
        true => "its pods belong to it and cannot run on without it",
        false => "what is in a namespace cannot stay without it",
    };
    let why = format!(
        "propagationPolicy: Invalid value: \"Orphan\": {why}; delete it with Background or Foreground"
    );
    Err(invalid(item, &why))
}

fn invalid(item: &RequestItem, why: &str) -> Refusal {
    Refusal { code: 422, message: format!("{} {:?} is invalid: {why}", item.kind, item.name) }
}
