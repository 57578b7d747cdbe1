//! The claims, volumes and storage classes, which workloads name a claim, and which pods use one.
//!
//! Guarantee: follows from the resources, the templates and the placed pods: a pod uses the claims of
//! its template, its own, and those that are made with it (`made_with.rs`) from when it is placed until
//! nothing is left of it. One event costs those that it is about, however many claims there are. Absent: rows
//! of its own; where data lives stands in the claim's status.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use setpoint_placement::{Home, PodShape};
use setpoint_rules::claim::{self, Claim, Class};
use setpoint_rules::volume::Volume;
use setpoint_rules::{own_claims, statefulset};
use setpoint_schemas::{GroupKind, LOCAL_CLASS, ResourceKey};

use super::volumes::Volumes;
use super::{Pod, State, Template, Workload};

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    rows: HashMap<ResourceKey, Claim>,
    /// The volumes, and which claims want one.
    pub(crate) volumes: Volumes,
    classes: BTreeMap<String, Class>,
    /// The workloads whose templates name each claim.
    naming: HashMap<ResourceKey, BTreeSet<u32>>,
    /// The claims that each workload's templates name.
    named: HashMap<u32, Vec<ResourceKey>>,
    /// The pods that use each claim.
    users: HashMap<ResourceKey, BTreeSet<u32>>,
    /// The claims that each pod uses.
    used: HashMap<u32, Vec<ResourceKey>>,
    /// The claims that were made for the pods of each StatefulSet.
    made: HashMap<ResourceKey, BTreeSet<ResourceKey>>,
    /// Claims that lost their last pod, were leaving without one, or are of a pod that is not there:
    /// whether they go is looked at.
    pub(crate) unused: BTreeSet<ResourceKey>,
}

/// The key of a claim.
pub(crate) fn claim_key(namespace: &str, name: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new("", "PersistentVolumeClaim"), namespace, name)
}

/// The key of a StatefulSet.
fn set_key(namespace: &str, name: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new("apps", "StatefulSet"), namespace, name)
}

impl Claims {
    /// A claim is this now; what it was.
    pub(crate) fn put(&mut self, key: &ResourceKey, claim: Claim) -> Option<Claim> {
        if (claim.is_leaving || !claim.made_with.is_empty()) && !self.is_used(key) {
            self.unused.insert(key.clone());
        }
        self.volumes.claim_is(key, Some(&claim));
        let made_for = claim.made_for.clone();
        let before = self.rows.insert(key.clone(), claim);
        self.made_no_more(key, before.as_ref());
        if !made_for.is_empty() {
            let set = set_key(&key.namespace, &made_for);
            self.made.entry(set).or_default().insert(key.clone());
        }
        before
    }

    /// A claim is gone; what it was.
    pub(crate) fn remove(&mut self, key: &ResourceKey) -> Option<Claim> {
        self.unused.remove(key);
        self.volumes.claim_is(key, None);
        let before = self.rows.remove(key);
        self.made_no_more(key, before.as_ref());
        before
    }

    fn made_no_more(&mut self, key: &ResourceKey, before: Option<&Claim>) {
        let Some(before) = before.filter(|before| !before.made_for.is_empty()) else { return };
        let set = set_key(&key.namespace, &before.made_for);
        if let Some(made) = self.made.get_mut(&set) {
            made.remove(key);
            if made.is_empty() {
                self.made.remove(&set);
            }
        }
    }

    /// The claims that were made for the pods of a StatefulSet, in order.
    pub(crate) fn made_for(&self, set: &ResourceKey) -> Vec<ResourceKey> {
        self.made.get(set).into_iter().flatten().cloned().collect()
    }

    pub(crate) fn get(&self, key: &ResourceKey) -> Option<&Claim> {
        self.rows.get(key)
    }

    /// A volume is this now.
    pub(crate) fn put_volume(&mut self, name: &str, volume: Volume) {
        self.volumes.put(name, volume);
    }

