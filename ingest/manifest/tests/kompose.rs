//! kompose's own Compose files and the objects that it expects of them, compared with ours: object by
//! object, field by field, against the reviewed table `kompose.tsv`: file, object, field, what kompose has,
//! what we have, why.
//!
//! Every difference has its reason among [`REASONS`]; one without fails, and so does a reason or a line
//! that no difference needs any more. `SETPOINT_BLESS=1` writes the table anew; review every changed line.
//! Compared is what objects mean: what is only written otherwise is no difference. Not compared are names
//! of projects (kompose has none, so ours is taken off), the labels by which each finds its own, and the
//! annotations in which each keeps what the other has no word for.

mod data;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use setpoint_ingest_manifest::{
    ComposeOptions, ReadOptions, Source, in_words_of, read, read_project,
};

/// Compose file and kompose's objects, below the folder of kompose's files.
const PAIRS: &[(&str, &str)] = &[
    ("change-in-volume/compose.yaml", "output-k8s.yaml"),
    ("compose-env-interpolation/compose.yaml", "output-k8s.yaml"),
    ("compose-v3.3-test/compose-config-long-warning.yaml", "output-k8s-config-long-warning.json"),
    ("compose-v3.3-test/compose-config-long.yaml", "output-k8s-config-long.json"),
    ("compose-v3.3-test/compose-config-short-warning.yaml", "output-k8s-config-short-warning.json"),
    ("compose-v3.3-test/compose-config-short.yaml", "output-k8s-config-short.json"),
    ("compose-v3.3-test/compose-endpoint-mode-1.yaml", "output-k8s-endpoint-mode-1.json"),
    ("compose-v3.3-test/compose-endpoint-mode-2.yaml", "output-k8s-endpoint-mode-2.json"),
    ("configmap-file-configs/compose-1.yaml", "output-k8s-1.yaml"),
    ("configmap-file-configs/compose-2.yaml", "output-k8s-2.yaml"),
    ("configmap-file-configs/compose-3.yaml", "output-k8s-3.yaml"),
    ("cronjob/compose.yaml", "output-k8s.yaml"),
    ("deploy/placement/compose-placement.yaml", "output-placement-k8s.yaml"),
    ("env/compose.yaml", "output-k8s.yaml"),
    ("env-dotenv/compose.yaml", "output-k8s.yaml"),
    ("envfile-interpolation/compose.yaml", "output-k8s.yaml"),
    ("expose/compose.yaml", "output-k8s.yaml"),
    ("healthcheck/compose-healthcheck.yaml", "output-healthcheck-k8s.yaml"),
    ("hpa/compose.yaml", "output-k8s.yaml"),
    ("initcontainer/compose.yaml", "output-k8s.yaml"),
    ("multiple-type-volumes/compose.yaml", "output-k8s.yaml"),
    ("network-mode-service/compose.yaml", "output-k8s.yaml"),
    ("read-only/compose.yaml", "output-k8s.yaml"),
    ("resources-lowercase/compose.yaml", "output-k8s.yaml"),
    ("secrets/docker-compose-secrets-long.yml", "output-long-k8s.json"),
    ("secrets/docker-compose-secrets-short.yml", "output-short-k8s.json"),
    ("service-group/compose.yaml", "output-k8s.yaml"),
    ("statefulset/compose.yaml", "output-k8s.yaml"),
    ("v3.0/compose.yaml", "output-k8s.yaml"),
];

/// The project's name, which begins the names of all that we make.
const PROJECT: &str = "p";

/// Why something differs.
struct Reason {
    /// Of which file; empty for all.
    file: &'static str,
    /// Of which objects: a kind, or a kind and a name; empty for all.
    object: &'static str,
    /// What the field's path ends with, without numbers; empty for the whole object.
    field: &'static str,
    why: &'static str,
}

impl Reason {
    fn holds(&self, file: &str, difference: &Difference) -> bool {
        let object = &difference.object;
        let path = without_numbers(&difference.field);
        let is_object = self.object.is_empty()
            || object == self.object
            || object.split_once(' ').is_some_and(|(kind, _)| kind == self.object);
        file.starts_with(self.file)
            && is_object
            && path.is_empty() == self.field.is_empty()
            && path.ends_with(self.field)
    }
}

