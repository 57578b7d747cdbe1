//! The nodes that a pod may go to, sorted into camps: what other pods and the pod's preferences
//! about nodes tell of a node is the same throughout a camp. Nodes of one camp differ only in what
//! is reserved on them, so a few of each stand for all.
//!
//! Guarantee: which nodes share a camp depends on the fleet alone. Absent: any meaning of the order
//! of the camps.

use crate::bits::Bits;
use crate::domains::DomainCounts;
use crate::eligible::Eligible;
use crate::ids::IdMap;
use crate::inclination;
use crate::nodes::Nodes;
use crate::parts::{Alike, Part, Parts};
use crate::shape::PodShape;
use crate::topology::NO_DOMAIN;

#[derive(Debug)]
pub(crate) struct Camps {
    camps: Vec<Camp>,
    by_marks: IdMap<Box<[Alike]>, u32>,
    /// The camp of each position.
    of: Vec<u32>,
    sides: Vec<Side>,
}

#[derive(Debug)]
struct Camp {
    marks: Box<[Alike]>,
    members: Bits,
}

/// One reason for nodes to be told apart.
#[derive(Debug)]
struct Side {
    part: Part,
    /// The positions of each domain; absent when camps go by the domain itself, whatever its
    /// number: with few domains that saves moving many nodes at once.
    positions: Option<Positions>,
}

/// Positions by domain, one list after the other.
#[derive(Debug)]
struct Positions {
    starts: Vec<u32>,
    all: Vec<u32>,
}

/// Domains that get camps of their own: a fleet has a handful of zones.
const DOMAINS_FEW_MAX: usize = 4;
/// Camps kept, empty ones included; beyond that they are pitched anew.
const CAMPS_MAX: usize = 1024;

impl Camps {
    pub(crate) fn new(
        parts: &Parts,
        nodes: &Nodes,
        shape: &PodShape,
        eligible: &Eligible,
    ) -> Camps {
        let side = |part| Side::new(part, parts.domains(part), eligible);
        let sides = parts.all().into_iter().map(side).collect();
        let of = vec![0; eligible.slots.len()];
        let mut camps = Camps { camps: Vec::new(), by_marks: IdMap::default(), of, sides };
        let prefers = !shape.node_preferences.is_empty() || eligible.soft_taints;
        let mut marks: Vec<Alike> = Vec::new();
        for (at, slot) in eligible.slots.iter().copied().enumerate() {
            marks.clear();
            let sides = camps.sides.iter();
            marks.extend(sides.map(|side| side.mark(parts.domains(side.part), slot)));
            if prefers {
                marks.push(inclination::preference(nodes, shape, slot));
                marks.push(inclination::aversion(nodes, shape, slot));
                marks.push(Alike::from(inclination::spares_devices(nodes, shape, slot)));
            }
            camps.put(at, &marks);
        }
        camps
    }

    /// Whether nodes stay where they are, whatever pods come and go.
    pub(crate) fn are_fixed(&self) -> bool {
        self.sides.iter().all(|side| side.positions.is_none())
    }

    /// The members of each camp that has any.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bits> {
        self.camps.iter().map(|camp| &camp.members).filter(|members| members.len() > 0)
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.camps.len() > CAMPS_MAX
    }

    /// Moves the nodes of the slot's domain, where the part's number changed.
    pub(crate) fn changed(&mut self, parts: &Parts, part: Part, slot: u32) {
        let Some(index) = self.sides.iter().position(|side| side.part == part) else { return };
        let side = &self.sides[index];
        let Some(positions) = &side.positions else { return };
        let domains = parts.domains(part);
        let domain = domains.topology.domain(slot);
        if domain == NO_DOMAIN {
            return;
        }
        let mark = part.alike(domains, slot);
        for number in positions.range(domain) {
            let side = self.sides[index].positions.as_ref().expect("it was there");
            let at = side.all[number] as usize;
            let camp = &mut self.camps[self.of[at] as usize];
            if camp.marks[index] == mark {
                return;
            }
            camp.members.clear(at);
            let mut marks = camp.marks.clone();
            marks[index] = mark;
            self.put(at, &marks);
        }
    }

    fn put(&mut self, at: usize, marks: &[Alike]) {
        let camp = match self.by_marks.get(marks) {
            Some(camp) => *camp,
            None => self.found(marks),
        };
        self.camps[camp as usize].members.set(at);
        self.of[at] = camp;
    }

    fn found(&mut self, marks: &[Alike]) -> u32 {
        let next = u32::try_from(self.camps.len()).expect("fewer camps than nodes");
        self.camps.push(Camp { marks: marks.into(), members: Bits::none(self.of.len()) });
        self.by_marks.insert(marks.into(), next);
        next
    }
}

impl Side {
    fn new(part: Part, domains: &DomainCounts, eligible: &Eligible) -> Side {
        let many = domains.distinct(eligible.slots.iter().copied()) > DOMAINS_FEW_MAX;
        Side { part, positions: many.then(|| Positions::new(domains, eligible)) }
    }

    fn mark(&self, domains: &DomainCounts, slot: u32) -> Alike {
        match (&self.positions, domains.topology.domain(slot)) {
            (Some(_), _) => self.part.alike(domains, slot),
            (None, NO_DOMAIN) => Alike::MIN,
            (None, domain) => Alike::from(domain),
        }
    }
}

impl Positions {
    fn new(domains: &DomainCounts, eligible: &Eligible) -> Positions {
        let domain = |slot: &u32| domains.topology.domain(*slot);
        let mut starts = vec![0; domains.topology.len() + 1];
        for domain in eligible.slots.iter().map(domain).filter(|domain| *domain != NO_DOMAIN) {
            starts[domain as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut all = vec![0; starts[starts.len() - 1] as usize];
        for (at, slot) in (0..).zip(&eligible.slots) {
            if domain(slot) != NO_DOMAIN {
                let next = &mut next[domain(slot) as usize];
                all[*next as usize] = at;
                *next += 1;
            }
        }
        Positions { starts, all }
    }

    fn range(&self, domain: u32) -> std::ops::Range<usize> {
        self.starts[domain as usize] as usize..self.starts[domain as usize + 1] as usize
    }
}
