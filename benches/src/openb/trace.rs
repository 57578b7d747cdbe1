//! The trace as it lies in the folder: nodes, one list of pods, arrivals, published figures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use setpoint_placement::devices::{Ask, DEVICE_MILLI, Kind, Models};

use super::node::{DEVICES_MAX, NodeSpec, Pod};
use super::table::{Table, unzipped};
use super::workloads::{self, Published, Workload};

/// Bytes of a mebibyte.
const MIB: i64 = 1 << 20;

/// What arrives at most, in parts of the capacity: a little more than the method looks at.
const ARRIVED_MAX: f64 = 1.31;

/// Nodes, and one list of pods with its ten workloads.
#[derive(Debug)]
pub struct Trace {
    pub(super) nodes: Vec<NodeSpec>,
    pub(super) models: Vec<String>,
    pub(super) pods: Vec<Pod>,
    pub(super) specs: Vec<String>,
    workloads: BTreeMap<u32, Workload>,
    published: BTreeMap<(String, u32), Published>,
}

impl Trace {
    /// Reads the nodes and this list.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be read or does not have its form.
    pub fn read(folder: &Path, list: &str) -> anyhow::Result<Trace> {
        let (nodes, models) = nodes(folder)?;
        let (pods, specs) = pods(folder, list, &models)?;
        let workloads = workloads::arrivals(folder, list)?;
        let published = workloads::published(folder, list)?;
        Ok(Trace { nodes, models, pods, specs, workloads, published })
    }

    /// Every so-manieth node, and of a workload the arrivals that fill these as it fills all.
    #[must_use]
    pub fn thinned(&self, workload: &Workload, every: usize) -> (Trace, Workload) {
        let kept = |index: &usize| index.is_multiple_of(every);
        let indexes: Vec<usize> = (0..self.nodes.len()).filter(kept).collect();
        let trace = Trace {
            nodes: indexes.iter().map(|index| self.nodes[*index].clone()).collect(),
            models: self.models.clone(),
            pods: self.pods.clone(),
            specs: self.specs.clone(),
            workloads: BTreeMap::new(),
            published: BTreeMap::new(),
        };
        let ranks = indexes.iter().map(|index| workload.ranks[*index]).collect();
        let mut milli = 0.0;
        let enough = |index: &&usize| {
            milli += f64::from(self.pods[**index].ask.milli_total());
            milli <= trace.capacity() * ARRIVED_MAX
        };
        let arrivals = workload.arrivals.iter().take_while(enough).copied().collect();
        (trace, Workload { seed: workload.seed, arrivals, ranks })
    }

    /// The workload of a seed; the published seeds are 42 to 51.
    ///
    /// # Errors
    /// When there is none of this seed.
    pub fn workload(&self, seed: u32) -> anyhow::Result<&Workload> {
        self.workloads.get(&seed).with_context(|| format!("no workload of seed {seed}"))
    }

    /// What was published of a policy, by its name in the table, for a seed.
    ///
    /// # Errors
    /// When nothing was.
    pub fn published(&self, policy: &str, seed: u32) -> anyhow::Result<&Published> {
        let found = self.published.get(&(policy.to_owned(), seed));
        found.with_context(|| format!("no published figure of {policy} for seed {seed}"))
    }

    /// What all nodes have, in thousandths of a device.
    pub(super) fn capacity(&self) -> f64 {
        let devices: usize = self.nodes.iter().map(|node| node.devices).sum();
        devices as f64 * f64::from(DEVICE_MILLI)
    }

    /// What the list's pods ask for: all that our policy is told.
    pub(super) fn mix(&self) -> Vec<Kind> {
        let models = |pod: &Pod| match self.specs[pod.spec].as_str() {
            "" => Models::Any,
            spec => Models::OneOf(spec.split('|').map(str::to_owned).collect()),
        };
        self.pods.iter().map(|pod| Kind { ask: pod.ask, models: models(pod), pods: 1 }).collect()
    }
}

/// The nodes by name, and the models that they have.
fn nodes(folder: &Path) -> anyhow::Result<(Vec<NodeSpec>, Vec<String>)> {
    let path = folder.join("openb_node_list_gpu_node.csv");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    let table = Table::parse(&text, ',');
    let names: Result<BTreeSet<&str>, _> = table.rows().map(|row| row.text("model")).collect();
    let models: Vec<String> = names?.into_iter().map(str::to_owned).collect();
    let mut nodes = Vec::new();
    for row in table.rows() {
        let model = row.text("model")?;
        nodes.push(NodeSpec {
            name: row.text("sn")?.to_owned(),
            cpu_milli: row.number("cpu_milli")?,
            memory_bytes: row.number::<i64>("memory_mib")? * MIB,
            devices: row.number("gpu")?,
            model: models.iter().position(|name| name == model).context("a model of the table")?,
        });
    }
    anyhow::ensure!(
        nodes.iter().all(|node| node.devices <= DEVICES_MAX),
        "a node of the trace has more than {DEVICES_MAX} devices"
    );
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((nodes, models))
}

/// The pods of a list by name, and the texts that name models, in order.
fn pods(folder: &Path, list: &str, models: &[String]) -> anyhow::Result<(Vec<Pod>, Vec<String>)> {
    let text = unzipped(&folder.join(format!("openb_pod_list_{list}.csv.gz")))?;
    let table = Table::parse(&text, ',');
    let specs: BTreeSet<&str> = table.rows().map(|row| row.get("gpu_spec").unwrap_or("")).collect();
    let specs: Vec<String> = specs.into_iter().map(str::to_owned).collect();
    let mut pods = Vec::new();
    for row in table.rows() {
        let spec = row.get("gpu_spec").unwrap_or("");
        let ask = Ask {
            cpu_milli: row.number("cpu_milli")?,
            memory_bytes: row.number::<i64>("memory_mib")? * MIB,
            devices: row.number("num_gpu")?,
            milli: row.number("gpu_milli")?,
        };
        let at = specs.iter().position(|known| known == spec).context("a text of the table")?;
        pods.push((row.text("name")?, Pod { ask, models: bits(spec, models), spec: at }));
    }
    pods.sort_by(|a, b| a.0.cmp(b.0));
    Ok((pods.into_iter().map(|(_, pod)| pod).collect(), specs))
}

/// Models joined by `|`, as bits; no text is every model.
fn bits(spec: &str, models: &[String]) -> u32 {
    if spec.is_empty() {
        return u32::MAX;
    }
    let number = |name: &str| models.iter().position(|known| known == name);
    spec.split('|').filter_map(number).fold(0, |bits, model| bits | 1 << model)
}
