//! Requests that were answered: a record that repeats one is answered as before, not decided again.
//!
//! Guarantee: the latest are kept, in the checkpoint too. Absent: requests from before that; a
//! producer that repeats itself does so within seconds.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use setpoint_schemas::{RequestId, ResourceKey};

use crate::epoch::{ItemVerdict, Verdict};

/// Items of answers kept: beyond this the oldest answers are forgotten, the latest never. Minutes
/// of a busy fleet's requests, and some megabytes.
const ITEMS_KEPT_MAX: usize = 16_384;

/// The words of an item's verdict; a row holds the index.
const RESULTS: [&str; 5] = ["created", "configured", "unchanged", "deleted", "refused"];

/// The latest answers, by request.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    by_id: HashMap<RequestId, AnsweredRow>,
    order: BTreeMap<u64, RequestId>,
    items: usize,
}

/// What the checkpoint keeps of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnsweredRow {
    request: RequestId,
    /// Rises with each answer.
    order: u64,
    accepted: bool,
    items: Vec<AnsweredItem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AnsweredItem {
    key: ResourceKey,
    result: u8,
    code: u16,
    message: String,
}

impl Answered {
    /// The answer that this request was given.
    pub(crate) fn verdict(&self, request: &RequestId) -> Option<Verdict> {
        self.by_id.get(request).map(AnsweredRow::verdict)
    }

    /// The row of this request.
    pub(crate) fn row(&self, request: &RequestId) -> Option<&AnsweredRow> {
        self.by_id.get(request)
    }

    /// Keeps an answer; returns the requests that are forgotten for it.
    pub(crate) fn keep(&mut self, verdict: &Verdict) -> Vec<RequestId> {
        let order = self.order.last_key_value().map_or(0, |(order, _)| order + 1);
        self.load(AnsweredRow::of(verdict, order));
        let mut forgotten = Vec::new();
        while self.items > ITEMS_KEPT_MAX && self.order.len() > 1 {
            let Some((_, request)) = self.order.pop_first() else { break };
            let row = self.by_id.remove(&request);
            self.items -= row.map_or(0, |row| row.weight());
            forgotten.push(request);
        }
        forgotten
    }

    /// Replaces an answer by the one that is recorded, or forgets it where none is.
    pub(crate) fn mend(&mut self, request: &RequestId, recorded: Option<&Verdict>) {
        let Some(before) = self.by_id.remove(request) else { return };
        self.items -= before.weight();
        match recorded {
            Some(verdict) => self.load(AnsweredRow::of(verdict, before.order)),
            None => drop(self.order.remove(&before.order)),
        }
    }

    /// Takes in a row, in whatever order they come.
    pub(crate) fn load(&mut self, row: AnsweredRow) {
        self.items += row.weight();
        self.order.insert(row.order, row.request.clone());
        self.by_id.insert(row.request.clone(), row);
    }
}

impl AnsweredRow {
    fn of(verdict: &Verdict, order: u64) -> AnsweredRow {
        let item = |item: &ItemVerdict| AnsweredItem {
            key: item.key.clone(),
            result: RESULTS.iter().position(|r| *r == item.result).map_or(0, |at| at as u8),
            code: item.code,
            message: item.message.clone(),
        };
        let items = verdict.items.iter().map(item).collect();
        AnsweredRow { request: verdict.request.clone(), order, accepted: verdict.accepted, items }
    }

    fn verdict(&self) -> Verdict {
        let item = |item: &AnsweredItem| ItemVerdict {
            key: item.key.clone(),
            result: RESULTS.get(usize::from(item.result)).copied().unwrap_or_default(),
            code: item.code,
            message: item.message.clone(),
        };
        let items = self.items.iter().map(item).collect();
        Verdict { request: self.request.clone(), accepted: self.accepted, items }
    }

    /// A request without items is kept as well.
    fn weight(&self) -> usize {
        self.items.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(number: usize, items: usize) -> Verdict {
        let key = ResourceKey::parse("core/Pod/a/b").expect("a key");
        let item = ItemVerdict { key, result: "refused", code: 409, message: "no".to_owned() };
        let request = RequestId::parse(&format!("r{number}")).expect("an id");
        Verdict { request, accepted: false, items: vec![item; items] }
    }

    #[test]
    fn the_oldest_answers_are_forgotten_and_the_latest_never() {
        let mut answered = Answered::default();
        assert_eq!(answered.keep(&verdict(1, 1)), []);
        assert_eq!(answered.verdict(&verdict(1, 1).request), Some(verdict(1, 1)));
        assert_eq!(answered.keep(&verdict(2, ITEMS_KEPT_MAX)), [verdict(1, 1).request]);
        assert_eq!(answered.keep(&verdict(3, 2 * ITEMS_KEPT_MAX)), [verdict(2, 1).request]);
        assert!(answered.verdict(&verdict(3, 1).request).is_some());
        assert_eq!(answered.keep(&verdict(4, 0)), [verdict(3, 1).request]);
        assert_eq!(answered.items, 1);
    }

    #[test]
    fn rows_read_back_in_any_order_forget_the_same_next() {
        let mut answered = Answered::default();
        (1..4).for_each(|number| assert!(answered.keep(&verdict(number, 1)).is_empty()));
        let mut rebuilt = Answered::default();
        for number in [3, 1, 2] {
            let row = answered.row(&verdict(number, 1).request).expect("it is kept");
            rebuilt.load(row.clone());
        }
        let large = verdict(4, ITEMS_KEPT_MAX - 1);
        assert_eq!(rebuilt.keep(&large), answered.keep(&large));
    }
}
