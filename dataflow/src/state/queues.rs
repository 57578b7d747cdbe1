//! Who waits for room in quotas, in queues of those who ask for the same.
//!
//! Guarantee: who has waited longest is called first, among those for whom there is room; what a call costs
//! follows from how much room there is and from how many queues there are, not from how many wait. All of it
//! follows from the reasons for which pods wait, and since when.
//! Absent: what is used of quotas.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use setpoint_rules::quota;
use setpoint_schemas::{NodeName, ResourceKey};

/// All who wait.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    by_namespace: HashMap<Arc<str>, Here>,
    /// Namespaces in which something went since somebody was called.
    freed: BTreeSet<Arc<str>>,
}

/// Who waits in one namespace.
#[derive(Debug, Default)]
struct Here {
    /// Where each workload stands.
    waiters: BTreeMap<u32, Waiter>,
    /// By what is asked for, as the reason says it.
    queues: BTreeMap<Arc<str>, Queue>,
}

#[derive(Debug, Default)]
struct Waiter {
    place: Option<Place>,
    /// The queue of its pods that may go anywhere.
    anywhere: Option<Arc<str>>,
    /// Those of a DaemonSet's pods, by their nodes.
    here: BTreeMap<NodeName, Arc<str>>,
}

/// Since which epoch a workload waits, and its key.
type Place = (i64, ResourceKey);

/// Those who ask for the same.
#[derive(Debug, Default)]
struct Queue {
    /// `None` where no room would help.
    ask: Option<Ask>,
    /// The workloads, by their places.
    waiters: BTreeMap<Place, Waits>,
}

/// A workload in one queue.
#[derive(Debug)]
struct Waits {
    id: u32,
    /// Whether its pods wait that may go anywhere.
    anywhere: bool,
    /// The nodes for which a DaemonSet's do.
    here: BTreeSet<NodeName>,
}

/// What is asked for of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    /// Its name.
    pub(super) quota: String,
    /// Of those of its bounds for which there was no room.
    pub(super) amounts: Vec<(String, quota::Milli)>,
}

/// Who begins to wait, or goes on.
pub(crate) struct Who<'a> {
    pub(crate) key: &'a ResourceKey,
    pub(crate) id: u32,
    /// The epoch since which it does.
    pub(crate) since: i64,
}

/// Who is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) id: u32,
    /// The nodes for which a DaemonSet's pods may be tried.
    pub(crate) nodes: Vec<NodeName>,
}

impl Queues {
    /// The pods of a workload, or its pod for this node, wait for this or for nothing. Whether any of it
    /// waits for a quota.
    pub(crate) fn queue(
        &mut self,
        who: &Who<'_>,
        node: Option<&NodeName>,
        reason: Option<&str>,
    ) -> bool {
        let text = reason.filter(|reason| quota::is_awaited(reason)).map(asked_in);
        let namespace = &who.key.namespace;
        if text.is_none() && !self.by_namespace.contains_key(namespace) {
            return false;
        }
        let here = self.by_namespace.entry(namespace.clone()).or_default();
        if here.leave(who.id, node) {
            // Where it stood there may be room for others.
            self.freed.insert(namespace.clone());
        }
        if let Some(text) = text {
            here.stand(who, node, text);
        }
        let still_waits = here.waiters.contains_key(&who.id);
        if here.waiters.is_empty() {
            self.by_namespace.remove(namespace);
        }
        still_waits
    }

    /// Something of a namespace went: there may be room.
    pub(crate) fn free(&mut self, namespace: &Arc<str>) {
        if self.by_namespace.contains_key(namespace) {
            self.freed.insert(namespace.clone());
        }
    }

    /// The workloads of a namespace that wait for a quota.
    pub(crate) fn all(&self, namespace: &str) -> Vec<u32> {
        let here = self.by_namespace.get(namespace);
        here.into_iter().flat_map(|here| here.waiters.keys()).copied().collect()
    }

