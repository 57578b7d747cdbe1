//! What the placer answers, case by case: the node, or kube-scheduler's sentence.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use setpoint_placement::{Fleet, NodeId, Placing, SAMPLES_DEFAULT};
use support::{fleet, shape, try_shape, uid};

fn answer(fleet: &mut Fleet, pod: &Value) -> String {
    match fleet.place(&uid("p-1"), &shape(pod), 1, SAMPLES_DEFAULT) {
        Placing::Placed { node, .. } => fleet.node(node).unwrap().name.to_string(),
        Placing::Unplaceable(reasons) => reasons.to_string(),
    }
}

fn check(given: Value, expected: Expect) {
    expected.assert_eq(&answer(&mut fleet(&given), &given["pod"]));
}

fn refused(pod: Value, expected: Expect) {
    expected.assert_eq(&try_shape(&pod).unwrap_err().to_string());
}

fn selecting(key: &str, value: &str) -> Value {
    json!({ "matchLabels": { key: value } })
}

fn spread(key: &str, more: Value) -> Value {
    let mut constraint = json!({ "maxSkew": 1, "topologyKey": key, "labelSelector": selecting("app", "web"),
        "whenUnsatisfiable": "DoNotSchedule" });
    for (key, value) in more.as_object().unwrap() {
        constraint[key] = value.clone();
    }
    json!([constraint])
}

fn required(kind: &str, terms: Value) -> Value {
    json!({ kind: { "requiredDuringSchedulingIgnoredDuringExecution": terms } })
}

fn zones() -> Value {
    json!([
        { "name": "a1", "labels": { "zone": "a" } },
        { "name": "b1", "labels": { "zone": "b" } },
        { "name": "none" },
    ])
}

#[test]
fn an_empty_fleet_has_no_nodes() {
    check(json!({ "pod": {} }), expect!["no nodes available to schedule pods"]);
}

#[test]
fn every_node_is_counted_under_the_first_filter_that_refuses_it() {
    check(
        json!({
            "nodes": [
                { "name": "n1", "allocatable": { "cpu": "1" } },
                { "name": "n2", "allocatable": { "cpu": "1", "memory": "1Gi" } },
                { "name": "n3", "taints": [{ "key": "key", "value": "value", "effect": "NoSchedule" }] },
                { "name": "n4", "taints": [{ "key": "key", "value": "value", "effect": "NoExecute" }], "allocatable": { "cpu": "1" } },
                { "name": "n5", "ready": false, "unschedulable": true },
                { "name": "n6", "unschedulable": true },
            ],
            "pod": { "requests": { "cpu": "2", "memory": "2Gi" } },
        }),
        expect![
            "0/6 nodes are available: 1 Insufficient memory, 1 node(s) were not ready, 1 node(s) were unschedulable, 2 Insufficient cpu, 2 node(s) had untolerated taint {key: value}."
        ],
    );
}

#[test]
fn reasons_are_sorted_as_text_with_their_counts() {
    let tainted = |n: usize| json!({ "name": format!("t{n}"), "taints": [{ "key": "k", "effect": "NoSchedule" }] });
    let mut nodes: Vec<Value> = (0..10).map(tainted).collect();
    nodes
        .extend((0..2).map(|n| json!({ "name": format!("s{n}"), "allocatable": { "pods": "0" } })));
    check(
        json!({ "nodes": nodes, "pod": {} }),
        expect![
            "0/12 nodes are available: 10 node(s) had untolerated taint {k: }, 2 Too many pods."
        ],
    );
}

#[test]
fn the_cordon_is_passed_by_the_toleration_that_stands_for_it() {
    check(
        json!({
            "nodes": [{ "name": "n1", "unschedulable": true }],
            "pod": { "tolerations": [{ "key": "node.kubernetes.io/unschedulable", "operator": "Exists" }] },
        }),
        expect!["n1"],
    );
}

