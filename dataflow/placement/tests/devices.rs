//! Where shares of devices go, told as small cases.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use setpoint_placement::devices::{Ask, Bid, DEVICE_MILLI, Kind, Left, Models, ValueDescent};

const GIB: i64 = 1 << 30;

fn ask(cpu_milli: i64, devices: u16, milli: u16) -> Ask {
    Ask { cpu_milli, memory_bytes: GIB, devices, milli }
}

fn kind(ask: Ask, pods: u64) -> Kind {
    Kind { ask, models: Models::Any, pods }
}

/// Shares that fill devices in pairs, whole devices, and pods for four devices.
fn mix() -> Vec<Kind> {
    vec![
        kind(ask(4000, 1, 500), 60),
        kind(ask(2000, 1, 300), 30),
        kind(ask(4000, 1, 700), 30),
        kind(ask(8000, 1, 1000), 40),
        kind(ask(32_000, 4, 1000), 5),
    ]
}

fn policy() -> ValueDescent {
    ValueDescent::new(&mix(), &BTreeMap::from([("T4".to_owned(), 64)]))
}

fn bid(policy: &ValueDescent, cpu_milli: i64, devices: &[u16], ask: &Ask) -> Option<Bid> {
    let node = Left { cpu_milli, memory_bytes: 256 * GIB, model: policy.model("T4"), devices };
    policy.bid(&node, policy.potential(&node), ask)
}

/// The devices that a pod takes of a node with plenty of CPU.
fn taken(devices: &[u16], ask: &Ask) -> Option<Vec<usize>> {
    bid(&policy(), 96_000, devices, ask).map(|bid| bid.devices.iter().collect())
}

/// What a pod costs on a node with plenty of CPU.
fn loss(devices: &[u16], ask: &Ask) -> i64 {
    bid(&policy(), 96_000, devices, ask).expect("the pod fits").loss
}

#[test]
fn a_share_goes_where_it_leaves_nothing_instead_of_opening_a_device() {
    assert_eq!(taken(&[1000, 500, 1000], &ask(4000, 1, 500)), Some(vec![1]));
    assert_eq!(taken(&[1000, 500, 300], &ask(2000, 1, 300)), Some(vec![2]));
}

#[test]
fn a_share_leaves_what_another_share_fills() {
    // 700 - 300 is worth only another 300; 1000 - 300 holds a 700.
    let on_700 = loss(&[700], &ask(2000, 1, 300));
    let on_800 = loss(&[800], &ask(2000, 1, 300));
    assert!(on_800 < on_700, "{on_800} {on_700}");
}

#[test]
fn several_devices_are_the_free_ones_with_the_lowest_numbers() {
    assert_eq!(taken(&[500, 1000, 1000, 1000], &ask(0, 2, 1000)), Some(vec![1, 2]));
    assert_eq!(taken(&[600, 1000, 500, 700], &ask(0, 2, 600)), Some(vec![0, 3]));
}

#[test]
fn a_pod_without_room_on_the_devices_gets_no_bid() {
    assert_eq!(taken(&[400, 499], &ask(4000, 1, 500)), None);
    assert_eq!(taken(&[1000, 999], &ask(4000, 2, 1000)), None);
    assert_eq!(taken(&[], &ask(4000, 1, 500)), None);
}

#[test]
fn a_pod_without_devices_costs_what_it_takes_from_those_who_need_its_cpu() {
    let only_cpu = ask(16_000, 0, 0);
    let loss = |cpu, devices: &[u16]| bid(&policy(), cpu, devices, &only_cpu).unwrap().loss;
    assert_eq!(loss(96_000, &[0, 0]), 0, "no device is left that could want it");
    assert!(loss(20_000, &[1000, 1000]) > loss(96_000, &[1000, 1000]));
}

