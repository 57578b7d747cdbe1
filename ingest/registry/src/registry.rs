//! Registering our schemas, and learning what stands behind an id.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use setpoint_ingest::{SchemaSource, Unanswered};
use setpoint_schemas::avro::{RecordKind, SchemaIds, earlier_schemas};
use tracing::info;

use crate::budget::Budget;
use crate::http::Http;
use crate::{RegistryError, Settings, subject_of};

/// A registry, as a writer and reader of the log asks it. Blocking.
pub struct Registry {
    http: Http,
    budget: Mutex<Budget>,
}

/// More than any setting allows: only the settings' own time counts.
const NO_LIMIT: Duration = Duration::from_secs(3600);

impl Registry {
    /// A registry at this address. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`RegistryError::Client`].
    pub fn new(settings: Settings) -> Result<Self, RegistryError> {
        Ok(Registry { http: Http::new(settings)?, budget: Mutex::new(Budget::new()) })
    }

    /// The ids of our schemas: looked up, and registered where the registry does not have them yet,
    /// after all of them were found compatible. The earlier versions that it knows are learned
    /// too, so that what was written with them is read.
    ///
    /// # Errors
    /// [`RegistryError`]; then nothing was registered, unless the registry failed in between.
    pub fn ids(&self) -> Result<SchemaIds, RegistryError> {
        let ids = SchemaIds::default();
        let mut new = Vec::new();
        for kind in RecordKind::ALL {
            match self.find(*kind, kind.schema_json())? {
                Some(id) => ids.insert(*kind, id),
                None => new.push(*kind),
            }
        }
        self.check_compatible(&new)?;
        for kind in new {
            let id = self.register(kind)?;
            info!(subject = subject_of(kind), id, "schema registered");
            ids.insert(kind, id);
        }
        for (kind, schema) in earlier_schemas() {
            if let Some(id) = self.find(kind, schema)? {
                // A schema of the house parses: a test reads each.
                let _ = ids.learn(id, schema);
            }
        }
        Ok(ids)
    }

    /// The schema behind an id; `None` when the registry has none.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn schema(&self, id: u32) -> Result<Option<String>, RegistryError> {
        self.schema_within(id, NO_LIMIT)
    }

    fn schema_within(&self, id: u32, within: Duration) -> Result<Option<String>, RegistryError> {
        let attempt = format!("look up schema id {id}");
        let path = format!("/schemas/ids/{id}");
        let answer = self.http.call(&attempt, Method::GET, &path, None, within)?;
        match answer.status {
            404 => Ok(None),
            _ if answer.is_well() => match answer.body["schema"].as_str() {
                Some(schema) if is_avro(&answer.body) => Ok(Some(schema.to_owned())),
                _ => Ok(None),
            },
            _ => Err(answer.refused(&attempt, self.http.url())),
        }
    }

    /// The id under which a schema is registered for its subject.
    fn find(&self, kind: RecordKind, schema: &str) -> Result<Option<u32>, RegistryError> {
        let subject = subject_of(kind);
        let attempt = format!("look up the schema of {subject}");
        let path = format!("/subjects/{subject}");
        let body = body_of(schema);
        let answer = self.http.call(&attempt, Method::POST, &path, Some(&body), NO_LIMIT)?;
        match (answer.status, id_of(&answer.body)) {
            (404, _) => Ok(None),
            (_, Some(id)) if answer.is_well() => Ok(Some(id)),
            _ => Err(answer.refused(&attempt, self.http.url())),
        }
    }

    /// All of them or an error: a registry that has half of our schemas helps nobody.
    fn check_compatible(&self, kinds: &[RecordKind]) -> Result<(), RegistryError> {
        let mut broken = Vec::new();
        for kind in kinds {
            if !self.is_compatible(*kind)? {
                broken.push(subject_of(*kind));
            }
        }
        if broken.is_empty() {
            return Ok(());
        }
        let url = self.http.url().to_owned();
        Err(RegistryError::Incompatible { url, subjects: broken.join(", ") })
    }

    fn is_compatible(&self, kind: RecordKind) -> Result<bool, RegistryError> {
        let subject = subject_of(kind);
        let attempt = format!("check the compatibility of {subject}");
        let path = format!("/compatibility/subjects/{subject}/versions/latest");
        let body = body_of(kind.schema_json());
        let answer = self.http.call(&attempt, Method::POST, &path, Some(&body), NO_LIMIT)?;
        match (answer.status, answer.body["is_compatible"].as_bool()) {
            // A subject that is not there yet.
            (404, _) => Ok(true),
            (_, Some(compatible)) if answer.is_well() => Ok(compatible),
            _ => Err(answer.refused(&attempt, self.http.url())),
        }
    }

    fn register(&self, kind: RecordKind) -> Result<u32, RegistryError> {
        let subject = subject_of(kind);
        let attempt = format!("register the schema of {subject}");
        let path = format!("/subjects/{subject}/versions");
        let body = body_of(kind.schema_json());
        let answer = self.http.call(&attempt, Method::POST, &path, Some(&body), NO_LIMIT)?;
        let id = id_of(&answer.body).filter(|_| answer.is_well());
        id.ok_or_else(|| answer.refused(&attempt, self.http.url()))
    }
}

/// For a reader that met an id it does not know. Within a budget of time: see `budget.rs`.
impl SchemaSource for Registry {
    fn schema_of(&self, id: u32) -> Result<Option<String>, Unanswered> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let Some(left) = budget.left(began) else {
            let why = "too much time went into unknown ids in the last minute";
            return Err(Unanswered { why: why.to_owned() });
        };
        let schema = self.schema_within(id, left);
        budget.spend(began.elapsed());
        schema.map_err(|error| Unanswered { why: error.to_string() })
    }
}

/// Registries keep other kinds of schemas too, and leave Avro unnamed.
fn is_avro(body: &Value) -> bool {
    body["schemaType"].as_str().is_none_or(|kind| kind == "AVRO")
}

/// The schema in one line; what is not JSON the registry refuses itself.
fn body_of(schema: &str) -> Value {
    let line = serde_json::from_str::<Value>(schema).map(|schema| schema.to_string());
    json!({ "schema": line.unwrap_or_else(|_| schema.to_owned()) })
}

fn id_of(body: &Value) -> Option<u32> {
    body["id"].as_u64().and_then(|id| u32::try_from(id).ok())
}