#[test]
fn no_toleration_passes_a_node_that_is_not_ready() {
    check(
        json!({ "nodes": [{ "name": "n1", "ready": false }], "pod": { "tolerations": [{ "operator": "Exists" }] } }),
        expect!["0/1 nodes are available: 1 node(s) were not ready."],
    );
}

#[test]
fn an_extended_resource_is_short_where_there_is_none_or_too_little_left() {
    check(
        json!({
            "nodes": [{ "name": "n1" }, { "name": "n2", "allocatable": { "example.com/gpu": "2" } }],
            "pods": [{ "nodeName": "n2", "requests": { "example.com/gpu": "1" } }],
            "pod": { "requests": { "example.com/gpu": "2", "cpu": "9" } },
        }),
        expect!["0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient example.com/gpu."],
    );
}

#[test]
fn node_selector_and_affinity_share_a_phrase() {
    let term = json!([{ "key": "disk", "operator": "NotIn", "values": ["hdd"] }, { "key": "size", "operator": "Lt", "values": ["5"] }]);
    let terms = json!({ "nodeSelectorTerms": [{ "matchExpressions": term }] });
    check(
        json!({
            "nodes": [
                { "name": "n1", "labels": { "disk": "hdd", "size": "3", "arch": "x" } },
                { "name": "n2", "labels": { "size": "4", "arch": "y" } },
                { "name": "n3", "labels": { "size": "many", "arch": "x" } },
            ],
            "pod": { "nodeSelector": { "arch": "x" }, "affinity": required("nodeAffinity", terms) },
        }),
        expect!["0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."],
    );
}

#[test]
fn a_pod_that_names_its_node_by_field_goes_there_or_nowhere() {
    let named = |name: &str| json!({ "nodeSelectorTerms": [{ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [name] }] }] });
    let nodes =
        json!([{ "name": "n1" }, { "name": "n2" }, { "name": "n3", "unschedulable": true }]);
    check(
        json!({ "nodes": nodes, "pod": { "affinity": required("nodeAffinity", named("n2")) } }),
        expect!["n2"],
    );
    check(
        json!({ "nodes": nodes, "pod": { "affinity": required("nodeAffinity", named("n3")) } }),
        expect![
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector."
        ],
    );
}

#[test]
fn node_name_goes_past_every_filter_but_the_node_must_exist_and_live() {
    let nodes = json!([{ "name": "n1", "unschedulable": true, "allocatable": { "pods": "0" } }]);
    check(json!({ "nodes": nodes, "pod": { "nodeName": "n1" } }), expect!["n1"]);
    for (flag, value, why) in [("ready", false, "not ready"), ("watched", true, "only watched")] {
        let mut nodes = nodes.clone();
        nodes[0][flag] = json!(value);
        let given = json!({ "nodes": nodes, "pod": { "nodeName": "n1" } });
        let answer = self::answer(&mut fleet(&given), &given["pod"]);
        assert_eq!(answer, format!("0/1 nodes are available: 1 node(s) were {why}."));
    }
    check(
        json!({ "nodes": nodes, "pod": { "nodeName": "n9" } }),
        expect!["0/1 nodes are available: 1 node(s) didn't match the requested node name."],
    );
}

#[test]
fn a_host_port_is_taken_once_a_protocol_and_address() {
    let given = |ports: Value| {
        json!({
            "nodes": [{ "name": "n1" }],
            "pods": [{ "nodeName": "n1", "hostPorts": ["TCP/127.0.0.1/80", "UDP//53"] }],
            "pod": { "hostPorts": ports },
        })
    };
    let taken =
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    for (ports, answer) in [
        (json!(["TCP/127.0.0.2/80"]), "n1"),
        (json!(["TCP//80"]), taken),
        (json!(["UDP/127.0.0.1/80"]), "n1"),
        (json!(["UDP/10.0.0.1/53"]), taken),
        (json!(["TCP//53"]), "n1"),
    ] {
        let given = given(ports);
        assert_eq!(self::answer(&mut fleet(&given), &given["pod"]), answer, "{given}");
    }
}

