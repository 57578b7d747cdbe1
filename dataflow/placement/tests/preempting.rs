//! Preemption against a search that looks at every node and asks a fleet made anew for every
//! question: the victims cost the same, and without them the pod fits.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use setpoint_placement::{
    Bound, Fleet, NodeId, Nominee, Occupant, Placing, PodId, PodShape, Preemption, Roster,
};
use setpoint_schemas::PodUid;
use support::{node_info, shape, uid};

/// Fleets compared.
const CASES: u32 = 400;

/// A pod of the model.
#[derive(Debug, Clone)]
struct Guest {
    uid: PodUid,
    node: u32,
    shape: usize,
    since_ms: i64,
    budgets: Vec<u32>,
    hold: Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Placed,
    Leaves,
    Nominated,
}

struct World {
    shapes: Vec<Arc<PodShape>>,
    nodes: Vec<Value>,
    guests: BTreeMap<u32, Guest>,
    allowed: Vec<i64>,
}

impl Roster for World {
    fn occupants<'a>(&'a self, node: NodeId, into: &mut Vec<Occupant<'a>>) {
        let here = self.guests.iter().filter(|(_, guest)| guest.node == node.0);
        into.extend(here.map(|(id, guest)| Occupant {
            pod: PodId(*id),
            uid: &guest.uid,
            since_ms: guest.since_ms,
            budgets: &guest.budgets,
        }));
    }

    fn allowed(&self, budget: u32) -> i64 {
        self.allowed[budget as usize]
    }
}

/// Two amounts, each with several priorities; then one that keeps away from others of its label,
/// one with a port, and one that asks for an extended resource.
fn shapes() -> Vec<Arc<PodShape>> {
    let plain = |cpu: &str, priority: i64| {
        shape(&json!({ "requests": { "cpu": cpu }, "priority": priority }))
    };
    let mut shapes: Vec<Arc<PodShape>> = Vec::new();
    for priority in [-10, 0, 5, 10] {
        shapes.push(plain("1", priority));
        shapes.push(plain("1500m", priority));
    }
    for priority in [0, 10] {
        shapes.push(shape(&json!({
            "requests": { "cpu": "500m" }, "priority": priority, "labels": { "app": "shy" },
            "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
                { "topologyKey": "zone", "labelSelector": { "matchLabels": { "app": "shy" } } }] } },
        })));
        shapes.push(shape(&json!({ "priority": priority, "hostPorts": ["TCP/0.0.0.0/80"] })));
        shapes.push(shape(&json!({ "requests": { "x.dev/gpu": "2" }, "priority": priority })));
    }
    shapes
}

impl World {
    fn new(nodes: usize, guests: &[(u8, u8, u8, u8, u8)], allowed: Vec<i64>) -> World {
        let nodes = (0..nodes).map(|n| {
            json!({ "name": format!("node-{n}"), "labels": { "zone": format!("z{}", n % 2) },
                "allocatable": { "cpu": "3", "memory": "8Gi", "pods": "6", "x.dev/gpu": "3" } })
        });
        let mut world =
            World { shapes: shapes(), nodes: nodes.collect(), guests: BTreeMap::new(), allowed };
        for (number, (node, shape, since, budgets, hold)) in guests.iter().enumerate() {
            let budgets = (0..2).filter(|bit| budgets >> bit & 1 == 1).collect();
            let hold = match hold % 8 {
                0 => Hold::Leaves,
                1 => Hold::Nominated,
                _ => Hold::Placed,
            };
            let guest = Guest {
                uid: uid(&format!("guest-{number}")),
                node: u32::from(*node) % world.nodes.len() as u32,
                shape: usize::from(*shape) % world.shapes.len(),
                since_ms: i64::from(*since % 3),
                budgets,
                hold,
            };
            if world.fits(guest.node, &world.shapes[guest.shape], &[]) {
                world.guests.insert(number as u32 + 1, guest);
            }
        }
        world
    }

    /// A fleet made anew, without some.
    fn fleet(&self, without: &[u32]) -> Fleet {
        let mut fleet = Fleet::new();
        for (number, node) in self.nodes.iter().enumerate() {
            fleet.upsert_node(NodeId(number as u32), node_info(node));
        }
        for (id, guest) in self.guests.iter().filter(|(id, _)| !without.contains(id)) {
            let (pod, node) = (PodId(*id), NodeId(guest.node));
            match guest.hold {
                Hold::Nominated => fleet.nominate(pod, node, &self.shapes[guest.shape]),
                _ => fleet.reserve(pod, node, &self.shapes[guest.shape]),
            }
            if guest.hold == Hold::Leaves {
                fleet.leave(pod);
            }
        }
        fleet
    }

    fn fits(&self, node: u32, shape: &PodShape, without: &[u32]) -> bool {
        let verdicts = self.fleet(without).explain(shape);
        verdicts.iter().find(|verdict| verdict.node.0 == node).unwrap().fits()
    }

