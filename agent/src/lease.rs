//! The node's lease: renewed on its own, however slow the runtime is.

use std::sync::Arc;

use reqwest::Method;
use setpoint_schemas::{Lease, NodeName, SessionId};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

use crate::client::Api;
use crate::clock::now_ms;

/// Renews the lease for ever. A renewal that takes longer than the interval is given up, when every
/// address had its share of the time: the next one says more.
pub(crate) async fn renew(api: Arc<Api>, node: NodeName, session: SessionId, every: Duration) {
    let path = format!("/setpoint/v1/nodes/{node}/lease");
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for sequence in 0_i64.. {
        ticks.tick().await;
        let lease =
            Lease { node: node.clone(), session: session.clone(), sequence, time_ms: now_ms() };
        if let Err(error) = api.send_within(every, Method::POST, &path, &lease).await {
            api.tell("the lease is not renewed", &error);
        }
    }
}
