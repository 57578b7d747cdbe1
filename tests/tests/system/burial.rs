//! What is gone for good leaves no key in the compacted topics, whoever dies in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::api::Api;
use crate::house::alone;
use crate::settled::Settled;

/// A lease of fifteen seconds and what follows from its end, on a busy machine.
const BURIED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn the_compacted_topics_keep_the_living_fleet_and_nothing_else() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    // The four pods of the first template are gone by now, and two more while nobody leads.
    buried(&mut fleet).await;
    fleet.apply(2, "1000000").await;
    fleet.house.kill("engine");
    fleet.start().await;
    buried(&mut fleet).await;

    // A node that will not return is deleted, with all that was said of it.
    fleet.house.kill("node-2");
    let api = fleet.api.clone();
    let lost = async || match api.get("/setpoint/v1/status").await?["nodes"]["lost"].as_u64() {
        Some(1) => Ok(()),
        lost => Err(format!("{lost:?} are lost")),
    };
    fleet.house.until("node-2 is lost", BURIED_WITHIN, lost).await;
    let deleted = fleet.house.verb(&fleet.api.base, "delete node node-2");
    assert!(deleted.status.success(), "{deleted:?}");
    let api = fleet.api.clone();
    let gone = async || {
        let kept = kept(&api, "setpoint.nodes").await?;
        let expected = BTreeSet::from(["node-1".to_owned()]);
        if kept == expected { Ok(()) } else { Err(format!("{kept:?} are kept")) }
    };
    fleet.house.until("node-2 is buried", BURIED_WITHIN, gone).await;
    buried(&mut fleet).await;
    let snapshots = kept(&fleet.api, "setpoint.pods").await.expect("the log reads");
    assert!(!snapshots.contains("node/node-2"), "{snapshots:?}");
}

/// Waits until the observed pods that the log keeps are those that are placed.
async fn buried(fleet: &mut Settled) {
    let api = fleet.api.clone();
    let only_the_living = async || {
        let placed = kept(&api, "setpoint.placements").await?;
        let observed = kept(&api, "setpoint.pods").await?;
        let left: Vec<&String> = observed
            .iter()
            .filter(|key| !key.starts_with("node/") && !placed.contains(*key))
            .collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?} are left")) }
    };
    fleet.house.until("nothing of the dead is left", BURIED_WITHIN, only_the_living).await;
}

/// The keys that compaction keeps in the end: those whose last record is no tombstone.
async fn kept(api: &Api, topic: &str) -> Result<BTreeSet<String>, String> {
    let mut latest: BTreeMap<String, bool> = BTreeMap::new();
    for record in api.log(topic).await? {
        let key = record["key"].as_str().ok_or("a record without a key")?;
        latest.insert(key.to_owned(), record["value"] != Value::Null);
    }
    Ok(latest.into_iter().filter(|(_, is_there)| *is_there).map(|(key, _)| key).collect())
}
