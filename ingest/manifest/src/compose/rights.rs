//! As whom a service runs and with what rights.

use serde_json::{Value, json};

use super::making::Making;
use super::merge;
use super::units::{scalar_text, truth, whole};
use crate::annotations::{ANNOTATION_INIT, ANNOTATION_USER};
use crate::gate::cursor::Cursor;

/// Sets them in the service's pod; what Kubernetes has no field for goes into the pod's annotations.
pub(crate) fn apply(
    making: &mut Making<'_>,
    service: &Cursor<'_>,
    spec: &mut Value,
    annotations: &mut Value,
) {
    let mut own = json!({});
    user(making, &service.field("user"), &mut own, annotations);
    for (field, name) in [("privileged", "privileged"), ("read_only", "readOnlyRootFilesystem")] {
        if truth(service.field(field).value) == Some(true) {
            own[name] = json!(true);
        }
    }
    for (field, name) in [("cap_add", "add"), ("cap_drop", "drop")] {
        let names: Vec<String> = service.field(field).items().iter().map(capability).collect();
        if !names.is_empty() {
            own["capabilities"][name] = json!(names);
        }
    }
    for option in service.field("security_opt").items() {
        security_option(making, &option, &mut own);
    }
    let container = &mut spec["containers"][0];
    if own != json!({}) {
        container["securityContext"] = own;
    }
    for (field, name) in [("stdin_open", "stdin"), ("tty", "tty")] {
        if truth(service.field(field).value) == Some(true) {
            container[name] = json!(true);
        }
    }
    of_pod(making, service, spec);
    if truth(service.field("init").value) == Some(true) {
        annotations[ANNOTATION_INIT] = json!("true");
    }
}

fn of_pod(making: &mut Making<'_>, service: &Cursor<'_>, spec: &mut Value) {
    let mut groups = Vec::new();
    for group in service.field("group_add").items() {
        match whole(group.value) {
            Some(number) => groups.push(number),
            None => making.ignore(&group, "groups are taken by number only"),
        }
    }
    if !groups.is_empty() {
        spec["securityContext"]["supplementalGroups"] = json!(groups);
    }
    let sysctls = sysctls(making, &service.field("sysctls"));
    if !sysctls.is_empty() {
        spec["securityContext"]["sysctls"] = Value::Array(sysctls);
    }
    for (field, name, otherwise) in [
        ("pid", "hostPID", &[][..]),
        // What is so anyway, and what matters only to who joins.
        ("ipc", "hostIPC", &["private", "shareable"][..]),
    ] {
        let at = service.field(field);
        match at.text() {
            "" => {}
            "host" => spec[name] = json!(true),
            text if otherwise.contains(&text) => {}
            _ => making.ignore(&at, "only host is supported"),
        }
    }
}

/// Numbers are Kubernetes' own; a name is the image's to know.
fn user(making: &mut Making<'_>, at: &Cursor<'_>, own: &mut Value, annotations: &mut Value) {
    let Some(text) = scalar_text(at.value).filter(|text| !text.is_empty()) else { return };
    let (name, group) = text.split_once(':').map_or((&*text, None), |(n, g)| (n, Some(g)));
    let number = |text: &str| if text == "root" { Some(0) } else { text.parse::<i64>().ok() };
    match (number(name), group.map(number)) {
        (Some(user), None) => own["runAsUser"] = json!(user),
        (Some(user), Some(Some(group))) => {
            own["runAsUser"] = json!(user);
            own["runAsGroup"] = json!(group);
        }
        _ if name.is_empty() => making.refuse(at, "must be a user, or user:group"),
        _ => annotations[ANNOTATION_USER] = json!(text),
    }
}

/// Kubernetes' spelling: without the prefix.
fn capability(at: &Cursor<'_>) -> String {
    let name = at.text().to_ascii_uppercase();
    name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
}

/// `name:value`, or in its newer spelling `name=value`.
fn security_option(making: &mut Making<'_>, at: &Cursor<'_>, own: &mut Value) {
    let text = at.text();
    let (name, value) = text.split_once([':', '=']).unwrap_or((text, ""));
    match (name, value) {
        ("no-new-privileges", "" | "true") => own["allowPrivilegeEscalation"] = json!(false),
        ("no-new-privileges", "false") => {}
        ("seccomp", "unconfined") => own["seccompProfile"] = json!({"type": "Unconfined"}),
        ("seccomp", _) => {
            making.ignore(at, "a profile in a file of the asker's is not sent to nodes");
        }
        ("apparmor", "unconfined") => own["appArmorProfile"] = json!({"type": "Unconfined"}),
        ("apparmor", profile) => {
            own["appArmorProfile"] = json!({"type": "Localhost", "localhostProfile": profile});
        }
        ("systempaths", "unconfined") => own["procMount"] = json!("Unmasked"),
        _ => making.ignore(at, "it is not applied"),
    }
}

fn sysctls(making: &mut Making<'_>, at: &Cursor<'_>) -> Vec<Value> {
    let pairs = merge::pairs(at.value);
    let entries = pairs.as_ref().unwrap_or(at.value).as_object();
    let mut found = Vec::new();
    for (name, value) in entries.into_iter().flatten() {
        match scalar_text(value) {
            Some(value) => found.push(json!({"name": name, "value": value})),
            None => making.refuse(&at.field(name), "needs a value"),
        }
    }
    found
}
