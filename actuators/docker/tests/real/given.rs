//! What a container is given, as it finds it itself. On a real engine, started here.

use crate::common::{LASTING, Node, pod, shell};
use setpoint_actuator_docker::testing::{TEST_IMAGE_OF_NOBODY, require};
use setpoint_actuators::{Actuator, FileToMount, POD_ADDRESS, PodToRun};
use setpoint_schemas::ContainerState::{Running, Terminated};

/// What a container ends with that found everything as it should be.
const FOUND: i32 = 9;

#[tokio::test(flavor = "multi_thread")]
async fn a_container_finds_what_it_was_given() {
    if !require() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path()).await;
    users_groups_and_rights_are_as_asked(&node).await;
    who_must_not_be_root_is_not_started_as_root(&node).await;
    names_are_found_and_processes_shared(&node).await;
    an_address_is_told_also_to_a_container_alone(&node).await;
    memory_is_shared_bounded_and_outlasts_its_containers(&node).await;
    a_folder_that_became_a_link_is_not_mounted_again(&node).await;
}

/// One container of the pod with this script, and what else the spec says.
fn one(uid: &str, script: &str, container: &str, pod_fields: &str) -> PodToRun {
    let main = shell("main", script);
    let main = main.trim_end_matches('}');
    pod(uid, &format!(r#"{{"containers": [{main}{container}}}]{pod_fields}}}"#))
}

async fn ends(node: &Node, pod: &PodToRun, name: &str) -> Option<i32> {
    let uid = pod.placement.uid.to_string();
    let ended = node.reaches(&uid, name, Terminated).await;
    ended.exit_code
}

async fn users_groups_and_rights_are_as_asked(node: &Node) {
    let script = "test $(id -u) = 1000 && test $(id -g) = 3000 && id -G | grep -q 2000 \
                  && echo x > /cache/x && test $(stat -c %g /cache/x) = 2000 \
                  && test $(cat /conf/key) = one && test $(stat -Lc %g /conf/key) = 2000 \
                  && ! touch /here && ! touch /host/x && touch /host-rw/x \
                  && grep -q 'NoNewPrivs:.*1' /proc/self/status \
                  && grep -q 'CapBnd:.*0000000000000400' /proc/self/status \
                  && touch /sub/y && test -e /cache/made/here/y && exit 9";
    let host = tempfile::tempdir().expect("a folder");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(host.path(), mode).expect("set");
    let container = r#", "securityContext": {"runAsGroup": 3000, "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"},
            {"name": "cache", "mountPath": "/sub", "subPath": "made/here"},
            {"name": "conf", "mountPath": "/conf"},
            {"name": "host", "mountPath": "/host", "readOnly": true},
            {"name": "host", "mountPath": "/host-rw"}]"#;
    let pod_fields = format!(
        r#", "securityContext": {{"runAsUser": 1000, "fsGroup": 2000, "runAsNonRoot": true}},
        "volumes": [{{"name": "cache", "emptyDir": {{}}}},
            {{"name": "conf", "projected": {{"sources": [{{"configMap": {{"name": "c"}}}}]}}}},
            {{"name": "host", "hostPath": {{"path": "{}", "type": "Directory"}}}}]"#,
        host.path().display()
    );
    let mut pod = one("rights", script, container, &pod_fields);
    let file = FileToMount { path: "key".into(), bytes: b"one".to_vec(), mode: 0o400 };
    pod.volumes.insert("conf".into(), vec![file]);
    node.run(&pod).await.expect("it starts");
    assert_eq!(ends(node, &pod, "main").await, Some(FOUND));
    node.stop(&pod).await;
    assert!(host.path().join("x").exists(), "what is the node's stays");
}

async fn who_must_not_be_root_is_not_started_as_root(node: &Node) {
    let asked = r#", "securityContext": {"runAsNonRoot": true}"#;
    let root = one("root", "exit 9", "", asked);
    let error = node.run(&root).await.expect_err("the image's user is root");
    assert!(!error.is_transient() && error.to_string().contains("will run as root"), "{error}");
    node.stop(&root).await;
    let mut nobody = one("nobody", "test $(id -u) = 65534 && exit 9", "", asked);
    nobody.spec.containers[0].image = Some(TEST_IMAGE_OF_NOBODY.to_owned());
    node.run(&nobody).await.expect("the image's user is nobody");
    assert_eq!(ends(node, &nobody, "main").await, Some(FOUND));
    node.stop(&nobody).await;
}

async fn names_are_found_and_processes_shared(node: &Node) {
    let script = "grep -q '10.0.0.7.*db' /etc/hosts && grep -q 'nameserver 10.0.0.2' /etc/resolv.conf \
                  && grep -q 'options ndots:2' /etc/resolv.conf \
                  && test $(cat /proc/sys/kernel/hostname) = front.web.default.svc.cluster.local \
                  && test $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start) = 79 \
                  && grep -q pause /proc/1/cmdline && exit 9";
    let side = shell("side", LASTING);
    let main = shell("main", script);
    let spec = format!(
        r#"{{"containers": [{main}, {side}], "hostname": "front", "subdomain": "web",
            "setHostnameAsFQDN": true, "shareProcessNamespace": true, "dnsPolicy": "None",
            "dnsConfig": {{"nameservers": ["10.0.0.2"],
                           "options": [{{"name": "ndots", "value": "2"}}]}},
            "hostAliases": [{{"ip": "10.0.0.7", "hostnames": ["db"]}}],
            "securityContext": {{"sysctls": [
                {{"name": "net.ipv4.ip_unprivileged_port_start", "value": "79"}}]}}}}"#
    );
    let pod = pod("names", &spec);
    node.run(&pod).await.expect("it starts");
    assert_eq!(ends(node, &pod, "main").await, Some(FOUND));
    node.stop(&pod).await;
}

