//! Named volumes of a project: a claim each, of the default storage class.
//!
//! A claim's folder lies on one node, so services that share a volume come together there. It begins
//! empty: what an image has at the path is not copied, which is told.
//! Absent: drivers. Whose data lies elsewhere is not a folder of a node.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::fields;
use super::making::{Making, kubernetes_name};
use super::units::{scalar_text, truth};
use crate::annotations::LABEL_PROJECT;
use crate::gate::cursor::Cursor;

/// Compose says nothing of a volume's size, and a claim has to; nothing is measured by it. As kompose
/// has it.
const STORAGE: &str = "100Mi";

/// The volume that a service names, if it names one.
pub(crate) fn named_by<'v>(item: &Cursor<'v>) -> Option<&'v str> {
    let name = match item.value {
        Value::Object(_) if ["volume", ""].contains(&item.field("type").text()) => {
            item.value["source"].as_str().unwrap_or_default()
        }
        Value::String(text) => text.split_once(':').map_or("", |(source, _)| source),
        _ => "",
    };
    (!name.is_empty() && !name.starts_with(['.', '/', '~'])).then_some(name)
}

/// Makes the claims of the volumes that active services use.
pub(crate) fn objects(making: &mut Making<'_>, services: &Cursor<'_>, active: &BTreeSet<&str>) {
    let mut used: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (name, service) in services.entries().into_iter().filter(|(name, _)| active.contains(name))
    {
        for item in service.field("volumes").items() {
            if let Some(volume) = named_by(&item) {
                used.entry(volume.to_owned()).or_default().insert(name);
            }
        }
    }
    for (name, at) in making.section("volumes").entries() {
        making.check(&at, fields::VOLUME);
        let Some(users) = used.get(name).filter(|_| !is_external(&at)) else { continue };
        let driver = at.field("driver");
        if !["", "local"].contains(&driver.text()) {
            making.refuse(&driver, "only the driver local is known: leave it out");
        }
        making.warnings.push(format!(
            "volume {name} is a claim that begins empty: what the images of {} have there is not \
             copied",
            users.iter().copied().collect::<Vec<_>>().join(", ")
        ));
        let claim = claim(making, name, &at);
        making.objects.push(claim);
    }
}

/// The claim of the volume that a service names; nothing, and that it is refused, when the project has
/// no such volume.
pub(crate) fn claim_of(making: &mut Making<'_>, at: &Cursor<'_>, name: &str) -> Option<String> {
    let section = making.section("volumes");
    match section.map().and_then(|volumes| volumes.get(name)) {
        Some(value) => {
            let volume = Cursor { value, path: section.path.field(name) };
            Some(claim_name(making, name, &volume))
        }
        None => {
            making.refuse(at, format!("there is no volume {name:?} in volumes"));
            None
        }
    }
}

fn claim(making: &Making<'_>, name: &str, at: &Cursor<'_>) -> Value {
    let labels = at.field("labels");
    let mut annotations = json!({});
    for (key, value) in labels.entries() {
        annotations[key] = json!(scalar_text(value.value).unwrap_or_default());
    }
    for item in labels.items() {
        let (key, value) = item.text().split_once('=').unwrap_or((item.text(), ""));
        annotations[key] = json!(value);
    }
    let mut metadata =
        json!({"name": claim_name(making, name, at), "labels": {LABEL_PROJECT: making.project}});
    // Compose's labels may be longer than Kubernetes' are, and nothing is selected by them.
    if annotations != json!({}) {
        metadata["annotations"] = annotations;
    }
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": STORAGE}},
        },
    })
}

/// Its own name, where it has one, and that of what exists already; otherwise the project's.
fn claim_name(making: &Making<'_>, name: &str, at: &Cursor<'_>) -> String {
    let external = at.field("external");
    let named = [external.field("name").text(), at.field("name").text()];
    match named.into_iter().find(|text| !text.is_empty()) {
        Some(own) => kubernetes_name(own),
        None if is_external(at) => kubernetes_name(name),
        None => making.object_name(name),
    }
}

fn is_external(at: &Cursor<'_>) -> bool {
    let external = at.field("external");
    external.value.is_object() || truth(external.value) == Some(true)
}
