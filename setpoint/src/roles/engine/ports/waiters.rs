//! Callers who wait for the verdict on their request.

use std::collections::HashMap;
use std::sync::Mutex;

use setpoint_api::ports;
use setpoint_dataflow::Verdict;
use setpoint_schemas::RequestId;
use tokio::sync::oneshot;

/// Who waits, by request.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<RequestId, oneshot::Sender<ports::Verdict>>>);

impl Waiters {
    /// Waits for the verdict on this request from now on.
    pub(crate) fn wait(&self, id: &RequestId) -> oneshot::Receiver<ports::Verdict> {
        let (send, receive) = oneshot::channel();
        self.lock().insert(id.clone(), send);
        receive
    }

    /// Waits no longer.
    pub(crate) fn forget(&self, id: &RequestId) {
        self.lock().remove(id);
    }

    /// Whether anyone waits.
    pub(crate) fn are_any(&self) -> bool {
        !self.lock().is_empty()
    }

    /// These verdicts are committed.
    pub(crate) fn decided(&self, epoch: i64, verdicts: &[Verdict]) {
        for verdict in verdicts {
            if let Some(waiter) = self.lock().remove(&verdict.request) {
                // A caller who hung up does not need the answer.
                let _ = waiter.send(answer(epoch, verdict));
            }
        }
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<RequestId, oneshot::Sender<ports::Verdict>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A verdict of the engine as the API tells it.
pub(crate) fn answer(epoch: i64, verdict: &Verdict) -> ports::Verdict {
    let items: Vec<ports::ItemVerdict> = verdict
        .items
        .iter()
        .map(|item| ports::ItemVerdict {
            key: item.key.clone(),
            outcome: match item.result {
                "created" if verdict.accepted => ports::Outcome::Created,
                "configured" if verdict.accepted => ports::Outcome::Configured,
                "unchanged" if verdict.accepted => ports::Outcome::Unchanged,
                "deleted" if verdict.accepted => ports::Outcome::Deleted,
                _ => ports::Outcome::Refused,
            },
            message: if item.message.is_empty() && !verdict.accepted {
                "not done, because another item of the request was refused".to_owned()
            } else {
                item.message.clone()
            },
            code: if item.code == 0 { 422 } else { item.code },
        })
        .collect();
    let refused = verdict.items.iter().filter(|item| item.result == "refused");
    let reasons: Vec<&str> = refused.map(|item| item.message.as_str()).collect();
    let reason = if verdict.accepted { "accepted".to_owned() } else { reasons.join("; ") };
    ports::Verdict { accepted: verdict.accepted, reason, epoch, items }
}
