//! Which pods arrive in which order, and what was published of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context;

use super::table::{Table, unzipped};

/// One seed's workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The seed.
    pub seed: u32,
    /// Indices into the list of pods by name, in the order of arrival.
    pub arrivals: Vec<usize>,
    /// The rank of each node by name: of nodes with equal scores the lowest rank wins.
    pub ranks: Vec<usize>,
}

/// What was published of one policy and seed, in percent of the GPUs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Published {
    /// Allocated when as much has arrived as there is.
    pub at_100: f64,
    /// Allocated when 130 % of it has arrived.
    pub at_130: f64,
}

/// The workloads of a list by seed.
pub(super) fn arrivals(folder: &Path, list: &str) -> anyhow::Result<BTreeMap<u32, Workload>> {
    let text = unzipped(&folder.join("arrivals.tsv.gz"))?;
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, seed, arrivals, ranks] = fields[..] else {
            anyhow::bail!("arrivals.tsv.gz: {} fields instead of 4", fields.len());
        };
        if name == list {
            let seed = number(seed)?;
            let workload = Workload { seed, arrivals: numbers(arrivals)?, ranks: numbers(ranks)? };
            found.insert(seed, workload);
        }
    }
    Ok(found)
}

/// The figures of a list by policy and seed.
pub(super) fn published(
    folder: &Path,
    list: &str,
) -> anyhow::Result<BTreeMap<(String, u32), Published>> {
    let file = "published/analysis_allo_discrete.open-workloads.csv.gz";
    let text = unzipped(&folder.join(file))?;
    let name = format!("openb_pod_list_{list}");
    let mut found = BTreeMap::new();
    for row in Table::parse(&text, ',').rows() {
        if row.text("workload")? == name {
            let key = (row.text("sc_policy")?.to_owned(), row.number("seed")?);
            let at = Published { at_100: row.number("100")?, at_130: row.number("130")? };
            found.insert(key, at);
        }
    }
    Ok(found)
}

fn numbers(text: &str) -> anyhow::Result<Vec<usize>> {
    text.split(' ').map(number).collect()
}

fn number<T: FromStr>(text: &str) -> anyhow::Result<T> {
    text.parse().ok().with_context(|| format!("{text:?} is no number"))
}
