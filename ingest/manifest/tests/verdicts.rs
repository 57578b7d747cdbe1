//! Every real manifest and Compose file that no one here wrote, and the verdict on it, compared
//! with the reviewed table `verdicts.tsv`: path, verdict, first reason, verdict with ignored
//! fields allowed, first reason then.
//!
//! `SETPOINT_BLESS=1` writes the table anew; review every changed line.

mod data;

use std::path::{Path, PathBuf};

use setpoint_ingest_manifest::{Fault, Gated, LoadOptions, Origin, Problem, Source, load};
use setpoint_schemas::Standing;

const FOLDERS: &[&str] =
    &["k8s/manifests", "k8s/kubeconform", "k8s/kube-score", "k8s/api-roundtrip", "compose"];

#[test]
fn every_real_file_gets_the_verdict_that_was_reviewed() {
    let Some(root) = data::root() else { return };
    let mut found = String::from("# path\tverdict\tfirst reason\twith ignored\tfirst reason\n");
    for folder in FOLDERS {
        for file in data::files(&root.join(folder)) {
            found.push_str(&row(&root, &file));
        }
    }
    let table = setpoint_test_support::crate_folder().join("tests/verdicts.tsv");
    if std::env::var_os("SETPOINT_BLESS").is_some() {
        std::fs::write(&table, &found).expect("write the table");
        return;
    }
    let reviewed = std::fs::read_to_string(&table).expect("the reviewed table");
    let differing: Vec<_> = differences(&reviewed, &found);
    assert!(differing.is_empty(), "verdicts differ from the table:\n{}", differing.join("\n"));
}

fn differences(reviewed: &str, found: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (reviewed.lines().collect(), found.lines().collect());
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}

fn row(root: &Path, file: &Path) -> String {
    let name = file.strip_prefix(root).expect("below the root").display().to_string();
    let manifest = |extension| file.extension().is_some_and(|found| found == extension);
    if !["yaml", "yml", "json"].into_iter().any(manifest) {
        return format!("{name}\tno manifest\t\t\t\n");
    }
    let (strict, reason) = verdict(root, file, false);
    let (lenient, then) = verdict(root, file, true);
    format!("{name}\t{strict}\t{reason}\t{lenient}\t{then}\n")
}

fn verdict(root: &Path, file: &Path, allow_ignored: bool) -> (&'static str, String) {
    let mut options = LoadOptions::default();
    options.gate.allow_ignored = allow_ignored;
    options.compose.allow_ignored = allow_ignored;
    let name = file.display().to_string();
    match load(&[Source::Path(PathBuf::from(file))], &options) {
        Ok(accepted) => (worst(&accepted), first_ignored(&accepted)),
        Err(problems) => ("refused", reason(root, &name, &problems)),
    }
}

fn worst(accepted: &[(Origin, Gated)]) -> &'static str {
    let kept = accepted.iter().any(|(_, gated)| gated.standing == Standing::Kept);
    match (accepted.is_empty(), kept) {
        (true, _) => "empty",
        (_, true) => "applied, some kept",
        _ => "applied",
    }
}

fn first_ignored(accepted: &[(Origin, Gated)]) -> String {
    let mut ignored = accepted.iter().flat_map(|(_, gated)| &gated.ignored);
    let count = accepted.iter().map(|(_, gated)| gated.ignored.len()).sum::<usize>();
    ignored
        .next()
        .map_or_else(String::new, |field| format!("{count} ignored, first {}", field.path))
}

/// What is invalid comes before what is only not acted upon; the path of the file is left out.
fn reason(root: &Path, file: &str, problems: &[Problem]) -> String {
    let invalid = problems.iter().find(|problem| problem.fault != Fault::NotActedOn);
    let text = invalid.or(problems.first()).map(ToString::to_string).unwrap_or_default();
    let text = text.replace(&format!("{file}: "), "").replace(&root.display().to_string(), "");
    text.replace(['\t', '\n'], " ")
}
