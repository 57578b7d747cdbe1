//! Until when the node's pods may run that may run at most once.
//!
//! The engine replaces such a pod elsewhere when it has not heard the node for as long as this agent
//! promised, and somewhat longer. A list of placements tells which renewal of the lease the engine
//! had taken in as of it: from the sending of that one on these pods have the promised time, by this
//! machine's clock since its boot. A list that is old, or comes from an engine that does not know
//! better, grants nothing new by that.
//!
//! Guarantee: what was granted is on disk, for the next life of the agent too; what is granted to one
//! life never outlasts what it promises. Absent: the acknowledgement of a renewal, which says that it is on
//! the log and not that the engine counts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use setpoint_actuators::{Actuator, Fence, Until};
use setpoint_schemas::PlacementList;
use tracing::{info, warn};

use crate::clock::{boot, since_boot_ms};
use crate::{AgentError, files};

/// What killing takes: a look of the watchdog, and a busy machine's second.
const KILL_MS: i64 = 1_500;
/// Renewals whose sending is remembered: a list that knows an earlier one grants nothing any more.
const SENT_MAX: usize = 64;

/// What is kept on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    boot: String,
    until: Until,
}

/// The fence of a node.
pub(crate) struct NodeFence {
    /// How long after the sending of the last renewal that counts these pods have ended; `None`: they
    /// run whatever the engine hears.
    promised_ms: Option<i64>,
    path: PathBuf,
    actuator: Arc<dyn Actuator>,
    granted: Mutex<Granted>,
}

struct Granted {
    until: Until,
    /// The newest renewal that a list told of.
    sequence: i64,
    /// When each was sent, milliseconds since boot.
    sent: BTreeMap<i64, i64>,
}

impl NodeFence {
    /// Takes up what the last life was granted. Says also whether the runtime ends these pods by
    /// itself when the agent is gone.
    pub(crate) fn open(
        folder: &Path,
        promised: Option<Duration>,
        actuator: Arc<dyn Actuator>,
    ) -> Result<(NodeFence, bool), AgentError> {
        let path = folder.join("fence.json");
        let now_ms = since_boot_ms();
        let promised_ms = promised.and_then(|time| i64::try_from(time.as_millis()).ok());
        let kept = files::read::<Kept>(&path)?.filter(|kept| kept.boot == boot());
        let until = kept.map(|kept| kept.until).unwrap_or_default();
        let until = promised_ms.map(|ms| until.capped(until_of(now_ms, ms)));
        let is_watched = actuator.fence(until);
        // The registration is as good as a renewal, and it is sent after this.
        let sent = BTreeMap::from([(0, now_ms)]);
        let granted = Granted { until: until.unwrap_or_default(), sequence: -1, sent };
        let granted = Mutex::new(granted);
        Ok((NodeFence { promised_ms, path, actuator, granted }, is_watched))
    }

    /// How long after the last renewal that counts these pods have ended.
    pub(crate) fn promised_ms(&self) -> Option<i64> {
        self.promised_ms
    }

    /// A renewal of this sequence is about to be sent.
    pub(crate) fn sending(&self, sequence: i64) {
        let now_ms = since_boot_ms();
        let mut granted = self.lock();
        granted.sent.entry(sequence).or_insert(now_ms);
        while granted.sent.len() > SENT_MAX {
            granted.sent.pop_first();
        }
    }

    /// A list of this very life tells which renewal counts.
    pub(crate) fn hear(&self, list: &PlacementList) {
        let (Some(sequence), Some(promised_ms)) = (list.lease, self.promised_ms) else { return };
        let until = {
            let mut granted = self.lock();
            let Some(sent_ms) = granted.sent.get(&sequence).copied() else { return };
            if sequence <= granted.sequence {
                return;
            }
            granted.sent.retain(|known, _| *known >= sequence);
            (granted.sequence, granted.until) = (sequence, until_of(sent_ms, promised_ms));
            granted.until
        };
        self.actuator.fence(Some(until));
        if let Err(error) = files::write(&self.path, &Kept { boot: boot(), until }) {
            warn!(%error, "until when pods may run is not written down: a new agent ends them sooner");
        }
    }

