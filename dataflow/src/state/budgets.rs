//! The disruption budgets and what they cover, counted as it changes.
//!
//! Guarantee: what a budget covers equals what counting all pods of its namespace would give: a
//! revision's pods are alike, so its tally stands for them. Absent: what follows for anybody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use setpoint_rules::budget::{Budget, Covered, Standing};
use setpoint_schemas::ResourceKey;

use super::{Numbered, Workload, WorkloadKind};

/// All budgets.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    rows: BTreeMap<u32, Row>,
    numbers: BTreeMap<ResourceKey, u32>,
    by_namespace: HashMap<Arc<str>, BTreeSet<u32>>,
    /// The budgets that cover each revision of a workload, in the order of their keys.
    of: HashMap<(u32, u32), Vec<u32>>,
    /// The revisions of each workload that some budget covers.
    covered: Numbered<Vec<u32>>,
    /// Budgets whose status is to be told at the next cold step.
    pub(crate) dirty: BTreeSet<ResourceKey>,
    /// Healthy pods that ceased to be so since the tallies were last told, by the budgets' numbers.
    lost: BTreeMap<u32, i64>,
    given: u32,
}

#[derive(Debug)]
struct Row {
    key: ResourceKey,
    budget: Budget,
    parts: HashMap<u32, Part>,
    sum: Part,
}

/// What a workload adds to a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Part {
    pods: i64,
    healthy: i64,
    wanted: i64,
    uncounted: i64,
}

impl Budgets {
    /// A budget is this now; the workloads of its namespace are to be looked at.
    pub(crate) fn put(&mut self, key: &ResourceKey, budget: Budget) {
        self.remove(key);
        self.given += 1;
        let number = self.given;
        self.numbers.insert(key.clone(), number);
        self.by_namespace.entry(key.namespace.clone()).or_default().insert(number);
        let (parts, sum) = (HashMap::new(), Part::default());
        self.rows.insert(number, Row { key: key.clone(), budget, parts, sum });
        self.dirty.insert(key.clone());
    }

    /// A budget is gone; the workloads of its namespace are to be looked at.
    pub(crate) fn remove(&mut self, key: &ResourceKey) {
        let Some(number) = self.numbers.remove(key) else { return };
        self.rows.remove(&number);
        self.dirty.remove(key);
        if let Some(others) = self.by_namespace.get_mut(&key.namespace) {
            others.remove(&number);
            if others.is_empty() {
                self.by_namespace.remove(&key.namespace);
            }
        }
    }

    /// Whether any budget is about this namespace.
    pub(crate) fn is_about(&self, namespace: &str) -> bool {
        self.by_namespace.contains_key(namespace)
    }

    /// The budgets that cover a revision.
    pub(crate) fn of(&self, workload: u32, revision: u32) -> &[u32] {
        self.of.get(&(workload, revision)).map_or(&[], Vec::as_slice)
    }

    /// How many pods a budget lets go.
    pub(crate) fn allowed(&self, number: u32) -> i64 {
        self.standing_now(number).map_or(0, |(_, standing)| standing.allowed)
    }

    /// Why this budget keeps a pod of it that is ready, or is not; `None` when it lets it go.
    pub(crate) fn refusal(&self, number: u32, is_ready: bool) -> Option<String> {
        let (row, standing) = self.standing_now(number)?;
        let keeps = !row.budget.lets_go(&standing, is_ready);
        keeps.then(|| standing.refusal(&row.key.name))
    }

    /// A healthy pod of this revision ceased to be so, and the tallies do not say it yet.
    pub(crate) fn lose(&mut self, workload: u32, revision: u32) {
        let Some(of) = self.of.get(&(workload, revision)) else { return };
        of.iter().for_each(|number| *self.lost.entry(*number).or_default() += 1);
    }

    /// The tallies say all.
    pub(crate) fn settled(&mut self) {
        self.lost.clear();
    }

