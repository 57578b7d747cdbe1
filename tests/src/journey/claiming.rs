//! People whose pods have data that stays: claims that are made and deleted, and shared.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb, VolumeStatus};

use crate::committed::Committed;
use crate::draw::Draw;
use crate::manifests::{claim as claim_of, item, patch};

/// Few names, so that workloads share them.
const CLAIMS: [&str; 3] = ["data", "cache", "logs"];
/// The namespaces of those who may have claims: as the operator's.
const NAMESPACES: [&str; 2] = ["default", "team"];

/// Gives a pod spec volumes that are claims, one that is made with each pod, or none.
pub(super) fn claim(draw: &mut Draw, spec: &mut Value) {
    let volume = |name: &str| json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
    let made = || claim_of("", "scratch", "ReadWriteOnce")["spec"].clone();
    let volumes = match draw.below(6) {
        0 | 1 => vec![volume(draw.pick::<&str>(&CLAIMS))],
        2 => vec![volume(CLAIMS[0]), volume(CLAIMS[1])],
        3 => {
            vec![json!({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": made()}}})]
        }
        _ => return,
    };
    spec["volumes"] = json!(volumes);
}

/// Makes or deletes a claim, or says for a node that nothing is left of a volume.
pub(super) fn keep(draw: &mut Draw, committed: &Committed) -> RequestItem {
    let leaving = committed.resources.iter().filter(|(key, (resource, _))| {
        &*key.kind.kind == "PersistentVolume" && VolumeStatus::read(&resource.status).is_leaving()
    });
    let mut leaving: Vec<String> = leaving.map(|(key, _)| key.name.to_string()).collect();
    leaving.sort();
    if !leaving.is_empty() && draw.chance(500) {
        let name = draw.pick(&leaving).clone();
        return patch(Verb::Delete, ("v1", "PersistentVolume"), "", &name, &json!({}));
    }
    let place = *draw.pick(&NAMESPACES);
    let claim = claim_of(place, draw.pick::<&str>(&CLAIMS), "ReadWriteOnce");
    let verb = *draw.pick(&[Verb::Apply, Verb::Apply, Verb::Apply, Verb::Delete]);
    item(verb, &claim)
}
