//! Configs and secrets: ConfigMaps and Secrets, and files in containers.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use serde_json::{Value, json};

use super::fields;
use super::making::{Making, kubernetes_name};
use super::units::{scalar_text, truth, whole};
use crate::annotations::LABEL_PROJECT;
use crate::gate::cursor::Cursor;

/// Kubernetes' bound for the data of one ConfigMap or Secret: 1 MiB.
const CONTENT_BYTES_MAX: u64 = 1 << 20;

/// What differs between the two.
struct Sort {
    section: &'static str,
    kind: &'static str,
    volume: &'static str,
    name: &'static str,
    /// The folder of files without an absolute target.
    folder: &'static str,
}

const SORTS: [Sort; 2] = [
    Sort { section: "configs", kind: "ConfigMap", volume: "configMap", name: "name", folder: "/" },
    Sort {
        section: "secrets",
        kind: "Secret",
        volume: "secret",
        name: "secretName",
        folder: "/run/secrets/",
    },
];

/// Makes the ConfigMaps and Secrets that active services use.
pub(crate) fn objects(making: &mut Making<'_>, services: &Cursor<'_>, active: &BTreeSet<&str>) {
    for sort in &SORTS {
        let section = making.section(sort.section);
        let mut used = BTreeSet::new();
        for (name, service) in services.entries() {
            if active.contains(name) {
                used.extend(service.field(sort.section).items().iter().map(source_of));
            }
        }
        for (name, at) in section.entries() {
            making.check(&at, fields::FILE);
            if used.contains(name) && external_name(&at, name).is_none() {
                object(making, sort, name, &at);
            }
        }
    }
}

/// Adds the files of a service to its pod: a volume each, mounted on its one file.
pub(crate) fn apply(making: &mut Making<'_>, service: &Cursor<'_>, spec: &mut Value) {
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    for sort in &SORTS {
        let section = making.section(sort.section);
        for (index, item) in service.field(sort.section).items().into_iter().enumerate() {
            if item.value.is_object() {
                making.check(&item, fields::FILE_USE);
            }
            let source = source_of(&item);
            let Some(defined) = section.map().and_then(|map| map.get(&source)) else {
                making.refuse(&item, format!("there is no {:?} in {}", source, sort.section));
                continue;
            };
            let defined = Cursor { value: defined, path: section.path.field(&source) };
            let object =
                external_name(&defined, &source).unwrap_or_else(|| making.object_name(&source));
            let volume = kubernetes_name(&format!("{}-{index}-{source}", sort.section));
            let key = key_of(&source);
            let mut from = json!({sort.name: object, "items": [{"key": key, "path": key}]});
            mode(making, &item, &mut from);
            owner(making, &item, &source, &mut from);
            volumes.push(json!({"name": volume, sort.volume: from}));
            let target = target_of(&item, sort, &source);
            mounts.push(
                json!({"name": volume, "mountPath": target, "subPath": key, "readOnly": true}),
            );
        }
    }
    if !volumes.is_empty() {
        spec["volumes"] = Value::Array(volumes);
        spec["containers"][0]["volumeMounts"] = Value::Array(mounts);
    }
}

fn mode(making: &mut Making<'_>, item: &Cursor<'_>, from: &mut Value) {
    let at = item.field("mode");
    if at.value.is_null() {
        return;
    }
    // As text the mode is octal; as a number YAML has read the octal already.
    let mode = match at.value {
        Value::String(text) => i64::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        other => whole(other),
    };
    match mode.filter(|mode| (0..=0o777).contains(mode)) {
        Some(mode) => from["defaultMode"] = json!(mode),
        None => making.refuse(&at, "must be a file mode such as 0440"),
    }
}