    /// Whether these pods may run now, and how long that holds at least.
    pub(crate) fn now(&self) -> (Fence, Option<Duration>) {
        if self.promised_ms.is_none() {
            return (Fence::Open, None);
        }
        let (until, now_ms) = (self.lock().until, since_boot_ms());
        let fence = until.at(now_ms);
        let left_ms = u64::try_from(until.ask_ms.saturating_sub(now_ms)).ok();
        (fence, left_ms.filter(|_| fence == Fence::Open).map(Duration::from_millis))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Granted> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says once that the fence is closed, or open again.
pub(crate) fn tell(before: Fence, now: Fence) {
    match (before, now) {
        (Fence::Open, Fence::Closed { grace }) => warn!(
            grace_ms = grace.as_millis(),
            "the engine has not heard this node for long: pods that may run at most once end here"
        ),
        (Fence::Closed { .. }, Fence::Open) => {
            info!("the engine hears this node: pods that may run at most once may run here");
        }
        _ => {}
    }
}

/// Until when pods may run by a renewal that was sent then: a third of the time is for their ending.
fn until_of(sent_ms: i64, promised_ms: i64) -> Until {
    let run_ms = (promised_ms - KILL_MS).max(0);
    Until { ask_ms: sent_ms.saturating_add(run_ms * 2 / 3), end_ms: sent_ms.saturating_add(run_ms) }
}

#[cfg(test)]
mod tests {
    use setpoint_actuator_process::{ProcessActuator, ProcessOptions};
    use setpoint_schemas::{FleetId, NodeName};

    use super::*;

    fn runtime(dir: &Path) -> Arc<dyn Actuator> {
        let fleet = FleetId::parse("ours").expect("valid");
        let state = dir.join("process");
        let options = ProcessOptions { fleet, state, shim: Vec::new(), env: Vec::new() };
        Arc::new(ProcessActuator::open(options).expect("it opens"))
    }

    fn open(dir: &Path, promised_s: u64) -> NodeFence {
        let promised = Some(Duration::from_secs(promised_s));
        let (fence, is_watched) = NodeFence::open(dir, promised, runtime(dir)).expect("it opens");
        assert!(is_watched, "supervisors watch over processes");
        fence
    }

    fn list(lease: Option<i64>) -> PlacementList {
        PlacementList {
            fleet: FleetId::parse("ours").expect("valid"),
            node: NodeName::parse("n1").expect("valid"),
            term: 1,
            epoch: 1,
            complete: true,
            session: None,
            session_started_ms: 0,
            runtime_id: String::new(),
            lease,
            placements: Vec::new(),
            ended: Vec::new(),
            volumes_leaving: Vec::new(),
        }
    }

    fn is_open(fence: &NodeFence) -> bool {
        fence.now().0 == Fence::Open
    }

    #[test]
    fn only_a_list_that_knows_a_renewal_of_this_life_opens_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let fence = open(dir.path(), 60);
        assert!(!is_open(&fence), "nothing was granted");
        fence.sending(1);
        assert!(!is_open(&fence), "to send is not to be heard");
        fence.hear(&list(None));
        fence.hear(&list(Some(7)));
        assert!(!is_open(&fence), "a renewal that was never sent");
        fence.hear(&list(Some(1)));
        assert!(is_open(&fence));
        let (_, left) = fence.now();
        let left = left.expect("it is open");
        assert!(left > Duration::from_secs(37) && left < Duration::from_secs(40), "{left:?}");
    }

    #[test]
    fn a_registration_is_as_good_as_a_renewal() {
        let dir = tempfile::tempdir().expect("a folder");
        let fence = open(dir.path(), 60);
        fence.sending(0);
        fence.hear(&list(Some(0)));
        assert!(is_open(&fence));
    }

    #[test]
    fn the_next_life_has_what_was_granted_but_no_more_than_it_promises() {
        let dir = tempfile::tempdir().expect("a folder");
        let fence = open(dir.path(), 600);
        fence.sending(1);
        fence.hear(&list(Some(1)));
        let before = fence.lock().until;
        assert_eq!(open(dir.path(), 600).lock().until, before);
        let short = open(dir.path(), 10);
        assert!(is_open(&short));
        assert!(short.lock().until.end_ms <= since_boot_ms() + 10_000, "it promises less");
    }

    #[test]
    fn without_a_promise_it_stays_open() {
        let dir = tempfile::tempdir().expect("a folder");
        let (fence, _) = NodeFence::open(dir.path(), None, runtime(dir.path())).expect("it opens");
        assert_eq!(fence.now(), (Fence::Open, None));
    }

    #[test]
    fn a_third_of_the_time_is_for_ending_and_the_last_of_it_for_killing() {
        let until = until_of(1_000, 31_500);
        assert_eq!(until, Until { ask_ms: 21_000, end_ms: 31_000 });
    }
}
