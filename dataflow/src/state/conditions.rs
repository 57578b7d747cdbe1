//! The conditions that others set of a pod, and whether its gates are open by them.

use std::sync::Arc;

use setpoint_schemas::{POD_CONDITIONS, Pattern, Placement, PodCondition, gates_are_open};

use super::gates::NONE;
use super::pod::{Pod, Rare};
use super::{State, Template};

impl Pod {
    /// The conditions that others set of it.
    pub(crate) fn conditions(&self) -> Vec<PodCondition> {
        self.rare.as_ref().map_or_else(Vec::new, |rare| PodCondition::read_all(&rare.conditions))
    }

    /// These are its conditions now; says whether they were others.
    pub(crate) fn set_conditions(&mut self, text: String) -> bool {
        let before = self.rare.as_ref().map_or("", |rare| &rare.conditions);
        if *before == *text {
            return false;
        }
        let rare = self.rare.take().map(|rare| *rare).unwrap_or_default();
        self.rare = Rare { conditions: text, ..rare }.boxed();
        true
    }

    /// What its placement is made of, with these conditions.
    pub(crate) fn conditioned(&self, pattern: Arc<Pattern>) -> Arc<Pattern> {
        match self.rare.as_ref().filter(|rare| !rare.conditions.is_empty()) {
            Some(rare) => {
                let mut pattern = Pattern::clone(&pattern);
                pattern.annotations.insert(POD_CONDITIONS.to_owned(), rare.conditions.clone());
                Arc::new(pattern)
            }
            None => pattern,
        }
    }
}

impl Template {
    /// Whether the gates of its pods are open, by a pod's conditions.
    pub(crate) fn opens(&self, pod: &Pod) -> bool {
        let gates = || self.readiness_gates.iter().map(|gate| &**gate);
        self.readiness_gates.is_empty() || gates_are_open(gates(), &pod.conditions())
    }
}

impl State {
    /// Whether nothing but its containers keeps a pod from being ready.
    pub(crate) fn is_open(&self, pod: &Pod) -> bool {
        let owner = self.workload.get(&pod.workload);
        let template = owner.and_then(|owner| owner.templates.get(&pod.revision));
        template.is_none_or(|template| template.opens(pod))
    }
}

/// The conditions of a placement's pod as the engine keeps them: empty where nobody set any.
pub(crate) fn conditions_in(placement: &Placement) -> String {
    let text = placement.pattern.annotations.get(POD_CONDITIONS);
    text.filter(|text| **text != *NONE).cloned().unwrap_or_default()
}
