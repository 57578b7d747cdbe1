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

/// How many files apply without `--allow-ignored`, of how many that are sound: no fewer than before.
/// The seven of `k8s/manifests` that are not sound name kinds or versions that nobody defines, or have
/// no selector.
#[test]
fn no_fewer_real_files_apply_as_they_are() {
    let Some(root) = data::root() else { return };
    for (folder, is_counted, floor, sound_floor) in [
        ("k8s/manifests", is_manifest as fn(&str) -> bool, MANIFESTS_MIN, 39),
        ("compose", is_compose_file, COMPOSE_MIN, 61),
    ] {
        let mut counts = (0, 0);
        for file in data::files(&root.join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if is_counted(&text) && verdict(&root, &file, true).0 != "refused" {
                counts.0 += 1;
                counts.1 += usize::from(verdict(&root, &file, false).0 != "refused");
            }
        }
        let (sound, applied) = counts;
        println!("{folder}: {applied} of {sound} apply as they are");
        assert!(sound >= sound_floor, "{folder}: only {sound} are sound");
        assert!(applied >= floor, "{folder}: only {applied} of {sound}, before {floor}");
    }
}

/// Raised with each field that is acted upon.
const MANIFESTS_MIN: usize = 38;
/// The same for Compose files.
const COMPOSE_MIN: usize = 55;

fn is_manifest(text: &str) -> bool {
    text.contains("apiVersion")
}

fn is_compose_file(text: &str) -> bool {
    let begins = |word: &str| text.lines().any(|line| line.starts_with(word));
    (begins("services:") || begins("include:")) && !begins("apiVersion")
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
    options.compose.variables.insert("HOME".into(), "/home/asker".into());
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
