//! ConfigMaps and Secrets.

use serde_json::Value;

use super::cursor::{Checker, Cursor};
use super::names;

/// The type of a Secret that holds a service account's token.
const SERVICE_ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";

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

/// What somebody should know who waits for a token: in Kubernetes a controller writes it.
pub(crate) fn warning(secret: &Value) -> Option<String> {
    let has = |map: &str| secret[map].get("token").is_some();
    let is_of_account = secret["type"] == SERVICE_ACCOUNT_TOKEN;
    (is_of_account && !has("data") && !has("stringData")).then(|| {
        format!("nobody writes a token into a Secret of type {SERVICE_ACCOUNT_TOKEN} here")
    })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_waits_for_the_token_of_an_account_is_told() {
        // (the type, what it holds, whether it waits for what never comes)
        let table = [
            (SERVICE_ACCOUNT_TOKEN, json!({}), true),
            (SERVICE_ACCOUNT_TOKEN, json!({"other": "a"}), true),
            (SERVICE_ACCOUNT_TOKEN, json!({"token": "a"}), false),
            ("Opaque", json!({}), false),
        ];
        for (kind, data, waits) in table {
            let secret = json!({"kind": "Secret", "type": kind, "data": data});
            assert_eq!(warning(&secret).is_some(), waits, "{secret}");
        }
    }
}
