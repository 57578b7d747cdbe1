//! What no placer can exceed: the linear program in which pods may be cut to pieces.
//!
//! Pods that ask for the same and nodes that are alike are one variable each: the program of the
//! whole fleet has the same optimum as that of its kinds, since what is cut may be shared out evenly.

use std::collections::BTreeMap;

use good_lp::{Expression, ProblemVariables, Solution, SolverModel, microlp, variable};

use super::{Ask, Pod, Room};

/// How many of these pods have room on these nodes, at most.
///
/// # Errors
/// When the solver fails.
pub(crate) fn placed_at_most(rooms: &[Room], pods: &[Pod]) -> anyhow::Result<f64> {
    let mut kinds: BTreeMap<Room, f64> = BTreeMap::new();
    rooms.iter().for_each(|room| *kinds.entry(*room).or_default() += 1.0);
    let mut asks: BTreeMap<Ask, f64> = BTreeMap::new();
    pods.iter().for_each(|pod| *asks.entry(pod.ask).or_default() += 1.0);
    let mut variables = ProblemVariables::new();
    let mut parts = Vec::new();
    for ask in asks.keys() {
        for kind in kinds.keys().filter(|kind| kind.ssd || !ask.ssd) {
            parts.push((*ask, *kind, variables.add(variable().min(0.0))));
        }
    }
    let all: Expression = parts.iter().map(|(.., part)| *part).sum();
    let mut model = variables.maximise(all).using(microlp);
    for (ask, count) in &asks {
        let of: Expression = parts.iter().filter(|(a, ..)| a == ask).map(|(.., part)| *part).sum();
        model = model.with(of.leq(*count));
    }
    for (kind, nodes) in &kinds {
        let here = || parts.iter().filter(|(_, k, _)| k == kind);
        // In cores and GiB: a solver in floating point wants numbers of like size.
        let cpu: Expression = here().map(|(ask, _, part)| cores(ask.cpu_milli) * *part).sum();
        let memory: Expression = here().map(|(ask, _, part)| gib(ask.memory_bytes) * *part).sum();
        model = model.with(cpu.leq(nodes * cores(kind.cpu_milli)));
        model = model.with(memory.leq(nodes * gib(kind.memory_bytes)));
    }
    let solved = model.solve()?;
    Ok(parts.iter().map(|(.., part)| solved.value(*part)).sum())
}

fn cores(cpu_milli: i64) -> f64 {
    cpu_milli as f64 / 1_000.0
}

fn gib(bytes: i64) -> f64 {
    bytes as f64 / super::GIB as f64
}

#[cfg(test)]
mod tests {
    use setpoint_placement::PodId;
    use setpoint_schemas::PodUid;

    use super::super::{Demand, GIB};
    use super::*;

    fn pods(count: u32, cpu_milli: i64, ssd: bool) -> Vec<Pod> {
        let ask = Ask { cpu_milli, memory_bytes: GIB, ssd };
        let shape = Demand { ask, replicas: 1, spread: false }.shape(0).unwrap();
        let pod = |id| Pod {
            id: PodId(id),
            uid: PodUid::parse("pod").unwrap(),
            shape: shape.clone(),
            ask,
            spread: None,
        };
        (0..count).map(pod).collect()
    }

    #[test]
    fn the_bound_counts_what_has_room_in_pieces_and_only_where_it_may_go() {
        let room = |ssd| Room { cpu_milli: 2_500, memory_bytes: 64 * GIB, ssd };
        let rooms = [room(true), room(false)];
        let at_most = |pods: &[Pod]| (placed_at_most(&rooms, pods).unwrap() * 1e6).round() / 1e6;
        assert_eq!(at_most(&pods(9, 1_000, false)), 5.0);
        assert_eq!(at_most(&pods(9, 1_000, true)), 2.5);
        assert_eq!(at_most(&pods(3, 1_000, false)), 3.0);
    }
}