/// `a[1].b` as `a.b`.
fn without_numbers(path: &str) -> String {
    let mut found = String::new();
    let mut within = false;
    for c in path.chars() {
        match c {
            '[' => within = true,
            ']' => within = false,
            c if !within => found.push(c),
            _ => {}
        }
    }
    found
}

/// The first that holds is told.
const REASONS: &[Reason] = &[
    reason(
        "compose-env-interpolation",
        "all",
        "",
        "an image is not built here, and not taken to be there under the service's name",
    ),
    reason(
        "deploy/placement",
        "all",
        "",
        "a constraint of a property that no node has is refused, where kompose leaves it out",
    ),
    reason(
        "change-in-volume",
        "PersistentVolumeClaim",
        "",
        "a named volume is a claim and keeps its data, where kompose's of this file ends with its pod",
    ),
    reason(
        "change-in-volume",
        "Deployment",
        ".of.persistentVolumeClaim.claimName",
        "a named volume is a claim and keeps its data, where kompose's of this file ends with its pod",
    ),
    reason(
        "cronjob",
        "",
        "",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "hpa",
        "HorizontalPodAutoscaler",
        "",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "expose",
        "Ingress",
        "",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "initcontainer",
        "Deployment",
        ".initContainers.command",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "initcontainer",
        "Deployment",
        ".initContainers.image",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "initcontainer",
        "Deployment",
        ".initContainers.name",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "healthcheck",
        "Deployment",
        "Probe.failureThreshold",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "healthcheck",
        "Deployment",
        "Probe.periodSeconds",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "healthcheck",
        "Deployment",
        "Probe.timeoutSeconds",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "healthcheck",
        "Deployment",
        "Probe.tcpSocket.port",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "healthcheck",
        "Deployment",
        "Probe.httpGet.path",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "healthcheck",
        "Deployment",
        "Probe.httpGet.port",
        "kompose's labels say it, which are kompose's own; write it as a Kubernetes object",
    ),
    reason(
        "service-group",
        "Deployment",
        "",
        "kompose was told to put services with one volume into one pod; a service is a workload of its own here",
    ),
    reason(
        "service-group",
        "PersistentVolumeClaim",
        "",
        "kompose was told to put services with one volume into one pod; a service is a workload of its own here",
    ),
    reason(
        "statefulset",
        "Deployment",
        "",
        "kompose was told to make StatefulSets; a service with a claim is a Deployment, whose claim is of the same name",
    ),
    reason(
        "statefulset",
        "StatefulSet",
        "",
        "kompose was told to make StatefulSets; a service with a claim is a Deployment, whose claim is of the same name",
    ),
    reason(
        "statefulset",
        "PersistentVolumeClaim",
        "",
        "kompose was told to make StatefulSets; a service with a claim is a Deployment, whose claim is of the same name",
    ),
    reason(
        "statefulset",
        "Service",
        "spec.clusterIP",
        "kompose was told to make StatefulSets; a service with a claim is a Deployment, whose claim is of the same name",
    ),
    reason(
        "envfile-interpolation",
        "Pod",
        "",
        "restart: on-failure makes kompose write a Pod, which nobody replaces when its node is lost",
    ),
    reason(
        "envfile-interpolation",
        "Deployment",
        "",
        "restart: on-failure makes kompose write a Pod, which nobody replaces when its node is lost",
    ),
    reason(
        "env",
        "ConfigMap",
        "",
        "variables of a file become the container's own, so that those of the service win over them as in Compose",
    ),
    reason(
        "env",
        "Deployment",
        ".envFrom.configMapRef.name",
        "variables of a file become the container's own, so that those of the service win over them as in Compose",
    ),
    reason(
        "env",
        "Deployment",
        ".env.name",
        "variables of a file become the container's own, so that those of the service win over them as in Compose",
    ),
    reason(
        "env",
        "Deployment",
        ".env.value",
        "variables of a file become the container's own, so that those of the service win over them as in Compose",
    ),
    reason(
        "configmap-file-configs",
        "ConfigMap",
        "",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "configmap-file-configs",
        "Deployment",
        ".volumeMounts.subPath",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "multiple-type-volumes",
        "Deployment",
        ".volumeMounts.subPath",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "configmap-file-configs",
        "Deployment",
        ".of.configMap.name",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "multiple-type-volumes",
        "Deployment",
        ".of.configMap.name",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "configmap-file-configs",
        "Deployment",
        ".of.hostPath.path",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "multiple-type-volumes",
        "Deployment",
        ".of.hostPath.path",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "configmap-file-configs",
        "Deployment",
        ".of.configMap.items.key",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "multiple-type-volumes",
        "Deployment",
        ".of.configMap.items.key",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "configmap-file-configs",
        "Deployment",
        ".of.configMap.items.path",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "multiple-type-volumes",
        "Deployment",
        ".of.configMap.items.path",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "configmap-file-configs",
        "Deployment",
        ".volumeMounts.mountPath",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "configmap-file-configs",
        "Deployment",
        ".volumeMounts.readOnly",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "multiple-type-volumes",
        "ConfigMap",
        "",
        "a path is the node's, as in Compose; the asker's files are not sent along",
    ),
    reason(
        "network-mode-service",
        "Deployment",
        "",
        "kompose puts a service into the pod of the one whose network it joins; here it is refused, and joins nothing where that is allowed",
    ),
    reason(
        "network-mode-service",
        "Deployment",
        ".containers.args",
        "kompose puts a service into the pod of the one whose network it joins; here it is refused, and joins nothing where that is allowed",
    ),
    reason(
        "network-mode-service",
        "Deployment",
        ".containers.image",
        "kompose puts a service into the pod of the one whose network it joins; here it is refused, and joins nothing where that is allowed",
    ),
    reason(
        "network-mode-service",
        "Deployment client",
        ".containers.name",
        "a container is named as its service; container_name is a name by which others find it",
    ),
    reason(
        "secrets",
        "Secret",
        "",
        "a name is made one that Kubernetes allows, and a file lies where its target says",
    ),
    reason(
        "secrets",
        "Deployment",
        ".volumeMounts.mountPath",
        "a name is made one that Kubernetes allows, and a file lies where its target says",
    ),
    reason(
        "secrets",
        "Deployment",
        ".of.secret.secretName",
        "a name is made one that Kubernetes allows, and a file lies where its target says",
    ),
    reason(
        "compose-v3.3-test",
        "ConfigMap",
        "data.my_config",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "compose-v3.3-test",
        "ConfigMap",
        "data.my_config.txt",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "compose-v3.3-test/compose-config-short-warning",
        "Deployment",
        ".volumeMounts.mountPath",
        "kompose leaves out a config that is there already",
    ),
    reason(
        "compose-v3.3-test/compose-config-short-warning",
        "Deployment",
        ".of.configMap.name",
        "kompose leaves out a config that is there already",
    ),
    reason(
        "compose-v3.3-test",
        "Deployment",
        ".volumeMounts.readOnly",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "compose-v3.3-test",
        "Deployment",
        ".volumeMounts.subPath",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "compose-v3.3-test",
        "Deployment",
        ".items.key",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "compose-v3.3-test",
        "Deployment",
        ".items.path",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "compose-v3.3-test",
        "Deployment",
        ".defaultMode",
        "an owner is not given: all users of the container may read the file instead",
    ),
    reason(
        "secrets",
        "Deployment",
        ".volumeMounts.readOnly",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "secrets",
        "Deployment",
        ".volumeMounts.subPath",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "secrets",
        "Deployment",
        ".items.path",
        "a file stands under its name in Compose, and its mount is read only",
    ),
    reason(
        "secrets",
        "Deployment",
        ".defaultMode",
        "an owner is not given: all users of the container may read the file instead",
    ),
    reason(
        "",
        "Service",
        "",
        "every service is found by its name, also one without ports, as in Compose",
    ),
    reason(
        "compose-v3.3-test/compose-endpoint-mode-1",
        "Service",
        "spec.type",
        "nodes listen on the published port itself, where kompose takes a port of Kubernetes' range",
    ),
    reason(
        "compose-v3.3-test/compose-endpoint-mode-2",
        "Service",
        "spec.clusterIP",
        "dnsrr means that pods are found themselves, which is a headless Service",
    ),
    reason(
        "compose-v3.3-test/compose-endpoint-mode-2",
        "Service",
        "spec.publishNotReadyAddresses",
        "dnsrr means that pods are found themselves, which is a headless Service",
    ),
    reason(
        "change-in-volume",
        "Service redis",
        "spec.ports.name",
        "a headless Service needs no port, and kompose's 55555 is made up",
    ),
    reason(
        "v3.0",
        "Service redis",
        "spec.ports.name",
        "a headless Service needs no port, and kompose's 55555 is made up",
    ),
    reason(
        "change-in-volume",
        "Service redis",
        "spec.ports.port",
        "a headless Service needs no port, and kompose's 55555 is made up",
    ),
    reason(
        "v3.0",
        "Service redis",
        "spec.ports.port",
        "a headless Service needs no port, and kompose's 55555 is made up",
    ),
    reason(
        "change-in-volume",
        "Service redis",
        "spec.ports.targetPort",
        "a headless Service needs no port, and kompose's 55555 is made up",
    ),
    reason(
        "v3.0",
        "Service redis",
        "spec.ports.targetPort",
        "a headless Service needs no port, and kompose's 55555 is made up",
    ),
    reason(
        "change-in-volume",
        "Service redis",
        "spec.publishNotReadyAddresses",
        "a headless Service needs no port, and kompose's 55555 is made up",
    ),
    reason(
        "v3.0",
        "Service redis",
        "spec.publishNotReadyAddresses",
        "a headless Service needs no port, and kompose's 55555 is made up",
    ),
    reason(
        "",
        "Service",
        "spec.type",
        "a port without a published one is published at any that is free",
    ),
    reason(
        "",
        "Service",
        "spec.ports.name",
        "a port is named by its number and protocol, for TCP and UDP may have the same number",
    ),
    reason(
        "",
        "Service",
        "spec.ports.port",
        "other services reach a service at its container's port, as in Compose; the published one is for nodes to listen on",
    ),
    reason(
        "",
        "Service",
        "spec.ports.targetPort",
        "other services reach a service at its container's port, as in Compose; the published one is for nodes to listen on",
    ),
    reason(
        "",
        "Service",
        "spec.ports.protocol",
        "other services reach a service at its container's port, as in Compose; the published one is for nodes to listen on",
    ),
    reason(
        "healthcheck",
        "Deployment redis",
        "Probe.exec.command",
        "a text is for the shell, as in Compose; kompose runs it as one word",
    ),
    reason(
        "healthcheck",
        "Deployment redis",
        "livenessProbe.initialDelaySeconds",
        "Docker asks first when an interval has passed",
    ),
    reason(
        "v3.0",
        "Deployment redis",
        "Probe.exec.command",
        "a text is for the shell, as in Compose; kompose runs it as one word",
    ),
    reason(
        "v3.0",
        "Deployment redis",
        "livenessProbe.initialDelaySeconds",
        "Docker asks first when an interval has passed",
    ),
    reason(
        "v3.0",
        "Deployment redis",
        "readinessProbe.failureThreshold",
        "who is not healthy gets no connections either",
    ),
    reason(
        "v3.0",
        "Deployment redis",
        "readinessProbe.periodSeconds",
        "who is not healthy gets no connections either",
    ),
    reason(
        "v3.0",
        "Deployment redis",
        "readinessProbe.timeoutSeconds",
        "who is not healthy gets no connections either",
    ),
    reason(
        "configmap-file-configs",
        "Deployment",
        "spec.strategy.type",
        "kompose stops first wherever there is a volume, here where it is written to",
    ),
];

