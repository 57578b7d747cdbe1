//! The priority classes, by name.
//!
//! Guarantee: follows from the resources.

use std::collections::BTreeMap;

use setpoint_rules::priority::Class;

/// All classes that there are.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    by_name: BTreeMap<String, Class>,
}

impl Classes {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(crate) fn put(&mut self, class: Class) {
        self.by_name.insert(class.name.clone(), class);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Class> {
        self.by_name.get(name)
    }

    /// The class of pods that name none. Kubernetes takes the lowest where there are several.
    pub(crate) fn default(&self) -> Option<&Class> {
        self.by_name.values().filter(|class| class.is_default).min_by_key(|class| class.value)
    }
}
