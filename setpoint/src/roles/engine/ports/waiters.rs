//! Callers who wait for the verdict on their request.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use setpoint_api::ports;
use setpoint_dataflow::Verdict;
use setpoint_schemas::RequestId;
use tokio::sync::oneshot;

/// Who waits, by request.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<RequestId, oneshot::Sender<ports::Verdict>>>);

/// A wait for the verdict on a request. Dropped, it is nobody's any more: of a caller who hangs up nothing
/// else is left to say so.
pub(crate) struct Wait<'a> {
    waiters: &'a Waiters,
    id: RequestId,
    verdict: oneshot::Receiver<ports::Verdict>,
}

impl Wait<'_> {
    /// The verdict, where it comes in this time.
    pub(crate) async fn verdict(&mut self, within: Duration) -> Option<ports::Verdict> {
        tokio::time::timeout(within, &mut self.verdict).await.ok()?.ok()
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waiters.lock().remove(&self.id);
    }
}

impl Waiters {
    /// Waits for the verdict on this request from now on. Each request has one who waits: the API gives
    /// no id twice.
    pub(crate) fn wait(&self, id: &RequestId) -> Wait<'_> {
        let (send, verdict) = oneshot::channel();
        self.lock().insert(id.clone(), send);
        Wait { waiters: self, id: id.clone(), verdict }
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
            // What would have been told of an item that is spared is no reason of the refusal.
            message: match item.result {
                _ if verdict.accepted => item.message.clone(),
                "refused" if !item.message.is_empty() => item.message.clone(),
                _ => "not done, because another item of the request was refused".to_owned(),
            },
            code: if item.code == 0 { 422 } else { item.code },
        })
        .collect();
    let refused = verdict.items.iter().filter(|item| item.result == "refused");
    let reasons: Vec<&str> = refused.map(|item| item.message.as_str()).collect();
    let reason = if verdict.accepted { "accepted".to_owned() } else { reasons.join("; ") };
    ports::Verdict { accepted: verdict.accepted, reason, epoch, items }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use setpoint_schemas::{GroupKind, ResourceKey, samples};

    use super::*;

    /// As long as nobody waits here.
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_wait_ends_with_its_verdict_or_with_its_patience() {
        let (waiters, id) = (Waiters::default(), samples::request().id);
        let mut wait = waiters.wait(&id);
        assert_eq!(wait.verdict(Duration::ZERO).await, None);
        assert!(waiters.are_any(), "it may still come");
        let verdict = Verdict { request: id.clone(), accepted: true, items: Vec::new() };
        waiters.decided(7, &[verdict]);
        assert_eq!(wait.verdict(LONG).await.map(|verdict| verdict.epoch), Some(7));
        assert!(!waiters.are_any());
    }

    #[test]
    fn what_would_have_been_told_of_a_spared_item_is_no_reason() {
        let item = |name: &str, result, message: &str| setpoint_dataflow::ItemVerdict {
            key: ResourceKey::new(GroupKind::new("apps", "Deployment"), "default", name),
            result,
            code: 0,
            message: message.to_owned(),
        };
        let items = vec![
            item("db", "configured", "spec.replicas was 1, set by scale; now 3"),
            item("web", "refused", "no"),
        ];
        let id = samples::request().id;
        let mut verdict = Verdict { request: id, accepted: false, items };
        let told = answer(1, &verdict);
        assert_eq!(told.reason, "no");
        let messages: Vec<&str> = told.items.iter().map(|item| item.message.as_str()).collect();
        let spared = "not done, because another item of the request was refused";
        assert_eq!(messages, [spared, "no"]);
        verdict.accepted = true;
        verdict.items.truncate(1);
        assert!(answer(1, &verdict).items[0].message.contains("set by scale"));
    }

    #[tokio::test]
    async fn nobody_is_waited_for_who_hung_up() {
        let waiters = Arc::new(Waiters::default());
        let of_caller = waiters.clone();
        let call = tokio::spawn(async move {
            of_caller.wait(&samples::request().id).verdict(LONG).await;
        });
        while !waiters.are_any() {
            tokio::task::yield_now().await;
        }
        call.abort();
        assert!(call.await.is_err(), "it was cut off");
        assert!(!waiters.are_any());
    }
}
