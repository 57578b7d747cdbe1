//! The manifest gate behind the API's port, and records rendered for people.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use setpoint_api::KindInfo;
use setpoint_api::ports::{Gate, Gated, Ignored};
use setpoint_ingest_manifest::{FieldPath, GateOptions, KINDS, gate};
use setpoint_schemas::avro::{Codec, Record};
use setpoint_schemas::{
    DeadLetter, Decision, EpochRecord, Lease, NodeRecord, NodeSnapshot, Placement, PodObserved,
    Request, Resource, Topic, UsageSample,
};

/// The gate of `ingest/manifest`.
pub(crate) struct ManifestGate;

impl Gate for ManifestGate {
    fn check(&self, object: &Value, ignored: Ignored<'_>) -> Result<Gated, Vec<String>> {
        let allow_ignored = matches!(ignored, Ignored::Allowed);
        let stored_ignored = match ignored {
            Ignored::AsStored(stored) => stored_ignored(stored),
            Ignored::Refused | Ignored::Allowed => Vec::new(),
        };
        let options = GateOptions { allow_ignored, stored_ignored, ..GateOptions::default() };
        match gate(object, &options) {
            Ok(gated) => {
                // What is stored already was warned of when it was allowed.
                let told = gated.ignored.iter().filter(|_| allow_ignored);
                let told = told.map(|field| format!("{}: {}", field.path.as_str(), field.reason));
                let warnings = gated.warnings.iter().cloned().chain(told).collect();
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

/// The fields without effect that a stored object has.
fn stored_ignored(stored: &Value) -> Vec<FieldPath> {
    let options = GateOptions { allow_ignored: true, ..GateOptions::default() };
    let gated = gate(stored, &options).map(|gated| gated.ignored).unwrap_or_default();
    gated.into_iter().map(|field| field.path).collect()
}

/// A record's value as JSON; what does not decode says so.
pub(crate) fn decoded(codec: &Codec, topic: Topic, bytes: &[u8]) -> Value {
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
