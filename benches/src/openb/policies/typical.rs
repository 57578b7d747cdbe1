//! FGD's typical pods: the most frequent requests of a list, as far as they hold 95 % of its pods.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::node::Pod;

/// Percent of the list's pods that the typical ones hold.
const COVERED_PERCENT: usize = 95;

/// A group of equal requests, and its part of all typical pods. Memory is not looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TypicalPod {
    pub(super) pod: Pod,
    pub(super) part: f64,
}

/// The typical pods, the most frequent group first; of groups as frequent as each other the one that
/// asks for more CPU, then GPU, then devices, then the later text of models.
pub(super) fn typical_pods(pods: &[Pod]) -> Vec<TypicalPod> {
    let mut groups: BTreeMap<_, (Pod, usize)> = BTreeMap::new();
    for pod in pods {
        let key = (pod.ask.cpu_milli, pod.ask.milli, pod.ask.devices, pod.spec);
        groups.entry(key).or_insert((*pod, 0)).1 += 1;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, (_, count))| Reverse((*count, *key)));
    let all = pods.len();
    let (mut covered, mut kept) = (0, 0);
    while kept < groups.len() && covered * 100 < all * COVERED_PERCENT {
        covered += groups[kept].1.1;
        kept += 1;
    }
    // In this order: scores are truncated, and the last bit of a part decides some ties.
    let part = |count: usize| count as f64 / all as f64 / (covered as f64 / all as f64);
    let kept = groups.into_iter().take(kept);
    kept.map(|(_, (pod, count))| TypicalPod { pod, part: part(count) }).collect()
}
