//! What a registry has, and what it answers.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde_json::{Value, json};

/// Schemas by id, and the versions of each subject.
#[derive(Debug, Default)]
pub struct Schemas {
    /// Schemas by id. The same schema has the same id under every subject.
    pub by_id: BTreeMap<u32, String>,
    /// The ids of each subject's versions, oldest first.
    pub subjects: BTreeMap<String, Vec<u32>>,
    /// The next id, less one.
    pub last_id: u32,
}

type Said = (u16, Value);

impl Schemas {
    pub(super) fn answer(&mut self, method: &str, path: &str, body: &Value) -> Said {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let schema = body["schema"].as_str().unwrap_or_default();
        match (method, parts.as_slice()) {
            ("GET", ["subjects"]) => (200, json!(self.subjects.keys().collect::<Vec<_>>())),
            ("GET", ["schemas", "ids", id]) => self.by_id(id),
            ("POST", ["subjects", subject]) => self.look_up(subject, schema),
            ("POST", ["subjects", subject, "versions"]) => self.register(subject, schema),
            ("POST", ["compatibility", "subjects", subject, "versions", "latest"]) => {
                self.compatibility(subject, schema)
            }
            _ => (404, json!({"error_code": 404, "message": "HTTP 404 Not Found"})),
        }
    }

    /// Registers without asking whether it fits, as a registry of compatibility NONE.
    pub fn put(&mut self, subject: &str, schema: &str) -> u32 {
        let id = self.id_of(schema).unwrap_or_else(|| {
            self.last_id += 1;
            self.by_id.insert(self.last_id, schema.to_owned());
            self.last_id
        });
        self.subjects.entry(subject.to_owned()).or_default().push(id);
        id
    }

    fn by_id(&self, id: &str) -> Said {
        match id.parse().ok().and_then(|id: u32| self.by_id.get(&id)) {
            Some(schema) => (200, json!({ "schema": schema })),
            None => said(404, 40403, "Schema not found"),
        }
    }

    fn look_up(&self, subject: &str, schema: &str) -> Said {
        let Some(versions) = self.subjects.get(subject) else {
            return said(404, 40401, &format!("Subject '{subject}' not found."));
        };
        let version = versions.iter().position(|id| same(&self.by_id[id], schema));
        let Some(version) = version else { return said(404, 40403, "Schema not found") };
        let id = versions[version];
        let schema = &self.by_id[&id];
        (200, json!({"subject": subject, "id": id, "version": version + 1, "schema": schema}))
    }

    fn register(&mut self, subject: &str, schema: &str) -> Said {
        if Schema::parse_str(schema).is_err() {
            return said(422, 42201, "Invalid schema");
        }
        if let (200, found) = self.look_up(subject, schema) {
            return (200, json!({"id": found["id"]}));
        }
        if !self.is_compatible(subject, schema) {
            let message = "Schema being registered is incompatible with an earlier schema";
            return said(409, 409, message);
        }
        (200, json!({"id": self.put(subject, schema)}))
    }

    fn compatibility(&self, subject: &str, schema: &str) -> Said {
        if !self.subjects.contains_key(subject) {
            return said(404, 40401, &format!("Subject '{subject}' not found."));
        }
        (200, json!({"is_compatible": self.is_compatible(subject, schema)}))
    }

    /// BACKWARD: the new schema reads what the latest wrote.
    fn is_compatible(&self, subject: &str, schema: &str) -> bool {
        let Some(latest) = self.subjects.get(subject).and_then(|versions| versions.last()) else {
            return true;
        };
        let parsed = |text: &str| Schema::parse_str(text);
        let (Ok(latest), Ok(new)) = (parsed(&self.by_id[latest]), parsed(schema)) else {
            return false;
        };
        SchemaCompatibility::can_read(&latest, &new) == Ok(Compatibility::Full)
    }

    fn id_of(&self, schema: &str) -> Option<u32> {
        self.by_id.iter().find(|(_, known)| same(known, schema)).map(|(id, _)| *id)
    }
}

/// Equal but for blanks and the order of names.
fn same(one: &str, other: &str) -> bool {
    let parsed = |text| serde_json::from_str::<Value>(text).ok();
    parsed(one).is_some() && parsed(one) == parsed(other)
}

fn said(status: u16, code: u32, message: &str) -> Said {
    (status, json!({"error_code": code, "message": message}))
}