const fn reason(
    file: &'static str,
    object: &'static str,
    field: &'static str,
    why: &'static str,
) -> Reason {
    Reason { file, object, field, why }
}

#[test]
fn every_pair_of_kompose_is_the_same_or_differs_for_a_reason() {
    let Some(root) = data::root() else { return };
    let mut used = BTreeSet::new();
    let mut found = String::from("# file\tobject\tfield\tkompose\tours\twhy\n");
    for (compose, expected) in PAIRS {
        let compose_file = root.join("compose/kompose").join(compose);
        let expected = compose_file.parent().expect("a folder").join(expected);
        for difference in differences(&compose_file, &expected) {
            let reason = REASONS.iter().position(|reason| reason.holds(compose, &difference));
            used.extend(reason);
            let why = reason.map_or("UNDOCUMENTED", |at| REASONS[at].why);
            let Difference { object, field, kompose, ours } = difference;
            found += &format!("{compose}\t{object}\t{field}\t{kompose}\t{ours}\t{why}\n");
        }
    }
    let table = setpoint_test_support::crate_folder().join("tests/kompose.tsv");
    if std::env::var_os("SETPOINT_BLESS").is_some() {
        std::fs::write(&table, &found).expect("write the table");
    }
    let undocumented: Vec<_> = found.lines().filter(|l| l.ends_with("UNDOCUMENTED")).collect();
    assert!(undocumented.is_empty(), "without a reason:\n{}", undocumented.join("\n"));
    let idle = REASONS.iter().enumerate().filter(|(at, _)| !used.contains(at));
    let named = |(_, reason): (usize, &Reason)| {
        format!("{} {} {}: {}", reason.file, reason.object, reason.field, reason.why)
    };
    let idle: Vec<_> = idle.map(named).collect();
    assert!(idle.is_empty(), "reasons that nothing needs: {idle:#?}");
    let reviewed = std::fs::read_to_string(&table).expect("the reviewed table");
    let (old, new): (BTreeSet<_>, BTreeSet<_>) =
        (reviewed.lines().collect(), found.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}"));
    let come = new.difference(&old).map(|line| format!("+ {line}"));
    let changed: Vec<_> = gone.chain(come).collect();
    assert!(changed.is_empty(), "differs from the table:\n{}", changed.join("\n"));
}

