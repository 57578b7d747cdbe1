//! The demo as a user runs it: eleven steps, each observed, nothing left behind.

use std::process::Command;

use serde_json::Value;

/// The demo may take this long on a machine that does nothing else.
const DEMO_SECONDS_MAX: f64 = 90.0;

#[test]
fn every_step_of_the_demo_is_observed() {
    let demo = Command::new(env!("CARGO_BIN_EXE_setpoint")).args(["demo", "--json"]).output();
    let demo = demo.expect("the demo starts");
    let told = String::from_utf8_lossy(&demo.stdout);
    let steps: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a step"))
        .collect();
    assert!(demo.status.success(), "{told}\n{}", String::from_utf8_lossy(&demo.stderr));
    assert_eq!(steps.len(), 11, "{told}");
    assert!(steps.iter().all(|step| step["ok"] == true), "{told}");
    let seconds: f64 = steps.iter().filter_map(|step| step["seconds"].as_f64()).sum();
    assert!(seconds < DEMO_SECONDS_MAX, "it took {seconds} s");
}
