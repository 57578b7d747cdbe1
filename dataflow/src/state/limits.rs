//! The LimitRanges, what they fill in for the pods of each workload, and what the pods that are there have of
//! it.
//!
//! Guarantee: a pod has for as long as it lives what was filled in when it was made, whatever becomes of the
//! LimitRanges: it stands in its row and in its placement. What new pods will have follows from the resources.
//! Absent: bare pods; what they have was written into their resource when it was accepted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::limits::{self, LimitRange, Refused};
use setpoint_schemas::{Placement, PodSpec, ResourceKey};

use super::fillings::Now;
use super::{Pod, Rare, State, Template, Workload, WorkloadKind};

/// All LimitRanges.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// Those of each namespace, in the order of their keys.
    by_namespace: HashMap<Arc<str>, BTreeMap<ResourceKey, LimitRange>>,
}

/// Whether a resource is a LimitRange.
pub(crate) fn is_limit_range(key: &ResourceKey) -> bool {
    &*key.kind.kind == "LimitRange" && key.kind.group.is_empty()
}

impl Limits {
    /// A LimitRange is this now.
    pub(crate) fn put(&mut self, key: &ResourceKey, range: LimitRange) {
        let here = self.by_namespace.entry(key.namespace.clone()).or_default();
        here.insert(key.clone(), range);
    }

    /// A LimitRange is gone.
    pub(crate) fn remove(&mut self, key: &ResourceKey) {
        let Some(here) = self.by_namespace.get_mut(&key.namespace) else { return };
        here.remove(key);
        if here.is_empty() {
            self.by_namespace.remove(&key.namespace);
        }
    }

    /// Those of a namespace, in the order of their keys.
    pub(crate) fn of(&self, namespace: &str) -> Vec<&LimitRange> {
        self.by_namespace.get(namespace).into_iter().flat_map(BTreeMap::values).collect()
    }
}

impl Pod {
    /// What its containers have by the LimitRanges of when it was made, where they filled in anything.
    pub(crate) fn worn(&self) -> Option<&Arc<str>> {
        self.rare.as_ref().and_then(|rare| rare.worn.as_ref())
    }

    /// It has this.
    pub(crate) fn wears(&mut self, worn: Option<Arc<str>>) {
        if worn.is_some() {
            let rare = self.rare.take().map(|rare| *rare).unwrap_or_default();
            self.rare = Rare { worn, ..rare }.boxed();
        }
    }
}

impl Workload {
    /// The template of a pod that is there.
    pub(crate) fn template_of(&self, pod: &Pod) -> Option<&Arc<Template>> {
        self.template_worn(pod.revision, pod.worn())
    }

    /// The template of its next pods of a revision.
    pub(crate) fn template_to_be(&self, revision: u32) -> Option<&Arc<Template>> {
        self.template_worn(revision, self.worn_to_be(revision))
    }

    fn template_worn(&self, revision: u32, worn: Option<&Arc<str>>) -> Option<&Arc<Template>> {
        let filled = worn.and_then(|worn| self.fillings.of(revision, worn));
        filled.or_else(|| self.templates.get(&revision))
    }

    /// What its next pods of a revision will have.
    pub(crate) fn worn_to_be(&self, revision: u32) -> Option<&Arc<str>> {
        self.fillings.now(revision)?.worn.as_ref()
    }

    /// Why no pod of a revision may be made.
    pub(crate) fn limits_refuse(&self, revision: u32) -> Option<&Refused> {
        self.fillings.now(revision)?.refused.as_ref()
    }

    /// Its revisions, as they are written and as pods have them or will.
    pub(crate) fn all_worn(&self) -> Vec<(u32, Option<Arc<str>>, &Arc<Template>)> {
        let plain = self.templates.iter().map(|(revision, template)| (*revision, None, template));
        let filled = self.fillings.all();
        let filled = filled.map(|(revision, worn, of)| (revision, Some(worn.clone()), of));
        plain.chain(filled).collect()
    }

    /// Makes what its next pods will have as these LimitRanges have it.
    fn limit_by(&mut self, ranges: &[&LimitRange]) {
        // A revision without pods may be compiled to something else by now.
        self.fillings.say(BTreeMap::new());
        let mut now = BTreeMap::new();
        let revisions: Vec<u32> = self.templates.keys().copied().collect();
        for revision in revisions.into_iter().filter(|_| !ranges.is_empty()) {
            now.extend(self.limited(revision, ranges).map(|limited| (revision, limited)));
        }
        self.fillings.say(now);
    }