#[test]
fn a_model_that_others_ask_for_by_name_is_left_to_them() {
    let mut mix = mix();
    let only = Models::OneOf(BTreeSet::from(["V100".to_owned()]));
    mix.push(Kind { models: only, ..kind(ask(4000, 1, 500), 60) });
    let devices = BTreeMap::from([("T4".to_owned(), 32), ("V100".to_owned(), 32)]);
    let policy = ValueDescent::new(&mix, &devices);
    let loss = |model| {
        let left = [1000, 1000];
        let (cpu_milli, memory_bytes) = (96_000, 256 * GIB);
        let node = Left { cpu_milli, memory_bytes, model: policy.model(model), devices: &left };
        policy.bid(&node, policy.potential(&node), &ask(4000, 1, 500)).unwrap().loss
    };
    assert!(loss("T4") < loss("V100"));
    assert!(loss("A100") <= loss("V100"), "an unknown model is nobody's by name");
}

#[test]
fn without_a_mix_the_tightest_device_is_taken() {
    let policy = ValueDescent::new(&[], &BTreeMap::new());
    let bid = bid(&policy, 96_000, &[1000, 700, 600], &ask(4000, 1, 500)).unwrap();
    assert_eq!(bid.devices.iter().collect::<Vec<_>>(), [2]);
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let milli = prop_oneof![Just(DEVICE_MILLI), 1..DEVICE_MILLI];
    let one = (0..32_000_i64, 0..64_i64, 1..5_u16, milli, 1..50_u64, any::<bool>());
    let kind = one.prop_map(|(cpu_milli, gib, devices, milli, pods, any)| {
        let models = BTreeSet::from(["T4".to_owned()]);
        Kind {
            ask: Ask { cpu_milli, memory_bytes: gib * GIB, devices, milli },
            models: if any { Models::Any } else { Models::OneOf(models) },
            pods,
        }
    });
    prop::collection::vec(kind, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The order in which the mix is told has no influence, nor has a kind that is told in two parts.
    #[test]
    fn the_order_of_the_mix_does_not_matter(
        (mix, shuffled) in kinds().prop_flat_map(|mix| (Just(mix.clone()), Just(mix).prop_shuffle())),
        devices in prop::collection::vec(0..=DEVICE_MILLI, 1..9),
        cpu_milli in 0..96_000_i64,
    ) {
        let there = BTreeMap::from([("T4".to_owned(), 8), ("P100".to_owned(), 4)]);
        let (told, retold) = (ValueDescent::new(&mix, &there), ValueDescent::new(&shuffled, &there));
        let parts: Vec<Kind> = mix.iter().flat_map(|kind| [
            Kind { pods: kind.pods / 2, ..kind.clone() },
            Kind { pods: kind.pods - kind.pods / 2, ..kind.clone() },
        ]).collect();
        let in_parts = ValueDescent::new(&parts, &there);
        let wish = ask(1000, 1, 250);
        let first = bid(&told, cpu_milli, &devices, &wish);
        prop_assert_eq!(first, bid(&retold, cpu_milli, &devices, &wish));
        prop_assert_eq!(first, bid(&in_parts, cpu_milli, &devices, &wish));
    }

    /// A bid is made exactly where enough devices have enough left, and takes those that have.
    #[test]
    fn a_bid_takes_devices_that_have_enough(
        mix in kinds(),
        devices in prop::collection::vec(0..=DEVICE_MILLI, 0..9),
        wanted in 1..5_u16,
        milli in 1..=DEVICE_MILLI,
    ) {
        let policy = ValueDescent::new(&mix, &BTreeMap::from([("T4".to_owned(), 8)]));
        let fitting = devices.iter().filter(|left| **left >= milli).count();
        let bid = bid(&policy, 8000, &devices, &ask(1000, wanted, milli));
        prop_assert_eq!(bid.is_some(), fitting >= usize::from(wanted));
        if let Some(bid) = bid {
            prop_assert_eq!(bid.devices.iter().count(), usize::from(wanted));
            prop_assert!(bid.devices.iter().all(|device| devices[device] >= milli));
        }
    }
}
