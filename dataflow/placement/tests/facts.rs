//! kube-scheduler's own cases, from the table of facts that stands beside the real inputs: the
//! same nodes fit, for the same reasons, and each score ranks alike.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use setpoint_placement::{NodeVerdict, SCORES};
use support::{fleet, list, name_of, shape};

#[test]
fn the_cases_of_kube_scheduler_come_out_as_there() {
    let Some(data) = setpoint_test_support::data("") else { return };
    let path = data.join("../design/SCHEDULER-FACTS.tsv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: no table of scheduler facts at {}", path.display());
        return;
    };
    let mut failures = Vec::new();
    let mut ran = 0;
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let given: Value = serde_json::from_str(fields[2]).unwrap();
        let expect: Value = serde_json::from_str(fields[3]).unwrap();
        ran += 1;
        failures
            .extend(run(fields[1], &given, &expect).err().map(|e| format!("{}: {e}", fields[0])));
    }
    assert!(ran >= 50, "only {ran} cases were read");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn run(area: &str, given: &Value, expect: &Value) -> Result<(), String> {
    let verdicts = fleet(given).explain(&shape(&given["pod"]));
    if let Some(order) = expect.get("order") {
        return ranks(area, &verdicts, order, &expect["score"]);
    }
    let fit: BTreeSet<String> =
        verdicts.iter().filter(|v| v.fits()).map(|v| v.name.to_string()).collect();
    let expected: BTreeSet<String> = list(&expect["fit"]).map(name_of).collect();
    if fit != expected {
        return Err(format!("fit {fit:?}, expected {expected:?}"));
    }
    for (name, reasons) in expect["no"].as_object().into_iter().flatten() {
        let verdict = verdicts.iter().find(|v| v.name.as_str() == name.to_lowercase()).unwrap();
        let said = &verdict.refusal().ok_or(format!("{name} fits"))?.reasons;
        let expected: Vec<&str> = list(reasons).filter_map(Value::as_str).collect();
        let alike = expected.iter().all(|e| said.iter().any(|s| s.starts_with(e)));
        if !alike || said.len() != expected.len() {
            return Err(format!("{name} says {said:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

fn ranks(
    area: &str,
    verdicts: &[NodeVerdict],
    order: &Value,
    scores: &Value,
) -> Result<(), String> {
    let name = match area {
        "noderesources.least" => "LeastAllocated",
        "noderesources.balanced" => "BalancedAllocation",
        "nodeaffinity.score" => "NodeAffinity",
        "tainttoleration.score" => "TaintToleration",
        "podtopologyspread.score" => "PodTopologySpread",
        "interpodaffinity.score" => "InterPodAffinity",
        other => return Err(format!("no score for the area {other}")),
    };
    let column = SCORES.iter().position(|score| score.name == name).unwrap();
    let mut groups: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for verdict in verdicts.iter().filter(|v| v.fits()) {
        let score = i64::from(verdict.scores.parts[column]);
        groups.entry(-score).or_default().insert(verdict.name.to_string());
        let mut expected = scores.as_object().unwrap().iter();
        let expected = expected.find(|(name, _)| name.to_lowercase() == verdict.name.as_str());
        let expected = expected.and_then(|(_, expected)| expected.as_i64());
        if expected.is_some_and(|expected| expected != score / 100) {
            return Err(format!("{} scores {score}, expected {expected:?} hundreds", verdict.name));
        }
    }
    let groups: Vec<BTreeSet<String>> = groups.into_values().collect();
    let expected: Vec<BTreeSet<String>> =
        list(order).map(|group| list(group).map(name_of).collect()).collect();
    if groups == expected {
        Ok(())
    } else {
        Err(format!("order {groups:?}, expected {expected:?}"))
    }
}
