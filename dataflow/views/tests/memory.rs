//! What the dataflow keeps does not grow with what has happened, only with what there is.
//!
//! A trace that is not compacted keeps every change ever made: 40 MB each 400,000 of them in a
//! prototype that held traces of its own. Alone in its process, because it looks at its memory.

#![allow(clippy::disallowed_methods, reason = "the memory of this process is in a file")]

use setpoint_views::{Differential, Fact, PodFact, Standing, Views};

const PODS: u32 = 2_000;
/// Changes until maps and arrangements have the size that they will have.
const WARM_UP: u32 = 40_000;
/// Changes that must leave nothing behind. Uncompacted they would take some 20 MB.
const CHANGES: u32 = 200_000;
/// What an allocator may move within.
const GROWTH_BYTES_MAX: u64 = 4 << 20;
/// Linux' page size wherever this is tested.
const PAGE_BYTES: u64 = 4_096;

#[test]
fn changes_leave_nothing_behind() {
    let mut views = Differential::new();
    let pod = |number: u32, standing| PodFact {
        node: number % 50,
        pod: number,
        workload: number / 20,
        revision: 1,
        namespace: number % 5,
        standing,
        cpu_milli: 100,
        memory_bytes: 1 << 27,
    };
    for number in 0..PODS {
        views.update(Fact::Pod(pod(number, Standing::Starting)), 1);
        views.update(Fact::Seen(pod(number, Standing::Starting).place()), 1);
    }
    let mut change = |at: u32| {
        let number = at % PODS;
        let stands = |turn: u32| match turn.is_multiple_of(2) {
            true => Standing::Starting,
            false => Standing::Available,
        };
        let turn = at / PODS;
        views.update(Fact::Pod(pod(number, stands(turn))), -1);
        views.update(Fact::Pod(pod(number, stands(turn + 1))), 1);
        if at.is_multiple_of(4) {
            views.settle();
        }
        if at.is_multiple_of(40) {
            views.settle_cold();
        }
    };
    (0..WARM_UP).for_each(&mut change);
    let before = resident_bytes();
    (WARM_UP..WARM_UP + CHANGES).for_each(&mut change);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{CHANGES} changes left {grown} bytes behind");
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second number") * PAGE_BYTES
}