#[test]
fn the_hosts_own_network_takes_every_container_port() {
    let pod =
        json!({ "hostNetwork": true, "containers": [{ "ports": [{ "containerPort": 80 }] }] });
    let mut bound = pod.clone();
    bound["nodeName"] = json!("n1");
    check(
        json!({ "nodes": [{ "name": "n1" }], "pods": [bound], "pod": pod }),
        expect![
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
        ],
    );
}

#[test]
fn spread_keeps_the_skew_and_needs_the_label() {
    let web = |node: &str| json!({ "nodeName": node, "labels": { "app": "web" } });
    let pod = |more: Value| json!({ "labels": { "app": "web" }, "topologySpreadConstraints": spread("zone", more) });
    check(json!({ "nodes": zones(), "pods": [web("a1")], "pod": pod(json!({})) }), expect!["b1"]);
    check(
        json!({ "nodes": zones(), "pods": [web("a1"), web("b1")], "pod": pod(json!({ "minDomains": 3 })) }),
        expect![
            "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), 2 node(s) didn't match pod topology spread constraints."
        ],
    );
}

#[test]
fn spread_counts_the_revision_that_match_label_keys_name() {
    let old = json!({ "nodeName": "a1", "labels": { "app": "web", "rev": "1" } });
    let new = json!({ "nodeName": "b1", "labels": { "app": "web", "rev": "2" } });
    check(
        json!({
            "nodes": zones(),
            "pods": [old, old, new],
            "pod": { "labels": { "app": "web", "rev": "2" }, "topologySpreadConstraints": spread("zone", json!({ "matchLabelKeys": ["rev"] })) },
        }),
        expect!["a1"],
    );
}

#[test]
fn spread_may_ignore_what_it_honors_by_default() {
    let nodes = json!([
        { "name": "a1", "labels": { "zone": "a", "use": "web" } },
        { "name": "b1", "labels": { "zone": "b", "use": "db" } },
    ]);
    let web = json!({ "nodeName": "a1", "labels": { "app": "web" } });
    let pod = |policy: &str| {
        json!({ "labels": { "app": "web" }, "nodeSelector": { "use": "web" },
            "topologySpreadConstraints": spread("zone", json!({ "nodeAffinityPolicy": policy })) })
    };
    check(json!({ "nodes": nodes, "pods": [web], "pod": pod("Honor") }), expect!["a1"]);
    check(
        json!({ "nodes": nodes, "pods": [web], "pod": pod("Ignore") }),
        expect![
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match pod topology spread constraints."
        ],
    );
}

#[test]
fn a_spread_that_honors_taints_leaves_out_cordoned_nodes_and_those_that_are_not_ready() {
    let web = |node: &str| json!({ "nodeName": node, "labels": { "app": "web" } });
    let pod = |policy: &str| {
        json!({ "labels": { "app": "web" },
            "topologySpreadConstraints": spread("zone", json!({ "nodeTaintsPolicy": policy })) })
    };
    let apart = "1 node(s) didn't match pod topology spread constraints";
    for (flag, value, why) in
        [("unschedulable", true, "unschedulable"), ("ready", false, "not ready")]
    {
        let mut nodes = json!([
            { "name": "a1", "labels": { "zone": "a" } },
            { "name": "b1", "labels": { "zone": "b" } },
        ]);
        nodes[0][flag] = json!(value);
        check_both(&nodes, &web("b1"), &pod("Honor"), "b1");
        let refused = format!("0/2 nodes are available: {apart}, 1 node(s) were {why}.");
        check_both(&nodes, &web("b1"), &pod("Ignore"), &refused);
    }
}

fn check_both(nodes: &Value, there: &Value, pod: &Value, expected: &str) {
    let given = json!({ "nodes": nodes, "pods": [there], "pod": pod });
    assert_eq!(answer(&mut fleet(&given), &given["pod"]), expected, "{given}");
}

