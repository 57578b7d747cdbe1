//! Which priority a workload's new pods have: of its class, looked up once for each revision.
//!
//! Guarantee: the pods of a revision all have the same priority, whatever becomes of the class.

use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::priority;

use crate::decide::Turn;
use crate::state::{Template, Workload, WorkloadKind};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// The priority of the workload's next pods.
    ///
    /// # Errors
    /// A sentence, when its class is not there: its pods wait.
    pub(super) fn prioritize(&mut self, id: u32) -> Result<i32, String> {
        let Some(workload) = self.state.workload.get(&id) else { return Ok(0) };
        let Some(template) = workload.templates.get(&workload.memo.current) else { return Ok(0) };
        let Some(class) = template.class.clone().filter(|_| !workload.is_classed()) else {
            return Ok(template.shape.priority());
        };
        if self.state.classes.named(&class).is_none() {
            return Err(priority::unknown(&class));
        }
        self.classify(id)?;
        let workload = self.state.workload.get(&id);
        let template = workload.and_then(|w| w.templates.get(&w.memo.current));
        Ok(template.map_or(0, |template| template.shape.priority()))
    }

    /// Looks up the class of a workload's current revision, unless it was before: the one that it
    /// names, or the default one where it names none, states no priority itself and has no pods that
    /// were placed without one.
    ///
    /// # Errors
    /// A sentence, when it states otherwise than its class does.
    pub(crate) fn classify(&mut self, id: u32) -> Result<(), String> {
        let Some(workload) = self.state.workload.get(&id) else { return Ok(()) };
        // A bare pod's was written into it when it was accepted.
        if workload.kind == WorkloadKind::Bare {
            return Ok(());
        }
        let current = workload.memo.current;
        let Some(template) = workload.templates.get(&current) else { return Ok(()) };
        let class = match (workload.memo.classes.get(&current), &template.class) {
            (Some(known), _) => Some(known),
            (None, Some(named)) => self.state.classes.named(named),
            (None, None) if template.states_priority || workload.has_pods_of(current) => None,
            (None, None) => self.state.classes.default(),
        };
        let Some(class) = class.cloned() else { return Ok(()) };
        let Some(text) = workload.memo.templates.get(&current) else { return Ok(()) };
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let hash = template.pattern.revision.to_string();
        let key = workload.key.clone();
        let template = Template::of_class(&key, &json, workload.kind, hash, &class)?;
        let Some(workload) = self.state.workload.get_mut(&id) else { return Ok(()) };
        workload.templates.insert(current, Arc::new(template));
        workload.memo.classes.insert(current, class);
        workload.compile_worn_anew(current);
        self.state.touch_workload(id);
        self.weigh(id);
        Ok(())
    }
}

impl Workload {
    /// Whether pods of this revision are there.
    fn has_pods_of(&self, revision: u32) -> bool {
        self.tallies.contains_key(&revision)
    }

    /// Whether the class of the current revision was looked up.
    fn is_classed(&self) -> bool {
        self.kind == WorkloadKind::Bare || self.memo.classes.contains_key(&self.memo.current)
    }
}
