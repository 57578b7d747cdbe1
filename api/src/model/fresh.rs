//! Whether answers are as fresh as the log, and if not, why.
//!
//! A leader commits an epoch at least each second and a standby follows it, so a model that takes
//! none in for longer has lost the log, its engine, or its leader.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Four ticks of a leader, and less than the time after which a standby takes over.
const EPOCH_WITHIN: Duration = Duration::from_secs(4);

/// When an epoch was taken in last, and why the model was said to be not ready.
#[derive(Default)]
pub(super) struct Freshness(Mutex<State>);

#[derive(Default)]
struct State {
    epoch_at: Option<Instant>,
    why: String,
}

impl Freshness {
    /// An epoch was taken in.
    pub(super) fn epoch(&self) {
        self.lock().epoch_at = Some(Instant::now());
    }

    /// What was taken in is not of the present, for this reason; empty when it begins anew.
    pub(super) fn lost(&self, why: &str) {
        *self.lock() = State { epoch_at: None, why: why.to_owned() };
    }

    /// Why answers are not current now, of a model that is ready or is not.
    pub(super) fn doubt(&self, is_ready: bool, now: Instant) -> Option<String> {
        let state = self.lock();
        if !is_ready {
            let why = if state.why.is_empty() { String::new() } else { format!(": {}", state.why) };
            return Some(format!("it is not up to date with the log yet{why}"));
        }
        let silent = now.saturating_duration_since(state.epoch_at?);
        (silent > EPOCH_WITHIN).then(|| {
            let seconds = silent.as_secs();
            format!(
                "no epoch was committed for {seconds} s: the log does not answer, or nobody leads"
            )
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_doubted_when_no_epoch_comes_and_when_it_was_said_to_be_behind() {
        let fresh = Freshness::default();
        let said = |is_ready, after| {
            let now = Instant::now() + Duration::from_secs(after);
            fresh.doubt(is_ready, now).unwrap_or_default()
        };
        assert_eq!(said(true, 60), "", "nothing was ever committed");
        fresh.epoch();
        assert_eq!(said(true, 3), "");
        let silent = "no epoch was committed for 6 s: the log does not answer, or nobody leads";
        assert_eq!(said(true, 6), silent);
        fresh.epoch();
        assert_eq!(said(true, 0), "");
        fresh.lost("failed to commit");
        assert_eq!(said(false, 0), "it is not up to date with the log yet: failed to commit");
        fresh.lost("");
        assert_eq!(said(false, 0), "it is not up to date with the log yet");
    }
}
