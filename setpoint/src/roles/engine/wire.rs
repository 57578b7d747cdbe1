//! How records are written and read: by Avro's single-object encoding, or by a schema registry.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use setpoint_ingest::SchemaSource;
use setpoint_ingest_registry::{Registry, Settings};
use setpoint_schemas::avro::Codec;
use setpoint_settings::SchemaRegistrySettings;
use tracing::info;

/// What writes and reads records.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(super) codec: Codec,
    /// Who is asked about ids that the codec does not know.
    pub(super) source: Option<Arc<dyn SchemaSource>>,
}

/// The wire that the settings name. With a registry, its ids of all our schemas are known
/// afterwards: what we write and what we wrote needs it no more.
pub(super) fn open(settings: &SchemaRegistrySettings) -> anyhow::Result<Wire> {
    if settings.url.is_empty() {
        return Ok(Wire { codec: Codec::single_object(), source: None });
    }
    let registry = Registry::new(reached(settings)?)?;
    let ids = registry.ids()?;
    info!(url = settings.url, "the schema registry has our schemas");
    Ok(Wire { codec: Codec::confluent(ids), source: Some(Arc::new(registry)) })
}

fn reached(settings: &SchemaRegistrySettings) -> anyhow::Result<Settings> {
    let mut reached = Settings::new(&settings.url);
    reached.timeout = Duration::from_millis(settings.timeout_ms);
    if !settings.username.is_empty() {
        let password = settings.password.reveal().to_owned();
        reached.credentials = Some((settings.username.clone(), password));
    }
    if !settings.ca.is_empty() {
        let ca = std::fs::read(&settings.ca)
            .with_context(|| format!("failed to read log.schema_registry.ca {}", settings.ca))?;
        reached.ca_pem = Some(ca);
    }
    Ok(reached)
}
