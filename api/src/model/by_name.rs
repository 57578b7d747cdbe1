//! Which pods there are under a name, by their numbers; names in order.
//!
//! Guarantee: one pod under a name, which is nearly always so, costs some thirty bytes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::names::Name;

/// Numbers of pods by name.
#[derive(Default)]
pub(super) struct ByName {
    /// One of each name.
    one: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
    /// The others: while an old pod stops.
    others: HashMap<Name, Vec<u32>>,
}

impl ByName {
    /// The numbers under a name.
    pub(super) fn of(&self, name: &Name) -> impl Iterator<Item = u32> {
        let one = self.one.get(&name.0).and_then(|names| names.get(&name.1));
        let others = one.and_then(|_| self.others.get(name));
        one.into_iter().chain(others.into_iter().flatten()).copied()
    }

    /// One more under a name.
    pub(super) fn insert(&mut self, name: &Name, id: u32) {
        let (namespace, within) = name;
        let names = self.one.entry(namespace.clone()).or_default();
        if names.contains_key(within) {
            self.others.entry(name.clone()).or_default().push(id);
        } else {
            names.insert(within.clone(), id);
        }
    }

    /// One less under a name.
    pub(super) fn remove(&mut self, name: &Name, id: u32) {
        let (namespace, within) = name;
        let Some(names) = self.one.get_mut(namespace) else { return };
        let others = self.others.get_mut(name);
        match (names.get_mut(within), others) {
            (Some(one), Some(others)) if *one == id => *one = others.pop().unwrap_or(id),
            (_, Some(others)) => others.retain(|other| *other != id),
            (Some(one), None) if *one == id => {
                names.remove(within);
            }
            (_, None) => {}
        }
        if names.is_empty() {
            self.one.remove(namespace);
        }
        if self.others.get(name).is_some_and(Vec::is_empty) {
            self.others.remove(name);
        }
    }

    /// The numbers under this name, in one namespace or in all.
    pub(super) fn named(&self, namespace: Option<&str>, name: &str) -> impl Iterator<Item = u32> {
        let namespaces = self.one.iter().filter(move |(n, _)| namespace.is_none_or(|m| m == &***n));
        let names = namespaces.filter_map(move |(namespace, names)| {
            Some((namespace.clone(), names.get_key_value(name)?.0.clone()))
        });
        names.flat_map(|name| self.of(&name).collect::<Vec<_>>())
    }

    /// All names in order, from one on.
    pub(super) fn names_from(&self, (namespace, name): &Name) -> impl Iterator<Item = Name> {
        let (from, first) = (namespace.clone(), name.clone());
        self.one.range(namespace.clone()..).flat_map(move |(namespace, names)| {
            let least =
                if *namespace == from { Bound::Included(first.clone()) } else { Bound::Unbounded };
            let names = names.range((least, Bound::Unbounded));
            names.map(|(name, _)| (namespace.clone(), name.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        (Arc::from("default"), Arc::from(name))
    }

    #[test]
    fn a_name_has_as_many_pods_as_were_given_it() {
        let mut by_name = ByName::default();
        let of = |by_name: &ByName| {
            let mut ids: Vec<u32> = by_name.of(&name("web")).collect();
            ids.sort_unstable();
            ids
        };
        (1..=3).for_each(|id| by_name.insert(&name("web"), id));
        assert_eq!(of(&by_name), [1, 2, 3]);
        assert_eq!(by_name.named(Some("default"), "web").count(), 3);
        assert_eq!(by_name.named(Some("other"), "web").count(), 0);
        // The one, another, one that is not there, the last.
        for (gone, left) in [(1, vec![2, 3]), (2, vec![3]), (9, vec![3]), (3, vec![])] {
            by_name.remove(&name("web"), gone);
            assert_eq!(of(&by_name), left, "{gone} is gone");
        }
        assert!(by_name.one.is_empty() && by_name.others.is_empty());
    }

    #[test]
    fn names_come_in_order_from_one_on() {
        let mut by_name = ByName::default();
        for (id, text) in (0..).zip(["c", "a", "b"]) {
            by_name.insert(&name(text), id);
        }
        by_name.insert(&(Arc::from("later"), Arc::from("a")), 4);
        let from = name("b");
        let names = by_name.names_from(&from);
        let names: Vec<String> =
            names.map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        assert_eq!(names, ["default/b", "default/c", "later/a"]);
    }
}
