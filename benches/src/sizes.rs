//! How much is measured: the full run, the quick one, or what the flags say.

use std::path::PathBuf;

use crate::openb::LISTS;

/// Sizes and places of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Fleets, in pods, of which the decision latency is measured; the last one also has its bulk
    /// load, its restore and its memory measured.
    pub pods: Vec<usize>,
    /// Decisions timed a fleet.
    pub decisions: usize,
    /// Records that stand in Kafka's topic.
    pub kafka_records: usize,
    /// Decisions by way of Kafka.
    pub kafka_decisions: usize,
    /// Statuses posted to the API.
    pub patches: usize,
    /// Agents that wait for placements.
    pub agents: usize,
    /// Placements that agents wait for.
    pub watched: usize,
    /// Milliseconds between two checkpoints.
    pub checkpoint_ms: u64,
    /// Events after which memory is looked at.
    pub events: usize,
    /// Events offered to the largest fleet at a constant rate.
    pub offered: usize,
    /// Pods that stand in the views while their throughput is measured.
    pub views_pods: usize,
    /// Changes settled at once, one throughput each.
    pub batches: Vec<usize>,
    /// Events taken at once by the whole engine, one throughput each.
    pub effect_batches: Vec<usize>,
    /// Changes timed for each throughput, in all repeats together, at least.
    pub changes: usize,
    /// Nodes of the placer's fleet.
    pub nodes: usize,
    /// Unlike nodes that are packed full.
    pub packing_nodes: usize,
    /// Pods that the placer places.
    pub placements: usize,
    /// Records decoded.
    pub records: usize,
    /// Round trips timed; a tenth as many are the synchronized writes.
    pub round_trips: usize,
    /// Lists of the GPU trace that are run.
    pub gpu_lists: Vec<String>,
    /// Published workloads of each list that are run; there are ten.
    pub gpu_seeds: usize,
    /// Repeats of each measurement, in turns with what it is held against.
    pub rounds: usize,
    /// Where the results go.
    pub out: PathBuf,
    /// Seconds of each soak.
    pub soak_seconds: u64,
    /// Only the sections of these names, all that are usual when there are none.
    pub only: Vec<String>,
    /// Only this section, its rows as lines of JSON.
    pub section: Option<String>,
}

impl Sizes {
    /// What is published.
    #[must_use]
    pub fn full() -> Self {
        Sizes {
            pods: vec![10_000, 100_000, 1_000_000],
            decisions: 10_000,
            kafka_records: 500_000,
            kafka_decisions: 1_000,
            patches: 250_000,
            agents: 1_000,
            watched: 500,
            checkpoint_ms: 5_000,
            events: 10_000_000,
            offered: 2_000_000,
            views_pods: 1_000_000,
            batches: vec![1, 100, 1_000, 100_000],
            effect_batches: vec![1_000, 100_000],
            changes: 1_000_000,
            nodes: 5_000,
            packing_nodes: 10_000,
            placements: 50_000,
            records: 500_000,
            round_trips: 20_000,
            gpu_lists: LISTS.map(str::to_owned).to_vec(),
            gpu_seeds: 10,
            rounds: 5,
            out: PathBuf::from("target/bench/results.json"),
            soak_seconds: 1_800,
            only: Vec::new(),
            section: None,
        }
    }

    /// Seconds, on any machine: to see that it works, not to publish.
    #[must_use]
    pub fn quick() -> Self {
        Sizes {
            pods: vec![10_000],
            decisions: 500,
            kafka_records: 50_000,
            kafka_decisions: 60,
            patches: 10_000,
            agents: 100,
            watched: 40,
            checkpoint_ms: 300,
            events: 100_000,
            offered: 100_000,
            views_pods: 10_000,
            batches: vec![1, 100, 1_000],
            effect_batches: vec![1_000],
            changes: 20_000,
            nodes: 500,
            packing_nodes: 1_000,
            placements: 5_000,
            records: 20_000,
            round_trips: 1_000,
            gpu_seeds: 1,
            rounds: 2,
            ..Sizes::full()
        }
    }

