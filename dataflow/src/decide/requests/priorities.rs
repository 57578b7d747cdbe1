//! Priority classes, and pods that name one: what depends on the classes that there are.
//!
//! Source: Kubernetes' admission plugin Priority, and its strategy of PriorityClasses.

use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::admission::{Owned, Refusal};
use setpoint_rules::priority::{self, Class};
use setpoint_schemas::{PodSpec, RequestItem, Resource, ResourceKey};

use super::judge::{Judge, Overlay};
use crate::decide::Turn;
use crate::decide::kinds::{is_priority_class, priority_class_key};
use crate::views::Views;

impl Judge<'_> {
    /// A pod gets what its class gives it; a class does not stand in another's way.
    pub(super) fn prioritized(
        &self,
        item: &RequestItem,
        key: &ResourceKey,
        present: Option<&Resource>,
        put: &mut Owned,
        overlay: &Overlay,
    ) -> Result<(), Refusal> {
        let forbidden = |why: String| Refusal {
            code: 403,
            message: format!("{} {:?} is forbidden: {why}", item.kind, item.name),
        };
        if is_priority_class(key) {
            return self.alone_as_default(key, &put.object, overlay).map_err(forbidden);
        }
        if &*key.kind.kind != "Pod" || !key.kind.group.is_empty() {
            return Ok(());
        }
        if let Some(present) = present {
            let before: Value = serde_json::from_str(&present.body).unwrap_or_default();
            priority::keep(&before["spec"], &mut put.object["spec"]);
            return Ok(());
        }
        let Ok(spec) = serde_json::from_value::<PodSpec>(put.object["spec"].clone()) else {
            return Ok(());
        };
        let class = match priority::class_named(&spec) {
            Some(name) => {
                Some(self.class(name, overlay).ok_or_else(|| forbidden(priority::unknown(name)))?)
            }
            None if spec.priority.is_some() => None,
            None => self.default_class(overlay),
        };
        let Some(class) = class else { return Ok(()) };
        priority::by_class(&spec, &class).map_err(forbidden)?;
        priority::fill(&mut put.object["spec"], &class);
        Ok(())
    }

    /// Kubernetes' own classes stay.
    pub(super) fn class_may_go(&self, key: &ResourceKey) -> Result<(), Refusal> {
        if !is_priority_class(key) || Class::of_system(&key.name).is_none() {
            return Ok(());
        }
        let why = "this is a system priority class and cannot be deleted";
        let message = format!("PriorityClass {:?} is forbidden: {why}", key.name);
        Err(Refusal { code: 403, message })
    }

    fn alone_as_default(
        &self,
        key: &ResourceKey,
        object: &Value,
        overlay: &Overlay,
    ) -> Result<(), String> {
        let other = self.default_class(overlay).filter(|other| *other.name != *key.name);
        match other.filter(|_| object["globalDefault"] == true) {
            Some(other) => Err(format!(
                "PriorityClass {} is already marked as default. Only one default can exist",
                other.name
            )),
            None => Ok(()),
        }
    }

    fn class(&self, name: &str, overlay: &Overlay) -> Option<Class> {
        match overlay.get(&priority_class_key(name)) {
            Some(overlaid) => overlaid.as_deref().map(class_of),
            None => self.state.classes.named(name).cloned(),
        }
    }

    fn default_class(&self, overlay: &Overlay) -> Option<Class> {
        let overlaid = overlay.iter().filter(|(key, _)| is_priority_class(key));
        let overlaid = overlaid.filter_map(|(_, resource)| resource.as_deref()).map(class_of);
        if let Some(class) = overlaid.filter(|class| class.is_default).min_by_key(|c| c.value) {
            return Some(class);
        }
        let known = self.state.classes.default()?;
        (!overlay.contains_key(&priority_class_key(&known.name))).then(|| known.clone())
    }
}

impl<V: Views> Turn<'_, V> {
    /// A class is new or changed: who waited for it is tried again.
    pub(crate) fn class_put(&mut self, resource: &Resource) {
        self.state.classes.put(class_of(resource));
        self.state.meta.retry.freed = true;
    }

    /// The classes that Kubernetes always has.
    pub(crate) fn ensure_system_classes(&mut self) {
        // Asked in every epoch: nothing is built when they are there.
        if !self.state.classes.is_empty() {
            return;
        }
        for (name, body) in priority::system_classes() {
            self.ensure(priority_class_key(name), &body);
            let resource = self.state.resources.get(&priority_class_key(name)).map(Arc::clone);
            if let Some(resource) = resource {
                self.state.classes.put(class_of(&resource));
            }
        }
    }
}

/// A class as its resource has it.
pub(crate) fn class_of(resource: &Resource) -> Class {
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    Class::of(&resource.name, &body)
}
