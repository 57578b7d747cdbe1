//! Who owns what, what is in each namespace, and what is still to be looked at for it.
//!
//! Guarantee: the rows are in the checkpoint; all else follows from the resources. An owner's dependents and
//! a namespace's contents are looked up, never searched for. Absent: what becomes of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_rules::finalizers::{self, FOREGROUND, ORPHAN};
use setpoint_rules::garbage::{self, Reference};
use setpoint_schemas::{GroupKind, Resource, ResourceKey};

use super::Keyed;
use crate::causes::Cause;

/// All owners, and all that is owned.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// What objects say of their owners and finalizers, of those that say anything.
    said: Keyed<Said>,
    /// By the uid of the owner.
    dependents: HashMap<String, Dependents>,
    /// By the namespace.
    contents: HashMap<Arc<str>, Contents>,
    rows: BTreeMap<Subject, OwnersRow>,
    /// Those of which something is to be looked at now.
    due: BTreeSet<Subject>,
}

/// What an object says of its owners and finalizers.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) references: Vec<Reference>,
    pub(crate) finalizers: Vec<String>,
    /// Whether it is being deleted.
    is_leaving: bool,
}

/// What one object owns.
#[derive(Debug, Default)]
struct Dependents {
    /// Each with whether its owner waits for it.
    keys: BTreeMap<ResourceKey, bool>,
    /// For how many of them it waits.
    blocking: usize,
    /// How many of them are being deleted and wait for what they own themselves.
    waiting: usize,
}

/// What is in a namespace.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    keys: BTreeSet<ResourceKey>,
    /// How many of each kind.
    pub(crate) kinds: BTreeMap<GroupKind, usize>,
    /// How many have each finalizer.
    pub(crate) finalizers: BTreeMap<String, usize>,
}

/// What something is to be looked at for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// The owner with this uid is gone, or goes.
    Owner(String),
    /// This namespace goes.
    Namespace(Arc<str>),
}

/// What the checkpoint keeps of a subject, until it is done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnersRow {
    pub(crate) subject: Subject,
    /// The owner, while it goes.
    pub(crate) owner: Option<ResourceKey>,
    /// From which of its dependents or contents on they are still to be looked at; `None`: each was.
    pub(crate) from: Option<ResourceKey>,
    /// Whether it may be able to go now.
    pub(crate) may_go: bool,
    /// Why they are looked at.
    pub(crate) cause: Cause,
}

impl Said {
    fn of(resource: &Resource) -> Option<Said> {
        let said = Said {
            references: garbage::references_in(&resource.body),
            finalizers: finalizers::of_text(&resource.kind, &resource.body),
            is_leaving: resource.deleted_ms.is_some(),
        };
        (!said.references.is_empty() || !said.finalizers.is_empty()).then_some(said)
    }

    /// The finalizer by which it waits for what it owns, when it is being deleted.
    pub(crate) fn waits_by(&self) -> Option<&'static str> {
        let has = |name: &&str| self.finalizers.iter().any(|has| has == name);
        [FOREGROUND, ORPHAN].into_iter().find(has).filter(|_| self.is_leaving)
    }

    /// Its owners by uid, each with whether it waits for this.
    fn owners(&self) -> BTreeMap<&str, bool> {
        let mut owners = BTreeMap::new();
        for reference in &self.references {
            *owners.entry(reference.uid.as_str()).or_default() |= reference.blocks;
        }
        owners
    }
}