#[test]
fn every_pair_of_the_folder_has_a_row() {
    let Some(root) = data::root() else { return };
    let folder = root.join("compose/kompose");
    let outputs = data::files(&folder).into_iter().filter(|file| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("output-"))
    });
    let rows = PAIRS.iter().map(|(compose, output)| folder.join(compose).with_file_name(output));
    assert_eq!(outputs.collect::<BTreeSet<_>>(), rows.collect::<BTreeSet<_>>());
}

/// Where an object of one side has no like, or a field another value.
struct Difference {
    object: String,
    field: String,
    kompose: String,
    ours: String,
}

/// Objects by kind and name.
type Objects = BTreeMap<String, Value>;

fn differences(compose: &Path, expected: &Path) -> Vec<Difference> {
    let options = ComposeOptions {
        project: Some(PROJECT.into()),
        allow_ignored: true,
        variables: BTreeMap::from([("HOME".into(), "/home/asker".into())]),
        ..ComposeOptions::default()
    };
    let ours = match read_project(compose, &options) {
        Ok(project) => objects(project.objects),
        Err(problems) => {
            let reason = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let folder = compose.parent().expect("a folder").display().to_string();
            let ours = reason.replace(&format!("{folder}/"), "");
            return vec![Difference {
                object: "all".into(),
                field: String::new(),
                kompose: "taken".into(),
                ours,
            }];
        }
    };
    let read = read(&[Source::Path(expected.to_owned())], &ReadOptions::default()).expect("YAML");
    let kompose = objects(read.into_iter().map(|document| document.value).collect());
    let folder = compose.parent().expect("a folder").display().to_string();
    let names: BTreeSet<&String> = kompose.keys().chain(ours.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let whole = |kompose: &str, ours: &str| Difference {
            object: name.clone(),
            field: String::new(),
            kompose: kompose.into(),
            ours: ours.into(),
        };
        match (kompose.get(name), ours.get(name)) {
            (Some(theirs), Some(ours)) => found.extend(fields(name, theirs, ours, &folder)),
            (Some(_), None) => found.push(whole("there", "absent")),
            _ => found.push(whole("absent", "there")),
        }
    }
    found
}

