//! `/metrics` of the real program: read as Prometheus reads it, and judged by Prometheus' own tool.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::api::{Api, deployment};
use crate::house::{House, alone};

/// The gauges are looked up every five seconds.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);
/// Units that Prometheus' conventions replace by base units.
const NOT_BASE_UNITS: &[&str] = &[
    "milliseconds",
    "ms",
    "microseconds",
    "minutes",
    "hours",
    "kilobytes",
    "megabytes",
    "percent",
];

/// A metric family of the text format.
#[derive(Debug, Default)]
struct Family {
    help: String,
    kind: String,
    /// Name with labels as written, and value.
    samples: BTreeMap<String, f64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_tell_what_happened_by_prometheus_conventions() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(
        &[("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000")],
        &["node-1", "node-2"],
    )
    .await;
    let mut big = deployment("big", 1);
    let cpu = "/spec/template/spec/containers/0/resources/requests/cpu";
    *big.pointer_mut(cpu).expect("the field") = json!("1000");
    api.apply(&[deployment("web", 3), big]).await.expect("it is applied");
    let again = deployment("web", 3);
    let path = "/apis/apps/v1/namespaces/default/deployments";
    api.post(path, &again).await.expect_err("it exists already");

    let figures = house
        .until("the figures are as the fleet is", SHOWN_WITHIN, async || {
            let families = families(&api).await?;
            let exactly = [
                ("setpoint_placements_total{change=\"placed\"}", 3.0),
                ("setpoint_actions_total{kind=\"start\",outcome=\"ok\"}", 3.0),
                ("setpoint_actions_total{kind=\"start\",outcome=\"failed\"}", 0.0),
                ("setpoint_decisions_total{action=\"Place\"}", 3.0),
                ("setpoint_request_duration_seconds_count{outcome=\"accepted\"}", 1.0),
                ("setpoint_request_duration_seconds_count{outcome=\"refused\"}", 1.0),
                ("setpoint_drift_pods{kind=\"missing\"}", 1.0),
                ("setpoint_drift_pods{kind=\"unavailable\"}", 0.0),
                ("setpoint_drift_pods{kind=\"excess\"}", 0.0),
                ("setpoint_pods{state=\"ready\"}", 3.0),
                ("setpoint_pods{state=\"waiting\"}", 1.0),
                ("setpoint_nodes{state=\"live\"}", 2.0),
                ("setpoint_dead_letters_total{topic=\"setpoint.requests\"}", 0.0),
                ("setpoint_leader", 1.0),
                ("setpoint_ready", 1.0),
                ("setpoint_holds", 0.0),
            ];
            let other =
                exactly.iter().find(|(name, wanted)| sample(&families, name) != Some(*wanted));
            match other {
                None => Ok(families),
                Some((name, wanted)) => {
                    Err(format!("{name} is {:?}, not {wanted}", sample(&families, name)))
                }
            }
        })
        .await;
    for (name, least) in [
        ("setpoint_epochs_total", 1.0),
        ("setpoint_records_total", 5.0),
        ("setpoint_step_seconds_count", 1.0),
        ("setpoint_commit_seconds_sum", 0.000_001),
        ("setpoint_epoch", 1.0),
        ("setpoint_term", 1.0),
        ("setpoint_engine_time_seconds", 1e9),
        ("setpoint_lag_records{partition=\"0\",topic=\"setpoint.leases\"}", 0.0),
        ("process_resident_memory_bytes", 1e6),
    ] {
        let found = sample(&figures, name);
        assert!(found.is_some_and(|found| found >= least), "{name} is {found:?}");
    }
    assert_eq!(mistakes(&figures), Vec::<String>::new());
    judged_by_promtool(&api).await;
}

#[test]
fn each_convention_is_held() {
    let text = "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n\
                # HELP b B.\n# TYPE b counter\nb 1\n\
                # TYPE c_ms histogram\nc_ms_bucket{le=\"+Inf\"} 1\nc_ms_sum 1\nc_ms_count 1\n";
    let found = mistakes(&parsed(text).expect("it parses"));
    assert_eq!(
        found,
        [
            "a_total: not a counter, and ends in _total",
            "b: a counter that does not end in _total",
            "c_ms: no help",
            "c_ms: ms is no base unit",
        ]
    );
}

async fn families(api: &Api) -> Result<BTreeMap<String, Family>, String> {
    let text = api.get("/metrics").await?;
    parsed(text.as_str().ok_or("it is not text")?)
}

fn parsed(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some((name, help)) = after(line, "# HELP ") {
            families.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = after(line, "# TYPE ") {
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else {
            let (name, value) = line.rsplit_once(' ').ok_or(format!("no value: {line}"))?;
            let value = value.parse().map_err(|_| format!("no number: {line}"))?;
            let bare = name.split('{').next().unwrap_or(name);
            let ends = ["", "_bucket", "_sum", "_count"];
            let family = ends.iter().filter_map(|end| bare.strip_suffix(end));
            let family = family.into_iter().find(|name| families.contains_key(*name));
            let family = family.ok_or(format!("no type: {line}"))?.to_owned();
            families.entry(family).or_default().samples.insert(name.to_owned(), value);
        }
    }
    Ok(families)
}

fn after<'a>(line: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(mark)?.split_once(' ')
}

fn sample(families: &BTreeMap<String, Family>, name: &str) -> Option<f64> {
    families.values().find_map(|family| family.samples.get(name)).copied()
}

/// What Prometheus' naming conventions would have otherwise.
fn mistakes(families: &BTreeMap<String, Family>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, family) in families {
        if family.help.is_empty() {
            found.push(format!("{name}: no help"));
        }
        match (family.kind.as_str(), name.ends_with("_total")) {
            ("counter", false) => {
                found.push(format!("{name}: a counter that does not end in _total"))
            }
            ("counter", true) => {}
            (_, true) => found.push(format!("{name}: not a counter, and ends in _total")),
            (_, false) => {}
        }
        let unit = name.split('_').find(|part| NOT_BASE_UNITS.contains(part));
        found.extend(unit.map(|unit| format!("{name}: {unit} is no base unit")));
    }
    found
}

/// Prometheus' own linter, which comes with its package.
async fn judged_by_promtool(api: &Api) {
    let text = api.get("/metrics").await.expect("the figures");
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = tool else {
        setpoint_test_support::skip("promtool, which comes with Prometheus, is absent");
        return;
    };
    let mut input = tool.stdin.take().expect("its input");
    input.write_all(text.as_str().expect("text").as_bytes()).expect("it reads");
    drop(input);
    let output = tool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool: {said}");
}
