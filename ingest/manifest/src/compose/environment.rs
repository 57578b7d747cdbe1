//! A service's environment: files first, its own variables over them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::making::Making;
use super::units::{escaped, scalar_text, truth};
use super::{dotenv, fields, merge};
use crate::gate::cursor::Cursor;
use crate::source;

/// The variables as Kubernetes writes them, in the order of their names.
pub(crate) fn variables(making: &mut Making<'_>, name: &str, service: &Cursor<'_>) -> Vec<Value> {
    let scope = making.variables_of(name);
    let mut variables = BTreeMap::new();
    files(making, scope, &service.field("env_file"), &mut variables);
    own(making, scope, &service.field("environment"), &mut variables);
    let env = |(name, value): (String, String)| json!({"name": name, "value": escaped(&value)});
    variables.into_iter().map(env).collect()
}

type Variables = BTreeMap<String, String>;

fn own(making: &mut Making<'_>, scope: &Variables, at: &Cursor<'_>, variables: &mut Variables) {
    let pairs = merge::pairs(at.value);
    let Some(entries) = pairs.as_ref().unwrap_or(at.value).as_object() else {
        if at.value.is_array() {
            making.refuse(at, "expected strings such as NAME=value");
        }
        return;
    };
    for (name, value) in entries {
        match (value, scalar_text(value)) {
            // Without a value it is the asker's own, and left out when that is not set.
            (Value::Null, _) => {
                if let Some(found) = scope.get(name) {
                    variables.insert(name.clone(), found.clone());
                }
            }
            (_, Some(text)) => {
                variables.insert(name.clone(), text);
            }
            (_, None) => making.refuse(&at.field(name), "expected a string"),
        }
    }
}

fn files(making: &mut Making<'_>, scope: &Variables, at: &Cursor<'_>, variables: &mut Variables) {
    let items = if at.value.is_array() { at.items() } else { vec![at.clone()] };
    for item in items.iter().filter(|item| !item.value.is_null()) {
        let (path, raw, required) = match item.value {
            Value::Object(_) => {
                making.check(item, fields::ENV_FILE);
                let raw = item.field("format").text() == "raw";
                (item.field("path"), raw, truth(item.field("required").value) != Some(false))
            }
            _ => (item.clone(), false, true),
        };
        if path.text().is_empty() {
            making.refuse(&path, "expected a path");
            continue;
        }
        let file = making.folder.join(path.text());
        if !required && !file.exists() {
            continue;
        }
        let found = source::file_text(&file)
            .map_err(|problem| problem.reason)
            .and_then(|text| dotenv::parse(&text.text, scope, raw, &mut making.unset));
        match found {
            Ok(found) => variables.extend(found.into_iter().filter_map(|(name, value)| {
                let value = value.or_else(|| scope.get(&name).cloned())?;
                Some((name, value))
            })),
            Err(why) => making.refuse(&path, format!("{}: {why}", path.text())),
        }
    }
}