fn fields(object: &str, kompose: &Value, ours: &Value, folder: &str) -> Vec<Difference> {
    let ours = in_words_of(ours, kompose);
    let (mut theirs, mut mine) = (BTreeMap::new(), BTreeMap::new());
    leaves(kompose, String::new(), &mut theirs);
    leaves(&ours, String::new(), &mut mine);
    let names: BTreeSet<String> = theirs.keys().chain(mine.keys()).cloned().collect();
    let shown = |value: Option<&Value>| {
        value.map_or("absent".to_owned(), |value| value.to_string().replace(folder, "FOLDER"))
    };
    let differing = names.into_iter().filter(|name| theirs.get(name) != mine.get(name));
    differing
        .map(|field| Difference {
            object: object.to_owned(),
            kompose: shown(theirs.get(&field)),
            ours: shown(mine.get(&field)),
            field,
        })
        .collect()
}

/// Values by their paths, elements of lists by their names where they have some. What is empty is nothing.
fn leaves(value: &Value, at: String, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            leaves(value, if at.is_empty() { name.clone() } else { format!("{at}.{name}") }, found);
        }),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                let name = match item["name"].as_str().filter(|_| at.ends_with(".env")) {
                    Some(name) => name.to_owned(),
                    None => index.to_string(),
                };
                leaves(item, format!("{at}[{name}]"), found);
            }
        }
        Value::Null => {}
        other if *other == json!([]) || *other == json!("") => {}
        other => {
            found.insert(at, other.clone());
        }
    }
}

