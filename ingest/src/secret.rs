//! Whether a request carries a Secret in clear. Such a request never goes further, and its bytes
//! are not kept.

use serde_json::Value;
use setpoint_schemas::{Request, RequestItem};

/// What every sealed Secret value begins with.
pub const SEALED_PREFIX: &str = "sealed:v1:";

/// Where kubectl keeps what was applied before: a whole object inside an annotation.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Where the first Secret value in clear stands, such as `Secret default/db: data.password`.
pub(crate) fn unsealed(request: &Request) -> Option<String> {
    let secrets = request.items.iter().filter(|item| is_secret(item));
    let mut found = secrets.filter_map(|item| {
        unsealed_body(&item.body)
            .map(|path| format!("Secret {}/{}: {path}", item.namespace, item.name))
    });
    found.next()
}

/// Whether bytes that do not decode may hold a Secret: the kind's name as JSON or as Avro writes
/// it (its length, zigzag, before it).
pub(crate) fn may_hold_secret(bytes: &[u8]) -> bool {
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    holds(b"\"Secret\"") || holds(b"\x0cSecret") || holds(b"kind: Secret")
}

fn is_secret(item: &RequestItem) -> bool {
    item.kind.eq_ignore_ascii_case("Secret") && !item.body.is_empty()
}

fn unsealed_body(body: &str) -> Option<String> {
    match serde_json::from_str(body) {
        Ok(Value::Array(operations)) => operations.iter().find_map(unsealed_operation),
        Ok(object) => unsealed_object(&object),
        Err(_) => {
            Some("the body is not JSON, so it cannot be told whether it is sealed".to_owned())
        }
    }
}

/// An object or a merge patch.
fn unsealed_object(object: &Value) -> Option<String> {
    let in_map = |name: &str| match &object[name] {
        Value::Null => None,
        Value::Object(map) => {
            map.iter().find(|(_, value)| !is_sealed(value)).map(|(key, _)| format!("{name}.{key}"))
        }
        _ => Some(name.to_owned()),
    };
    let last_applied = || match &object["metadata"]["annotations"][LAST_APPLIED] {
        sealed if is_sealed(sealed) => None,
        Value::String(text) => unsealed_body(text).map(|path| format!("{LAST_APPLIED}: {path}")),
        _ => None,
    };
    in_map("data").or_else(|| in_map("stringData")).or_else(last_applied)
}

/// One operation of a JSON patch (RFC 6902).
fn unsealed_operation(operation: &Value) -> Option<String> {
    let path = operation["path"].as_str().unwrap_or_default();
    let value = &operation["value"];
    let path_in = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    let unsealed = match path {
        "" => unsealed_object(value).is_some(),
        "/data" => unsealed_object(&serde_json::json!({ "data": value })).is_some(),
        "/stringData" => unsealed_object(&serde_json::json!({ "stringData": value })).is_some(),
        _ if path_in("/data") || path_in("/stringData") => !is_sealed(value),
        // Last-applied may come with any annotation; a scalar elsewhere holds no Secret value.
        _ => value.to_string().contains("\\\"data\\\"") || value.to_string().contains("\"data\""),
    };
    unsealed.then(|| format!("patch of {path}"))
}

/// A removed value (null) and an empty one hold nothing.
fn is_sealed(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text.starts_with(SEALED_PREFIX),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::*;

    fn check(body: &str) -> Option<String> {
        let mut request = samples::request();
        request.items[0].kind = "Secret".to_owned();
        request.items[0].name = "db".to_owned();
        request.items[0].body = body.to_owned();
        unsealed(&request)
    }

    #[test]
    fn sealed_secrets_pass() {
        for body in [
            "{}",
            r#"{"data":{"password":"sealed:v1:abc"},"type":"Opaque"}"#,
            r#"{"data":{"password":null,"empty":""}}"#,
            r#"[{"op":"add","path":"/data/password","value":"sealed:v1:abc"}]"#,
            r#"[{"op":"remove","path":"/data/password"}]"#,
            r#"[{"op":"add","path":"/metadata/labels/app","value":"db"}]"#,
            r#"{"metadata":{"annotations":{"a":"b"}}}"#,
            r#"{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"sealed:v1:abc"}}}"#,
        ] {
            assert_eq!(check(body), None, "{body}");
        }
    }

    #[test]
    fn a_secret_in_clear_is_found_wherever_it_hides() {
        let cases = [
            (r#"{"data":{"password":"cGFzcw=="}}"#, "Secret default/db: data.password"),
            (r#"{"stringData":{"a":"b"}}"#, "Secret default/db: stringData.a"),
            (r#"{"data":"cGFzcw=="}"#, "Secret default/db: data"),
            (r#"{"data":{"a":{"b":"c"}}}"#, "Secret default/db: data.a"),
            (
                r#"[{"op":"add","path":"/data/a","value":"b"}]"#,
                "Secret default/db: patch of /data/a",
            ),
            (
                r#"[{"op":"replace","path":"/data","value":{"a":"b"}}]"#,
                "Secret default/db: patch of /data",
            ),
            (
                r#"[{"op":"replace","path":"","value":{"data":{"a":"b"}}}]"#,
                "Secret default/db: patch of ",
            ),
            (
                r#"{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"a\":\"b\"}}"}}}"#,
                "Secret default/db: kubectl.kubernetes.io/last-applied-configuration: data.a",
            ),
            (
                "data:\n  a: b",
                "Secret default/db: the body is not JSON, so it cannot be told whether it is sealed",
            ),
        ];
        for (body, found) in cases {
            assert_eq!(check(body).as_deref(), Some(found), "{body}");
        }
    }

    #[test]
    fn other_kinds_are_not_looked_at() {
        let mut request = samples::request();
        request.items[0].kind = "ConfigMap".to_owned();
        request.items[0].body = r#"{"data":{"a":"b"}}"#.to_owned();
        assert_eq!(unsealed(&request), None);
    }
}
