//! A service's volumes: named ones, which are claims, folders of the node, and folders in memory:
//! `volumes`, `tmpfs`, `shm_size`.
//!
//! A path that is relative is the project's folder's, as in Compose; but it is looked for on the node
//! where the pod runs, which is told.
//! Absent: volumes without a name, which would begin with the image's files.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::claims;
use super::fields;
use super::making::Making;
use super::units::{bytes, scalar_text, truth};
use crate::annotations::ANNOTATION_TMPFS;
use crate::gate::cursor::Cursor;

const ANONYMOUS: &str =
    "a volume without a name begins with the image's own files; name a folder, or use tmpfs";
const MODE: &str = "must be a file mode such as 0755";
/// The bits of a file mode.
const MODE_BITS: i64 = 0o777;
/// What Docker keeps a folder in memory from, unless the word without `no` stands there.
const KEPT_FROM: &[&str] = &["noexec", "nosuid", "nodev"];
/// Where programs look for memory that they share.
const SHARED_MEMORY: &str = "/dev/shm";

/// What is mounted where.
struct Mounted {
    source: Value,
    target: String,
    read_only: bool,
    propagation: Option<&'static str>,
    /// A path within the volume; empty for all of it.
    sub_path: String,
    /// How a folder in memory is mounted.
    options: BTreeSet<String>,
}

impl Mounted {
    fn of(source: Value, target: &str) -> Self {
        let (target, options) = (target.to_owned(), BTreeSet::new());
        Mounted {
            source,
            target,
            read_only: false,
            propagation: None,
            sub_path: String::new(),
            options,
        }
    }

    /// A folder in memory, mounted as Docker mounts one of which nothing is said.
    fn in_memory(empty: &Value, target: &str) -> Self {
        let options = KEPT_FROM.iter().map(|word| (*word).to_owned()).collect();
        Mounted { options, ..Mounted::of(json!({"emptyDir": empty}), target) }
    }
}

/// Adds them to the service's pod.
pub(crate) fn apply(
    making: &mut Making<'_>,
    name: &str,
    service: &Cursor<'_>,
    spec: &mut Value,
    annotations: &mut Value,
) {
    let mut found = Vec::new();
    for item in service.field("volumes").items() {
        let mounted = match item.value {
            Value::Object(_) => long(making, name, &item),
            _ => short(making, name, &item),
        };
        found.extend(mounted);
    }
    let tmpfs = service.field("tmpfs");
    let each = if tmpfs.value.is_array() { tmpfs.items() } else { vec![tmpfs] };
    for at in each.iter().filter(|at| !at.value.is_null()) {
        found.extend(in_memory(making, at));
    }
    found.extend(shared_memory(making, &service.field("shm_size")));
    for (index, mounted) in found.into_iter().enumerate() {
        let name = format!("volume-{index}");
        if !mounted.options.is_empty() {
            let words: Vec<&str> = mounted.options.iter().map(String::as_str).collect();
            annotations[format!("{ANNOTATION_TMPFS}{name}")] = json!(words.join(","));
        }
        add(spec, &name, mounted);
    }
}

/// `source:target[:options]`.
fn short(making: &mut Making<'_>, name: &str, at: &Cursor<'_>) -> Option<Mounted> {
    let text = scalar_text(at.value).unwrap_or_default();
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        // A variable that is not set may leave nothing before the colon.
        [_] | ["", ..] => {
            making.ignore(at, ANONYMOUS);
            return None;
        }
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => {
            making.refuse(at, "is no volume: expected source:target[:options]");
            return None;
        }
    };
    let mut mounted = match is_path(source) {
        true => {
            let path = host_path(making, name, at, source)?;
            Mounted::of(json!({"hostPath": {"path": path}}), target)
        }
        false => of_claim(&claims::claim_of(making, at, source)?, target),
    };
    for option in options.split(',') {
        match option {
            // How fast a virtual machine of the asker's sees changes, and what is so anyway.
            "" | "rw" | "cached" | "delegated" | "consistent" | "private" | "rprivate" => {}
            // A volume begins empty anyway.
            "nocopy" => {}
            "ro" => mounted.read_only = true,
            "rslave" | "slave" => mounted.propagation = Some("HostToContainer"),
            "rshared" | "shared" => mounted.propagation = Some("Bidirectional"),
            "z" | "Z" => making.ignore(at, "files are not relabelled for SELinux"),
            _ => making.ignore(at, "only ro and rw are known"),
        }
    }
    Some(mounted)
}

