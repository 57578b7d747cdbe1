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
    /// Pods that stand in the views while their throughput is measured.
    pub views_pods: usize,
    /// Changes settled at once, one throughput each.
    pub batches: Vec<usize>,
    /// Changes timed for each throughput, in all repeats together, at least.
    pub changes: usize,
    /// Nodes of the placer's fleet.
    pub nodes: usize,
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
    /// Where the results go.
    pub out: PathBuf,
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
            views_pods: 1_000_000,
            batches: vec![1, 100, 1_000, 100_000],
            changes: 1_000_000,
            nodes: 5_000,
            placements: 50_000,
            records: 500_000,
            round_trips: 20_000,
            gpu_lists: LISTS.map(str::to_owned).to_vec(),
            gpu_seeds: 10,
            out: PathBuf::from("target/bench/results.json"),
            section: None,
        }
    }

    /// Seconds, on any machine: to see that it works, not to publish.
    #[must_use]
    pub fn quick() -> Self {
        Sizes {
            pods: vec![10_000],
            decisions: 500,
            views_pods: 10_000,
            batches: vec![1, 100, 1_000],
            changes: 20_000,
            nodes: 500,
            placements: 5_000,
            records: 20_000,
            round_trips: 1_000,
            gpu_seeds: 1,
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
            "--views-pods" => self.views_pods = number(flag, value)?,
            "--batches" => self.batches = list(flag, value)?,
            "--changes" => self.changes = number(flag, value)?,
            "--nodes" => self.nodes = number(flag, value)?,
            "--placements" => self.placements = number(flag, value)?,
            "--records" => self.records = number(flag, value)?,
            "--round-trips" => self.round_trips = number(flag, value)?,
            "--gpu-lists" => self.gpu_lists = value.split(',').map(str::to_owned).collect(),
            "--gpu-seeds" => self.gpu_seeds = number(flag, value)?,
            "--out" => self.out = PathBuf::from(value),
            "--section" => self.section = Some(value.to_owned()),
            _ => anyhow::bail!("unknown flag {flag}"),
        }
        Ok(())
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
