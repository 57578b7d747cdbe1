//! What the log says when all is over: every request answered once, every pod placed once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::Api;

/// Checks the whole ledger.
///
/// # Panics
/// When a request has no answer or several, when a uid was placed twice, when an epoch is missing or
/// a term falls.
pub(crate) async fn audit(api: &Api) {
    let requests = values(api, "setpoint.requests").await;
    let decisions = values(api, "setpoint.decisions").await;
    let asked: BTreeSet<&str> = requests.iter().map(|r| text(r, "id")).collect();
    let answers = decisions.iter().filter(|d| matches!(text(d, "action"), "Accept" | "Refuse"));
    let answered = counted(answers.map(|d| text(d, "request")));
    let twice: Vec<_> = answered.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "requests answered twice: {twice:?}");
    let silent: Vec<_> = asked.iter().filter(|id| !answered.contains_key(**id)).collect();
    assert!(silent.is_empty(), "requests without an answer in the ledger: {silent:?}");
    let placed = decisions.iter().filter(|d| text(d, "action") == "Place");
    let placed = counted(placed.map(|d| text(d, "pod")));
    let twice: Vec<_> = placed.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "pods placed twice: {twice:?}");
    let terms = reigns(&values(api, "setpoint.epochs").await);
    println!("{} requests answered, {} pods placed, {terms} reigns", asked.len(), placed.len());
}

/// The nodes that were ever declared lost.
pub(crate) async fn nodes_lost(api: &Api) -> BTreeSet<String> {
    let decisions = values(api, "setpoint.decisions").await;
    let lost = decisions.iter().filter(|d| text(d, "action") == "NodeLost");
    lost.map(|d| text(d, "node").to_owned()).collect()
}

/// The number of reigns; the epochs' numbers count up by one and their terms never fall.
pub(crate) fn reigns(epochs: &[Value]) -> usize {
    let number = |epoch: &Value, name: &str| epoch[name].as_i64().expect("a number");
    for pair in epochs.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert_eq!(number(after, "number"), number(before, "number") + 1, "{before}\n{after}");
        assert!(number(after, "term") >= number(before, "term"), "{before}\n{after}");
    }
    epochs.iter().map(|epoch| number(epoch, "term")).collect::<BTreeSet<_>>().len()
}

/// The values of a topic, tombstones left out.
pub(crate) async fn values(api: &Api, topic: &str) -> Vec<Value> {
    let records = api.log(topic).await.expect("the log can be read");
    records.into_iter().map(|mut record| record["value"].take()).filter(|v| !v.is_null()).collect()
}

fn counted<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