    /// Reads the flags: `--quick` first of all, then each size by its name with dashes, lists with
    /// commas: `--pods 1000,2000 --decisions 100`.
    ///
    /// # Errors
    /// A sentence that names the flag that is unknown or does not read.
    pub fn parse(flags: &[String]) -> anyhow::Result<Self> {
        let quick = flags.iter().any(|flag| flag == "--quick");
        let mut sizes = if quick { Sizes::quick() } else { Sizes::full() };
        let mut flags = flags.iter().filter(|flag| *flag != "--quick");
        while let Some(flag) = flags.next() {
            let value = flags.next().ok_or_else(|| anyhow::anyhow!("{flag} needs a value"))?;
            sizes.set(flag, value)?;
        }
        Ok(sizes)
    }

    fn set(&mut self, flag: &str, value: &str) -> anyhow::Result<()> {
        match flag {
            "--pods" => self.pods = list(flag, value)?,
            "--decisions" => self.decisions = number(flag, value)?,
            "--kafka-records" => self.kafka_records = number(flag, value)?,
            "--kafka-decisions" => self.kafka_decisions = number(flag, value)?,
            "--patches" => self.patches = number(flag, value)?,
            "--agents" => self.agents = number(flag, value)?,
            "--watched" => self.watched = number(flag, value)?,
            "--checkpoint-ms" => self.checkpoint_ms = number(flag, value)? as u64,
            "--events" => self.events = number(flag, value)?,
            "--offered" => self.offered = number(flag, value)?,
            "--views-pods" => self.views_pods = number(flag, value)?,
            "--batches" => self.batches = list(flag, value)?,
            "--effect-batches" => self.effect_batches = list(flag, value)?,
            "--changes" => self.changes = number(flag, value)?,
            "--nodes" => self.nodes = number(flag, value)?,
            "--packing-nodes" => self.packing_nodes = number(flag, value)?,
            "--placements" => self.placements = number(flag, value)?,
            "--records" => self.records = number(flag, value)?,
            "--round-trips" => self.round_trips = number(flag, value)?,
            "--gpu-lists" => self.gpu_lists = value.split(',').map(str::to_owned).collect(),
            "--gpu-seeds" => self.gpu_seeds = number(flag, value)?,
            "--rounds" => self.rounds = number(flag, value)?,
            "--soak-seconds" => self.soak_seconds = number(flag, value)? as u64,
            "--only" => self.only = value.split(',').map(str::to_owned).collect(),
            "--out" => self.out = PathBuf::from(value),
            "--section" => self.section = Some(value.to_owned()),
            _ => anyhow::bail!("unknown flag {flag}"),
        }
        Ok(())
    }

    /// A folder on the disk that the results are on, removed when it is dropped.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn folder(&self) -> std::io::Result<tempfile::TempDir> {
        let beside = self.out.parent().unwrap_or(std::path::Path::new("."));
        std::fs::create_dir_all(beside)?;
        tempfile::tempdir_in(beside)
    }

    /// Whether a section of this name is asked for.
    #[must_use]
    pub fn asks_for(&self, section: &str) -> bool {
        self.only.iter().any(|name| name == section)
    }

    /// The smallest fleet.
    #[must_use]
    pub fn pods_min(&self) -> usize {
        self.pods.iter().copied().min().unwrap_or(1)
    }

    /// The largest fleet.
    #[must_use]
    pub fn pods_max(&self) -> usize {
        self.pods.iter().copied().max().unwrap_or(1)
    }
}

fn number(flag: &str, value: &str) -> anyhow::Result<usize> {
    let number = value.parse().map_err(|e| anyhow::anyhow!("{flag} {value:?}: {e}"))?;
    anyhow::ensure!(number > 0, "{flag} must be above zero");
    Ok(number)
}

fn list(flag: &str, value: &str) -> anyhow::Result<Vec<usize>> {
    value.split(',').map(|part| number(flag, part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Sizes> {
        Sizes::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_flag_changes_one_size_of_the_quick_or_the_full_run() {
        let expected = Sizes { pods: vec![10, 20], ..Sizes::quick() };
        assert_eq!(parse("--pods 10,20 --quick").unwrap(), expected);
        assert_eq!(parse("").unwrap(), Sizes::full());
    }

    #[test]
    fn a_flag_that_does_not_read_is_refused_by_its_name() {
        for line in ["--pod 1", "--pods", "--pods a", "--decisions 0"] {
            assert!(parse(line).unwrap_err().to_string().contains("--"), "{line}");
        }
    }
}
