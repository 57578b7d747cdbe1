//! Words of a node's session that came before the record that registers it: nodes and pods stand in
//! different topics, and an epoch may read the one before the other.
//!
//! Guarantee: of each pod, and of the node, the latest word of a session is kept until its record
//! comes, in the checkpoint too. Absent: telling these words from late ones of an earlier session.
//! A cut that covers every partition's end does: what is unregistered then was never to come.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{NodeName, NodeSnapshot, Observation, Position, SessionId};

/// Pods that are spoken of in the words kept: as many as a hundred nodes have that start together,
/// in some megabytes. Beyond this the oldest are forgotten; agents tell all again after they
/// register.
const PODS_KEPT_MAX: usize = 16_384;

/// What a node says of its pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Word {
    /// Of one pod.
    Pod(Observation),
    /// Of all of them.
    All(Arc<NodeSnapshot>),
}

/// What the checkpoint keeps of an early word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EarlyRow {
    pub(crate) word: Word,
    /// Where it stands on the log.
    pub(crate) at: Position,
    /// Rises with each word that is kept.
    order: u64,
}

/// The early words, by their keys in the checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Early {
    by_key: BTreeMap<String, EarlyRow>,
    order: BTreeMap<u64, String>,
    pods: usize,
}

impl Word {
    fn session(&self) -> (&str, &str) {
        match self {
            Word::Pod(pod) => (pod.node(), pod.session()),
            Word::All(snapshot) => (snapshot.node.as_str(), snapshot.session.as_str()),
        }
    }

    fn sequence(&self) -> i64 {
        match self {
            Word::Pod(pod) => pod.sequence(),
            Word::All(snapshot) => snapshot.sequence,
        }
    }

    /// Its row's key in the checkpoint: no node, session or uid contains a slash.
    pub(crate) fn key(&self) -> String {
        let (node, session) = self.session();
        let uid = match self {
            Word::Pod(pod) => pod.uid_text(),
            Word::All(_) => "",
        };
        format!("{}{uid}", prefix(node, session))
    }

    fn weight(&self) -> usize {
        match self {
            Word::Pod(_) => 1,
            Word::All(snapshot) => snapshot.uids.len().max(1),
        }
    }
}

impl Early {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The row of this key.
    pub(crate) fn row(&self, key: &str) -> Option<&EarlyRow> {
        self.by_key.get(key)
    }

    /// Keeps a word unless a later one of the same is kept; returns those that are forgotten for it.
    pub(crate) fn keep(&mut self, word: Word, at: Position) -> Vec<EarlyRow> {
        let key = word.key();
        let is_later = |row: &EarlyRow| row.word.sequence() >= word.sequence();
        if self.by_key.get(&key).is_some_and(is_later) {
            return Vec::new();
        }
        self.remove(&key);
        let order = self.order.last_key_value().map_or(0, |(order, _)| order + 1);
        self.load(EarlyRow { word, at, order });
        let mut forgotten = Vec::new();
        while self.pods > PODS_KEPT_MAX && self.order.len() > 1 {
            let Some(oldest) = self.order.first_key_value().map(|(_, key)| key.clone()) else {
                break;
            };
            forgotten.extend(self.remove(&oldest));
        }
        forgotten
    }

    /// Takes the words of a session, as they were said one after another.
    pub(crate) fn take(&mut self, node: &NodeName, session: &SessionId) -> Vec<EarlyRow> {
        let from = prefix(node.as_str(), session.as_str());
        let keys = self.by_key.range(from.clone()..).take_while(|(key, _)| key.starts_with(&from));
        let keys: Vec<String> = keys.map(|(key, _)| key.clone()).collect();
        let mut words: Vec<EarlyRow> = keys.iter().filter_map(|key| self.remove(key)).collect();
        words.sort_by_key(|row| row.word.sequence());
        words
    }

    /// Forgets all, and returns them.
    pub(crate) fn clear(&mut self) -> Vec<EarlyRow> {
        std::mem::take(self).by_key.into_values().collect()
    }

    /// Takes in a row, in whatever order they come.
    pub(crate) fn load(&mut self, row: EarlyRow) {
        let key = row.word.key();
        self.pods += row.word.weight();
        self.order.insert(row.order, key.clone());
        self.by_key.insert(key, row);
    }

    fn remove(&mut self, key: &str) -> Option<EarlyRow> {
        let row = self.by_key.remove(key)?;
        self.order.remove(&row.order);
        self.pods -= row.word.weight();
        Some(row)
    }
}

fn prefix(node: &str, session: &str) -> String {
    format!("{node}/{session}/")
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::{PodObserved, PodUid, Topic, samples};

    use super::*;

    fn pod(number: usize, sequence: i64) -> Word {
        let uid = PodUid::parse(&format!("u{number}")).expect("a uid");
        Word::Pod(PodObserved { uid, sequence, ..samples::pod_observed() }.into())
    }

    fn all(node: &str, uids: usize, sequence: i64) -> Word {
        let uid = |number| PodUid::parse(&format!("u{number}")).expect("a uid");
        let node = NodeName::parse(node).expect("a name");
        let uids = (0..uids).map(uid).collect();
        Word::All(Arc::new(NodeSnapshot { node, uids, sequence, ..samples::node_snapshot() }))
    }

    const AT: Position = Position { topic: Topic::Pods, partition: 0, offset: 7 };

    #[test]
    fn words_come_back_in_the_order_in_which_they_were_said_and_only_the_latest_of_each_pod() {
        let mut early = Early::default();
        for word in [pod(1, 5), pod(2, 3), pod(1, 4), pod(2, 7)] {
            early.keep(word, AT);
        }
        let (node, session) = (samples::pod_observed().node, samples::pod_observed().session);
        let another = SessionId::parse("another").expect("an id");
        assert!(early.take(&node, &another).is_empty());
        let words: Vec<Word> = early.take(&node, &session).into_iter().map(|r| r.word).collect();
        assert_eq!(words, [pod(1, 5), pod(2, 7)]);
        assert!(early.is_empty() && early.order.is_empty() && early.pods == 0);
    }

    #[test]
    fn the_oldest_words_are_forgotten_and_the_latest_never() {
        let mut early = Early::default();
        early.keep(pod(1, 1), AT);
        early.keep(pod(2, 1), AT);
        let words = |rows: Vec<EarlyRow>| rows.into_iter().map(|row| row.word).collect::<Vec<_>>();
        let forgotten = early.keep(all("a", PODS_KEPT_MAX - 1, 2), AT);
        assert_eq!(words(forgotten), [pod(1, 1)]);
        assert!(early.row(&pod(2, 1).key()).is_some());
        let forgotten = early.keep(all("b", 2 * PODS_KEPT_MAX, 3), AT);
        assert_eq!(words(forgotten).len(), 2);
        assert_eq!(early.by_key.len(), 1);
    }
}
