//! Sends what is in the outbox: at once when there is news, in order, until the API has it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use setpoint_schemas::{NodeName, NodeReport};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::Intervals;
use crate::client::{Api, Backoff};
use crate::clock::now_ms;
use crate::outbox::Outbox;

/// So many snapshots for one in which everything is told again: what was lost on the way is made
/// up for within ten minutes, and the log is not filled by what it has.
const SNAPSHOTS_A_REPEAT: u32 = 10;

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

/// Sends for ever; adds a snapshot from time to time. After each reconnection everything is told
/// again, because who answers now may not know it, and after each registration, because what
/// arrived before it was of a session that nobody knew.
pub(crate) async fn send(
    api: Arc<Api>,
    node: NodeName,
    reports: Arc<Reports>,
    mut registrations: watch::Receiver<u64>,
    intervals: Intervals,
) {
    let mut connections = api.connections();
    let mut snapshots = interval(intervals.snapshot);
    snapshots.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and the first report has a snapshot anyway.
    snapshots.tick().await;
    let mut until_repeat = 1;
    loop {
        tokio::select! {
            () = reports.news.notified() => {}
            _ = connections.changed() => reports.change(Outbox::want_all),
            Ok(()) = registrations.changed() => {
                reports.change(Outbox::want_all);
                // Once more with the next one: nodes and pods stand in different topics, and who
                // reads may have read the pods first.
                until_repeat = 1;
            }
            _ = snapshots.tick() => {
                until_repeat -= 1;
                if until_repeat == 0 {
                    until_repeat = SNAPSHOTS_A_REPEAT;
                    reports.change(Outbox::want_all);
                } else {
                    reports.change(Outbox::want_snapshot);
                }
            }
        }
        flush(&api, &node, &reports, intervals.retry_max).await;
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
                api.tell("a report is not delivered", &failure);
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