/// Files belong to root. One that is meant for another is one that all in its container may read, which
/// nobody but that container's own users are; Compose itself takes no notice of an owner.
fn owner(making: &mut Making<'_>, item: &Cursor<'_>, source: &str, from: &mut Value) {
    let meant_for = |name: &str| {
        let at = item.field(name);
        let text = scalar_text(at.value).filter(|_| !at.value.is_null()).unwrap_or_default();
        if !text.is_empty() && text.parse::<u32>().is_err() {
            return Err(at);
        }
        Ok(!text.is_empty() && text != "0")
    };
    match (meant_for("uid"), meant_for("gid")) {
        (Err(at), _) | (_, Err(at)) => making.refuse(&at, "must be a number"),
        (Ok(false), Ok(false)) => {}
        _ => {
            let mode = from["defaultMode"].as_i64().unwrap_or(FILE_MODE);
            from["defaultMode"] = json!(mode | READ_BY_ALL);
            making.warnings.push(format!(
                "{} gives {source} an owner: it belongs to root, and all users of its container may read it",
                item.path
            ));
        }
    }
}

/// The mode of a file of which none is said.
const FILE_MODE: i64 = 0o644;
/// Reading, by its owner, its group and all others.
const READ_BY_ALL: i64 = 0o444;

fn source_of(item: &Cursor<'_>) -> String {
    item.value.as_str().unwrap_or_else(|| item.field("source").text()).to_owned()
}

fn target_of(item: &Cursor<'_>, sort: &Sort, source: &str) -> String {
    match item.field("target").text() {
        "" => format!("{}{source}", sort.folder),
        target if target.starts_with('/') => target.to_owned(),
        target => format!("{}{target}", sort.folder),
    }
}

/// The name of what exists already: `external: true`, with `name`, or the older `external.name`.
fn external_name(at: &Cursor<'_>, name: &str) -> Option<String> {
    let external = at.field("external");
    let old = external.field("name");
    if truth(external.value) != Some(true) && !external.value.is_object() {
        return None;
    }
    let named =
        [old.text(), at.field("name").text(), name].into_iter().find(|text| !text.is_empty());
    named.map(kubernetes_name)
}

/// The file's key within its ConfigMap or Secret.
fn key_of(name: &str) -> String {
    let fit =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    name.chars().map(fit).collect()
}

fn object(making: &mut Making<'_>, sort: &Sort, name: &str, at: &Cursor<'_>) {
    let content = match content(making, at) {
        Ok(content) => content,
        Err(why) => return making.refuse(at, why),
    };
    let key = key_of(name);
    let mut object = json!({
        "apiVersion": "v1",
        "kind": sort.kind,
        "metadata": {"name": making.object_name(name), "labels": {LABEL_PROJECT: making.project}},
    });
    let encoded = || base64::engine::general_purpose::STANDARD.encode(&content);
    let data: BTreeMap<String, String>;
    let field = match (sort.kind, std::str::from_utf8(&content)) {
        ("ConfigMap", Ok(text)) => {
            data = [(key, text.to_owned())].into();
            "data"
        }
        ("ConfigMap", Err(_)) => {
            data = [(key, encoded())].into();
            "binaryData"
        }
        _ => {
            data = [(key, encoded())].into();
            "data"
        }
    };
    object[field] = json!(data);
    making.objects.push(object);
}

/// The bytes: of a file, of a variable, or written in place.
fn content(making: &Making<'_>, at: &Cursor<'_>) -> Result<Vec<u8>, String> {
    let text = |name: &str| at.get(name).and_then(|at| scalar_text(at.value));
    if let Some(content) = text("content") {
        return Ok(content.into_bytes());
    }
    if let Some(name) = text("environment") {
        let found = making.variables.get(&name).cloned().map(String::into_bytes);
        return found.ok_or_else(|| format!("the variable {name} is not set"));
    }
    let Some(file) = text("file") else {
        return Err("needs a file, an environment, a content or external".into());
    };
    let path = making.folder.join(&file);
    let unreadable = |why: String| format!("{file}: cannot be read: {why}");
    let bytes = std::fs::metadata(&path).map_err(|error| unreadable(error.to_string()))?;
    if !bytes.is_file() {
        return Err(unreadable("it is no file".into()));
    }
    if bytes.len() > CONTENT_BYTES_MAX {
        return Err(unreadable(format!("it has more than {CONTENT_BYTES_MAX} bytes")));
    }
    std::fs::read(&path).map_err(|error| unreadable(error.to_string()))
}
