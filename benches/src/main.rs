//! `make bench`: runs every section in a process of its own, prints the table, writes the results.

use std::process::{Command, Stdio};

use anyhow::Context;
use setpoint_benches::Machine;
use setpoint_benches::measurement::{Measurement, table, with_ratios};
use setpoint_benches::rounds;
use setpoint_benches::sections::{self, Section};
use setpoint_benches::sizes::Sizes;

/// The same as the server's: what is measured is what runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let flags: Vec<String> = std::env::args().skip(1).collect();
    let sizes = Sizes::parse(&flags)?;
    match &sizes.section {
        Some(section) => run_section(section, &sizes),
        None => run_all(&flags, &sizes),
    }
}

/// One section, in this process.
fn run_section(section: &str, sizes: &Sizes) -> anyhow::Result<()> {
    for row in sections::run(section, sizes)? {
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}

/// All sections, each in a child of this process. A section that fails does not lose the others'
/// figures: it is told at the end, and nothing of it stands in the results.
fn run_all(flags: &[String], sizes: &Sizes) -> anyhow::Result<()> {
    let machine = Machine::here();
    eprintln!("{}", machine.line());
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for section in sections::wanted(sizes) {
        match repeated(flags, section, sizes) {
            Ok(measured) => {
                // Who does not wait for the end has what there is; ratios and goals come with the end.
                eprint!("{}", table(&measured));
                rows.extend(measured);
                write(sizes, &machine, &rows)?;
            }
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    let rows = with_ratios(rows)?;
    write(sizes, &machine, &rows)?;
    println!("{}\n\n{}", machine.line(), table(&rows));
    eprintln!("written: {}", sizes.out.display());
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// A section with all its parts, in turns as often as it does not repeat itself within.
fn repeated(
    flags: &[String],
    section: &Section,
    sizes: &Sizes,
) -> anyhow::Result<Vec<Measurement>> {
    let parts = (section.parts)(sizes);
    rounds::measured(section.processes(sizes), |_| {
        let mut rows = Vec::new();
        for part in &parts {
            eprintln!("{} {part} ...", section.name);
            rows.extend(child(flags, &format!("{}:{part}", section.name))?);
        }
        Ok(rows)
    })
}

fn child(flags: &[String], section: &str) -> anyhow::Result<Vec<Measurement>> {
    let out = Command::new(std::env::current_exe()?)
        .args(flags)
        .args(["--section", section])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to run section {section}"))?;
    anyhow::ensure!(out.status.success(), "section {section} failed: {}", out.status);
    let printed = String::from_utf8(out.stdout)?;
    // What a real part says of itself is not a row.
    let (lines, words): (Vec<&str>, Vec<&str>) =
        printed.lines().partition(|line| line.starts_with('{'));
    words.iter().for_each(|line| eprintln!("{line}"));
    let rows = lines.into_iter().map(serde_json::from_str).collect::<Result<_, _>>();
    rows.with_context(|| format!("section {section} printed something else than rows"))
}

/// The rows, and beside them the machine that they are of.
fn write(sizes: &Sizes, machine: &Machine, rows: &[Measurement]) -> anyhow::Result<()> {
    if let Some(folder) = sizes.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&sizes.out, serde_json::to_string_pretty(rows)? + "\n")?;
    let machine_at = sizes.out.with_file_name("machine.json");
    std::fs::write(machine_at, serde_json::to_string_pretty(machine)? + "\n")?;
    Ok(())
}
