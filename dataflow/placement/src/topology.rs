//! Domains: nodes with equal values of one label.
//!
//! Guarantee: numbers of domains are only ever summed over, never compared.

use std::collections::HashMap;

/// What a node without the label, or a node that is not there, has instead of a domain.
pub(crate) const NO_DOMAIN: u32 = u32::MAX;

/// The domains of one topology key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topology {
    numbers: HashMap<String, u32>,
    /// By slot.
    domains: Vec<u32>,
}

impl Topology {
    /// The domains of nodes with these values of the label, by slot.
    pub(crate) fn of<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Topology {
        let mut topology = Topology::default();
        values.enumerate().for_each(|(slot, value)| topology.set(slot, value));
        topology
    }

    /// Puts the node of this slot into the domain of the label's value.
    pub(crate) fn set(&mut self, slot: usize, value: Option<&str>) {
        if self.domains.len() <= slot {
            self.domains.resize(slot + 1, NO_DOMAIN);
        }
        self.domains[slot] = match value {
            None => NO_DOMAIN,
            Some(value) => match self.numbers.get(value) {
                Some(number) => *number,
                None => self.number(value),
            },
        };
    }

    /// Whether the node of this slot has another domain than the label's value.
    pub(crate) fn differs(&self, slot: usize, value: Option<&str>) -> bool {
        let has = self.domains.get(slot).copied().unwrap_or(NO_DOMAIN);
        let value = value.map(|value| self.numbers.get(value).copied());
        match value {
            None => has != NO_DOMAIN || self.domains.len() <= slot,
            Some(number) => number != Some(has),
        }
    }

    fn number(&mut self, value: &str) -> u32 {
        let next = u32::try_from(self.numbers.len()).expect("fewer domains than u32 can number");
        self.numbers.insert(value.to_owned(), next);
        next
    }

    /// The domain of the node, [`NO_DOMAIN`] without one.
    pub(crate) fn domain(&self, slot: u32) -> u32 {
        self.domains.get(slot as usize).copied().unwrap_or(NO_DOMAIN)
    }

    /// How many domains were ever numbered: an upper bound of those that have nodes.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }
}