impl Owners {
    /// A resource was this and is that now; the subjects that may be able to go for it.
    pub(crate) fn keep(
        &mut self,
        key: &ResourceKey,
        before: Option<&Resource>,
        after: Option<&Resource>,
    ) -> Vec<Subject> {
        if let (Some(before), Some(after)) = (before, after)
            && Arc::ptr_eq(&before.body, &after.body)
            && before.deleted_ms == after.deleted_ms
        {
            return Vec::new();
        }
        let (was, is) = (self.said.remove(key), after.and_then(Said::of));
        self.keep_contents(key, (before.is_some(), after.is_some()), (was.as_ref(), is.as_ref()));
        if let Some(was) = &was {
            self.unlink(key, was);
        }
        let had: Vec<Subject> = was
            .iter()
            .flat_map(|was| was.owners().into_keys().map(|uid| Subject::Owner(uid.to_owned())))
            .collect();
        let is_moved = before.is_some() != after.is_some() || was.is_some() || is.is_some();
        if let Some(is) = is {
            self.link(key, &is);
            self.said.insert(key.clone(), is);
        }
        if self.rows.is_empty() {
            return Vec::new();
        }
        let house = (is_moved && !key.namespace.is_empty())
            .then(|| Subject::Namespace(key.namespace.clone()));
        if before.is_none() && after.is_some() {
            self.look_at_new(key);
        }
        had.into_iter().chain(house).filter(|subject| self.may_go(subject)).collect()
    }

    /// What is made in a namespace that goes, behind what was looked at there, is looked at too.
    fn look_at_new(&mut self, key: &ResourceKey) {
        let subject = Subject::Namespace(key.namespace.clone());
        if let Some(mut row) = self.rows.remove(&subject) {
            let from = row.from.take();
            row.from = Some(from.map_or(key.clone(), |before| before.min(key.clone())));
            self.put(row);
        }
    }

    fn keep_contents(
        &mut self,
        key: &ResourceKey,
        (was_there, is_there): (bool, bool),
        (was, is): (Option<&Said>, Option<&Said>),
    ) {
        if key.namespace.is_empty() {
            return;
        }
        let contents = self.contents.entry(key.namespace.clone()).or_default();
        if was_there != is_there {
            match is_there {
                true => contents.keys.insert(key.clone()),
                false => contents.keys.remove(key),
            };
            count(&mut contents.kinds, &key.kind, is_there);
        }
        for name in was.into_iter().flat_map(|was| &was.finalizers) {
            count(&mut contents.finalizers, name, false);
        }
        for name in is.into_iter().flat_map(|is| &is.finalizers) {
            count(&mut contents.finalizers, name, true);
        }
        if contents.keys.is_empty() {
            self.contents.remove(&key.namespace);
        }
    }

    fn link(&mut self, key: &ResourceKey, said: &Said) {
        let waits = usize::from(said.waits_by() == Some(FOREGROUND));
        for (uid, blocks) in said.owners() {
            let all = self.dependents.entry(uid.to_owned()).or_default();
            all.keys.insert(key.clone(), blocks);
            all.blocking += usize::from(blocks);
            all.waiting += waits;
        }
    }

    fn unlink(&mut self, key: &ResourceKey, said: &Said) {
        let waits = usize::from(said.waits_by() == Some(FOREGROUND));
        for (uid, blocks) in said.owners() {
            let Some(all) = self.dependents.get_mut(uid) else { continue };
            all.keys.remove(key);
            all.blocking -= usize::from(blocks);
            all.waiting -= waits;
            if all.keys.is_empty() {
                self.dependents.remove(uid);
            }
        }
    }

    /// What an object says, where it says something.
    pub(crate) fn said(&self, key: &ResourceKey) -> Option<&Said> {
        self.said.get(key)
    }

    /// Whether nothing is owned.
    pub(crate) fn is_empty(&self) -> bool {
        self.dependents.is_empty()
    }

    /// Whether the object with this uid owns anything.
    pub(crate) fn owns(&self, uid: &str) -> bool {
        self.dependents.contains_key(uid)
    }

    /// Whether it owns something that it has to wait for.
    pub(crate) fn is_blocked(&self, uid: &str) -> bool {
        self.dependents.get(uid).is_some_and(|all| all.blocking > 0)
    }

    /// Whether it owns something that is being deleted and waits for what it owns itself: who waits for
    /// whom may be a circle.
    pub(crate) fn owns_one_that_waits(&self, uid: &str) -> bool {
        self.dependents.get(uid).is_some_and(|all| all.waiting > 0)
    }