    pub(super) fn take_freed(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.freed)
    }

    /// Those for whom there is room, each beside those called before it; of a workload with as many pods as
    /// it wants. One queue's first for whom there is none ends that queue.
    pub(super) fn call(
        &self,
        namespace: &str,
        has_room: impl Fn(&Ask, i128) -> bool,
        wants: &impl Fn(u32) -> u64,
    ) -> Vec<Called> {
        let Some(here) = self.by_namespace.get(namespace) else { return Vec::new() };
        let mut ahead: BTreeMap<&str, i128> = BTreeMap::new();
        let mut called = Vec::new();
        // The first of each queue: of these who has waited longest is the next.
        let mut firsts = BTreeMap::new();
        for (text, queue) in &here.queues {
            let mut waiters = queue.waiters.iter();
            if let (Some(ask), Some((place, waits))) = (&queue.ask, waiters.next()) {
                firsts.insert((place, text), (ask, waits, waiters));
            }
        }
        while let Some(((_, text), (ask, waits, mut others))) = firsts.pop_first() {
            let before = ahead.entry(&**text).or_default();
            if !has_room(ask, *before) {
                continue;
            }
            let mut nodes = Vec::new();
            if waits.anywhere {
                *before += i128::from(wants(waits.id).max(1));
            }
            for node in &waits.here {
                if !has_room(ask, *before) {
                    break;
                }
                *before += 1;
                nodes.push(node.clone());
            }
            called.push(Called { id: waits.id, nodes });
            if let Some((place, next)) = others.next() {
                firsts.insert((place, text), (ask, next, others));
            }
        }
        called
    }
}

impl Here {
    /// Takes a workload's pods, or that for a node, out of the queue that they stand in; whether they stood in one.
    fn leave(&mut self, id: u32, node: Option<&NodeName>) -> bool {
        let Some(waiter) = self.waiters.get_mut(&id) else { return false };
        let text = match node {
            None => waiter.anywhere.take(),
            Some(node) => waiter.here.remove(node),
        };
        let (Some(text), Some(place)) = (text, waiter.place.clone()) else { return false };
        if waiter.anywhere.is_none() && waiter.here.is_empty() {
            self.waiters.remove(&id);
        }
        let Some(queue) = self.queues.get_mut(&text) else { return true };
        if let Some(waits) = queue.waiters.get_mut(&place) {
            match node {
                None => waits.anywhere = false,
                Some(node) => drop(waits.here.remove(node)),
            }
            if !waits.anywhere && waits.here.is_empty() {
                queue.waiters.remove(&place);
            }
        }
        if queue.waiters.is_empty() {
            self.queues.remove(&text);
        }
        true
    }

    fn stand(&mut self, who: &Who<'_>, node: Option<&NodeName>, text: &str) {
        let text = match self.queues.get_key_value(text) {
            Some((known, _)) => known.clone(),
            None => Arc::from(text),
        };
        let waiter = self.waiters.entry(who.id).or_default();
        let place = waiter.place.get_or_insert_with(|| (who.since, who.key.clone())).clone();
        match node {
            None => waiter.anywhere = Some(text.clone()),
            Some(node) => drop(waiter.here.insert(node.clone(), text.clone())),
        }
        let new = || Queue { ask: ask_of(&text), waiters: BTreeMap::new() };
        let queue = self.queues.entry(text.clone()).or_insert_with(new);
        let none = Waits { id: who.id, anywhere: false, here: BTreeSet::new() };
        let waits = queue.waiters.entry(place).or_insert(none);
        match node {
            None => waits.anywhere = true,
            Some(node) => drop(waits.here.insert(node.clone())),
        }
    }
}

/// What a refusal says is asked for of which quota; nothing where no room would help.
fn asked_in(reason: &str) -> &str {
    let behind = reason.split_once("exceeded quota: ").map_or("", |(_, behind)| behind);
    behind.split_once(", used: ").map_or("", |(asked, _)| asked)
}

