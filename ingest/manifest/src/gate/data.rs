//! ConfigMaps and Secrets.

use super::cursor::{Checker, Cursor};
use super::names;

/// Kubernetes' bound for the data of one ConfigMap or Secret: 1 MiB.
const DATA_BYTES_MAX: usize = 1 << 20;

pub(crate) fn config_map(checker: &mut Checker, object: &Cursor<'_>) {
    keys(checker, object, &["data", "binaryData"]);
    let data = object.field("data");
    for (key, at) in object.field("binaryData").entries() {
        if data.get(key).is_some() {
            checker.refuse(&at, "the key is in data too");
        }
    }
}

pub(crate) fn secret(checker: &mut Checker, object: &Cursor<'_>) {
    keys(checker, object, &["data", "stringData"]);
    let needed: &[&str] = match object.field("type").text() {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    let data = object.field("data");
    for key in needed {
        if data.get(key).is_none() && object.field("stringData").get(key).is_none() {
            let kind = object.field("type").text();
            checker.refuse(&data.field(key), format!("is required in a Secret of type {kind}"));
        }
    }
}

fn keys(checker: &mut Checker, object: &Cursor<'_>, maps: &[&str]) {
    let mut bytes = 0;
    for map in maps {
        for (key, at) in object.field(map).entries() {
            bytes += key.len() + at.text().len();
            if let Err(reason) = names::config_key(key) {
                checker.refuse(&at, reason);
            }
        }
    }
    if bytes > DATA_BYTES_MAX {
        checker.refuse(&object.field(maps[0]), format!("has more than {DATA_BYTES_MAX} bytes"));
    }
}