#[test]
fn affinity_goes_beside_its_own_kind_once_there_is_one() {
    let terms = json!([{ "topologyKey": "zone", "labelSelector": selecting("app", "web") }]);
    let pod = json!({ "labels": { "app": "web" }, "affinity": required("podAffinity", terms) });
    check(json!({ "nodes": zones(), "pod": pod }), expect!["a1"]);
    let there = json!({ "nodeName": "b1", "labels": { "app": "web" } });
    check(json!({ "nodes": zones(), "pods": [there], "pod": pod }), expect!["b1"]);
    let mut other = pod.clone();
    other["labels"]["app"] = json!("db");
    check(
        json!({ "nodes": zones(), "pod": other }),
        expect!["0/3 nodes are available: 3 node(s) didn't match pod affinity rules."],
    );
}

#[test]
fn anti_affinity_holds_in_both_directions() {
    let terms = json!([{ "topologyKey": "zone", "labelSelector": selecting("app", "web") }]);
    let shy = json!({ "affinity": required("podAntiAffinity", terms) });
    let web = json!({ "labels": { "app": "web" } });
    let on = |pod: &Value, node: &str| {
        let mut pod = pod.clone();
        pod["nodeName"] = json!(node);
        pod
    };
    let nodes = zones();
    let nodes = &nodes.as_array().unwrap()[..2];
    check(
        json!({ "nodes": nodes, "pods": [on(&web, "a1"), on(&web, "b1")], "pod": shy }),
        expect!["0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules."],
    );
    check(
        json!({ "nodes": nodes, "pods": [on(&shy, "a1"), on(&shy, "b1")], "pod": web }),
        expect![
            "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules."
        ],
    );
    check(
        json!({ "nodes": zones(), "pods": [on(&shy, "a1"), on(&shy, "b1")], "pod": web }),
        expect!["none"],
    );
}

#[test]
fn namespaces_are_chosen_by_name_or_by_their_labels() {
    let given = |term: Value| {
        json!({
            "nodes": zones(),
            "namespaces": { "team-a": { "team": "devops" } },
            "pods": [{ "nodeName": "b1", "namespace": "team-a", "labels": { "app": "web" } }],
            "pod": { "affinity": required("podAffinity", json!([term])) },
        })
    };
    let mut term = json!({ "topologyKey": "zone", "labelSelector": selecting("app", "web") });
    check(
        given(term.clone()),
        expect!["0/3 nodes are available: 3 node(s) didn't match pod affinity rules."],
    );
    term["namespaces"] = json!(["team-a"]);
    check(given(term.clone()), expect!["b1"]);
    term.as_object_mut().unwrap().remove("namespaces");
    term["namespaceSelector"] = selecting("team", "devops");
    check(given(term.clone()), expect!["b1"]);
    let mut fleet = fleet(&given(term.clone()));
    let pod = given(term)["pod"].clone();
    assert_eq!(answer(&mut fleet, &pod), "b1");
    fleet.set_namespace_labels("team-a", support::Labels::new());
    assert_eq!(
        answer(&mut fleet, &pod),
        "0/3 nodes are available: 3 node(s) didn't match pod affinity rules."
    );
}

