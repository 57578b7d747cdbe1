//! What containers use, measured from time to time. A sample that cannot be delivered is dropped:
//! the next one tells the whole sum.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use setpoint_actuators::{Actuator, Usage};
use setpoint_schemas::{NodeName, UsageSample};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use crate::client::Api;
use crate::clock::now_ms;

/// Measures and posts for ever.
pub(crate) async fn post(
    api: Arc<Api>,
    actuator: Arc<dyn Actuator>,
    node: NodeName,
    every: Duration,
) {
    let path = format!("/setpoint/v1/nodes/{node}/usage");
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let usage = match actuator.usage().await {
            Ok(usage) => usage,
            Err(error) => {
                warn!(%error, "usage is not measured");
                continue;
            }
        };
        let time_ms = now_ms();
        let samples: Vec<_> = usage.into_iter().map(|u| sample(u, &node, time_ms)).collect();
        if samples.is_empty() {
            continue;
        }
        if let Err(error) = api.send(Method::POST, &path, &samples).await {
            api.tell("usage is not delivered", &error);
        }
    }
}

fn sample(usage: Usage, node: &NodeName, time_ms: i64) -> UsageSample {
    UsageSample {
        uid: usage.uid,
        container: usage.container,
        node: node.clone(),
        time_ms,
        cpu_nanos: usage.cpu_nanos,
        memory_bytes: usage.memory_bytes,
    }
}