async fn an_address_is_told_also_to_a_container_alone(node: &Node) {
    let mut pod = one("told", "test \"$URL\" = http://127.0.0.1:80 && exit 9", "", "");
    let url = ("URL".to_owned(), format!("http://{POD_ADDRESS}:80"));
    pod.env.insert("main".into(), vec![url]);
    node.run(&pod).await.expect("it starts");
    assert_eq!(ends(node, &pod, "main").await, Some(FOUND));
    node.stop(&pod).await;
}

async fn memory_is_shared_bounded_and_outlasts_its_containers(node: &Node) {
    let writer = "grep -q ' /m tmpfs' /proc/mounts && if [ -e /m/x ]; then exit 9; fi; echo x > /m/x; \
                  ! head -c 3000000 /dev/zero > /m/big && rm /m/big && exit 8";
    let reader = "until [ -e /m/x ]; do sleep 0.1; done; exit 9";
    let with = |name: &str, script: &str| {
        let text = shell(name, script);
        let text = text.trim_end_matches('}').to_owned();
        format!(r#"{text}, "volumeMounts": [{{"name": "m", "mountPath": "/m"}}]}}"#)
    };
    let containers = format!("{}, {}", with("writer", writer), with("reader", reader));
    let volume = r#"{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}"#;
    let pod = pod("memory", &format!(r#"{{"containers": [{containers}], "volumes": [{volume}]}}"#));
    node.run(&pod).await.expect("it starts");
    assert_eq!(ends(node, &pod, "writer").await, Some(8));
    assert_eq!(ends(node, &pod, "reader").await, Some(FOUND));
    node.actuator.restart_container(&pod.placement.uid, "writer").await.expect("it restarts");
    for _ in 0..600 {
        if ends(node, &pod, "writer").await == Some(FOUND) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(ends(node, &pod, "writer").await, Some(FOUND), "what it wrote is there");
    let count = || async {
        let none = None::<bollard::query_parameters::ListVolumesOptions>;
        let found = node.docker.list_volumes(none).await.expect("a list");
        found.volumes.unwrap_or_default().len()
    };
    assert_eq!(count().await, 1);
    node.stop(&pod).await;
    assert_eq!(count().await, 0, "it goes with its pod");
}

async fn a_folder_that_became_a_link_is_not_mounted_again(node: &Node) {
    let keeper = shell("keeper", "rm -r /all/part; ln -s /etc /all/part; touch /all/done; exit 0");
    let user = shell("user", "until [ -e /all/done ]; do sleep 0.1; done; exit 3");
    let mounts = r#", "volumeMounts": [{"name": "v", "mountPath": "/all"}]}"#;
    let both = r#", "volumeMounts": [{"name": "v", "mountPath": "/all"},
                                     {"name": "v", "mountPath": "/part", "subPath": "part"}]}"#;
    let keeper = keeper.trim_end_matches('}').to_owned() + mounts;
    let user = user.trim_end_matches('}').to_owned() + both;
    let spec = format!(
        r#"{{"containers": [{user}, {keeper}], "volumes": [{{"name": "v", "emptyDir": {{}}}}]}}"#
    );
    let pod = pod("linked", &spec);
    node.run(&pod).await.expect("it starts");
    assert_eq!(ends(node, &pod, "user").await, Some(3));
    let error = node.actuator.restart_container(&pod.placement.uid, "user").await;
    let error = error.expect_err("its folder is a link to the node's own files now");
    assert!(error.to_string().contains("has become a link"), "{error}");
    assert_ne!(node.actuator_sees("linked", "user").await, Some(Running));
    node.stop(&pod).await;
}
