//! `make bench`: runs every section in a process of its own, prints the table, writes the results.

use std::process::{Command, Stdio};

use anyhow::Context;
use setpoint_benches::Machine;
use setpoint_benches::measurement::{Measurement, table, with_ratios};
use setpoint_benches::sections::{self, SECTIONS};
use setpoint_benches::sizes::Sizes;

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

/// All sections, each in a child of this process.
fn run_all(flags: &[String], sizes: &Sizes) -> anyhow::Result<()> {
    let machine = Machine::here();
    eprintln!("{}", machine.line());
    let mut rows = Vec::new();
    for section in SECTIONS {
        for part in (section.parts)(sizes) {
            eprintln!("{} {part} ...", section.name);
            rows.extend(child(flags, &format!("{}:{part}", section.name))?);
        }
    }
    let rows = with_ratios(rows)?;
    write(sizes, &machine, &rows)?;
    println!("{}\n\n{}", machine.line(), table(&rows));
    eprintln!("written: {}", sizes.out.display());
    Ok(())
}

fn child(flags: &[String], section: &str) -> anyhow::Result<Vec<Measurement>> {
    let out = Command::new(std::env::current_exe()?)
        .args(flags)
        .args(["--section", section])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to run section {section}"))?;
    anyhow::ensure!(out.status.success(), "section {section} failed: {}", out.status);
    let lines = String::from_utf8(out.stdout)?;
    let rows = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>();
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