/// By kind and name, without what names each side's own: see the head of this file.
fn objects(list: Vec<Value>) -> Objects {
    let mut found = Objects::new();
    for mut object in list {
        strip(&mut object);
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let name = name.strip_prefix(&format!("{PROJECT}-")).unwrap_or(&name).to_owned();
        object["metadata"]["name"] = json!(name);
        let twin = found.insert(format!("{kind} {name}"), object);
        assert!(twin.is_none(), "two of {kind} {name}");
    }
    found
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            mounted(fields);
            fields.retain(|name, value| !is_own(name) && !value.is_null() && name != "status");
            for (name, value) in fields.iter_mut() {
                strip(value);
                if NAMES.contains(&name.as_str()) {
                    without_project(value);
                }
            }
            let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
            fields.retain(|name, value| !(MARKS.contains(&name.as_str()) && is_empty(value)));
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// What a volume is called matters to its pod alone: each mount says what it mounts instead.
fn mounted(spec: &mut Map<String, Value>) {
    let Some(Value::Array(volumes)) = spec.remove("volumes") else { return };
    let containers = spec.get_mut("containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        for mount in container["volumeMounts"].as_array_mut().into_iter().flatten() {
            let name = mount["name"].take();
            let mut of = volumes.iter().find(|v| v["name"] == name).cloned().unwrap_or_default();
            if let Some(of) = of.as_object_mut() {
                of.remove("name");
            }
            mount["of"] = of;
        }
    }
}

/// Fields that name other objects of the project.
const NAMES: &[&str] = &["claimName", "secretName", "configMap", "configMapRef"];
/// Where marks stand.
const MARKS: &[&str] = &["labels", "annotations", "matchLabels", "selector"];

fn is_own(name: &str) -> bool {
    ["setpoint.dev/", "io.kompose.", "kompose."].iter().any(|own| name.starts_with(own))
        || name.contains(".setpoint.dev/")
        || name == "creationTimestamp"
}

fn without_project(value: &mut Value) {
    let name = match value {
        Value::Object(_) => &mut value["name"],
        text => text,
    };
    if let Some(own) = name.as_str().and_then(|name| name.strip_prefix(&format!("{PROJECT}-"))) {
        *name = json!(own);
    }
}
