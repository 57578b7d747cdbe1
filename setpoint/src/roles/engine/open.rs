//! What an engine opens when it starts: the log, the codec, the key that seals Secrets.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use setpoint_api::KEY_BYTES;
use setpoint_ingest::entry::Writer;
use setpoint_ingest_embedded::EmbeddedLog;
use setpoint_schemas::avro::Codec;
use setpoint_settings::{LogKind, Role, Settings};

use tokio_util::sync::CancellationToken;

use super::{SharedLog, cleaning};

/// The folder of the embedded log within the data folder.
pub(super) const LOG: &str = "log";

/// The log that the settings name, kept clean.
pub(super) fn log(settings: &Settings, closing: &CancellationToken) -> anyhow::Result<SharedLog> {
    match settings.log.kind {
        LogKind::Embedded => {
            let log = embedded(settings)?;
            cleaning::keep_clean(log.clone(), closing.clone());
            Ok(Arc::new(log))
        }
        LogKind::Kafka => kafka(settings),
    }
}

/// The log that the settings name, for who only reads it: an embedded one that is not there is not made.
pub(crate) fn log_to_read(settings: &Settings) -> anyhow::Result<SharedLog> {
    match settings.log.kind {
        LogKind::Embedded => {
            let path = settings.data_dir.join(LOG);
            if !path.is_dir() {
                bail!("there is no embedded log in {}", path.display());
            }
            Ok(Arc::new(embedded(settings)?))
        }
        LogKind::Kafka => kafka(settings),
    }
}

fn embedded(settings: &Settings) -> anyhow::Result<EmbeddedLog> {
    let path = settings.data_dir.join(LOG);
    let mut options = setpoint_ingest_embedded::Settings::new(&path);
    options.partitions = settings.log.partitions;
    EmbeddedLog::open(&options)
        .with_context(|| format!("failed to open the log in {}", path.display()))
}

fn kafka(settings: &Settings) -> anyhow::Result<SharedLog> {
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
    } else {
        match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = STANDARD.encode(random_key()?);
                private_file(&path, text.as_bytes())?;
                text
            }
            known => known.with_context(|| format!("failed to read {}", path.display()))?,
        }
    };
    let bytes = STANDARD.decode(text.trim()).context("the sealing key is not base64")?;
    bytes.try_into().map_err(|_| anyhow::anyhow!("the sealing key does not have {KEY_BYTES} bytes"))
}

/// A token that nobody can guess.
pub(crate) fn random_token() -> anyhow::Result<String> {
    Ok(STANDARD.encode(random_key()?))
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

/// A file for its owner only, there whole or not at all: half a key could never be mended.
fn private_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = || {
        let fresh = path.with_extension("new");
        // What a crash left may be readable by others.
        let _ = std::fs::remove_file(&fresh);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
    };
    written().with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_file_replaces_one_that_others_could_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        std::fs::write(&path, "old and longer").expect("it is written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("rights");
        private_file(&path, b"new").expect("it is written");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(
            (std::fs::read(&path).expect("it is read"), mode & 0o777),
            (b"new".to_vec(), 0o600)
        );
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }
}
