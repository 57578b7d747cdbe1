//! A service to a workload.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use setpoint_schemas::DEPENDS_ON;

use super::making::Making;
use super::ports::Ports;
use super::units::{duration_ms, escaped, scalar_text, words};
use super::{
    depends, deploy, environment, fields, health, hooks, mounts, naming, network, placement, ports,
    retries, rights, updates, volumes,
};
use crate::annotations::{
    ANNOTATION_NETWORK, ANNOTATION_RUNS_ONCE, ANNOTATION_SOURCE, ANNOTATION_UPDATE_DELAY,
    ANNOTATION_UPDATE_ORDER, LABEL_PROJECT, LABEL_SERVICE,
};
use crate::gate::cursor::Cursor;

/// Makes the workload of a service.
pub(crate) fn make(
    making: &mut Making<'_>,
    name: &str,
    service: &Cursor<'_>,
    aliases: &BTreeSet<String>,
) {
    if service.map().is_none() {
        return making.refuse(service, "expected a map");
    }
    let before = making.problems.len();
    making.check(service, fields::SERVICE);
    if making.problems.len() > before {
        return;
    }
    let labels = json!({LABEL_PROJECT: making.project, LABEL_SERVICE: name});
    let restart = depends::restart(making, name, service);
    let ports = ports::ports(making, service);
    let mut spec = json!({"containers": [container(making, name, service, &ports)],
        "restartPolicy": restart.policy()});
    let mut asked = json!({});
    pod(making, service, &mut spec, &mut asked);
    let gives_up = retries::apply(making, service, &mut asked);
    rights::apply(making, service, &mut spec, &mut asked);
    naming::apply(making, service, &mut spec, &mut asked);
    placement::apply(making, service, &labels, &mut spec);
    mounts::apply(making, service, &mut spec);
    volumes::apply(making, name, service, &mut spec, &mut asked);
    let mut annotations = json!({ANNOTATION_SOURCE: service.value.to_string()});
    if let Some(others) = depends::annotation(making, service) {
        annotations[DEPENDS_ON] = json!(others);
    }
    if restart.ends() || gives_up {
        annotations[ANNOTATION_RUNS_ONCE] = json!("true");
    }
    let mut template = json!({"metadata": {"labels": labels}, "spec": spec});
    if asked != json!({}) {
        template["metadata"]["annotations"] = asked;
    }
    health::apply(making, service, &mut template);
    let mut workload = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": making.object_name(name), "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    });
    if let Some(update) = deploy::apply(making, service, &mut workload) {
        annotations[ANNOTATION_UPDATE_ORDER] = json!(update.order);
        if update.delay_ms > 0 {
            annotations[ANNOTATION_UPDATE_DELAY] = json!(update.delay_ms.to_string());
        }
    }
    volumes::stop_first(service, &mut workload);
    updates::apply(making, service, &mut annotations);
    workload["metadata"]["annotations"] = annotations;
    network::make(making, name, service, &ports, aliases);
    making.objects.push(workload);
}

fn container(making: &mut Making<'_>, name: &str, service: &Cursor<'_>, ports: &Ports) -> Value {
    let mut container = json!({"name": super::making::kubernetes_name(name)});
    match service.get("image").and_then(|image| scalar_text(image.value)) {
        Some(image) => container["image"] = json!(image),
        None => making.refuse(&service.field("image"), "is required: images are not built"),
    }
    command(making, &service.field("entrypoint"), "command", &mut container);
    let arguments = service.field("command");
    // An engine that is given no words takes the image's own, as it does when nothing is said.
    if !is_empty(&arguments) {
        command(making, &arguments, "args", &mut container);
    }
    if let Some(folder) = service.get("working_dir") {
        container["workingDir"] = json!(folder.text());
    }
    pull_policy(making, &service.field("pull_policy"), &mut container);
    let env = environment::variables(making, name, service);
    if !env.is_empty() {
        container["env"] = Value::Array(env);
    }
    if !ports.container.is_empty() {
        container["ports"] = Value::Array(ports.container.clone());
    }
    deploy::resources(making, service, &mut container);
    hooks::apply(making, service, &mut container);
    container
}

fn is_empty(at: &Cursor<'_>) -> bool {
    match at.value {
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// A text is split as a shell splits it. An empty one takes the image's own away, which no
/// container of ours can.
fn command(making: &mut Making<'_>, at: &Cursor<'_>, field: &str, container: &mut Value) {
    let words = match at.value {
        Value::Null => return,
        Value::Array(items) => items.iter().map(scalar_text).collect::<Option<Vec<_>>>(),
        other => match words(&scalar_text(other).unwrap_or_default()) {
            Ok(words) => Some(words),
            Err(why) => return making.refuse(at, why),
        },
    };
    match words {
        Some(words) if words.is_empty() => {
            making.ignore(at, "the image's own cannot be taken away")
        }
        Some(words) => {
            let words: Vec<String> = words.iter().map(|word| escaped(word)).collect();
            container[field] = json!(words);
        }
        None => making.refuse(at, "expected a list of strings"),
    }
}

fn pull_policy(making: &mut Making<'_>, at: &Cursor<'_>, container: &mut Value) {
    let policy = match at.text() {
        "" => return,
        "always" => "Always",
        "missing" | "if_not_present" => "IfNotPresent",
        "never" => "Never",
        _ => return making.ignore(at, "only always, missing and never are supported"),
    };
    container["imagePullPolicy"] = json!(policy);
}

fn pod(making: &mut Making<'_>, service: &Cursor<'_>, spec: &mut Value, asked: &mut Value) {
    if let Some(grace) = service.get("stop_grace_period") {
        match duration_ms(grace.value) {
            // Kubernetes counts whole seconds; part of one is given as a whole one.
            Ok(ms) => spec["terminationGracePeriodSeconds"] = json!((ms + 999) / 1000),
            Err(why) => making.refuse(&grace, why),
        }
    }
    let network = service.field("network_mode");
    match network.text() {
        // A bridge of the engine's is what a pod has anyway.
        "" | "bridge" => {}
        "host" => spec["hostNetwork"] = json!(true),
        "none" => asked[ANNOTATION_NETWORK] = json!("none"),
        _ => making.ignore(&network, "only host, bridge and none are supported"),
    }
}
