//! The bulk load of a start or a takeover: an engine from the rows of its checkpoint.

use setpoint_dataflow::Engine;
use setpoint_dataflow::views::{Differential, HandWritten};

use crate::clock::timed;
use crate::measurement::Measurement;
use crate::plant::{PODS_PER_NODE, Plant};
use crate::sizes::Sizes;

/// Measures the largest fleet.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods = sizes.pods_max();
    let mut plant = Plant::with_nodes(Differential::new(), pods.div_ceil(PODS_PER_NODE))?;
    plant.load(pods, |_, _| ())?;
    let number = plant.engine.number();
    let (rows, writing) = timed(|| plant.engine.take_rows());
    drop(plant);
    let rows: Vec<(u8, Vec<u8>, Vec<u8>)> =
        rows.into_iter().filter_map(|(table, key, value)| Some((table, key, value?))).collect();
    let bytes: usize = rows.iter().map(|(_, key, value)| key.len() + value.len()).sum();
    let again = rows.clone();
    let (dataflow, took) = timed(|| Engine::restore(Differential::new(), rows));
    anyhow::ensure!(dataflow?.number() == number, "another engine was restored");
    let (hand, took_by_hand) = timed(|| Engine::restore(HandWritten::new(), again));
    anyhow::ensure!(hand?.number() == number, "another engine was restored by hand");
    let name = |what: &str| format!("fleet of {pods} pods/{what}");
    Ok(vec![
        Measurement::new(name("bulk load from the checkpoint's rows"), took.as_secs_f64(), "s")
            .beside(name("bulk load by deciding and first status")),
        Measurement::new(
            name("bulk load from the checkpoint's rows, views by hand"),
            took_by_hand.as_secs_f64(),
            "s",
        )
        .beside(name("bulk load from the checkpoint's rows")),
        Measurement::new(name("all rows of the checkpoint written"), writing.as_secs_f64(), "s"),
        Measurement::new(name("checkpoint, a pod"), bytes as f64 / pods as f64, "bytes"),
    ])
}
