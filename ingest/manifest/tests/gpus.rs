//! Devices in manifests and Compose files: what they become, and what is refused.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use setpoint_ingest_manifest::{ComposeOptions, LoadOptions, Source, load, read_project};

/// What is said of a pod whose containers ask for these limits.
fn judged(limits: &[&str]) -> String {
    let container = |(index, limits): (usize, &&str)| {
        format!("  - {{name: c{index}, image: i, resources: {{limits: {{{limits}}}}}}}\n")
    };
    let containers: String = limits.iter().enumerate().map(container).collect();
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n{containers}"
    );
    match load(&[Source::Text { name: "web.yaml".into(), text }], &LoadOptions::default()) {
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Ok(_) => "accepted".to_owned(),
    }
}

#[test]
fn a_pod_asks_for_whole_devices_or_for_shares_of_one() {
    assert_eq!(judged(&["nvidia.com/gpu: 2", "nvidia.com/gpu: 1"]), "accepted");
    assert_eq!(judged(&["setpoint.dev/gpu-milli: 300", "setpoint.dev/gpu-milli: 700"]), "accepted");
    assert_eq!(
        judged(&["nvidia.com/gpu: 1, setpoint.dev/gpu-milli: 300"]),
        "web.yaml: document 1: spec.containers[0].resources: container \"c0\" asks for both nvidia.com/gpu and \
         setpoint.dev/gpu-milli; a pod has whole devices or a share of one"
    );
    assert_eq!(
        judged(&["nvidia.com/gpu: 1", "setpoint.dev/gpu-milli: 300"]),
        "web.yaml: document 1: spec.containers: its containers ask for both nvidia.com/gpu and \
         setpoint.dev/gpu-milli; a pod has whole devices or a share of one"
    );
}

#[test]
fn what_one_device_does_not_have_is_refused() {
    assert_eq!(
        judged(&["setpoint.dev/gpu-milli: 1001"]),
        "web.yaml: document 1: spec.containers[0].resources: container \"c0\" asks for 1001 of \
         setpoint.dev/gpu-milli; a share of one device is from 1 to 1000; for more devices ask for \
         nvidia.com/gpu"
    );
    let both = judged(&["setpoint.dev/gpu-milli: 600", "setpoint.dev/gpu-milli: 500"]);
    assert!(both.contains("1100 of setpoint.dev/gpu-milli together"), "{both}");
    let part = judged(&["nvidia.com/gpu: 500m"]);
    assert!(part.contains("it must be a whole number"), "{part}");
}

/// The limits of the service's container, or what is wrong, and what is not acted on.
fn reserved(devices: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compose.yaml");
    let text = format!(
        "name: shop\nservices:\n  train:\n    image: train\n    deploy:\n      resources:\n        \
         reservations:\n          devices: {devices}\n"
    );
    std::fs::write(&path, text).unwrap();
    let options = ComposeOptions { allow_ignored: true, ..ComposeOptions::default() };
    match read_project(&path, &options) {
        Err(problems) => {
            (problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), String::new())
        }
        Ok(project) => {
            let workload = project.objects.iter().find(|object| object["kind"] == "Deployment");
            let container = &workload.unwrap()["spec"]["template"]["spec"]["containers"][0];
            let ignored = project.ignored.iter().map(|i| i.reason.clone()).collect::<Vec<_>>();
            (container["resources"].to_string(), ignored.join("; "))
        }
    }
}

#[test]
fn compose_reserves_as_many_devices_as_it_says() {
    let (limits, rest) = reserved("[{driver: nvidia, count: 2, capabilities: [gpu]}]");
    assert_eq!(limits, r#"{"limits":{"nvidia.com/gpu":"2"}}"#);
    assert_eq!(rest, "");
    let (limits, rest) = reserved("[{device_ids: ['0', '3'], capabilities: [gpu, utility]}]");
    assert_eq!(limits, r#"{"limits":{"nvidia.com/gpu":"2"}}"#);
    assert!(rest.contains("chosen where it is placed"), "{rest}");
    let (refused, _) = reserved("[{count: all, capabilities: [gpu]}]");
    assert!(refused.contains("count: must be a number of at least 1"), "{refused}");
    let (refused, _) = reserved("[{driver: amd, count: 1, capabilities: [gpu]}]");
    assert!(refused.contains("must be nvidia"), "{refused}");
    let (limits, rest) = reserved("[{count: 1, capabilities: [tpu]}]");
    assert_eq!(limits, "{}");
    assert!(rest.contains("only devices with the capability gpu"), "{rest}");
}
