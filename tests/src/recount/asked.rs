//! The world as it is not: with promised room taken, or without some pods.
//!
//! Guarantee: after the answer all is as before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_schemas::{
    LabelSelector, Namespace, Pattern, Placement, PodSpec, PodUid, ResourceName, TakenDevice,
};

use super::world::{PodSeen, Promise, World};

impl World {
    /// Asks of a world in which promised room is taken already.
    pub(super) fn with<T>(
        &mut self,
        promises: &BTreeMap<PodUid, Promise>,
        ask: impl FnOnce(&World) -> T,
    ) -> T {
        let made = promises
            .iter()
            .filter_map(|(uid, promise)| Some((uid.clone(), promised_pod(uid, promise)?)));
        let made: Vec<(PodUid, PodSeen)> =
            made.filter(|(uid, _)| !self.pods.contains_key(uid)).collect();
        let uids: Vec<PodUid> = made.iter().map(|(uid, _)| uid.clone()).collect();
        self.pods.extend(made);
        let answer = ask(self);
        uids.iter().for_each(|uid| drop(self.pods.remove(uid)));
        answer
    }

    /// Asks of a world without these pods.
    pub(super) fn without<T>(
        &mut self,
        uids: &BTreeSet<PodUid>,
        ask: impl FnOnce(&mut World) -> T,
    ) -> T {
        let gone: Vec<(PodUid, PodSeen)> =
            uids.iter().filter_map(|uid| self.pods.remove_entry(uid)).collect();
        let answer = ask(self);
        self.pods.extend(gone);
        answer
    }

    /// The budgets: namespace, selector, and how many pods are to stay healthy.
    pub(super) fn budgets(&self) -> Vec<(String, LabelSelector, i64)> {
        let budgets =
            self.resources.iter().filter(|(key, _)| &*key.kind.kind == "PodDisruptionBudget");
        let read = budgets.filter_map(|(key, resource)| {
            let body: Value = serde_json::from_str(&resource.body).ok()?;
            let selector = serde_json::from_value(body["spec"]["selector"].clone()).ok()?;
            let least = body["spec"]["minAvailable"].as_i64()?;
            Some((key.namespace.to_string(), selector, least))
        });
        read.collect()
    }
}

/// The workload of pods that stand for promised room.
const PROMISED: &str = "promised";

impl PodSeen {
    /// Whether it is there, and not only promised room.
    pub(super) fn is_here(&self) -> bool {
        *self.placement.pattern.workload != *PROMISED
    }
}

/// A pod that stands for promised room and is of no workload.
fn promised_pod(uid: &PodUid, promise: &Promise) -> Option<PodSeen> {
    let mut spec: Value = serde_json::from_str(&promise.spec).ok()?;
    // Nobody's company yet, it keeps others away already.
    let away = spec["affinity"]["podAntiAffinity"].take();
    spec.as_object_mut()?.insert("affinity".to_owned(), json!({"podAntiAffinity": away}));
    let asked: PodSpec = serde_json::from_value(spec.clone()).ok()?;
    let milli = asked.device_ask().ok()?.map_or(0, |ask| ask.milli);
    let device = |id: &Arc<str>| {
        let (container, id) = (Arc::from(""), Arc::clone(id));
        TakenDevice { container, index: 0, id, milli }
    };
    let devices = promise.devices.iter().map(device).collect();
    let pattern = Pattern {
        namespace: Namespace::parse(&promise.namespace).ok()?,
        workload: Arc::from(PROMISED),
        revision: Arc::from(""),
        labels: Arc::new(promise.labels.clone()),
        annotations: BTreeMap::new(),
        spec: spec.to_string().into(),
    };
    Some(PodSeen::new(Arc::new(Placement {
        uid: uid.clone(),
        node: promise.node.clone(),
        name: ResourceName::parse("promised").ok()?,
        pattern: Arc::new(pattern),
        generation: 1,
        term: 0,
        epoch: 0,
        placed_ms: 0,
        devices,
        at_most_one: false,
    })))
}
