//! Real manifests, placed one pod after the other: what KWOK's scheduling examples and
//! Open-Simulator's demo cluster come to.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::path::Path;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use setpoint_placement::{Fleet, NodeId, Placing, PodId, SAMPLES_DEFAULT};
use support::{node_info, shape, uid};

fn yaml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// The pod of a Pod or the template of a workload, and how many are wanted.
fn pods(manifest: &Value) -> (Value, u64) {
    let template = &manifest["spec"]["template"];
    let of = if template.is_null() { manifest } else { template };
    let mut pod = of["spec"].clone();
    pod["labels"] = of["metadata"]["labels"].clone();
    (pod, manifest["spec"]["replicas"].as_u64().unwrap_or(1))
}

/// Places what the files want, in order; says where each pod went, or why not.
fn check(fleet: &mut Fleet, data: &Path, files: &[&str], expected: Expect) {
    let mut told = Vec::new();
    for file in files {
        let manifest = yaml(&data.join("k8s").join(file));
        let (pod, replicas) = pods(&manifest);
        let shape = shape(&pod);
        for index in 0..replicas {
            let name = format!("{}-{index}", manifest["metadata"]["name"].as_str().unwrap());
            match fleet.place(&uid(&name), &shape, 1, SAMPLES_DEFAULT) {
                Placing::Unplaceable(reasons) => told.push(format!("{name}: {reasons}")),
                Placing::Placed { node, .. } => {
                    told.push(format!("{name}: {}", fleet.node(node).unwrap().name));
                    fleet.reserve(PodId(told.len() as u32), node, &shape);
                }
            }
        }
    }
    expected.assert_eq(&told.join("\n"));
}

fn of(nodes: &[Value]) -> Fleet {
    let mut fleet = Fleet::new();
    for (index, node) in nodes.iter().enumerate() {
        fleet.upsert_node(NodeId(index as u32), node_info(node));
    }
    fleet
}

#[test]
fn kwoks_scheduling_examples_go_where_its_documents_say() {
    let Some(data) = setpoint_test_support::data("") else { return };
    let region = |name: &str, region: &str| json!({ "name": name, "labels": { "topology.kubernetes.io/region": region, "region": region } });
    let mut nodes =
        vec![region("n1", "us-west-1"), region("n2", "us-west-2"), region("n3", "us-west-3")];
    check(
        &mut of(&nodes),
        &data,
        &["kwok-scheduling/pod-topology-spread-constraint/deployment.yaml"],
        expect![[r#"
            fake-app-0: n1
            fake-app-1: n2
            fake-app-2: n3
            fake-app-3: n1"#]],
    );
    for node in &mut nodes {
        node["taints"] =
            json!([{ "key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule" }]);
    }
    check(
        &mut of(&nodes),
        &data,
        &[
            "kwok-scheduling/taints-and-tolerations/no-toleration-pod.yaml",
            "kwok-scheduling/taints-and-tolerations/with-toleration-pod.yaml",
            "kwok-scheduling/node-affinity/pod.yaml",
        ],
        expect![[r#"
            no-toleration-pod-0: 0/3 nodes are available: 3 node(s) had untolerated taint {kwok.x-k8s.io/node: fake}.
            with-toleration-pod-0: n1
            pod-1-0: n2"#]],
    );
}

#[test]
fn open_simulators_cluster_takes_what_fits_and_says_why_not_the_rest() {
    let Some(data) = setpoint_test_support::data("") else { return };
    let folder = data.join("k8s/open-simulator/cluster/demo_1/nodes");
    let nodes: Vec<Value> = ["master-1", "master-2", "master-3", "worker-1"]
        .iter()
        .map(|name| {
            let node = yaml(&folder.join(format!("{name}.yaml")));
            let (meta, spec, status) = (&node["metadata"], &node["spec"], &node["status"]);
            json!({ "name": meta["name"], "labels": meta["labels"], "taints": spec["taints"], "allocatable": status["allocatable"] })
        })
        .collect();
    let files = ["pod", "deploy-nginx", "deploy-webapp", "sts-busybox"];
    let files: Vec<String> =
        files.iter().map(|f| format!("open-simulator/application/complicate/{f}.yaml")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    check(
        &mut of(&nodes),
        &data,
        &files,
        expect![[r#"
        single-pod-0: master-1
        nginx-deploy-0: master-2
        nginx-deploy-1: master-3
        nginx-deploy-2: worker-1
        nginx-deploy-3: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient memory.
        webapp-deploy-0: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient cpu, 3 Insufficient memory.
        webapp-deploy-1: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient cpu, 3 Insufficient memory.
        webapp-deploy-2: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient cpu, 3 Insufficient memory.
        webapp-deploy-3: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient cpu, 3 Insufficient memory.
        webapp-deploy-4: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient cpu, 3 Insufficient memory.
        webapp-deploy-5: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient cpu, 3 Insufficient memory.
        webapp-deploy-6: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient cpu, 3 Insufficient memory.
        webapp-deploy-7: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, 3 Insufficient cpu, 3 Insufficient memory.
        busybox-sts-0: master-1
        busybox-sts-1: 0/4 nodes are available: 4 Insufficient cpu, 4 Insufficient memory.
        busybox-sts-2: 0/4 nodes are available: 4 Insufficient cpu, 4 Insufficient memory.
        busybox-sts-3: 0/4 nodes are available: 4 Insufficient cpu, 4 Insufficient memory.
        busybox-sts-4: 0/4 nodes are available: 4 Insufficient cpu, 4 Insufficient memory.
        busybox-sts-5: 0/4 nodes are available: 4 Insufficient cpu, 4 Insufficient memory.
        busybox-sts-6: 0/4 nodes are available: 4 Insufficient cpu, 4 Insufficient memory.
        busybox-sts-7: 0/4 nodes are available: 4 Insufficient cpu, 4 Insufficient memory."#]],
    );
}
