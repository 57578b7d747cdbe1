//! Golden cases: a pod spec in, what the engine is told out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use setpoint_schemas::{
    FleetId, Namespace, Pattern, Placement, ResourceName, TakenDevice, samples,
};

use super::*;
use crate::Network;

const CPUS: i64 = 2;

fn config(network: Network) -> DockerConfig {
    let fleet = FleetId::parse("f1").expect("a fleet");
    let mut config = DockerConfig::new("unix:///d.sock", fleet, PathBuf::from("/state"));
    config.secrets = PathBuf::from("/memory");
    config.network = network;
    config
}

fn pod(spec: &str) -> PodToRun {
    let spec: PodSpec = serde_json::from_str(spec).expect("a pod spec");
    let pattern = Pattern {
        namespace: Namespace::parse("shop").expect("a namespace"),
        workload: Arc::from("apps/Deployment/shop/web"),
        labels: Arc::new(BTreeMap::from([("app".to_owned(), "web".to_owned())])),
        spec: "".into(),
        ..samples::pattern()
    };
    let placement = Placement {
        name: ResourceName::parse("web-0").expect("a name"),
        pattern: Arc::new(pattern),
        generation: 3,
        term: 7,
        ..samples::placement_of("web-0-abc", "")
    };
    PodToRun::bare(placement, spec)
}

fn body(spec: &str, network: Network) -> (ContainerCreateBody, HostConfig) {
    let mut body = body_of(&config(network), &pod(spec), 0, NetworkOf::Own, CPUS).expect("a body");
    let host = body.host_config.take().expect("a host part");
    (body, host)
}