fn ask_of(asked: &str) -> Option<Ask> {
    let (name, amounts) = asked.split_once(", requested: ")?;
    let amount = |text: &str| {
        let (bound, amount) = text.split_once('=')?;
        Some((bound.to_owned(), quota::amount_of(amount)?))
    };
    let amounts = amounts.split(',').map(amount).collect::<Option<Vec<_>>>()?;
    Some(Ask { quota: name.to_owned(), amounts })
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::GroupKind;

    use super::*;

    fn key(name: &str) -> ResourceKey {
        ResourceKey::new(GroupKind::new("apps", "Deployment"), "team", name)
    }

    fn why(amount: &str) -> String {
        format!(
            "pods \"web-1\" is forbidden: exceeded quota: q, requested: requests.cpu={amount}, \
             used: requests.cpu=9, limited: requests.cpu=9"
        )
    }

    /// Workloads by number, since when they wait, and for how much.
    fn queues(all: &[(u32, i64, &str)]) -> Queues {
        let mut queues = Queues::default();
        for (id, since, amount) in all {
            let who = Who { key: &key(&format!("web-{id}")), id: *id, since: *since };
            assert!(queues.queue(&who, None, Some(&why(amount))));
        }
        queues
    }

    fn called(queues: &Queues, room: i128) -> Vec<u32> {
        let has_room = |ask: &Ask, ahead: i128| ask.amounts[0].1 * (ahead + 1) <= room;
        let called = queues.call("team", has_room, &|_| 1);
        called.into_iter().map(|called| called.id).collect()
    }

    #[test]
    fn as_many_are_called_as_there_is_room_for_and_who_waits_longest_is_first() {
        let queues = queues(&[(1, 7, "1"), (2, 5, "1"), (3, 6, "1"), (4, 1, "4"), (5, 8, "500m")]);
        assert!(called(&queues, 400).is_empty());
        assert_eq!(called(&queues, 500), [5]);
        assert_eq!(called(&queues, 2_000), [2, 3, 5], "who asks for less may pass by");
        assert_eq!(called(&queues, 4_000), [4, 2, 3, 1, 5]);
    }

    #[test]
    fn who_leaves_frees_its_place_and_who_asks_for_what_no_room_gives_is_never_called() {
        let mut queues = queues(&[(1, 1, "1"), (2, 2, "1")]);
        assert!(queues.take_freed().is_empty(), "who begins to wait frees nothing");
        let (web, unsaid) = (key("web-1"), "failed quota: q: must specify limits.cpu for: a");
        let who = Who { key: &web, id: 1, since: 1 };
        assert!(queues.queue(&who, None, Some(unsaid)));
        assert_eq!(queues.take_freed().len(), 1);
        assert_eq!(called(&queues, 9_000), [2]);
        assert_eq!(queues.all("team"), [1, 2]);
        assert!(!queues.queue(&who, None, None));
        let other = key("web-2");
        assert!(!queues.queue(&Who { key: &other, id: 2, since: 2 }, None, None));
        assert!(queues.by_namespace.is_empty(), "nothing is kept of nobody");
    }

    #[test]
    fn a_daemon_set_is_called_for_as_many_nodes_as_there_is_room_for() {
        let mut queues = Queues::default();
        let node = |name: &str| NodeName::parse(name).expect("a name");
        let web = key("web");
        for name in ["a", "b", "c"] {
            let who = Who { key: &web, id: 1, since: 1 };
            queues.queue(&who, Some(&node(name)), Some(&why("1")));
        }
        let has_room = |ask: &Ask, ahead: i128| ask.amounts[0].1 * (ahead + 1) <= 2_000;
        let expected = Called { id: 1, nodes: vec![node("a"), node("b")] };
        assert_eq!(queues.call("team", has_room, &|_| 1), [expected]);
    }

    #[test]
    fn what_is_asked_for_is_read_from_the_reason() {
        let claim = "failed to create PVC data-web-0: persistentvolumeclaims \"data-web-0\" is \
                     forbidden: exceeded quota: q, requested: persistentvolumeclaims=1,\
                     requests.storage=1Gi, used: persistentvolumeclaims=2,requests.storage=2Gi, \
                     limited: persistentvolumeclaims=2,requests.storage=2Gi";
        let ask = ask_of(asked_in(claim)).expect("an ask");
        assert_eq!(ask.quota, "q");
        let gibi = (1 << 30) * 1_000;
        let amounts = [("persistentvolumeclaims", 1_000), ("requests.storage", gibi)];
        let amounts = amounts.map(|(name, amount)| (name.to_owned(), amount));
        assert_eq!(ask.amounts, amounts);
        assert_eq!(ask_of(asked_in("0/3 nodes are available")), None);
    }
}
