//! Sends what is in the outbox: at once when there is news, in order, until the API has it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use setpoint_schemas::{NodeName, NodeReport};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, warn};

use crate::client::{Api, Backoff};
use crate::clock::now_ms;
use crate::outbox::Outbox;

/// The outbox, shared by the node's loop and the sender.
pub(crate) struct Reports {
    outbox: Mutex<Outbox>,
    news: Notify,
}

impl Reports {
    pub(crate) fn new(outbox: Outbox) -> Self {
        Reports { outbox: Mutex::new(outbox), news: Notify::new() }
    }

    /// Changes the outbox and lets the sender look.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Outbox) -> T) -> T {
        let result = change(&mut self.outbox.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_one();
        result
    }
}

/// Sends for ever; asks for a snapshot from time to time and after each reconnection.
pub(crate) async fn send(
    api: Arc<Api>,
    node: NodeName,
    reports: Arc<Reports>,
    snapshot_every: Duration,
    retry_max: Duration,
) {
    let mut connections = api.connections();
    let mut snapshots = interval(snapshot_every);
    snapshots.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and the first report has a snapshot anyway.
    snapshots.tick().await;
    loop {
        tokio::select! {
            () = reports.news.notified() => {}
            _ = snapshots.tick() => reports.change(Outbox::want_snapshot),
            _ = connections.changed() => reports.change(Outbox::want_snapshot),
        }
        flush(&api, &node, &reports, retry_max).await;
    }
}

/// Sends until the API has everything.
pub(crate) async fn flush(api: &Api, node: &NodeName, reports: &Reports, retry_max: Duration) {
    let path = format!("/setpoint/v1/nodes/{node}/pods");
    let mut backoff = Backoff::new(retry_max);
    // Made anew for each try: what came since goes along.
    while let Some(report) = reports.change_quietly(|outbox| outbox.report(now_ms())) {
        match api.send(Method::POST, &path, &report).await {
            Ok(()) => reports.note_sent(&report),
            Err(refusal) if refusal.is_final() => {
                error!(error = %refusal, "a report is refused and dropped");
                reports.note_sent(&report);
            }
            Err(failure) => {
                warn!(error = %failure, "a report is not delivered");
                backoff.wait().await;
            }
        }
    }
}

impl Reports {
    fn note_sent(&self, report: &NodeReport) {
        self.change_quietly(|outbox| outbox.sent(report));
    }

    fn change_quietly<T>(&self, change: impl FnOnce(&mut Outbox) -> T) -> T {
        change(&mut self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
