//! The engine dies and comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use setpoint_actuator_process::outside;

use super::Seen;
use crate::demo::look::{self, Fleet};
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::output::field::{list, number, text};

/// Longer than the grace of a lease (3 s): whatever the new engine would wrongly move, it would
/// have moved by then.
const QUIET: Duration = Duration::from_millis(3_500);

pub(super) fn engine(stage: &mut Stage) -> Seen<'_> {
    async move {
        let before = stage.until("every pod runs", 10, look::settled).await?;
        let epoch = epoch(stage).await?;
        stage.well(&["scale", "deployment/web", "--replicas", "5"]).await?;
        stage.kill_engine().await;
        let alone = outside::by_pod(&stage.path);
        stage.start_engine()?;
        let after = stage.until("the engine is back and every pod runs", 25, scaled).await?;
        unchanged(&before, &after)?;
        tokio::time::sleep(QUIET).await;
        let later = stage.until("every pod still runs", 10, scaled).await?;
        if later.places() != after.places() {
            return Err(Failure::new("pods moved after the engine was back"));
        }
        if before.pods.iter().any(|pod| !alone.contains_key(&pod.uid)) {
            return Err(Failure::new("a pod stopped while the engine was away"));
        }
        let placed = placed_once(stage).await?;
        let (now, epoch) = (self::epoch(stage).await?, epoch);
        if now < epoch {
            return Err(Failure::new("the epoch fell").because(format!("from {epoch} to {now}")));
        }
        Ok(format!(
            "{} pods kept node and process, the change that was acknowledged before the kill added one; \
             epoch {epoch} went on to {now}; of {placed} placements in the ledger none is doubled",
            before.pods.len()
        ))
    }
    .boxed_local()
}

/// The fleet with the fifth pod of web.
async fn scaled(stage: &Stage) -> Result<Fleet, String> {
    let fleet = look::settled(stage).await?;
    match fleet.pods.iter().filter(|pod| pod.is_web()).count() {
        5 => Ok(fleet),
        web => Err(format!("{web} pods of web, 5 were asked for")),
    }
}

/// Every pod from before is where it was and runs as what it ran as, and one is new.
fn unchanged(before: &Fleet, after: &Fleet) -> Result<(), Failure> {
    let places = after.places();
    for (uid, place) in before.places() {
        if places.get(&uid) != Some(&place) {
            let why = format!("{uid} was {place:?} and is {:?}", places.get(&uid));
            return Err(Failure::new("a pod is not what it was before the kill").because(why));
        }
    }
    let fresh = places.len().saturating_sub(before.pods.len());
    if fresh == 1 { Ok(()) } else { Err(Failure::new(format!("{fresh} pods are new, not 1"))) }
}

async fn epoch(stage: &Stage) -> Result<i64, Failure> {
    let status = look::read(stage, "/setpoint/v1/status").await;
    status
        .map(|status| number(&status, "/epoch"))
        .map_err(|why| Failure::new("failed to read the epoch").because(why))
}

/// How many placements the ledger holds; no pod may have two.
async fn placed_once(stage: &Stage) -> Result<usize, Failure> {
    let ledger = look::read(stage, "/setpoint/v1/decisions?limit=1000").await;
    let ledger = ledger.map_err(|why| Failure::new("failed to read the ledger").because(why))?;
    let mut placed: BTreeMap<&str, usize> = BTreeMap::new();
    let is_place = |d: &&Value| text(d, "/action") == "Place";
    for decision in list(&ledger, "/decisions").iter().filter(is_place) {
        *placed.entry(text(decision, "/pod")).or_default() += 1;
    }
    match placed.iter().find(|(_, count)| **count > 1) {
        Some((pod, count)) => Err(Failure::new(format!("pod {pod} was placed {count} times"))),
        None => Ok(placed.len()),
    }
}