#[test]
fn command_is_the_entry_point_and_args_the_command() {
    let table = [
        (r#""command": ["a"], "args": ["b"]"#, Some(vec!["a"]), Some(vec!["b"])),
        (r#""command": ["a"]"#, Some(vec!["a"]), None),
        (r#""args": ["b"]"#, None, Some(vec!["b"])),
    ];
    for (text, entrypoint, cmd) in table {
        let spec = format!(r#"{{"containers": [{{"name": "c", "image": "i", {text}}}]}}"#);
        let (body, _) = body(&spec, Network::None);
        let owned =
            |list: Option<Vec<&str>>| list.map(|l| l.into_iter().map(str::to_owned).collect());
        assert_eq!((body.entrypoint, body.cmd), (owned(entrypoint), owned(cmd)), "{text}");
    }
}

#[test]
fn limits_bound_and_requests_weigh() {
    // (resources, memory, nano cpus, shares)
    let table = [
        (
            r#"{"limits": {"cpu": "500m", "memory": "64Mi"}}"#,
            Some(64 << 20),
            Some(500_000_000),
            Some(512),
        ),
        (
            r#"{"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}"#,
            None,
            Some(1_000_000_000),
            Some(102),
        ),
        (r#"{"limits": {"cpu": "8"}}"#, None, None, Some(8_192)),
        (r#"{"requests": {"cpu": "1m", "memory": "1Gi"}}"#, None, None, Some(2)),
        (r#"{"limits": {"cpu": "1m"}}"#, None, Some(10_000_000), Some(2)),
        ("{}", None, None, None),
    ];
    for (resources, memory, nano_cpus, shares) in table {
        let spec = format!(r#"{{"containers": [{{"name": "c", "resources": {resources}}}]}}"#);
        let (_, host) = body(&spec, Network::None);
        assert_eq!(
            (host.memory, host.nano_cpus, host.cpu_shares),
            (memory, nano_cpus, shares),
            "{resources}"
        );
        assert_eq!(host.memory_swap, memory, "no swap beside the memory: {resources}");
    }
}

#[test]
fn labels_name_the_pod_and_a_pod_cannot_forge_them() {
    let mut pod = pod(r#"{"containers": [{"name": "c"}]}"#);
    let forged = [("app", "web"), ("setpoint.dev/fleet", "other")];
    let forged = forged.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Arc::make_mut(&mut pod.placement.pattern).labels = Arc::new(BTreeMap::from(forged));
    let body = body_of(&config(Network::None), &pod, 0, NetworkOf::Own, CPUS).expect("a body");
    let labels: BTreeMap<String, String> = body.labels.expect("labels").into_iter().collect();
    let lines: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let expected = [
        "app=web",
        "setpoint.dev/container=c",
        "setpoint.dev/container-index=0",
        "setpoint.dev/fleet=f1",
        "setpoint.dev/generation=3",
        "setpoint.dev/name=web-0",
        "setpoint.dev/namespace=shop",
        "setpoint.dev/pod-uid=web-0-abc",
        "setpoint.dev/term=7",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn ports_are_published_where_there_is_a_network() {
    let spec = r#"{"containers": [{"name": "c", "ports": [
        {"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"},
        {"containerPort": 53, "protocol": "UDP"}]}]}"#;
    let (with, host) = body(spec, Network::Default);
    assert_eq!(with.exposed_ports, Some(vec!["53/udp".to_owned(), "80/tcp".to_owned()]));
    let bindings = host.port_bindings.expect("bindings");
    assert_eq!(bindings.len(), 1);
    let binding = &bindings["80/tcp"].as_ref().expect("one")[0];
    assert_eq!(binding.host_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(binding.host_port.as_deref(), Some("8080"));
    let (without, host) = body(spec, Network::None);
    assert_eq!((without.exposed_ports, host.port_bindings), (None, None));
    assert_eq!(host.network_mode.as_deref(), Some("none"));
}

#[test]
fn who_joins_a_network_names_neither_host_nor_ports() {
    let spec =
        r#"{"hostname": "h", "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}"#;
    let table = [
        (NetworkOf::Own, Some("h"), "default"),
        (NetworkOf::Node, None, "host"),
        (NetworkOf::Container("abc"), None, "container:abc"),
    ];
    for (network, hostname, mode) in table {
        let body =
            body_of(&config(Network::Default), &pod(spec), 0, network, CPUS).expect("a body");
        assert_eq!(body.hostname.as_deref(), hostname, "{network:?}");
        assert_eq!(body.exposed_ports.is_some(), network == NetworkOf::Own, "{network:?}");
        let host = body.host_config.expect("a host part");
        assert_eq!(host.network_mode.as_deref(), Some(mode));
    }
}

#[test]
fn secrets_are_mounted_from_memory_and_everything_read_only() {
    let spec = r#"{"volumes": [{"name": "conf", "configMap": {"name": "x"}}, {"name": "keys", "secret": {"secretName": "y"}}],
        "containers": [{"name": "c", "volumeMounts": [{"name": "conf", "mountPath": "/conf"},
            {"name": "keys", "mountPath": "/keys"}]}]}"#;
    let (_, host) = body(spec, Network::None);
    let mounts = host.mounts.expect("mounts");
    let lines: Vec<String> = mounts
        .iter()
        .map(|m| format!("{:?} {:?} {:?}", m.source, m.target, m.read_only).replace("Some", ""))
        .collect();
    let expected = [
        r#"("/state/volumes/web-0-abc/conf") ("/conf") (true)"#,
        r#"("/memory/web-0-abc/keys") ("/keys") (true)"#,
    ];
    assert_eq!(lines, expected);
    let absent = spec.replace("/keys\"", "/key\", \"subPath\": \"tls.key\"");
    let error = body_of(&config(Network::None), &pod(&absent), 0, NetworkOf::Own, CPUS);
    let error = error.expect_err("the key is not there yet");
    assert!(error.is_transient(), "{error}");
}

#[test]
fn a_mount_of_an_unknown_volume_stays_wrong() {
    let spec =
        r#"{"containers": [{"name": "c", "volumeMounts": [{"name": "no", "mountPath": "/x"}]}]}"#;
    let error = body_of(&config(Network::None), &pod(spec), 0, NetworkOf::Own, CPUS);
    let error = error.expect_err("there is no such volume");
    assert!(!error.is_transient());
    assert_eq!(error.to_string(), "container c mounts unknown volume no");
}

#[test]
fn a_container_is_named_after_its_pod_and_pods_of_two_fleets_differ() {
    let pod = pod(r#"{"containers": [{"name": "c"}]}"#);
    let name = |fleet: &str| {
        crate::names::container_name(&FleetId::parse(fleet).expect("a fleet"), &pod, "c:1")
    };
    assert!(name("f1").starts_with("setpoint_c-1_web-0_shop_"), "{}", name("f1"));
    assert_ne!(name("f1"), name("f2"));
}

#[test]
fn the_devices_of_a_container_are_asked_for_by_id_and_named_in_its_environment() {
    let spec = r#"{"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}"#;
    let mut pod = pod(spec);
    let own = [("NVIDIA_VISIBLE_DEVICES".to_owned(), "all".to_owned())];
    pod.env = BTreeMap::from([("c".to_owned(), own.to_vec())]);
    pod.placement.devices = Box::new([TakenDevice {
        container: Arc::from("c"),
        index: 1,
        id: Arc::from("GPU-5f0c"),
        milli: 300,
    }]);
    let made = |index| {
        let mut body =
            body_of(&config(Network::None), &pod, index, NetworkOf::Own, CPUS).expect("made");
        (body.host_config.take().expect("made").device_requests, body.env)
    };
    let (requests, env) = made(0);
    let sent = serde_json::to_value(requests).expect("made");
    let expected = serde_json::json!([{
        "Driver": "nvidia", "DeviceIDs": ["GPU-5f0c"], "Capabilities": [["gpu"]],
    }]);
    assert_eq!(sent, expected);
    let env = env.expect("made");
    // A later entry of the same name wins.
    assert_eq!(
        env[1..],
        ["NVIDIA_VISIBLE_DEVICES=GPU-5f0c", "SETPOINT_GPU_MILLI=300"].map(str::to_owned)
    );
    assert_eq!(made(1), (None, None));
}

/// The parts of a body that a container's rights are in, as JSON without what is absent.
fn rights(spec: &str, annotations: &[(&str, &str)], network: NetworkOf<'_>) -> serde_json::Value {
    let mut pod = pod(spec);
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Arc::make_mut(&mut pod.placement.pattern).annotations = annotations.iter().map(owned).collect();
    let mut body = body_of(&config(Network::Default), &pod, 0, network, CPUS).expect("a body");
    let mut host = body.host_config.take().expect("a host part");
    (host.restart_policy, host.mounts) = (None, None);
    let mut told = serde_json::to_value(host).expect("JSON");
    for (name, value) in [("Hostname", body.hostname), ("Domainname", body.domainname)] {
        told[name] = value.into();
    }
    for (name, value) in [("OpenStdin", body.open_stdin), ("Tty", body.tty)] {
        told[name] = value.into();
    }
    told.as_object_mut()
        .expect("a map")
        .retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
    told
}

#[test]
fn rights_are_said_in_the_engines_words() {
    let spec = r#"{"securityContext": {"fsGroup": 2000, "supplementalGroups": [3000],
            "seccompProfile": {"type": "Unconfined"},
            "sysctls": [{"name": "net/core/somaxconn", "value": "9"},
                        {"name": "kernel.shm_rmid_forced", "value": "1"}]},
        "hostIPC": true,
        "containers": [{"name": "c", "stdin": true, "tty": true, "securityContext": {
            "privileged": true, "readOnlyRootFilesystem": true, "procMount": "Unmasked",
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "appArmorProfile": {"type": "Localhost", "localhostProfile": "tight"}}}]}"#;
    let expected = serde_json::json!({
        "NetworkMode": "default", "Hostname": "web-0", "OpenStdin": true, "Tty": true,
        "Privileged": true, "ReadonlyRootfs": true, "MaskedPaths": [], "ReadonlyPaths": [],
        "CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"], "GroupAdd": ["3000", "2000"],
        "SecurityOpt": ["seccomp=unconfined", "apparmor=tight"], "IpcMode": "host",
        "Sysctls": {"net.core.somaxconn": "9", "kernel.shm_rmid_forced": "1"},
    });
    assert_eq!(rights(spec, &[], NetworkOf::Own), expected);
    let plain = r#"{"containers": [{"name": "c", "securityContext": {
        "allowPrivilegeEscalation": false, "seccompProfile": {"type": "RuntimeDefault"}}}]}"#;
    let expected = serde_json::json!({
        "NetworkMode": "default", "Hostname": "web-0",
        "SecurityOpt": ["no-new-privileges:true"],
    });
    assert_eq!(rights(plain, &[], NetworkOf::Own), expected);
}

#[test]
fn what_belongs_to_the_network_is_said_of_whoever_has_it() {
    let spec = r#"{"hostname": "h", "subdomain": "s", "hostAliases": [
            {"ip": "10.0.0.7", "hostnames": ["db", "db.local"]}],
        "dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.2"]},
        "shareProcessNamespace": true,
        "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "9"}]},
        "containers": [{"name": "c"}]}"#;
    let names = serde_json::json!({
        "Dns": ["10.0.0.2"], "DnsSearch": ["."], "ExtraHosts": ["db:10.0.0.7", "db.local:10.0.0.7"],
    });
    let own = rights(spec, &[], NetworkOf::Own);
    for (name, value) in names.as_object().expect("a map") {
        assert_eq!(&own[name], value);
        assert_eq!(&rights(spec, &[], NetworkOf::Node)[name], value);
    }
    assert_eq!(
        (&own["Hostname"], &own["Domainname"]),
        (&"h".into(), &"s.shop.svc.cluster.local".into())
    );
    let joined = serde_json::json!({"NetworkMode": "container:abc", "PidMode": "container:abc"});
    assert_eq!(rights(spec, &[], NetworkOf::Container("abc")), joined);
    let whole =
        spec.replace(r#""hostname": "h","#, r#""hostname": "h", "setHostnameAsFQDN": true,"#);
    let whole = rights(&whole, &[], NetworkOf::Own);
    assert_eq!(
        (&whole["Hostname"], whole.get("Domainname")),
        (&"h.s.shop.svc.cluster.local".into(), None)
    );
}