    fn standing_now(&self, number: u32) -> Option<(&Row, Standing)> {
        let row = self.rows.get(&number)?;
        let lost = self.lost.get(&number).copied().unwrap_or(0);
        Some((row, row.standing().without(lost)))
    }

    /// Where a budget stands.
    pub(crate) fn standing(&self, key: &ResourceKey) -> Option<Standing> {
        self.numbers.get(key).and_then(|number| self.rows.get(number)).map(Row::standing)
    }

    /// A workload is new, changed or gone: which of its revisions are covered is found out anew.
    pub(crate) fn look_at(&mut self, id: u32, workload: Option<&Workload>) {
        let former = self.covered.remove(&id).unwrap_or_default();
        let mut touched: BTreeSet<u32> = BTreeSet::new();
        for revision in former {
            touched.extend(self.of.remove(&(id, revision)).into_iter().flatten());
        }
        if let Some(workload) = workload {
            let mut here: Vec<(&ResourceKey, u32)> = Vec::new();
            let numbers = self.by_namespace.get(&workload.key.namespace);
            for number in numbers.into_iter().flatten() {
                here.push((&self.rows[number].key, *number));
            }
            here.sort();
            for (revision, template) in workload.templates.iter() {
                let covers = |number: &u32| {
                    let selector = self.rows[number].budget.selector.as_ref();
                    selector.is_some_and(|selector| selector.matches(&template.pattern.labels))
                };
                let of: Vec<u32> = here.iter().map(|(_, n)| *n).filter(covers).collect();
                if !of.is_empty() {
                    touched.extend(&of);
                    self.covered.entry(id).or_default().push(*revision);
                    self.of.insert((id, *revision), of);
                }
            }
        }
        touched.into_iter().for_each(|number| self.count_part(number, id, workload));
    }

    /// The tallies of a workload changed.
    pub(crate) fn count(&mut self, id: u32, workload: &Workload) {
        let Some(revisions) = self.covered.get(&id) else { return };
        let of = revisions.iter().flat_map(|revision| self.of(id, *revision));
        let touched: BTreeSet<u32> = of.copied().collect();
        touched.into_iter().for_each(|number| self.count_part(number, id, Some(workload)));
    }

    fn count_part(&mut self, number: u32, id: u32, workload: Option<&Workload>) {
        let revisions = self.covered.get(&id).into_iter().flatten();
        let revisions = revisions.filter(|r| self.of(id, **r).contains(&number)).copied();
        let revisions: Vec<u32> = revisions.collect();
        let part = workload.map(|workload| Part::of(workload, &revisions)).unwrap_or_default();
        let Some(row) = self.rows.get_mut(&number) else { return };
        let before = match part == Part::default() {
            true => row.parts.remove(&id),
            false => row.parts.insert(id, part),
        };
        let before = before.unwrap_or_default();
        if before != part {
            row.sum.add(before, -1);
            row.sum.add(part, 1);
            self.dirty.insert(row.key.clone());
        }
    }
}

impl Row {
    fn standing(&self) -> Standing {
        let Part { pods, healthy, wanted, uncounted } = self.sum;
        self.budget.standing(Covered { pods, healthy, wanted, has_uncounted: uncounted > 0 })
    }
}

impl Part {
    /// Of a workload, as far as these revisions of it go.
    fn of(workload: &Workload, revisions: &[u32]) -> Part {
        let mut part = Part::default();
        for tally in revisions.iter().filter_map(|revision| workload.tallies.get(revision)) {
            part.pods += tally.live + tally.stranded;
            part.healthy += tally.ready;
        }
        let is_counted =
            !matches!(workload.kind, WorkloadKind::Bare | WorkloadKind::Daemon | WorkloadKind::Job);
        if is_counted && !revisions.is_empty() {
            part.wanted = workload.desired();
        }
        part.uncounted = i64::from(!is_counted && part.pods > 0);
        part
    }

    fn add(&mut self, other: Part, times: i64) {
        self.pods += times * other.pods;
        self.healthy += times * other.healthy;
        self.wanted += times * other.wanted;
        self.uncounted += times * other.uncounted;
    }
}
