//! The node's lease: renewed on its own, however slow the runtime is.
//!
//! Guarantee: no less often than the engine expects, as it says when the node registers and with
//! every renewal; else a short grace there and a long interval here would lose the node again and
//! again.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use setpoint_schemas::{Lease, NodeAnswer, NodeName, SessionId};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::info;

use crate::client::Api;
use crate::clock::now_ms;
use crate::fence::NodeFence;

/// More often tells an engine nothing new, and would keep it busy with nothing else.
const EVERY_MIN: Duration = Duration::from_millis(50);

/// How often the engine expects the lease, as it said last; `None` while it says nothing.
#[derive(Debug, Clone)]
pub(crate) struct Expected(watch::Sender<Option<Duration>>);

impl Expected {
    pub(crate) fn new() -> Self {
        Expected(watch::Sender::new(None))
    }

    /// Holds what an answer says. One without a word leaves what was said before.
    pub(crate) fn hear(&self, answer: Option<NodeAnswer>) {
        let ms = answer.and_then(|answer| u64::try_from(answer.lease_renew_ms).ok());
        let Some(ms) = ms.filter(|ms| *ms > 0) else { return };
        let now = Some(Duration::from_millis(ms));
        self.0.send_if_modified(|expected| std::mem::replace(expected, now) != now);
    }
}

/// Renews the lease for ever, at the agent's own interval or at the engine's where that is shorter. A
/// renewal that takes longer than the interval is given up, when every address had its share of the
/// time: the next one says more.
pub(crate) async fn renew(
    api: Arc<Api>,
    node: NodeName,
    session: SessionId,
    own: Duration,
    expected: Expected,
    fence: Option<Arc<NodeFence>>,
) {
    let path = format!("/setpoint/v1/nodes/{node}/lease");
    let mut heard = expected.0.subscribe();
    let mut sequence = 0_i64;
    loop {
        let engines = *heard.borrow_and_update();
        let every = shorter(own, engines);
        if engines.is_some() {
            tell(own, every);
        }
        // The first word is due at once; whatever the engine says, no two are nearer than it expects.
        let wait = if sequence == 0 { Duration::ZERO } else { every };
        let mut ticks = interval_at(Instant::now() + wait, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Until the engine expects something else.
        while !heard.has_changed().unwrap_or(false) {
            tokio::select! {
                _ = ticks.tick() => {}
                Ok(()) = heard.changed() => break,
            }
            let lease =
                Lease { node: node.clone(), session: session.clone(), sequence, time_ms: now_ms() };
            if let Some(fence) = &fence {
                fence.sending(sequence);
            }
            sequence += 1;
            match api.ask_within(every, Method::POST, &path, &lease).await {
                Ok(answer) => expected.hear(answer),
                Err(error) => api.tell("the lease is not renewed", &error),
            }
        }
    }
}

fn shorter(own: Duration, engines: Option<Duration>) -> Duration {
    engines.map_or(own, |engines| engines.max(EVERY_MIN).min(own))
}

fn tell(own: Duration, every: Duration) {
    let (own_ms, every_ms) = (own.as_millis(), every.as_millis());
    if every < own {
        info!(
            own_ms,
            every_ms,
            "the lease is renewed as often as the engine expects, not as seldom as set here"
        );
    } else {
        info!(
            every_ms,
            "the lease is renewed as often as set here, which the engine is content with"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_interval_counts_and_none_is_too_short() {
        let ms = Duration::from_millis;
        assert_eq!(shorter(ms(5_000), None), ms(5_000));
        assert_eq!(shorter(ms(5_000), Some(ms(1_000))), ms(1_000));
        assert_eq!(shorter(ms(1_000), Some(ms(5_000))), ms(1_000));
        assert_eq!(shorter(ms(5_000), Some(ms(1))), EVERY_MIN);
    }

    #[test]
    fn an_answer_without_a_word_changes_nothing() {
        let expected = Expected::new();
        let says = |lease_renew_ms| Some(NodeAnswer { lease_renew_ms });
        for (answer, wanted) in
            [(says(0), None), (says(700), Some(700)), (None, Some(700)), (says(-1), Some(700))]
        {
            expected.hear(answer);
            assert_eq!(*expected.0.borrow(), wanted.map(Duration::from_millis));
        }
    }
}