#[test]
fn what_compose_asks_for_is_in_annotations() {
    let spec =
        r#"{"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]}"#;
    let asked = [
        ("setpoint.dev/init", "true"),
        ("setpoint.dev/domainname", "shop.example"),
        ("setpoint.dev/network", "none"),
    ];
    let expected = serde_json::json!({
        "NetworkMode": "none", "Hostname": "web-0", "Domainname": "shop.example", "Init": true,
    });
    assert_eq!(rights(spec, &asked, NetworkOf::Own), expected);
}

#[test]
fn folders_are_mounted_where_they_lie_and_never_through_a_link() {
    let root = tempfile::tempdir().expect("a folder");
    let top = root.path().canonicalize().expect("it is there");
    let mut config = config(Network::None);
    config.files = top.join("files");
    std::fs::create_dir(top.join("host")).expect("made");
    let cache = config.files.join("web-0-abc/cache");
    std::fs::create_dir_all(&cache).expect("made");
    std::os::unix::fs::symlink("/etc", cache.join("out")).expect("linked");
    let mounts = |mount: &str| {
        let text = format!(
            r#"{{"volumes": [{{"name": "cache", "emptyDir": {{}}}},
                {{"name": "host", "hostPath": {{"path": "{0}/host"}}}},
                {{"name": "memory", "emptyDir": {{"medium": "Memory"}}}}],
                "containers": [{{"name": "c", "volumeMounts": [{mount}]}}]}}"#,
            top.display()
        );
        let body = body_of(&config, &pod(&text), 0, NetworkOf::Own, CPUS)?;
        let mount = body.host_config.and_then(|host| host.mounts).expect("mounts").remove(0);
        let propagation = mount.bind_options.and_then(|options| options.propagation);
        let source = mount.source.unwrap_or_default().replace(&top.display().to_string(), "");
        let how = if mount.read_only == Some(true) { "ro" } else { "rw" };
        Ok::<_, ActuatorError>(format!("{source} {how} {propagation:?}"))
    };
    let table = [
        (r#"{"name": "cache", "mountPath": "/c"}"#, "/files/web-0-abc/cache rw None"),
        (
            r#"{"name": "cache", "mountPath": "/c", "subPath": "a/b", "readOnly": true}"#,
            "/files/web-0-abc/cache/a/b ro None",
        ),
        (
            r#"{"name": "host", "mountPath": "/h", "mountPropagation": "HostToContainer"}"#,
            "/host rw Some(RSLAVE)",
        ),
        (r#"{"name": "host", "mountPath": "/h", "subPath": "new"}"#, "/host/new rw None"),
    ];
    for (mount, expected) in table {
        assert_eq!(mounts(mount).expect(mount), expected);
    }
    let found = mounts(r#"{"name": "memory", "mountPath": "/m"}"#).expect("the engine's");
    assert!(found.starts_with("setpoint_memory_"), "{found}");
    let leaves = mounts(r#"{"name": "cache", "mountPath": "/c", "subPath": "out"}"#);
    assert!(leaves.expect_err("it leaves").to_string().contains("leaves the volume"));
    let part = mounts(r#"{"name": "memory", "mountPath": "/m", "subPath": "a"}"#);
    assert!(!part.expect_err("only the whole").is_transient());
}
