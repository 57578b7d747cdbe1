//! The volumes of a pod.
//!
//! Source: Kubernetes' `validateVolumeSource` and what it calls.

use std::collections::BTreeSet;

use setpoint_schemas::Quantity;

use super::cursor::{Checker, Cursor};
use super::{downward, names, storage};

/// Kubernetes' types of a path of the node.
const HOST_KINDS: &[&str] = &[
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
];

/// The names of the volumes.
pub(crate) fn check<'v>(checker: &mut Checker, at: &Cursor<'v>) -> BTreeSet<&'v str> {
    let mut seen = BTreeSet::new();
    for volume in at.items() {
        let name = volume.field("name");
        if !checker.required(&name) {
            continue;
        }
        if let Err(reason) = names::label(name.text()) {
            checker.refuse(&name, reason);
        }
        if !seen.insert(name.text()) {
            checker.refuse(&name, "two volumes have the same name");
        }
        source(checker, &volume);
    }
    seen
}

/// The claims that are made with a pod are named after it.
pub(crate) fn claim_names(checker: &mut Checker, object: &Cursor<'_>) {
    let pod = object.field("metadata").field("name").text();
    for volume in object.field("spec").field("volumes").items() {
        let name = volume.field("name");
        if pod.is_empty() || name.text().is_empty() || volume.get("ephemeral").is_none() {
            continue;
        }
        let claim = format!("{pod}-{}", name.text());
        if let Err(why) = names::subdomain(&claim) {
            let shown = crate::problem::shortened(&claim);
            checker.refuse(&name, format!("PVC name {shown:?}: {why}"));
        }
    }
}

fn source(checker: &mut Checker, volume: &Cursor<'_>) {
    let sources =
        volume.entries().into_iter().filter(|(name, at)| *name != "name" && !at.value.is_null());
    if sources.count() > 1 {
        checker.refuse(volume, "a volume has only one source");
    }
    for (kind, named) in [("configMap", "name"), ("secret", "secretName")] {
        let Some(source) = volume.get(kind) else { continue };
        checker.required(&source.field(named));
        mode(checker, &source.field("defaultMode"));
        items(checker, &source);
    }
    if let Some(empty) = volume.get("emptyDir") {
        empty_dir(checker, &empty);
    }
    if let Some(host) = volume.get("hostPath") {
        host_path(checker, &host);
    }
    if let Some(claim) = volume.get("persistentVolumeClaim") {
        storage::volume(checker, &claim);
    }
    if let Some(ephemeral) = volume.get("ephemeral") {
        storage::made_with_pod(checker, &ephemeral.field("volumeClaimTemplate"));
    }
    if let Some(told) = volume.get("downwardAPI") {
        mode(checker, &told.field("defaultMode"));
        downward_files(checker, &told);
    }
    if let Some(projected) = volume.get("projected") {
        mode(checker, &projected.field("defaultMode"));
        projections(checker, &projected.field("sources"));
    }
}

fn items(checker: &mut Checker, source: &Cursor<'_>) {
    for item in source.field("items").items() {
        checker.required(&item.field("key"));
        mode(checker, &item.field("mode"));
        file_path(checker, &item.field("path"));
    }
}

fn empty_dir(checker: &mut Checker, empty: &Cursor<'_>) {
    let medium = empty.field("medium");
    if medium.text().starts_with("HugePages") {
        checker.refuse(&medium, "huge pages are not given out");
    } else {
        checker.one_of(&medium, &["Memory"]);
    }
    mode(checker, &empty.field("mode"));
    let limit = empty.field("sizeLimit");
    let text = limit.value.as_str().map_or_else(|| limit.value.to_string(), str::to_owned);
    if Quantity::parse(&text).is_ok_and(|limit| limit.is_negative()) {
        checker.refuse(&limit, format!("is {text} and must not be negative"));
    }
}

/// A path of the node.
pub(super) fn host_path(checker: &mut Checker, host: &Cursor<'_>) {
    let path = host.field("path");
    if checker.required(&path) {
        if !path.text().starts_with('/') {
            checker.refuse(&path, "must be an absolute path of the node");
        }
        if path.text().split('/').any(|part| part == "..") {
            checker.refuse(&path, "must not contain '..'");
        }
    }
    checker.one_of(&host.field("type"), HOST_KINDS);
}

fn projections(checker: &mut Checker, at: &Cursor<'_>) {
    for source in at.items() {
        let set = source.entries().iter().filter(|(_, at)| !at.value.is_null()).count();
        if set > 1 {
            checker.refuse(&source, "a source of a projected volume is only one");
        }
        for kind in ["configMap", "secret"] {
            if let Some(object) = source.get(kind) {
                checker.required(&object.field("name"));
                items(checker, &object);
            }
        }
        if let Some(told) = source.get("downwardAPI") {
            downward_files(checker, &told);
        }
    }
}

fn downward_files(checker: &mut Checker, told: &Cursor<'_>) {
    for item in told.field("items").items() {
        file_path(checker, &item.field("path"));
        mode(checker, &item.field("mode"));
        downward::file(checker, &item);
    }
}

fn file_path(checker: &mut Checker, path: &Cursor<'_>) {
    if checker.required(path) {
        checker.relative(path);
    }
}

fn mode(checker: &mut Checker, at: &Cursor<'_>) {
    if at.int().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        checker.refuse(at, "must be a file mode from 0 to 0777 (511)");
    }
}