fn long(making: &mut Making<'_>, name: &str, at: &Cursor<'_>) -> Option<Mounted> {
    making.check(at, fields::VOLUME_USE);
    let target = at.field("target");
    if target.text().is_empty() {
        making.refuse(&target, "is required");
        return None;
    }
    let mut mounted = match at.field("type").text() {
        "bind" => bind(making, name, at)?,
        "tmpfs" => {
            let options = at.field("tmpfs");
            making.check(&options, fields::TMPFS);
            let mut empty = json!({"medium": "Memory"});
            size(making, &options.field("size"), &mut empty);
            let mode = options.field("mode");
            let text = scalar_text(mode.value);
            if let Some(text) = text.filter(|_| !mode.value.is_null()) {
                // As a number YAML has read the octal already.
                let radix = if mode.value.is_number() { 10 } else { 8 };
                set_mode(making, &mode, i64::from_str_radix(&text, radix).ok(), &mut empty);
            }
            Mounted::in_memory(&empty, target.text())
        }
        "volume" | "" => {
            let (source, options) = (at.field("source"), at.field("volume"));
            making.check(&options, fields::VOLUME_OPTIONS);
            if source.text().is_empty() {
                making.ignore(at, ANONYMOUS);
                return None;
            }
            let claim = claims::claim_of(making, &source, source.text())?;
            let sub_path = options.field("subpath").text().to_owned();
            Mounted { sub_path, ..of_claim(&claim, target.text()) }
        }
        _ => {
            making.ignore(at, "only volume, bind and tmpfs are supported");
            return None;
        }
    };
    mounted.read_only |= truth(at.field("read_only").value) == Some(true);
    Some(mounted)
}

fn of_claim(claim: &str, target: &str) -> Mounted {
    Mounted::of(json!({"persistentVolumeClaim": {"claimName": claim}}), target)
}

fn bind(making: &mut Making<'_>, name: &str, at: &Cursor<'_>) -> Option<Mounted> {
    let (source, options) = (at.field("source"), at.field("bind"));
    making.check(&options, fields::BIND);
    if source.text().is_empty() {
        making.refuse(&source, "is required");
        return None;
    }
    let path = host_path(making, name, &source, source.text())?;
    let mut host = json!({"path": path});
    // Kubernetes has a word for a file or for a folder that must be there, not for either.
    if truth(options.field("create_host_path").value) == Some(false) {
        host["type"] = json!(if path.is_file() { "File" } else { "Directory" });
    }
    let mut mounted = Mounted::of(json!({"hostPath": host}), at.field("target").text());
    let propagation = options.field("propagation");
    mounted.propagation = match propagation.text() {
        "" | "private" | "rprivate" => None,
        "slave" | "rslave" => Some("HostToContainer"),
        "shared" | "rshared" => Some("Bidirectional"),
        _ => {
            making.refuse(&propagation, "must be private, slave, shared or one of them with an r");
            None
        }
    };
    Some(mounted)
}

/// `target[:options]`.
fn in_memory(making: &mut Making<'_>, at: &Cursor<'_>) -> Option<Mounted> {
    let text = scalar_text(at.value).unwrap_or_default();
    let (target, options) = text.split_once(':').unwrap_or((&text, ""));
    let (mut empty, mut words) = (json!({"medium": "Memory"}), Vec::new());
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", text)) => {
                size(making, &Cursor { value: &json!(text), ..at.clone() }, &mut empty)
            }
            Some(("mode", text)) => {
                set_mode(making, at, i64::from_str_radix(text, 8).ok(), &mut empty);
            }
            Some(("uid" | "gid", number)) if number.parse::<u32>().is_ok() => words.push(option),
            None if ["rw", "exec", "suid", "dev"].contains(&option) => words.push(option),
            None if KEPT_FROM.contains(&option) => {}
            _ => making.ignore(at, "only size, mode, uid, gid, exec, suid and dev are known"),
        }
    }
    let mut mounted = Mounted::in_memory(&empty, target);
    for word in words {
        if word.contains('=') {
            mounted.options.insert(word.to_owned());
        } else {
            mounted.options.remove(&format!("no{word}"));
        }
    }
    Some(mounted)
}