    /// kube-scheduler's victims on one node, in its words.
    fn victims(&self, node: u32, shape: &PodShape) -> Option<(usize, Vec<u32>)> {
        let leaving = self.on(node, |guest| guest.hold == Hold::Leaves);
        let mut potential =
            self.on(node, |g| g.hold != Hold::Leaves && self.priority(g) < shape.priority());
        potential.sort_by_key(|id| self.importance(*id));
        let mut gone: Vec<u32> = leaving.iter().chain(&potential).copied().collect();
        if gone.is_empty() || !self.fits(node, shape, &gone) {
            return None;
        }
        let mut left = self.allowed.clone();
        let mut violating = Vec::new();
        for id in &potential {
            let mut is_violating = false;
            for budget in &self.guests[id].budgets {
                left[*budget as usize] -= 1;
                is_violating |= left[*budget as usize] < 0;
            }
            if is_violating {
                violating.push(*id);
            }
        }
        let rest = potential.iter().filter(|id| !violating.contains(id));
        let mut violations = 0;
        for id in violating.iter().chain(rest) {
            let back: Vec<u32> = gone.iter().copied().filter(|other| other != id).collect();
            if self.fits(node, shape, &back) {
                gone = back;
            } else if violating.contains(id) {
                violations += 1;
            }
        }
        gone.retain(|id| !leaving.contains(id));
        gone.sort_by_key(|id| self.importance(*id));
        Some((violations, gone))
    }

    fn on(&self, node: u32, which: impl Fn(&Guest) -> bool) -> Vec<u32> {
        let here = self.guests.iter().filter(|(_, guest)| guest.node == node && which(guest));
        here.map(|(id, _)| *id).collect()
    }

    fn priority(&self, guest: &Guest) -> i32 {
        self.shapes[guest.shape].priority()
    }

    fn importance(&self, id: u32) -> (Reverse<i32>, i64, PodUid) {
        let guest = &self.guests[&id];
        (Reverse(self.priority(guest)), guest.since_ms, guest.uid.clone())
    }

    /// What kube-scheduler compares candidates by.
    fn cost(&self, violations: usize, victims: &[u32]) -> impl Ord + std::fmt::Debug + use<> {
        let priorities: Vec<i64> =
            victims.iter().map(|id| i64::from(self.priority(&self.guests[id]))).collect();
        let highest = priorities.iter().max().copied();
        let top = victims
            .iter()
            .filter(|id| Some(i64::from(self.priority(&self.guests[id]))) == highest)
            .map(|id| self.guests[id].since_ms)
            .min();
        let sum: i64 = priorities.iter().map(|p| p + (1 << 31)).sum();
        (violations, highest, sum, victims.len(), Reverse(top))
    }

    /// The cheapest of all nodes; `None` when nobody lower is in the fleet at all.
    fn cheapest(&self, shape: &PodShape) -> Option<(usize, Vec<u32>)> {
        let stays = |guest: &&Guest| guest.hold != Hold::Leaves;
        if !self.guests.values().filter(stays).any(|g| self.priority(g) < shape.priority()) {
            return None;
        }
        let all = (0..self.nodes.len() as u32).filter_map(|node| self.victims(node, shape));
        all.min_by_key(|(violations, victims)| self.cost(*violations, victims))
    }
}

