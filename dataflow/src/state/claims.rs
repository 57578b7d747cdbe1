//! The claims and storage classes, which workloads name a claim, and which pods use one.
//!
//! Guarantee: follows from the resources, the templates and the placed pods: a pod uses the claims of
//! its template from when it is placed until nothing is left of it. One event costs those that it is
//! about, however many claims there are. Absent: rows of its own; where data lives stands in the
//! claim's status.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use setpoint_placement::{Home, PodShape};
use setpoint_rules::claim::{self, Claim, Class};
use setpoint_schemas::{GroupKind, LOCAL_CLASS, ResourceKey};

use super::{State, Template, Workload};

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    rows: HashMap<ResourceKey, Claim>,
    classes: BTreeMap<String, Class>,
    /// The workloads whose templates name each claim.
    naming: HashMap<ResourceKey, BTreeSet<u32>>,
    /// The claims that each workload's templates name.
    named: HashMap<u32, Vec<ResourceKey>>,
    /// The pods that use each claim.
    users: HashMap<ResourceKey, BTreeSet<u32>>,
    /// The claims that each pod uses.
    used: HashMap<u32, Vec<ResourceKey>>,
    /// Claims that lost their last pod, or were leaving without one: whether they go is looked at.
    pub(crate) unused: BTreeSet<ResourceKey>,
}

/// The key of a claim.
pub(crate) fn claim_key(namespace: &str, name: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new("", "PersistentVolumeClaim"), namespace, name)
}

impl Claims {
    /// A claim is this now; what it was.
    pub(crate) fn put(&mut self, key: &ResourceKey, claim: Claim) -> Option<Claim> {
        if claim.is_leaving && !self.is_used(key) {
            self.unused.insert(key.clone());
        }
        self.rows.insert(key.clone(), claim)
    }

    /// A claim is gone; what it was.
    pub(crate) fn remove(&mut self, key: &ResourceKey) -> Option<Claim> {
        self.unused.remove(key);
        self.rows.remove(key)
    }

    pub(crate) fn get(&self, key: &ResourceKey) -> Option<&Claim> {
        self.rows.get(key)
    }

    pub(crate) fn put_class(&mut self, name: &str, class: Class) {
        self.classes.insert(name.to_owned(), class);
    }

    pub(crate) fn remove_class(&mut self, name: &str) {
        self.classes.remove(name);
    }

    pub(crate) fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)
    }

    /// The class of a claim: the one that it names, or the default one.
    pub(crate) fn class_of(&self, claim: &Claim) -> Option<&Class> {
        match claim.class.as_str() {
            "" => self.class(self.default_class()?),
            named => self.class(named),
        }
    }

    /// The class of claims that name none: of several the first by name, and before it one that someone
    /// made.
    pub(crate) fn default_class(&self) -> Option<&str> {
        let defaults = self.classes.iter().filter(|(_, class)| class.is_default);
        let first = defaults.map(|(name, _)| name.as_str());
        first.min_by_key(|name| (*name == LOCAL_CLASS, *name))
    }

    /// A workload is new, changed or gone: which claims its templates name is found out anew.
    pub(crate) fn look_at(&mut self, id: u32, workload: Option<&Workload>) {
        for key in self.named.remove(&id).unwrap_or_default() {
            take_from(&mut self.naming, &key, id);
        }
        let Some(workload) = workload else { return };
        let templates = workload.templates.values();
        let claims = templates.flat_map(|template| template.claims.iter());
        let named: BTreeSet<ResourceKey> =
            claims.map(|name| claim_key(&workload.key.namespace, name)).collect();
        for key in &named {
            self.naming.entry(key.clone()).or_default().insert(id);
        }
        if !named.is_empty() {
            self.named.insert(id, named.into_iter().collect());
        }
    }

    /// The workloads whose templates name a claim.
    pub(crate) fn naming(&self, key: &ResourceKey) -> Vec<u32> {
        self.naming.get(key).into_iter().flatten().copied().collect()
    }

    /// A pod uses these from now on.
    pub(crate) fn begin(&mut self, pod: u32, keys: Vec<ResourceKey>) {
        for key in &keys {
            self.users.entry(key.clone()).or_default().insert(pod);
            self.unused.remove(key);
        }
        if !keys.is_empty() {
            self.used.insert(pod, keys);
        }
    }

    /// Nothing is left of a pod.
    pub(crate) fn end(&mut self, pod: u32) {
        if self.used.is_empty() {
            return;
        }
        for key in self.used.remove(&pod).unwrap_or_default() {
            take_from(&mut self.users, &key, pod);
            if !self.is_used(&key) {
                self.unused.insert(key);
            }
        }
    }

    /// Whether some pod uses a claim.
    pub(crate) fn is_used(&self, key: &ResourceKey) -> bool {
        self.users.contains_key(key)
    }

    /// The pods that use a claim, in no order that may decide anything.
    pub(crate) fn users(&self, key: &ResourceKey) -> impl Iterator<Item = u32> {
        self.users.get(key).into_iter().flatten().copied()
    }
}

fn take_from(map: &mut HashMap<ResourceKey, BTreeSet<u32>>, key: &ResourceKey, id: u32) {
    if let Some(ids) = map.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

impl State {
    /// The claims of a workload's pods of this template, by their names there.
    pub(crate) fn claims_of<'a>(
        &'a self,
        workload: &'a Workload,
        template: &'a Template,
    ) -> impl Iterator<Item = (&'a str, ResourceKey)> {
        let namespace = &workload.key.namespace;
        template.claims.iter().map(move |name| (&**name, claim_key(namespace, name)))
    }

    /// Why no new pod of this template can have its claims now, wherever it would go; `None` when it
    /// can.
    pub(crate) fn claims_forbid(&self, workload: &Workload, template: &Template) -> Option<String> {
        let mut home: Option<(&str, &str)> = None;
        for (name, key) in self.claims_of(workload, template) {
            let Some(row) = self.claims.get(&key) else { return Some(claim::absent(name)) };
            let user = row.is_exclusive.then(|| self.user_of(&key)).flatten();
            if let Some(why) = row.forbids(name, self.claims.class_of(row), user.as_deref()) {
                return Some(why);
            }
            if !row.is_bound() {
                continue;
            }
            match home {
                Some(other) if other.1 != row.node => {
                    return Some(claim::apart(other, (name, row.node.as_str())));
                }
                _ => home = Some((name, row.node.as_str())),
            }
        }
        None
    }

    /// What pods of this template demand, which go where their data is.
    pub(crate) fn shape_of(&self, workload: &Workload, template: &Template) -> Arc<PodShape> {
        let mut claims = self.claims_of(workload, template);
        let home = claims.find_map(|(name, key)| {
            let row = self.claims.get(&key).filter(|row| row.is_bound())?;
            Some(Home { node: row.node.clone(), claim: name.to_owned() })
        });
        home.map_or_else(|| template.shape.clone(), |home| template.shape.at_home(home))
    }

    /// The name of the first pod, by uid, that uses a claim.
    fn user_of(&self, key: &ResourceKey) -> Option<String> {
        let pods = self.claims.users(key).filter_map(|id| self.pods.get(&id));
        let first = pods.min_by(|a, b| a.uid.cmp(&b.uid))?;
        Some(format!("{}/{}", key.namespace, &*self.pod_name(first)))
    }
}
