//! What nodes said, as the auditor remembers it: what is late never undoes what is newer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use setpoint_dataflow::{Outcome, Served};
use setpoint_schemas::{Input, NodeName, PodPhase, PodUid, SessionId, Sourced};

/// The words of the nodes, as far as they were committed.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Each node's present session and when it started.
    sessions: BTreeMap<NodeName, (SessionId, i64)>,
    /// Where each pod was last said to be gone.
    gone: HashMap<PodUid, (SessionId, i64)>,
    /// Pods that may run at most once: that a snapshot does not name one proves nothing by itself.
    guarded: BTreeSet<PodUid>,
}

impl Words {
    /// A leader was rebuilt: of each node it has the record and the snapshot that came last, which
    /// may be late ones. An agent that is not named registers anew, and its next snapshot says again
    /// who is gone.
    pub(super) fn begin_anew(&mut self) {
        self.sessions.clear();
        self.gone.clear();
    }

    /// This pod may run at most once.
    pub(super) fn guard(&mut self, uid: &PodUid) {
        self.guarded.insert(uid.clone());
    }

    /// Holds an epoch against what was said before it.
    pub(super) fn heard(
        &mut self,
        inputs: &[Sourced],
        outcome: &Outcome,
        homes: &HashMap<PodUid, NodeName>,
    ) -> Result<(), String> {
        for served in &outcome.served {
            match served {
                Served::Pod(pod) => {
                    let gone = self.gone.get(pod.uid()).filter(|gone| pod.is_in(&gone.0));
                    if gone.is_some_and(|gone| pod.sequence() <= gone.1) {
                        return Err(format!(
                            "pod {} was gone at {gone:?} and is {pod:?}",
                            pod.uid()
                        ));
                    }
                }
                Served::Node(name, Some(node)) => {
                    let now = (node.record.session.clone(), node.record.started_ms);
                    let before = self.sessions.insert(name.clone(), now.clone());
                    if before.as_ref().is_some_and(|before| before.1 > now.1) {
                        return Err(format!("{name} went back from session {before:?} to {now:?}"));
                    }
                }
                // What is said of it from now on is of another node.
                Served::Node(name, None) => drop(self.sessions.remove(name)),
                _ => {}
            }
        }
        inputs.iter().for_each(|sourced| self.note_gone(&sourced.input, homes));
        Ok(())
    }

    /// Counts only for what follows: within an epoch an earlier word is served as well.
    fn note_gone(&mut self, input: &Input, homes: &HashMap<PodUid, NodeName>) {
        let (node, session, sequence, uids): (_, _, _, Vec<&PodUid>) = match input {
            Input::Pod(pod) if pod.phase() == PodPhase::Gone => {
                (pod.node_name(), pod.session_id(), pod.sequence(), vec![pod.uid()])
            }
            Input::Snapshot(all) => {
                let has: BTreeSet<&PodUid> = all.uids.iter().collect();
                let homes = homes.iter().filter(|(_, home)| **home == all.node);
                let absent = homes.map(|(uid, _)| uid);
                let absent =
                    absent.filter(|uid| !has.contains(uid) && !self.guarded.contains(*uid));
                (all.node.clone(), all.session.clone(), all.sequence, absent.collect())
            }
            _ => return,
        };
        if self.sessions.get(&node).is_none_or(|present| present.0 != session) {
            return;
        }
        for uid in uids {
            let last = self.gone.entry(uid.clone()).or_insert((session.clone(), 0));
            let is_later = last.0 != session || last.1 < sequence;
            if is_later {
                *last = (session.clone(), sequence);
            }
        }
    }
}
