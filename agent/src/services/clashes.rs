//! Who is in whose way on this node: pods with the machine's own network that are to listen at a port at which
//! the node listens for another Service.
//!
//! Guarantee: whose pods are in trouble is told once while they are, with one Service that causes it.
//! Absent: pods of no Service, of which nobody knows at which ports they listen.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::{Name, Protocol};

/// A port of the machine, whatever the address.
pub(super) type Port = (u16, Protocol);

/// What each Service has to do with which ports of this machine.
#[derive(Default)]
pub(super) struct Clashes {
    /// Whose pods are to listen there, and are not ready.
    awaited: BTreeMap<Port, BTreeSet<Name>>,
    /// For whom the node listens there.
    heard: BTreeMap<Port, BTreeSet<Name>>,
    of: BTreeMap<Name, (BTreeSet<Port>, BTreeSet<Port>)>,
    told: BTreeSet<(Name, Port)>,
}

/// Pods of one Service may not be able to listen because of another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// Whose pods.
    pub(super) pods: Name,
    /// Because of which Service.
    pub(super) culprit: Name,
    pub(super) port: u16,
}

impl Clashes {
    /// A Service's pods are to listen at these ports, and the node listens for it at those: what is in whose
    /// way by that and was not told yet.
    pub(super) fn note(
        &mut self,
        name: &Name,
        awaited: BTreeSet<Port>,
        heard: BTreeSet<Port>,
    ) -> Vec<Clash> {
        let (former, unheard) = self.of.remove(name).unwrap_or_default();
        former.iter().for_each(|port| take(&mut self.awaited, port, name));
        unheard.iter().for_each(|port| take(&mut self.heard, port, name));
        for port in &awaited {
            self.awaited.entry(*port).or_default().insert(name.clone());
        }
        for port in &heard {
            self.heard.entry(*port).or_default().insert(name.clone());
        }
        let ports: BTreeSet<Port> =
            [&former, &unheard, &awaited, &heard].into_iter().flatten().copied().collect();
        for port in former.difference(&awaited) {
            self.told.remove(&(name.clone(), *port));
        }
        if !(awaited.is_empty() && heard.is_empty()) {
            self.of.insert(name.clone(), (awaited, heard));
        }
        ports.into_iter().flat_map(|port| self.at(port)).collect()
    }

    /// What is new at a port.
    fn at(&mut self, port: Port) -> Vec<Clash> {
        let (Some(awaited), Some(heard)) = (self.awaited.get(&port), self.heard.get(&port)) else {
            return Vec::new();
        };
        let mut new = Vec::new();
        for pods in awaited {
            let Some(culprit) = heard.iter().find(|name| *name != pods) else { continue };
            if self.told.insert((pods.clone(), port)) {
                let (pods, culprit) = (pods.clone(), culprit.clone());
                new.push(Clash { pods, culprit, port: port.0 });
            }
        }
        new
    }
}

fn take(all: &mut BTreeMap<Port, BTreeSet<Name>>, port: &Port, name: &Name) {
    if let Some(names) = all.get_mut(port) {
        names.remove(name);
        if names.is_empty() {
            all.remove(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_cannot_listen_are_told_of_once_with_the_service_in_their_way() {
        let name = |name: &str| ("d".to_owned(), name.to_owned());
        let at = |ports: &[u16]| ports.iter().map(|port| (*port, Protocol::Tcp)).collect();
        let mut clashes = Clashes::default();
        let mut note = |of: &str, awaited: &[u16], heard: &[u16]| {
            let told = clashes.note(&name(of), at(awaited), at(heard));
            told.iter()
                .map(|c| format!("{} {} {}", c.pods.1, c.culprit.1, c.port))
                .collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(note("shop", &[8080], &[80]), none, "nobody is in its way");
        assert_eq!(note("admin", &[], &[8080]), ["shop admin 8080"]);
        assert_eq!(note("admin", &[], &[8080]), none, "told once");
        assert_eq!(note("shop", &[], &[80]), none, "its pod is ready");
        assert_eq!(note("shop", &[8080], &[80]), ["shop admin 8080"], "and is not once more");
        assert_eq!(note("admin", &[], &[]), none);
        assert_eq!(note("blog", &[80], &[9000]), ["blog shop 80"]);
        assert_eq!(
            note("blog", &[80], &[80]),
            none,
            "its own is not in its way, and shop's was told"
        );
    }
}
