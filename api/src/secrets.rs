//! Secrets on their way in (sealed) and on their way out (opened, for who may read them).
//!
//! Guarantee: a Secret that leaves [`sealed`] has no value in clear, neither in `data` nor in the
//! annotation in which kubectl keeps what it applied last; no error quotes a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::seal::{SEALED_PREFIX, Sealer};

/// Where kubectl keeps the object that it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The key under which that annotation's own sealed form is bound; no key of `data` contains `/`.
const LAST_APPLIED_KEY: &str = "/last-applied";

/// Whether an object is a Secret.
pub(crate) fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret" && object["apiVersion"] == "v1"
}

/// The Secret with all values sealed. `stringData` becomes `data`, as Kubernetes does it.
///
/// # Errors
/// The mistakes by path, without values.
pub(crate) fn sealed(sealer: &Sealer, mut object: Value) -> Result<Value, Vec<String>> {
    let (namespace, name) = place_of(&object);
    let mut mistakes = Vec::new();
    let mut data = take_map(&mut object, "data", &mut mistakes);
    for (key, value) in &mut data {
        match clear_of(sealer, &namespace, &name, key, value) {
            Ok(None) => {}
            Ok(Some(clear)) => *value = json!(sealer.seal(&namespace, &name, key, &clear)),
            Err(why) => mistakes.push(format!("data[{key}]: {why}")),
        }
    }
    let had_data = object.get("data").is_some();
    for (key, value) in take_map(&mut object, "stringData", &mut mistakes) {
        match value.as_str() {
            Some(text) => {
                let sealed = sealer.seal(&namespace, &name, &key, text.as_bytes());
                data.insert(key, json!(sealed));
            }
            None => mistakes.push(format!("stringData[{key}]: it is not a string")),
        }
    }
    let Some(fields) = object.as_object_mut() else {
        return Err(vec!["it is not an object".into()]);
    };
    fields.remove("stringData");
    if had_data || !data.is_empty() {
        fields.insert("data".to_owned(), Value::Object(data));
    }
    seal_annotation(sealer, &namespace, &name, &mut object);
    if mistakes.is_empty() { Ok(object) } else { Err(mistakes) }
}

/// The Secret with its values in clear (base64, as Kubernetes serves it), for who may read it. A
/// value that this key does not open is left out and named in an annotation.
pub(crate) fn opened(sealer: &Sealer, mut object: Value) -> Value {
    let (namespace, name) = place_of(&object);
    let mut lost = Vec::new();
    if let Some(data) = object.get_mut("data").and_then(Value::as_object_mut) {
        data.retain(|key, value| {
            let sealed = value.as_str().unwrap_or_default();
            match sealer.open(&namespace, &name, key, sealed) {
                Ok(clear) => *value = json!(BASE64.encode(clear)),
                Err(_) => lost.push(key.clone()),
            }
            !lost.contains(key)
        });
    }
    let Some(annotations) = object.pointer_mut("/metadata/annotations") else { return object };
    let Some(annotations) = annotations.as_object_mut() else { return object };
    if let Some(sealed) = annotations.get(LAST_APPLIED).and_then(Value::as_str) {
        let clear = sealer.open(&namespace, &name, LAST_APPLIED_KEY, sealed).ok();
        match clear.and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(text) => annotations.insert(LAST_APPLIED.to_owned(), json!(text)),
            None => annotations.remove(LAST_APPLIED),
        };
    }
    if !lost.is_empty() {
        annotations.insert("setpoint.dev/unreadable-keys".to_owned(), json!(lost.join(",")));
    }
    object
}

/// Takes every value of a Secret out of a text, such as a message of the gate.
pub(crate) fn redacted(object: &Value, text: &str) -> String {
    let mut text = text.to_owned();
    for field in ["data", "stringData"] {
        let values = object.get(field).and_then(Value::as_object).into_iter().flatten();
        for value in values.filter_map(|(_, value)| value.as_str()).filter(|v| !v.is_empty()) {
            text = text.replace(value, "<redacted>");
        }
    }
    text
}

/// The bytes of a base64 value; `None` when it is sealed for this place already.
fn clear_of(
    sealer: &Sealer,
    namespace: &str,
    name: &str,
    key: &str,
    value: &Value,
) -> Result<Option<Vec<u8>>, &'static str> {
    let text = match value {
        Value::Null => "",
        Value::String(text) => text,
        _ => return Err("it is not a string"),
    };
    if text.starts_with(SEALED_PREFIX) {
        let opened = sealer.open(namespace, name, key, text);
        return opened.map(|_| None).map_err(|_| "it is sealed for another place");
    }
    BASE64.decode(text.trim()).map(Some).map_err(|_| "it is not base64")
}

/// Replaces kubectl's annotation by its sealed form. An empty or absent one stays as it is.
fn seal_annotation(sealer: &Sealer, namespace: &str, name: &str, object: &mut Value) {
    let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    let Some(text) = annotations.and_then(|a| a.get_mut(LAST_APPLIED)) else { return };
    let Some(clear) = text.as_str() else { return };
    if !clear.starts_with(SEALED_PREFIX) {
        *text = json!(sealer.seal(namespace, name, LAST_APPLIED_KEY, clear.as_bytes()));
    }
}

fn take_map(object: &mut Value, field: &str, mistakes: &mut Vec<String>) -> Map<String, Value> {
    match object.get_mut(field).map(std::mem::take) {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => {
            mistakes.push(format!("{field}: it is not a map"));
            Map::new()
        }
    }
}

fn place_of(object: &Value) -> (String, String) {
    let text = |field| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&[3; 32])
    }

    fn secret() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"namespace": "a", "name": "db", "annotations": {
                LAST_APPLIED: "{\"stringData\":{\"user\":\"in-clear\"}}",
            }},
            "data": {"password": BASE64.encode("hunter2")},
            "stringData": {"user": "in-clear"},
        })
    }

    #[test]
    fn a_sealed_secret_holds_no_value_and_opens_to_the_same() {
        let sealed = sealed(&sealer(), secret()).unwrap();
        let text = sealed.to_string();
        assert!(!text.contains("in-clear") && !text.contains("hunter2"), "{text}");
        assert!(!text.contains(&BASE64.encode("hunter2")), "{text}");
        let open = opened(&sealer(), sealed.clone());
        assert_eq!(open["data"]["password"], BASE64.encode("hunter2"));
        assert_eq!(open["data"]["user"], BASE64.encode("in-clear"));
        assert_eq!(open["metadata"]["annotations"], secret()["metadata"]["annotations"]);
        assert_eq!(super::sealed(&sealer(), sealed.clone()).unwrap(), sealed, "sealing twice");
    }

    #[test]
    fn a_sealed_value_cannot_be_moved_to_another_secret() {
        let mut moved = sealed(&sealer(), secret()).unwrap();
        moved["metadata"]["name"] = json!("mine");
        let mistakes = sealed(&sealer(), moved).unwrap_err();
        assert_eq!(mistakes[0], "data[password]: it is sealed for another place");
    }

    #[test]
    fn a_mistake_is_named_without_the_value() {
        let mut broken = secret();
        broken["data"]["password"] = json!("not base64 at all!");
        let mistakes = sealed(&sealer(), broken.clone()).unwrap_err();
        assert_eq!(mistakes, ["data[password]: it is not base64"]);
        let text = redacted(&broken, "bad value not base64 at all! and in-clear");
        assert_eq!(text, "bad value <redacted> and <redacted>");
    }
}
