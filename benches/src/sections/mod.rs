//! The sections. Adding one is one file and one row.

mod yardsticks;
mod codec;
mod views;
mod placing;
mod durable;
mod packing;
mod gpu;
mod deciding;
mod under_load;
mod effects;
mod losses;
mod churn;
mod restoring;
mod recovery;
mod checkpointing;
mod workers;
mod kafka;
mod api;
mod soak;

use crate::measurement::Measurement;
use crate::sizes::Sizes;

/// A group of measurements that share a process.
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// Its parts, one process each.
    pub parts: fn(&Sizes) -> Vec<String>,
    repeats: Repeats,
    run: fn(&str, &Sizes) -> anyhow::Result<Vec<Measurement>>,
}

/// Where a section is repeated.
#[derive(Clone, Copy)]
enum Repeats {
    /// In its one process, in turns with what it is held against.
    Within,
    /// In processes of their own, where memory counts.
    Processes,
    /// Nowhere: each of its numbers follows from the inputs alone, is the mean of many runs, or stands
    /// at the end of millions of events.
    Needless,
}

impl Section {
    /// In how many processes each part is run.
    #[must_use]
    pub fn processes(&self, sizes: &Sizes) -> usize {
        match self.repeats {
            Repeats::Processes => sizes.rounds,
            Repeats::Within | Repeats::Needless => 1,
        }
    }
}

use Repeats::{Needless, Processes, Within};

const fn section(
    name: &'static str,
    parts: fn(&Sizes) -> Vec<String>,
    repeats: Repeats,
    run: fn(&str, &Sizes) -> anyhow::Result<Vec<Measurement>>,
) -> Section {
    Section { name, parts, repeats, run }
}

/// In the order of the table: first what the machine can do, then the parts, then the whole.
pub const SECTIONS: &[Section] = &[
    section("yardsticks", whole, Within, |_, sizes| yardsticks::measure(sizes)),
    section("codec", whole, Within, |_, sizes| codec::measure(sizes)),
    section("views", whole, Within, |_, sizes| views::throughput(sizes)),
    section("views-memory", |_| implementations(), Processes, views::memory),
    section("placing", whole, Within, |_, sizes| placing::measure(sizes)),
    section("durable", whole, Within, |_, sizes| durable::measure(sizes)),
    section("packing", whole, Within, |_, sizes| packing::measure(sizes)),
    section("cases", |_| crate::cases::parts(), Within, crate::cases::measure),
    section("gpu", gpu::lists, Needless, gpu::measure),
    section("deciding", fleets, Within, deciding::measure),
    section("deciding-by-hand", fleets, Within, deciding::by_hand),
    section("effects", whole, Within, |_, sizes| effects::measure(sizes)),
    section("losses", whole, Within, |_, sizes| losses::measure(sizes)),
    section("churn", churn::parts, Needless, churn::measure),
    section("restoring", whole, Needless, |_, sizes| restoring::measure(sizes)),
    section("recovery", whole, Within, recovery::measure),
    section("checkpointing", whole, Within, |_, sizes| checkpointing::measure(sizes)),
    section("workers", whole, Within, |_, sizes| workers::measure(sizes)),
    section("kafka", whole, Within, |_, sizes| kafka::measure(sizes)),
    section("api", whole, Within, |_, sizes| api::measure(sizes)),
];

/// Run only when they are asked for by name: what takes long, and what others run for themselves.
pub const ASKED_FOR: &[Section] = &[
    section("soak", soak::parts, Needless, soak::measure),
    section("serve", |_| Vec::new(), Needless, crate::http::served::serve),
    section("neighbour", |_| Vec::new(), Needless, |_, _| soak::be_busy()),
];

/// The sections that a run of these sizes asks for.
pub fn wanted(sizes: &Sizes) -> impl Iterator<Item = &'static Section> {
    let by_name = ASKED_FOR.iter().filter(|section| sizes.asks_for(section.name));
    let usual =
        SECTIONS.iter().filter(|section| sizes.only.is_empty() || sizes.asks_for(section.name));
    usual.chain(by_name)
}

/// Runs one part of a section, named `SECTION:PART`, in this process.
///
/// # Errors
/// When there is no such section, or when what it measures does not do what it should.
pub fn run(name: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let (section, part) = name.split_once(':').unwrap_or((name, ""));
    let found = SECTIONS.iter().chain(ASKED_FOR).find(|row| row.name == section);
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