    /// A volume is gone.
    pub(crate) fn remove_volume(&mut self, name: &str) {
        self.volumes.remove(name);
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
            _ if claim.is_classless => None,
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

    /// Why no folder can be made for a claim that waits: its volume's name is taken. One that was meant for it
    /// has been bound to it by now.
    fn name_taken(&self, name: &str, claim: &Claim) -> Option<String> {
        let wants = claim.wants.as_ref()?;
        let volume = claim::volume_name(&wants.uid);
        self.volumes.get(&volume).map(|_| claim::taken(name, &volume))
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

/// The claims that a template names, and those of these templates that a pod of this name has, each once.
fn all_claims(
    namespace: &str,
    template: &Template,
    own: Option<(&str, &[String])>,
) -> Vec<ResourceKey> {
    let named = template.claims.iter().map(|name| claim_key(namespace, name));
    let mut keys: Vec<ResourceKey> = named.collect();
    let Some((pod, own)) = own else { return keys };
    for template in own {
        let key = claim_key(namespace, &own_claims::name_of(template, pod));
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

impl State {
    /// The claims of a workload's pod of this template, and of this number where it is a StatefulSet's.
    pub(crate) fn claims_of(
        &self,
        workload: &Workload,
        template: &Template,
        ordinal: Option<u32>,
    ) -> Vec<ResourceKey> {
        let set = &workload.key.name;
        let name = ordinal.map(|ordinal| statefulset::pod_name(set, ordinal));
        let own = workload.own_claims();
        all_claims(&workload.key.namespace, template, name.as_deref().map(|name| (name, own)))
    }

    /// The claims of a pod.
    pub(crate) fn claims_of_pod(&self, pod: &Pod) -> Vec<ResourceKey> {
        let Some(owner) = self.owner(pod) else { return Vec::new() };
        let Some(template) = owner.templates.get(&pod.revision) else { return Vec::new() };
        let own = pod.own_claims();
        if own.is_empty() && template.made_with.is_empty() {
            return all_claims(&owner.key.namespace, template, None);
        }
        let (namespace, name) = (&owner.key.namespace, self.pod_name(pod));
        let mut keys = all_claims(namespace, template, Some((&*name, own)));
        keys.extend(template.claims_made_with(namespace, &name).map(|(key, _)| key));
        keys
    }

    /// The StatefulSets whose pods would have a claim of this name for themselves.
    pub(crate) fn sets_of(&self, claim: &ResourceKey) -> Vec<u32> {
        let may_be = own_claims::may_be_for(&claim.name);
        let sets = may_be.filter_map(|(template, set)| {
            let id = self.workloads.get(&set_key(&claim.namespace, set))?;
            let own = self.workload.get(id)?.own_claims();
            own.iter().any(|known| *known == *template).then_some(*id)
        });
        sets.collect()
    }

    /// Why no new pod of this template and number can have its claims now, wherever it would go; `None`
    /// when it can.
    pub(crate) fn claims_forbid(
        &self,
        workload: &Workload,
        template: &Template,
        ordinal: Option<u32>,
    ) -> Option<String> {
        let mut home: Option<(Arc<str>, &str)> = None;
        for key in self.claims_of(workload, template, ordinal) {
            let name = &*key.name;
            let Some(row) = self.claims.get(&key) else { return Some(claim::absent(name)) };
            let user = row.is_exclusive.then(|| self.user_of(&key)).flatten();
            if let Some(why) = row.forbids(name, self.claims.class_of(row), user.as_deref()) {
                return Some(why);
            }
            if let Some(why) = self.claims.name_taken(name, row) {
                return Some(why);
            }
            if !row.has_home() {
                continue;
            }
            let here = row.node.as_str();
            if let Some((other, node)) = &home
                && *node != here
            {
                return Some(claim::apart((&**other, *node), (name, here)));
            }
            home = Some((key.name.clone(), here));
        }
        None
    }

    /// What the pod of this template and number demands, which goes where its data is.
    pub(crate) fn shape_of(
        &self,
        workload: &Workload,
        template: &Template,
        ordinal: Option<u32>,
    ) -> Arc<PodShape> {
        let mut claims = self.claims_of(workload, template, ordinal).into_iter();
        let home = claims.find_map(|key| {
            let row = self.claims.get(&key).filter(|row| row.has_home())?;
            Some(Home { node: row.node.clone(), claim: key.name.to_string() })
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