fn shared_memory(making: &mut Making<'_>, at: &Cursor<'_>) -> Option<Mounted> {
    if at.value.is_null() {
        return None;
    }
    let mut empty = json!({"medium": "Memory"});
    size(making, at, &mut empty);
    Some(Mounted::in_memory(&empty, SHARED_MEMORY))
}

fn size(making: &mut Making<'_>, at: &Cursor<'_>, empty: &mut Value) {
    if at.value.is_null() {
        return;
    }
    match bytes(at.value) {
        Ok(bytes) => empty["sizeLimit"] = json!(bytes.to_string()),
        Err(why) => making.refuse(at, why),
    }
}

fn set_mode(making: &mut Making<'_>, at: &Cursor<'_>, mode: Option<i64>, empty: &mut Value) {
    match mode.filter(|mode| (0..=0o7777).contains(mode)) {
        // That only its owner may remove a file does not matter where there is one user.
        Some(mode) => empty["mode"] = json!(mode & MODE_BITS),
        None => making.refuse(at, MODE),
    }
}

fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}

/// The path on the node: the project's folder's, or the asker's own folder's.
fn host_path(
    making: &mut Making<'_>,
    name: &str,
    at: &Cursor<'_>,
    source: &str,
) -> Option<PathBuf> {
    let whole = match source.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let Some(home) = making.variables_of(name).get("HOME") else {
                making.refuse(at, "the variable HOME is not set");
                return None;
            };
            Path::new(home).join(rest.trim_start_matches('/'))
        }
        Some(_) => {
            making.refuse(at, "another user's folder is not looked for");
            return None;
        }
        None => making.folder.join(source),
    };
    let path = std::path::absolute(&whole).map(|path| without_steps(&path));
    let Ok(path) = path.map_err(|error| making.refuse(at, format!("{source}: {error}"))) else {
        return None;
    };
    making.warnings.push(format!(
        "service {name} mounts {}: it is looked for on the node where a pod runs",
        path.display()
    ));
    Some(path)
}

/// The path without `.` and `..`, links not looked at.
fn without_steps(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                found.pop();
            }
            Component::CurDir => {}
            part => found.push(part),
        }
    }
    found
}

/// A service that may write into what outlasts its pods is stopped before it is started anew, unless it
/// says how it is updated: as in Compose, and as kompose has it. Two databases at once on one folder would
/// keep each other from it, and the update from its end.
pub(crate) fn stop_first(service: &Cursor<'_>, workload: &mut Value) {
    let updates = service.field("deploy").field("update_config");
    if !updates.value.is_null() || workload["kind"] != "Deployment" {
        return;
    }
    let spec = &workload["spec"]["template"]["spec"];
    let lasting = |volume: &&Value| {
        ["hostPath", "persistentVolumeClaim"].iter().any(|sort| volume.get(sort).is_some())
    };
    let mounts = spec["containers"][0]["volumeMounts"].as_array().into_iter().flatten();
    let written: Vec<&Value> =
        mounts.filter(|mount| mount["readOnly"] != true).map(|mount| &mount["name"]).collect();
    let mut volumes = spec["volumes"].as_array().into_iter().flatten().filter(lasting);
    if volumes.any(|volume| written.contains(&&volume["name"])) {
        workload["spec"]["strategy"] = json!({"type": "Recreate"});
    }
}

fn add(spec: &mut Value, name: &str, mounted: Mounted) {
    let mut volume = mounted.source;
    volume["name"] = json!(name);
    let mut mount = json!({"name": name, "mountPath": mounted.target});
    if mounted.read_only {
        mount["readOnly"] = json!(true);
    }
    if !mounted.sub_path.is_empty() {
        mount["subPath"] = json!(mounted.sub_path);
    }
    if let Some(propagation) = mounted.propagation {
        mount["mountPropagation"] = json!(propagation);
    }
    push(&mut spec["volumes"], volume);
    push(&mut spec["containers"][0]["volumeMounts"], mount);
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        other => *other = json!([item]),
    }
}
