//! People whose pods have data that stays: claims that are made and deleted, and shared, and volumes that are
//! written for them.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb, VolumeStatus};

use crate::committed::Committed;
use crate::draw::Draw;
use crate::manifests::{claim as claim_of, item, patch, volume as volume_of};

/// Few names, so that workloads share them.
const CLAIMS: [&str; 3] = ["data", "cache", "logs"];
/// The one of them that is for volumes which somebody writes.
const CLASSLESS: &str = "logs";
/// The volumes that are written: of no class for that one, of the default class for any other.
const VOLUMES: [(&str, &str, &str); 4] = [
    ("disk-0", "", "1Gi"),
    ("disk-1", "", "2Gi"),
    ("disk-2", "", "1Gi"),
    ("disk-3", "local", "1Gi"),
];
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
    if draw.chance(400) {
        return keep_volume(draw, committed);
    }
    let place = *draw.pick(&NAMESPACES);
    let name = *draw.pick::<&str>(&CLAIMS);
    let mut claim = claim_of(place, name, "ReadWriteOnce");
    if name == CLASSLESS {
        claim["spec"]["storageClassName"] = json!("");
    }
    let verb = *draw.pick(&[Verb::Apply, Verb::Apply, Verb::Apply, Verb::Delete]);
    item(verb, &claim)
}

/// Writes a volume, of one node or of whichever comes, deletes one, or says that it is nobody's any more.
fn keep_volume(draw: &mut Draw, committed: &Committed) -> RequestItem {
    let (name, class, storage) = *draw.pick(&VOLUMES);
    let nodes = committed.resources.keys().filter(|key| &*key.kind.kind == "Node");
    let nodes: Vec<String> = nodes.map(|key| key.name.to_string()).collect();
    let node = (!nodes.is_empty() && draw.chance(600)).then(|| draw.pick(&nodes).clone());
    let volume = volume_of(name, class, storage, node.as_deref());
    match draw.below(8) {
        0 => item(Verb::Delete, &volume),
        1..=3 => {
            let nobody = json!({"spec": {"claimRef": null}});
            patch(Verb::MergePatch, ("v1", "PersistentVolume"), "", name, &nobody)
        }
        _ => item(Verb::Apply, &volume),
    }
}