    /// What is in a namespace; `None`: nothing.
    pub(crate) fn contents(&self, namespace: &str) -> Option<&Contents> {
        self.contents.get(namespace)
    }

    /// So many of the dependents or contents from there on, and the first behind them.
    pub(crate) fn some(
        &self,
        subject: &Subject,
        from: &ResourceKey,
        most: usize,
    ) -> (Vec<ResourceKey>, Option<ResourceKey>) {
        let range = (Bound::Included(from), Bound::Unbounded);
        let mut found: Vec<ResourceKey> = match subject {
            Subject::Owner(uid) => {
                let all = self.dependents.get(uid).into_iter();
                let keys = all.flat_map(|all| all.keys.range(range).map(|(key, _)| key));
                keys.take(most + 1).cloned().collect()
            }
            Subject::Namespace(name) => {
                let all = self.contents.get(name).into_iter();
                let keys = all.flat_map(|all| all.keys.range(range));
                keys.take(most + 1).cloned().collect()
            }
        };
        let next = if found.len() > most { found.pop() } else { None };
        (found, next)
    }
}

/// Of a subject: looking at what it is about, some at a time.
impl Owners {
    pub(crate) fn row(&self, subject: &Subject) -> Option<&OwnersRow> {
        self.rows.get(subject)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &OwnersRow> {
        self.rows.values()
    }

    /// The first of which something is to be looked at.
    pub(crate) fn due(&self) -> Option<&OwnersRow> {
        self.due.first().and_then(|subject| self.rows.get(subject))
    }

    /// A row as the checkpoint has it.
    pub(crate) fn load(&mut self, row: OwnersRow) {
        self.put(row);
    }

    /// What a subject is about is looked at, from there on.
    pub(crate) fn look(
        &mut self,
        subject: Subject,
        owner: Option<ResourceKey>,
        from: ResourceKey,
        cause: &Cause,
    ) {
        let row = match self.rows.remove(&subject) {
            Some(row) => OwnersRow {
                owner: owner.or(row.owner),
                from: Some(row.from.map_or(from.clone(), |before| before.min(from))),
                ..row
            },
            None => {
                let from = Some(from);
                OwnersRow { subject, owner, from, may_go: false, cause: cause.clone() }
            }
        };
        self.put(row);
    }

    /// It may be able to go now, where it goes; says whether it does.
    pub(crate) fn may_go(&mut self, subject: &Subject) -> bool {
        let Some(row) = self.rows.get_mut(subject) else { return false };
        row.may_go = true;
        self.due.insert(subject.clone());
        true
    }

    /// What comes before that key was looked at; with none behind it, it may be able to go.
    pub(crate) fn looked_until(&mut self, subject: &Subject, next: Option<ResourceKey>) {
        let Some(mut row) = self.rows.remove(subject) else { return };
        row.may_go |= next.is_none();
        row.from = next;
        self.put(row);
    }

    /// It cannot go yet.
    pub(crate) fn waits(&mut self, subject: &Subject) {
        let Some(mut row) = self.rows.remove(subject) else { return };
        row.may_go = false;
        self.put(row);
    }

    /// It is done with.
    pub(crate) fn done(&mut self, subject: &Subject) {
        self.rows.remove(subject);
        self.due.remove(subject);
    }

    fn put(&mut self, row: OwnersRow) {
        if row.from.is_some() || row.may_go {
            self.due.insert(row.subject.clone());
        } else {
            self.due.remove(&row.subject);
        }
        self.rows.insert(row.subject.clone(), row);
    }
}

impl Subject {
    /// As its row is named.
    pub(crate) fn parse(text: &str) -> Option<Subject> {
        match text.split_once('/')? {
            ("owner", uid) => Some(Subject::Owner(uid.to_owned())),
            ("namespace", name) => Some(Subject::Namespace(Arc::from(name))),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Owner(uid) => write!(f, "owner/{uid}"),
            Subject::Namespace(name) => write!(f, "namespace/{name}"),
        }
    }
}

/// The key that stands before every other.
pub(crate) fn first_key() -> ResourceKey {
    ResourceKey::new(GroupKind::new("", ""), "", "")
}

fn count<K: Ord + Clone>(counts: &mut BTreeMap<K, usize>, of: &K, is_more: bool) {
    if is_more {
        *counts.entry(of.clone()).or_default() += 1;
        return;
    }
    if let Some(count) = counts.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use setpoint_schemas::{Position, Topic, samples};

    use super::*;

    fn object(name: &str, owners: &[(&str, bool)], finalizers: &[&str]) -> Resource {
        let reference = |(uid, blocks): &(&str, bool)| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": uid,
                "blockOwnerDeletion": blocks})
        };
        let references: Vec<_> = owners.iter().map(reference).collect();
        let metadata = json!({"ownerReferences": references, "finalizers": finalizers});
        Resource {
            name: name.to_owned(),
            body: Arc::from(json!({"metadata": metadata}).to_string()),
            ..samples::desired()
        }
    }

    fn cause() -> Cause {
        Cause::told(Position { topic: Topic::Requests, partition: 0, offset: 0 }, "asked")
    }

    #[test]
    fn dependents_and_contents_follow_what_objects_say() {
        let mut owners = Owners::default();
        let one = object("a", &[("u", true), ("v", false)], &["x.y/z"]);
        let key = one.key();
        owners.keep(&key, None, Some(&one));
        assert!(owners.is_blocked("u") && !owners.is_blocked("v") && owners.owns("v"));
        let contents = owners.contents("default").expect("something is in it");
        assert_eq!(contents.finalizers.get("x.y/z"), Some(&1));
        let other = object("a", &[("v", true)], &[FOREGROUND]);
        let other = Resource { deleted_ms: Some(1), ..other };
        owners.keep(&key, Some(&one), Some(&other));
        assert!(!owners.owns("u") && owners.is_blocked("v") && owners.owns_one_that_waits("v"));
        owners.keep(&key, Some(&other), None);
        assert!(owners.is_empty() && owners.contents("default").is_none());
        assert!(owners.said(&key).is_none());
    }

    #[test]
    fn some_are_looked_at_at_a_time_and_then_it_may_go() {
        let mut owners = Owners::default();
        let all: Vec<Resource> =
            ["a", "b", "c"].map(|name| object(name, &[("u", true)], &[])).into();
        for one in &all {
            owners.keep(&one.key(), None, Some(one));
        }
        let subject = Subject::Owner("u".to_owned());
        owners.look(subject.clone(), None, first_key(), &cause());
        let (some, next) = owners.some(&subject, &first_key(), 2);
        assert_eq!((some.len(), next.as_ref().map(|key| &*key.name)), (2, Some("c")));
        owners.looked_until(&subject, next);
        assert!(owners.due().is_some_and(|row| !row.may_go));
        // One before those that are left comes to it.
        owners.look(subject.clone(), None, all[0].key(), &cause());
        assert_eq!(owners.row(&subject).and_then(|row| row.from.clone()), Some(all[0].key()));
        owners.looked_until(&subject, None);
        assert!(owners.due().is_some_and(|row| row.may_go));
        owners.waits(&subject);
        assert!(owners.due().is_none());
        assert_eq!(owners.keep(&all[0].key(), Some(&all[0]), None), [subject.clone()]);
        assert!(owners.due().is_some());
        owners.done(&subject);
        assert!(owners.due().is_none() && owners.rows().next().is_none());
    }

    #[test]
    fn a_subject_reads_back_as_it_is_named() {
        for subject in [Subject::Owner("a/b".to_owned()), Subject::Namespace(Arc::from("team"))] {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
        assert_eq!(Subject::parse("x"), None);
    }
}
