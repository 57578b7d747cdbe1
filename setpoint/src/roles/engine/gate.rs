//! The manifest gate behind the API's port, and records rendered for people.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use setpoint_api::KindInfo;
use setpoint_api::ports::{Gate, Gated};
use setpoint_ingest_manifest::{GateOptions, KINDS, gate};
use setpoint_schemas::avro::{Codec, Record};
use setpoint_schemas::{
    DeadLetter, Decision, EpochRecord, Lease, NodeRecord, NodeSnapshot, Placement, PodObserved,
    Request, Resource, Topic, UsageSample,
};

/// The gate of `ingest/manifest`.
pub(super) struct ManifestGate;

impl Gate for ManifestGate {
    fn check(&self, object: &Value, allow_ignored: bool) -> Result<Gated, Vec<String>> {
        let options = GateOptions { allow_ignored, ..GateOptions::default() };
        match gate(object, &options) {
            Ok(gated) => {
                let ignored = gated
                    .ignored
                    .iter()
                    .map(|ignored| format!("{}: {}", ignored.path.as_str(), ignored.reason));
                let warnings = gated.warnings.iter().cloned().chain(ignored).collect();
                Ok(Gated { standing: gated.standing, warnings })
            }
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    fn kinds(&self) -> Vec<KindInfo> {
        let info = |kind: &setpoint_ingest_manifest::Kind| KindInfo {
            group: kind.group.to_owned(),
            version: kind.version.to_owned(),
            kind: kind.kind.to_owned(),
            plural: kind.plural.to_owned(),
            short_names: kind.short_names.iter().map(|s| (*s).to_owned()).collect(),
            namespaced: kind.namespaced,
            standing: kind.standing,
        };
        KINDS.iter().map(info).collect()
    }
}

/// A record's value as JSON; what does not decode says so.
pub(super) fn decoded(codec: &Codec, topic: Topic, bytes: &[u8]) -> Value {
    match topic {
        Topic::Requests => as_json::<Request>(codec, bytes),
        Topic::Nodes => as_json::<NodeRecord>(codec, bytes),
        Topic::Leases => as_json::<Lease>(codec, bytes),
        Topic::Pods => match as_json::<PodObserved>(codec, bytes) {
            Value::Object(map) if map.contains_key("undecodable") => {
                as_json::<NodeSnapshot>(codec, bytes)
            }
            pod => pod,
        },
        Topic::Desired => as_json::<Resource>(codec, bytes),
        Topic::Placements => as_json::<Placement>(codec, bytes),
        Topic::Epochs => as_json::<EpochRecord>(codec, bytes),
        Topic::Decisions => as_json::<Decision>(codec, bytes),
        Topic::Telemetry => as_json::<UsageSample>(codec, bytes),
        Topic::Alerts => as_json::<setpoint_schemas::Alert>(codec, bytes),
        Topic::DeadLetter => dead_letter(codec, bytes),
    }
}

/// A dead letter with its bytes in base64: as a list of numbers they would take thirty times their
/// own memory.
fn dead_letter(codec: &Codec, bytes: &[u8]) -> Value {
    match codec.decode::<DeadLetter>(bytes) {
        Ok(letter) => json!({
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "time_ms": letter.time_ms,
            "reason": letter.reason,
            "key": String::from_utf8_lossy(&letter.key),
            "value": STANDARD.encode(&letter.value),
        }),
        Err(error) => json!({"undecodable": error.to_string()}),
    }
}

fn as_json<R: Record + serde::Serialize>(codec: &Codec, bytes: &[u8]) -> Value {
    match codec.decode::<R>(bytes) {
        Ok(record) => json!(record),
        Err(error) => json!({"undecodable": error.to_string()}),
    }
}
