//! What an engine opens when it starts: the log, the codec, the key that seals Secrets.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use setpoint_api::KEY_BYTES;
use setpoint_ingest::entry::Writer;
use setpoint_schemas::avro::Codec;
use setpoint_settings::{LogKind, Role, Settings};

use tokio_util::sync::CancellationToken;

use super::{SharedLog, cleaning};

/// The log that the settings name.
pub(super) fn log(settings: &Settings, closing: &CancellationToken) -> anyhow::Result<SharedLog> {
    match settings.log.kind {
        LogKind::Embedded => {
            let path = settings.data_dir.join("log");
            let mut options = setpoint_ingest_embedded::Settings::new(&path);
            options.partitions = settings.log.partitions;
            let log = setpoint_ingest_embedded::EmbeddedLog::open(&options)
                .with_context(|| format!("failed to open the log in {}", path.display()))?;
            cleaning::keep_clean(log.clone(), closing.clone());
            Ok(Arc::new(log))
        }
        LogKind::Kafka => {
            let properties = settings.log.kafka.iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
            let kafka = setpoint_ingest_kafka::Settings {
                properties: properties.collect(),
                partitions: settings.log.partitions,
                replication: settings.log.replication,
            };
            if !kafka.properties.contains_key("bootstrap.servers") {
                bail!("log.kafka has no bootstrap.servers; set log.kafka.\"bootstrap.servers\"");
            }
            let log = setpoint_ingest_kafka::KafkaLog::new(kafka);
            Ok(Arc::new(log.context("failed to set up the Kafka client")?))
        }
    }
}

/// The writer of this engine's entries.
pub(super) fn writer(settings: &Settings, codec: &Codec) -> Writer {
    let source = format!("/setpoint/{}/{}", settings.fleet, settings.engine.name);
    Writer::new(codec.clone(), &source)
}

/// The sealing key: from the settings, or made once and kept in the data folder.
pub(super) fn sealing_key(settings: &Settings) -> anyhow::Result<[u8; KEY_BYTES]> {
    let path = settings.data_dir.join("sealing.key");
    let text = if settings.api.sealing_key.is_set() {
        settings.api.sealing_key.reveal().to_owned()
    } else if path.exists() {
        std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?
    } else {
        let text = STANDARD.encode(random_key()?);
        private_file(&path, text.as_bytes())?;
        text
    };
    let bytes = STANDARD.decode(text.trim()).context("the sealing key is not base64")?;
    bytes.try_into().map_err(|_| anyhow::anyhow!("the sealing key does not have {KEY_BYTES} bytes"))
}

fn random_key() -> anyhow::Result<[u8; KEY_BYTES]> {
    use std::io::Read;
    let mut key = [0; KEY_BYTES];
    let mut source = std::fs::File::open("/dev/urandom").context("failed to open /dev/urandom")?;
    source.read_exact(&mut key).context("failed to read /dev/urandom")?;
    Ok(key)
}

/// The tokens as the file that the API reads, in the data folder, for its owner only.
pub(super) fn token_file(settings: &Settings) -> anyhow::Result<PathBuf> {
    let path = settings.data_dir.join("tokens");
    let mut text = String::new();
    for token in &settings.api.tokens {
        let role = match token.role {
            Role::Admin => "admin",
            Role::ReadOnly => "read-only",
            Role::Node => "node",
        };
        let node =
            if token.role == Role::Node { format!(",{}", token.name) } else { String::new() };
        text.push_str(&format!("{},{},{role}{node}\n", token.token.reveal(), token.name));
    }
    private_file(&path, text.as_bytes())?;
    Ok(path)
}

fn private_file(path: &PathBuf, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let options = options.create(true).truncate(true).write(true).mode(0o600);
    let mut file =
        options.open(path).with_context(|| format!("failed to write {}", path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}
