//! Bad input by every door: documents, calls and records of the log. Each is a clear error or a
//! status; the loop goes on; the engine's memory stays within [`memory::ENGINE_BYTES_MAX`].

mod callers;
mod documents;
mod memory;
mod numbers;
mod records;

use std::time::Duration;

use crate::api::{Api, deployment};
use crate::house::House;

/// One pod on one node of a busy machine.
const CONVERGES_WITHIN: Duration = Duration::from_secs(30);
/// An engine that starts and reads its log on a busy machine.
const LEADS_WITHIN: Duration = Duration::from_secs(30);

/// A good apply converges, and the engine took no more memory than it may.
async fn still_works(house: &mut House, api: &Api, name: &str) {
    let applied = api.apply(&[deployment(name, 1)]).await;
    applied.unwrap_or_else(|error| panic!("a good apply fails after bad input: {error}"));
    house
        .until(&format!("{name} runs"), CONVERGES_WITHIN, async || {
            let pods = api.pods().await?;
            let of_it = |pod: &&crate::api::Pod| pod.name.starts_with(&format!("{name}-"));
            let runs = pods.values().filter(of_it).any(|pod| pod.ready && !pod.node.is_empty());
            if runs { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    memory::is_bounded(house.pid("engine"));
}