fn told(preemption: &Preemption) -> (usize, Vec<u32>) {
    (preemption.violations, preemption.victims.iter().map(|pod| pod.0).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn victims_cost_what_a_search_over_every_node_finds(
        nodes in 1usize..5,
        guests in prop::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 0..24),
        allowed in prop::collection::vec(0i64..3, 2),
    ) {
        let world = World::new(nodes, &guests, allowed);
        let mut fleet = world.fleet(&[]);
        for shape in &world.shapes {
            if matches!(fleet.place(&uid("new"), shape, 1, 8), Placing::Placed { .. }) {
                continue;
            }
            let asked = told_of(&mut fleet, shape, &world);
            prop_assert_eq!(&asked, &told_of(&mut fleet, shape, &world), "what was asked before tells");
            let expected = world.cheapest(shape);
            prop_assert_eq!(asked.is_some(), expected.is_some());
            let (Some(asked), Some((violations, victims))) = (asked, expected) else { continue };
            let (violated, chosen) = told(&asked);
            prop_assert_eq!(world.cost(violated, &chosen), world.cost(violations, &victims));
            let mut gone = world.on(asked.node.0, |guest| guest.hold == Hold::Leaves);
            gone.extend(&chosen);
            prop_assert!(world.fits(asked.node.0, shape, &gone), "it fits without them");
            for id in &chosen {
                prop_assert!(world.priority(&world.guests[id]) < shape.priority());
                let spared: Vec<u32> = gone.iter().copied().filter(|other| other != id).collect();
                prop_assert!(!world.fits(asked.node.0, shape, &spared), "nobody goes in vain");
            }
        }
        let anew = world.fleet(&[]);
        for node in 0..nodes as u32 {
            prop_assert_eq!(fleet.allocated(NodeId(node)), anew.allocated(NodeId(node)));
        }
    }

    #[test]
    fn a_ranking_that_followed_changes_answers_as_one_made_anew(
        guests in prop::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 0..24),
        changes in prop::collection::vec(any::<(u8, u8, u8)>(), 1..20),
    ) {
        let mut world = World::new(4, &guests, vec![1, 1]);
        let mut fleet = world.fleet(&[]);
        for (kind, which, shape) in changes {
            let known: Vec<u32> = world.guests.keys().copied().collect();
            let picked = known.get(usize::from(which) % known.len().max(1)).copied();
            match (kind % 3, picked) {
                (0, Some(id)) => {
                    world.guests.remove(&id);
                    fleet.release(PodId(id));
                }
                (1, Some(id)) if world.guests[&id].hold == Hold::Placed => {
                    world.guests.get_mut(&id).unwrap().hold = Hold::Leaves;
                    fleet.leave(PodId(id));
                }
                _ => {
                    let shape = usize::from(shape) % world.shapes.len();
                    let node = u32::from(which) % 4;
                    if world.fits(node, &world.shapes[shape], &[]) {
                        let id = known.iter().max().map_or(1, |id| id + 1);
                        let uid = uid(&format!("late-{id}"));
                        let guest = Guest {
                            uid, node, shape, since_ms: 2, budgets: Vec::new(), hold: Hold::Placed,
                        };
                        fleet.reserve(PodId(id), NodeId(node), &world.shapes[shape]);
                        world.guests.insert(id, guest);
                    }
                }
            }
            for shape in &world.shapes {
                if matches!(fleet.place(&uid("new"), shape, 1, 8), Placing::Placed { .. }) {
                    continue;
                }
                let anew = told_of(&mut world.fleet(&[]), shape, &world);
                prop_assert_eq!(told_of(&mut fleet, shape, &world), anew);
            }
        }
    }
}

fn told_of(fleet: &mut Fleet, shape: &Arc<PodShape>, world: &World) -> Option<Preemption> {
    fleet.preempt(&uid("new"), shape, 1, world)
}

#[test]
fn room_that_is_promised_is_nobody_elses_and_counts_on_no_node() {
    let mut world = World::new(1, &[], vec![]);
    let low = Guest {
        uid: uid("low"),
        node: 0,
        shape: 3,
        since_ms: 0,
        budgets: Vec::new(),
        hold: Hold::Placed,
    };
    world.guests = BTreeMap::from([(1, low.clone()), (2, Guest { uid: uid("low-2"), ..low })]);
    let mut fleet = world.fleet(&[]);
    let high = world.shapes[7].clone();
    let found = fleet.preempt(&uid("high"), &high, 1, &world).unwrap();
    assert_eq!((found.violations, found.victims.as_slice()), (0, &[PodId(2)][..]));
    fleet.leave(PodId(2));
    let before = fleet.allocated(NodeId(0)).clone();
    fleet.nominate(PodId(9), NodeId(0), &high);
    assert_eq!(fleet.allocated(NodeId(0)), &before);
    let nominee =
        Guest { uid: uid("high"), shape: 7, hold: Hold::Nominated, ..world.guests[&1].clone() };
    world.guests.insert(9, nominee);
    assert_eq!(fleet.nominee(PodId(9), Bound::Free, &world), Nominee::Waits);
    world.guests.remove(&2);
    fleet.release(PodId(2));
    assert_eq!(fleet.nominee(PodId(9), Bound::Free, &world), Nominee::Fits);
    let placing = fleet.place(&uid("other"), &world.shapes[1], 1, 8);
    assert!(matches!(placing, Placing::Unplaceable(_)), "the room is promised");
    let mut cordoned = world.nodes[0].clone();
    cordoned["unschedulable"] = json!(true);
    fleet.upsert_node(NodeId(0), node_info(&cordoned));
    assert_eq!(fleet.nominee(PodId(9), Bound::Free, &world), Nominee::Lost);
}

#[test]
fn who_does_not_preempt_waits_and_nobody_of_equal_priority_goes() {
    let mut world = World::new(1, &[(0, 1, 0, 0, 7), (0, 1, 0, 0, 7)], vec![0, 0]);
    let never = shape(&json!({
        "requests": { "cpu": "1" }, "priority": 100, "preemptionPolicy": "Never" }));
    world.shapes.push(never);
    let mut fleet = world.fleet(&[]);
    let never = world.shapes.last().unwrap();
    assert_eq!(fleet.preempt(&uid("n"), never, 1, &world), None);
    assert_eq!(fleet.preempt(&uid("n"), &world.shapes[1], 1, &world), None);
    let higher = fleet.preempt(&uid("n"), &world.shapes[3], 1, &world);
    assert_eq!(higher.map(|found| found.victims.len()), Some(1));
}