    /// What these LimitRanges say to new pods of a revision; `None` where they say nothing.
    fn limited(&mut self, revision: u32, ranges: &[&LimitRange]) -> Option<Now> {
        let text = self.memo.templates.get(&revision)?;
        let mut json: Value = serde_json::from_str(text).ok()?;
        let is_filled = limits::fill(ranges, &mut json["spec"]);
        let worn = is_filled.then(|| Arc::from(limits::worn(&json["spec"])));
        let spec: PodSpec = serde_json::from_value(json["spec"].take()).ok()?;
        let worn = worn.and_then(|worn| self.wear(revision, worn));
        let now = Now { worn, refused: limits::refuse(ranges, &spec) };
        (now != Now::default()).then_some(now)
    }

    /// Knows the revision as its pods have it that have this; the text as it is kept for all of them. Of
    /// what does not compile so the pods are made as they are written.
    fn wear(&mut self, revision: u32, worn: Arc<str>) -> Option<Arc<str>> {
        if let Some(kept) = self.fillings.kept(revision, &worn) {
            return Some(kept);
        }
        let template = self.compile_worn(revision, &worn)?;
        self.fillings.keep(revision, worn.clone(), Arc::new(template));
        Some(worn)
    }

    fn compile_worn(&self, revision: u32, worn: &str) -> Option<Template> {
        let mut json: Value = serde_json::from_str(self.memo.templates.get(&revision)?).ok()?;
        limits::dress(&mut json["spec"], worn);
        let hash = self.templates.get(&revision)?.pattern.revision.to_string();
        let compiled = match self.memo.classes.get(&revision) {
            Some(class) => Template::of_class(&self.key, &json, self.kind, hash, class),
            None => Template::compile_as(&self.key, &json, self.kind, hash),
        };
        compiled.ok()
    }

    /// A revision was compiled with another class: with what is filled in it is as well.
    pub(crate) fn compile_worn_anew(&mut self, revision: u32) {
        let worn = self.fillings.all().filter(|(of, ..)| *of == revision);
        let worn: Vec<Arc<str>> = worn.map(|(_, worn, _)| worn.clone()).collect();
        for worn in worn {
            if let Some(template) = self.compile_worn(revision, &worn) {
                self.fillings.replace(revision, &worn, Arc::new(template));
            }
        }
    }

    /// What the pod of a placement has of LimitRanges: where its containers have anything else than its
    /// revision says.
    pub(crate) fn worn_in(&self, revision: u32, placement: &Placement) -> Option<Arc<str>> {
        let spec = &placement.pattern.spec;
        if self.templates.get(&revision)?.pattern.spec == *spec {
            return None;
        }
        worn_beyond(self.memo.templates.get(&revision)?, spec)
    }
}

/// What the containers of a spec have, where that is anything else than a template says.
pub(crate) fn worn_beyond(template: &str, spec: &str) -> Option<Arc<str>> {
    let template: Value = serde_json::from_str(template).ok()?;
    let spec: Value = serde_json::from_str(spec).ok()?;
    let (said, worn) = (limits::worn(&template["spec"]), limits::worn(&spec));
    (said != worn).then(|| Arc::from(worn))
}

impl State {
    /// A workload is new or changed, or the LimitRanges of its namespace did: what its next pods will have is
    /// found out anew.
    pub(crate) fn limit(&mut self, id: u32) {
        let Some(workload) = self.workload.get_mut(&id) else { return };
        let ranges = self.limits.of(&workload.key.namespace);
        let is_limited = !ranges.is_empty() || !workload.fillings.are_silent();
        if is_limited && workload.kind != WorkloadKind::Bare {
            workload.limit_by(&ranges);
        }
    }

    /// A pod is about to be taken in: its revision as it has it is known from now on. Whether it was not
    /// before.
    pub(crate) fn takes_worn(&mut self, pod: &mut Pod) -> bool {
        let Some(rare) = pod.rare.as_mut().filter(|rare| rare.worn.is_some()) else { return false };
        let Some(workload) = self.workload.get_mut(&pod.workload) else { return false };
        let Some(worn) = rare.worn.take() else { return false };
        let is_new = workload.fillings.of(pod.revision, &worn).is_none();
        rare.worn = workload.wear(pod.revision, worn);
        if let Some(worn) = &rare.worn {
            workload.fillings.comes(pod.revision, worn);
        }
        is_new
    }

    /// Nothing is left of a pod.
    pub(crate) fn puts_off(&mut self, pod: &Pod) {
        if let (Some(worn), Some(workload)) = (pod.worn(), self.workload.get_mut(&pod.workload)) {
            workload.fillings.goes(pod.revision, worn);
        }
    }
}
