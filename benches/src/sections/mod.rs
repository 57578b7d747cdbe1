//! The sections. Adding one is one file and one row.

mod yardsticks;
mod codec;
mod views;
mod placing;
mod gpu;
mod deciding;
mod restoring;

use crate::measurement::Measurement;
use crate::sizes::Sizes;

/// A group of measurements that share a process.
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// Its parts, one process each.
    pub parts: fn(&Sizes) -> Vec<String>,
    run: fn(&str, &Sizes) -> anyhow::Result<Vec<Measurement>>,
}

/// In the order of the table: first what the machine can do, then the parts, then the whole.
pub const SECTIONS: &[Section] = &[
    Section { name: "yardsticks", parts: whole, run: |_, sizes| yardsticks::measure(sizes) },
    Section { name: "codec", parts: whole, run: |_, sizes| codec::measure(sizes) },
    Section { name: "views", parts: whole, run: |_, sizes| views::throughput(sizes) },
    Section { name: "views-memory", parts: |_| implementations(), run: views::memory },
    Section { name: "placing", parts: whole, run: |_, sizes| placing::measure(sizes) },
    Section { name: "cases", parts: |_| crate::cases::parts(), run: crate::cases::measure },
    Section { name: "gpu", parts: gpu::lists, run: gpu::measure },
    Section { name: "deciding", parts: fleets, run: deciding::measure },
    Section { name: "deciding-by-hand", parts: fleets, run: deciding::by_hand },
    Section { name: "restoring", parts: whole, run: |_, sizes| restoring::measure(sizes) },
];

/// Runs one part of a section, named `SECTION:PART`, in this process.
///
/// # Errors
/// When there is no such section, or when what it measures does not do what it should.
pub fn run(name: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let (section, part) = name.split_once(':').unwrap_or((name, ""));
    let found = SECTIONS.iter().find(|row| row.name == section);
    let found = found.ok_or_else(|| anyhow::anyhow!("unknown section {section}"))?;
    (found.run)(part, sizes)
}

fn whole(_: &Sizes) -> Vec<String> {
    vec!["all".to_owned()]
}

fn fleets(sizes: &Sizes) -> Vec<String> {
    sizes.pods.iter().map(ToString::to_string).collect()
}

fn implementations() -> Vec<String> {
    ["hand-written", "differential"].map(str::to_owned).to_vec()
}
