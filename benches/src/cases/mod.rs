//! kube-scheduler's own performance cases, one to one, decisions only: nodes and compiled pods are
//! in memory, the clock runs from the first pod offered to the last node chosen and reserved.
//!
//! Guarantee: how each run ended is proven from the manifests before its time counts. Every pod has
//! labels of its own, as in their harness, so that a cache must not go by the whole pod.
//! Absent: the API, the log, the durable record. The floor that stands beside is asked of a whole
//! scheduler with its API server on another machine: a decision alone is only a part of it.

mod case;
mod templates;
mod table;
mod lacking;
mod stage;
mod end;
mod guests;
mod run;
mod waiting;
mod events;

use crate::measurement::{Aim, Measurement};
use crate::sizes::Sizes;

/// What is not run, as a part of its own.
const REST: &str = "not run";

/// The cases, each a process of its own.
pub(crate) fn parts() -> Vec<String> {
    table::CASES
        .iter()
        .map(|case| case.name)
        .chain(events::NAMES)
        .chain([waiting::NAME, REST])
        .map(str::to_owned)
        .collect()
}

/// Measures one case at the run's number of nodes, in proportion to 5,000.
pub(crate) fn measure(part: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    if part == REST {
        let row =
            |(name, feature): &(&str, &str)| Measurement::not_run(format!("cases/{name}"), feature);
        return Ok(lacking::LACKING.iter().map(row).collect());
    }
    if events::NAMES.contains(&part) {
        return events::measure(part, sizes.nodes);
    }
    if part == waiting::NAME {
        return waiting::measure(sizes.nodes);
    }
    let case = table::CASES.iter().find(|case| case.name == part);
    let case = case.ok_or_else(|| anyhow::anyhow!("unknown case {part}"))?;
    let outcome = run::run(case, sizes.nodes)
        .map_err(|e| e.context(format!("case {part} did not end as it should")))?;
    Ok(told(case, &outcome))
}

/// The rows of a case: the median rate, and the floor that it is held against.
fn told(case: &case::Case, outcome: &run::Outcome) -> Vec<Measurement> {
    let (slowest, fastest) = (outcome.rates[0], outcome.rates[outcome.rates.len() - 1]);
    let median = outcome.rates[outcome.rates.len() / 2];
    let mut note = format!(
        "runs {slowest:.0} to {fastest:.0}; {:.1} of {} nodes asked a pod",
        outcome.asked, outcome.nodes
    );
    if outcome.evicted > 0.0 {
        note = format!("{note}; {:.2} pods had to go for each", outcome.evicted);
    }
    if !case.note.is_empty() {
        note = format!("{note}; {}", case.note);
    }
    let row = Measurement::new(format!("cases/{}", case.name), median, "1/s");
    let mut row = Measurement { worst: Some(slowest), ..row }
        .noted(note)
        .aiming(Aim::ValueAtLeast, case.goal);
    let Some(floor) = &case.floor else { return vec![row] };
    let name = format!("cases/{}/CI floor, {}@{}", case.name, floor.file, floor.commit);
    row = row.beside(name.clone());
    vec![row, Measurement::new(name, floor.pods_a_second, "1/s")]
}