#[test]
fn preferences_decide_between_nodes_that_fit() {
    let preferred = |kind: &str, inner: &str, term: Value| json!({ kind: { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 1, inner: term }] } });
    let zone_b =
        json!({ "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["b"] }] });
    let near_web = json!({ "topologyKey": "zone", "labelSelector": selecting("app", "web") });
    let web = json!({ "nodeName": "b1", "labels": { "app": "web" }, "requests": { "cpu": "2" } });
    let two = zones();
    let two = &two.as_array().unwrap()[..2];
    check(
        json!({ "nodes": zones(), "pod": { "affinity": preferred("nodeAffinity", "preference", zone_b) } }),
        expect!["b1"],
    );
    check(
        json!({ "nodes": two, "pods": [web], "pod": { "affinity": preferred("podAffinity", "podAffinityTerm", near_web.clone()) } }),
        expect!["b1"],
    );
    check(
        json!({ "nodes": two, "pods": [web], "pod": { "affinity": preferred("podAntiAffinity", "podAffinityTerm", near_web) } }),
        expect!["a1"],
    );
    let soft = spread("zone", json!({ "whenUnsatisfiable": "ScheduleAnyway" }));
    let busy = json!({ "nodeName": "b1", "requests": { "cpu": "3", "memory": "24Gi" } });
    let light = json!({ "nodeName": "a1", "labels": { "app": "web" } });
    check(
        json!({ "nodes": two, "pods": [light, busy], "pod": { "topologySpreadConstraints": soft } }),
        expect!["b1"],
    );
    let rather_not = json!([{ "name": "a", "taints": [{ "key": "k", "effect": "PreferNoSchedule" }] }, { "name": "b" }]);
    check(
        json!({ "nodes": rather_not, "pods": [{ "nodeName": "b", "requests": { "cpu": "3" } }], "pod": {} }),
        expect!["b"],
    );
}

#[test]
fn pods_that_ask_for_nothing_spread_all_the_same() {
    let mut fleet =
        fleet(&json!({ "nodes": [{ "name": "n1" }, { "name": "n2" }, { "name": "n3" }] }));
    let pod = shape(&json!({}));
    for index in 0..9 {
        let uid = uid(&format!("p-{index}"));
        let Placing::Placed { node, .. } = fleet.place(&uid, &pod, 1, SAMPLES_DEFAULT) else {
            panic!("an empty pod fits");
        };
        fleet.reserve(setpoint_placement::PodId(index), node, &pod);
    }
    for node in 0..3 {
        assert_eq!(fleet.allocated(NodeId(node)).pods, 3);
    }
}

#[test]
fn explain_speaks_of_every_filter_on_every_node() {
    let given = json!({
        "nodes": [{ "name": "n1" }, { "name": "n2", "unschedulable": true, "allocatable": { "cpu": "1" } }],
        "pod": { "requests": { "cpu": "2" } },
    });
    let told: Vec<String> = fleet(&given)
        .explain(&shape(&given["pod"]))
        .iter()
        .map(|v| {
            let refusals: Vec<String> = v.filters.iter().flat_map(|f| f.reasons.clone()).collect();
            format!("{} {} {refusals:?} {}", v.name, v.fits(), v.scores)
        })
        .collect();
    expect![[r#"
        n1 true [] LeastAllocated=74.69 BalancedAllocation=75.00
        n2 false ["node(s) were unschedulable", "Insufficient cpu"] LeastAllocated=49.69 BalancedAllocation=50.00"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn what_cannot_be_compiled_names_its_field() {
    let term = |r: Value| json!({ "affinity": required("nodeAffinity", json!({ "nodeSelectorTerms": [{ "matchExpressions": [r] }] })) });
    refused(
        term(json!({ "key": "a", "operator": "In" })),
        expect!["cannot compile spec.affinity.nodeAffinity: In and NotIn need at least one value"],
    );
    refused(
        term(json!({ "key": "a", "operator": "Gt", "values": ["x"] })),
        expect!["cannot compile spec.affinity.nodeAffinity: Gt and Lt need an integer"],
    );
    refused(
        json!({ "affinity": required("podAffinity", json!([{ "topologyKey": "" }])) }),
        expect!["cannot compile spec.affinity.podAffinity: a term needs a topologyKey"],
    );
    refused(
        json!({ "topologySpreadConstraints": spread("zone", json!({ "maxSkew": 0 })) }),
        expect!["cannot compile spec.topologySpreadConstraints: maxSkew must be at least 1"],
    );
    refused(
        json!({ "tolerations": [{ "value": "x" }] }),
        expect![
            "cannot compile spec.tolerations: a toleration without a key needs operator Exists"
        ],
    );
    refused(
        json!({ "hostPorts": ["ICMP//1"] }),
        expect!["cannot compile spec.containers.ports: the protocol is none of TCP, UDP and SCTP"],
    );
}
