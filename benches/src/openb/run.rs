//! One run: pods arrive in order, each is placed or dropped, and what is allocated is measured
//! against what has arrived.

use std::time::Duration;

use super::node::Node;
use super::policies::Policy;
use super::trace::Trace;
use super::workloads::Workload;
use crate::clock::timed;

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Percent of the GPUs allocated when as much has arrived as there is.
    pub at_100: f64,
    /// The same when 130 % of it has arrived.
    pub at_130: f64,
    /// How long each decision took, in order of arrival.
    pub took: Vec<Duration>,
}

/// Runs a workload of the trace by a policy.
#[must_use]
pub fn run(trace: &Trace, workload: &Workload, policy: Policy) -> Outcome {
    let mut nodes = by_rank(trace, workload);
    let mut chooser = policy.chooser(trace, workload.seed);
    let mut took = Vec::with_capacity(workload.arrivals.len());
    let percent = |milli: u64| percent_of(trace, milli);
    let (mut arrived, mut allocated) = (0, 0);
    let (mut full, mut over) = (Column::new(100.0), Column::new(130.0));
    for index in &workload.arrivals {
        let pod = &trace.pods[*index];
        arrived += u64::from(pod.ask.milli_total());
        let (choice, time) = timed(|| chooser.choose(&nodes, pod));
        took.push(time);
        if let Some((node, devices)) = choice {
            nodes[node].take(&pod.ask, devices);
            chooser.changed(node);
            allocated += u64::from(pod.ask.milli_total());
        }
        for column in [&mut full, &mut over] {
            column.add(percent(arrived), two_decimals(percent(allocated)));
        }
    }
    Outcome { at_100: full.mean(), at_130: over.mean(), took }
}

/// Thousandths of devices in percent of what all nodes have.
pub(super) fn percent_of(trace: &Trace, milli: u64) -> f64 {
    100.0 * milli as f64 / trace.capacity()
}

/// Empty nodes, the lowest rank first.
fn by_rank(trace: &Trace, workload: &Workload) -> Vec<Node> {
    let mut order: Vec<usize> = (0..trace.nodes.len()).collect();
    order.sort_by_key(|node| workload.ranks[*node]);
    order.into_iter().map(|node| Node::empty(&trace.nodes[node])).collect()
}

/// The mean of what is allocated after the arrivals that round to one percentage.
pub(super) struct Column {
    percent: f64,
    sum: f64,
    count: u32,
}

impl Column {
    pub(super) fn new(percent: f64) -> Column {
        Column { percent, sum: 0.0, count: 0 }
    }

    pub(super) fn add(&mut self, arrived: f64, allocated: f64) {
        if arrived.round_ties_even() == self.percent {
            self.sum += allocated;
            self.count += 1;
        }
    }

    pub(super) fn mean(&self) -> f64 {
        two_decimals(self.sum / f64::from(self.count.max(1)))
    }
}

pub(super) fn two_decimals(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_the_mean_of_half_a_percent_about_it() {
        let mut column = Column::new(100.0);
        for (arrived, allocated) in [(99.4, 1.0), (99.6, 90.0), (100.5, 91.0), (100.6, 2.0)] {
            column.add(arrived, allocated);
        }
        assert_eq!(column.mean(), 90.5);
    }
}
