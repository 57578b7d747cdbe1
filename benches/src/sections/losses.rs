//! Nodes that are lost: how long until every pod of theirs has its replacement's place.

use std::time::Duration;

use setpoint_dataflow::Outcome;
use setpoint_dataflow::views::Differential;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Input, Request, Topic};

use crate::clock::{Latencies, timed};
use crate::measurement::{Aim, Measurement};
use crate::plant::{Plant, node_number};
use crate::rounds;
use crate::sizes::Sizes;

/// Pods a node in this fleet.
const PODS_A_NODE: usize = 100;
/// Nodes lost one after the other in each repeat.
const ONE_BY_ONE: usize = 5;
/// What one node's loss may take, µs.
const NODE_MICROS: f64 = 1_000.0;
/// What the loss of a third may take, seconds.
const THIRD_SECONDS: f64 = 2.0;
/// A third is lost so often: each time for good, and what is left must have room for all.
const THIRDS_MAX: usize = 3;

/// Both, on one fleet: single nodes first.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods = sizes.pods_max();
    let mut plant = Plant::with_nodes(Differential::new(), pods.div_ceil(PODS_A_NODE).max(4))?;
    plant.load(pods, |_, _| ())?;
    let name = |what: &str| format!("fleet of {pods} pods/{what}");
    let mut fleet = Counted { counts: plant.pods_by_node(), plant, lost: 0 };
    let mut rows = rounds::measured(sizes.rounds, |_| {
        let mut latencies = Latencies::new()?;
        for _ in 0..ONE_BY_ONE.min(fleet.counts.len() / 5) {
            latencies.record(fleet.one()?);
        }
        let name = name("node of 100 pods lost: lease over to all replacements decided");
        Ok(vec![
            Measurement::new(name, latencies.micros_at(50.0), "µs")
                .aiming(Aim::ValueAtMost, NODE_MICROS),
        ])
    })?;
    rows.extend(rounds::measured(sizes.rounds.min(THIRDS_MAX), |_| {
        let (took, nodes) = fleet.third(pods)?;
        let name =
            name("a third of the pods lost at once: confirmation to all replacements decided");
        Ok(vec![
            Measurement::new(name, took.as_secs_f64(), "s")
                .aiming(Aim::ValueAtMost, THIRD_SECONDS)
                .noted(format!(
                    "{nodes} nodes in the first of at most {THIRDS_MAX} repeats: each is for good"
                )),
        ])
    })?);
    Ok(rows)
}

/// A fleet of which the first so many nodes are lost, and how many pods each node has.
struct Counted {
    plant: Plant<Differential>,
    lost: usize,
    counts: Vec<usize>,
}

impl Counted {
    /// The lease of one node ends; all others were renewed.
    fn one(&mut self) -> anyhow::Result<Duration> {
        let held = self.counts[self.lost];
        self.plant.silence(self.lost)?;
        let epoch = self.plant.epoch(Vec::new());
        let (outcome, took) = timed(|| self.plant.engine.step(epoch));
        self.check(&outcome, held)?;
        // So that it does not stand for a doubt about the others.
        self.confirm(self.lost + 1)?;
        Ok(took)
    }

    /// Operators confirm the loss of as many nodes as hold a third of the pods: how long that took,
    /// and how many nodes.
    fn third(&mut self, pods: usize) -> anyhow::Result<(Duration, usize)> {
        let (mut held, mut until) = (0, self.lost);
        while held < pods / 3 && until + 1 < self.counts.len() {
            held += self.counts[until];
            until += 1;
        }
        let nodes = until - self.lost;
        let (outcome, took) = self.confirm(until)?;
        self.check(&outcome, held)?;
        Ok((took, nodes))
    }

    /// From the bytes of the request to the outcome.
    fn confirm(&mut self, until: usize) -> anyhow::Result<(Outcome, Duration)> {
        let codec = Codec::single_object();
        let bytes = codec.encode(&self.plant.confirm_lost(self.lost..until)?)?;
        let (outcome, took) = timed(|| -> anyhow::Result<Outcome> {
            let request: Request = codec.decode(&bytes)?;
            let sourced = self.plant.sourced(Topic::Requests, Input::Request(Box::new(request)));
            let epoch = self.plant.epoch(vec![sourced]);
            Ok(self.plant.engine.step(epoch))
        });
        self.plant.engine.take_rows();
        self.lost = until;
        Ok((outcome?, took))
    }

    /// That all pods lost were replaced; keeps count of where they are now.
    fn check(&mut self, outcome: &Outcome, held: usize) -> anyhow::Result<()> {
        let (mut started, mut withdrawn) = (0, 0);
        for change in &outcome.placements {
            let node = node_number(&change.node).and_then(|node| self.counts.get_mut(node));
            let node = node.ok_or_else(|| anyhow::anyhow!("{} is no node", change.node))?;
            match &change.placement {
                Some(_) => (*node, started) = (*node + 1, started + 1),
                None => (*node, withdrawn) = (node.saturating_sub(1), withdrawn + 1),
            }
        }
        anyhow::ensure!(
            (started, withdrawn) == (held, held) && held > 0,
            "of {held} pods lost {withdrawn} were withdrawn and {started} replaced"
        );
        Ok(())
    }
}
