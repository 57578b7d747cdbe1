//! Which pods of a StatefulSet start and stop now.
//!
//! Source: Kubernetes' StatefulSet controller (`updateStatefulSet`). An identity is a number; its pod
//! comes only when nothing is left of the one before. In order: each when all before it are available,
//! the last one goes first, and an update goes from the last to the first. In parallel: all that are
//! missing, and all that are too many.
//!
//! One difference: a pod of an earlier revision that is not available is replaced at once, where
//! Kubernetes waits for it in vain and somebody has to delete it by hand.

use std::collections::BTreeMap;

use setpoint_schemas::{
    DeploymentStrategy, IntOrPercent, PodManagement, StrategyKind, WorkloadSpec,
};

/// Identities that start at one look at most, as many as Kubernetes makes of a set at once: a set may ask for
/// two thousand million, and each is looked at again when one of its pods changes.
const STARTS_MAX: usize = 500;

/// What is wanted of a StatefulSet beside its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How many pods.
    pub replicas: u32,
    /// The number of the first.
    pub start: u32,
    /// Whether they come and go one after the other.
    pub management: PodManagement,
    /// How an update proceeds.
    pub update: Update,
}

/// How an update proceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// From the last to the first.
    Rolling {
        /// Those before this one, counted from the first, keep their revision.
        partition: u32,
        /// So many at once may be missing.
        unavailable: u32,
    },
    /// Only when somebody deletes a pod.
    OnDelete,
}

/// How the pod of an identity stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It runs or is about to.
    Live {
        /// Whether it has been ready for long enough.
        available: bool,
        /// Whether it has the revision of the template.
        updated: bool,
    },
    /// It is to stop, and it is not proven that it did.
    Leaving,
}

/// Which of the two revisions a new pod has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// The one before the update.
    Current,
    /// The template's.
    Updated,
}

/// What to do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// Start these, in this order.
    pub start: Vec<(u32, Revision)>,
    /// Stop these: they are too many.
    pub surplus: Vec<u32>,
    /// Stop these: they are to have another revision.
    pub outdated: Vec<u32>,
    /// The first that would start if nothing were left of its pod before.
    pub awaits: Option<u32>,
}

impl Wanted {
    /// By this spec. What does not read was refused at the door and counts as the default.
    #[must_use]
    pub fn of(spec: &WorkloadSpec) -> Wanted {
        let replicas = u32::try_from(spec.desired()).unwrap_or(0);
        let start = spec.ordinals.unwrap_or_default().start;
        Wanted {
            replicas,
            start: u32::try_from(start).unwrap_or(0),
            management: spec.pod_management_policy.unwrap_or_default(),
            update: Update::of(spec.update_strategy.as_ref(), replicas),
        }
    }

    /// Whether the number is one of those that are wanted.
    #[must_use]
    pub fn wants(&self, ordinal: u32) -> bool {
        self.ordinals().contains(&ordinal)
    }

    fn ordinals(&self) -> std::ops::Range<u32> {
        self.start..self.start.saturating_add(self.replicas)
    }

    fn revision_of(&self, ordinal: u32) -> Revision {
        match self.update {
            Update::Rolling { partition, .. } if ordinal < self.start.saturating_add(partition) => {
                Revision::Current
            }
            Update::Rolling { .. } | Update::OnDelete => Revision::Updated,
        }
    }
}

impl Update {
    fn of(strategy: Option<&DeploymentStrategy>, replicas: u32) -> Update {
        let kind = strategy.and_then(|strategy| strategy.kind);
        if kind == Some(StrategyKind::OnDelete) {
            return Update::OnDelete;
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        let unavailable =
            unavailable.and_then(|bound: &IntOrPercent| bound.of(replicas.into(), true));
        Update::Rolling {
            partition: u32::try_from(partition).unwrap_or(0),
            unavailable: unavailable.and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1),
        }
    }
}

/// What to do now about these pods, by their numbers.
#[must_use]
pub fn steps(wanted: &Wanted, pods: &BTreeMap<u32, Standing>) -> Steps {
    let mut steps = Steps::default();
    let in_order = wanted.management == PodManagement::OrderedReady;
    let are_all_available = fill(wanted, pods, in_order, &mut steps);
    let surplus = pods.iter().rev().filter(|(ordinal, _)| !wanted.wants(**ordinal));
    let surplus: Vec<(u32, Standing)> = surplus.map(|(n, standing)| (*n, *standing)).collect();
    match in_order {
        true if !are_all_available => {}
        true => steps.surplus.extend(last_of(&surplus)),
        false => steps.surplus.extend(surplus.iter().filter(|(_, s)| is_live(*s)).map(|(n, _)| *n)),
    }
    if let Update::Rolling { partition, unavailable } = wanted.update {
        let first = wanted.start.saturating_add(partition);
        // In order those that are too many go first: until then only what is broken makes way, for they
        // themselves wait for that.
        let unavailable = if surplus.is_empty() || !in_order { unavailable } else { 0 };
        steps.outdated = outdated(wanted, pods, first, unavailable);
    }
    steps
}

/// Notes what is to start; whether all that are wanted are available.
fn fill(
    wanted: &Wanted,
    pods: &BTreeMap<u32, Standing>,
    in_order: bool,
    steps: &mut Steps,
) -> bool {
    let mut are_all_available = true;
    for ordinal in wanted.ordinals() {
        match pods.get(&ordinal) {
            Some(Standing::Live { available: true, .. }) => continue,
            Some(Standing::Live { .. }) => {}
            Some(Standing::Leaving) => {
                steps.awaits.get_or_insert(ordinal);
            }
            None => steps.start.push((ordinal, wanted.revision_of(ordinal))),
        }
        are_all_available = false;
        if in_order || steps.start.len() == STARTS_MAX {
            break;
        }
    }
    are_all_available
}

/// The one that goes next, when none goes already.
fn last_of(surplus: &[(u32, Standing)]) -> Option<u32> {
    let is_free = surplus.iter().all(|(_, standing)| is_live(*standing));
    surplus.first().filter(|_| is_free).map(|(ordinal, _)| *ordinal)
}

/// Those that are to have the template's revision and may go now, the last first.
fn outdated(
    wanted: &Wanted,
    pods: &BTreeMap<u32, Standing>,
    first: u32,
    unavailable_max: u32,
) -> Vec<u32> {
    let is_available =
        |standing: &&Standing| matches!(standing, Standing::Live { available: true, .. });
    let there = pods.range(wanted.ordinals());
    let available = there.clone().map(|(_, standing)| standing).filter(is_available).count();
    let mut missing = wanted.replicas - u32::try_from(available).unwrap_or(wanted.replicas);
    let mut going = Vec::new();
    for (ordinal, standing) in there.rev().filter(|(ordinal, _)| **ordinal >= first) {
        match standing {
            Standing::Live { updated: false, available: false } => going.push(*ordinal),
            Standing::Live { updated: false, .. } if missing < unavailable_max => {
                missing += 1;
                going.push(*ordinal);
            }
            _ => {}
        }
    }
    going
}

fn is_live(standing: Standing) -> bool {
    matches!(standing, Standing::Live { .. })
}

/// The name of the pod with this number.
#[must_use]
pub fn pod_name(set: &str, ordinal: u32) -> String {
    format!("{set}-{ordinal}")
}

/// The number of the pod with this name; `None` for a name that is none of the set's.
#[must_use]
pub fn ordinal_of(set: &str, pod: &str) -> Option<u32> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let ordinal: u32 = digits.parse().ok()?;
    (pod_name(set, ordinal) == pod).then_some(ordinal)
}

/// The name of a revision, as statuses and the label `controller-revision-hash` have it.
#[must_use]
pub fn revision_name(set: &str, hash: &str) -> String {
    format!("{set}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pods in words from number 0 on: `+` available, `-` not, `x` leaving, `.` none; in capitals
    /// (`P` for `+`, `M` for `-`) of the earlier revision.
    fn pods(words: &str) -> BTreeMap<u32, Standing> {
        let standing = |word: char| match word {
            '+' => Some(Standing::Live { available: true, updated: true }),
            '-' => Some(Standing::Live { available: false, updated: true }),
            'P' => Some(Standing::Live { available: true, updated: false }),
            'M' => Some(Standing::Live { available: false, updated: false }),
            'x' => Some(Standing::Leaving),
            _ => None,
        };
        let numbered = (0..).zip(words.chars());
        numbered.filter_map(|(n, word)| Some((n, standing(word)?))).collect()
    }

    fn wanted(replicas: u32) -> Wanted {
        Wanted {
            replicas,
            start: 0,
            management: PodManagement::OrderedReady,
            update: Update::Rolling { partition: 0, unavailable: 1 },
        }
    }

    fn parallel(replicas: u32) -> Wanted {
        Wanted { management: PodManagement::Parallel, ..wanted(replicas) }
    }

    /// What is done, in words: `+0 +1` start, `c+0` of the current revision, `-2` surplus, `~1`
    /// outdated, `?0` awaits.
    fn done(wanted: &Wanted, words: &str) -> String {
        let Steps { start, surplus, outdated, awaits } = steps(wanted, &pods(words));
        let start = start.iter().map(|(n, revision)| match revision {
            Revision::Current => format!("c+{n}"),
            Revision::Updated => format!("+{n}"),
        });
        let surplus = surplus.iter().map(|n| format!("-{n}"));
        let outdated = outdated.iter().map(|n| format!("~{n}"));
        let awaits = awaits.iter().map(|n| format!("?{n}"));
        start.chain(surplus).chain(outdated).chain(awaits).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_set_of_very_many_costs_what_there_is_of_it() {
        let Steps { start, outdated, .. } = steps(&parallel(u32::MAX), &pods("PP"));
        assert_eq!((start.len(), start[0].0), (STARTS_MAX, 2));
        assert_eq!(outdated, [0; 0], "more are missing than may be");
    }

    #[test]
    fn in_order_each_comes_when_all_before_it_are_available() {
        for (words, expected) in [
            ("", "+0"),
            ("-", ""),
            ("+", "+1"),
            ("++", "+2"),
            ("+++", ""),
            (".++", "+0"),
            ("x++", "?0"),
            ("-.+", ""),
            ("+.-", "+1"),
        ] {
            assert_eq!(done(&wanted(3), words), expected, "{words:?}");
        }
    }

    #[test]
    fn in_parallel_all_that_are_missing_come_at_once_but_not_before_the_last_ones_end() {
        for (words, expected) in
            [("", "+0 +1 +2"), ("-.+", "+1"), ("x.-", "+1 ?0"), ("+++", ""), ("++++-", "-4 -3")]
        {
            assert_eq!(done(&parallel(3), words), expected, "{words:?}");
        }
    }

    #[test]
    fn in_order_the_last_goes_first_and_one_at_a_time() {
        for (words, expected) in [
            ("++++", "-3"),
            ("+++x", ""),
            ("+++-", "-3"),
            ("++-+", "-3"),
            ("+-++", ""),
            ("x+++", "?0"),
            (".+++", "+0"),
        ] {
            assert_eq!(done(&wanted(2), words), expected, "{words:?}");
        }
        assert_eq!(done(&wanted(0), "++"), "-1", "to nothing in order, too");
    }

    #[test]
    fn an_update_goes_from_the_last_to_the_first() {
        for (words, expected) in [
            ("PPP", "~2"),
            ("PPx", "?2"),
            ("PP.", "+2"),
            ("PP-", ""),
            ("PP+", "~1"),
            ("P++", "~0"),
            ("PMP", "~1"),
            ("MPP", "~0"),
            ("PPPP", "-3"),
            ("PPMP", "~2"),
        ] {
            assert_eq!(done(&wanted(3), words), expected, "{words:?}");
        }
    }

    #[test]
    fn as_many_as_may_be_missing_are_updated_at_once() {
        let update = Update::Rolling { partition: 0, unavailable: 2 };
        let two = Wanted { update, ..wanted(4) };
        for (words, expected) in
            [("PPPP", "~3 ~2"), ("PPP-", "~2"), ("PP-+", "~1"), ("PP--", ""), ("PxP+", "~2 ?1")]
        {
            assert_eq!(done(&two, words), expected, "{words:?}");
        }
    }

    #[test]
    fn pods_before_the_partition_keep_their_revision() {
        let update = Update::Rolling { partition: 2, unavailable: 1 };
        let part = Wanted { update, ..wanted(3) };
        for (words, expected) in
            [("PPP", "~2"), ("PP+", ""), (".P+", "c+0"), ("P.+", "c+1"), ("PP.", "+2")]
        {
            assert_eq!(done(&part, words), expected, "{words:?}");
        }
    }

    #[test]
    fn on_delete_only_who_is_gone_comes_anew() {
        let when_deleted = Wanted { update: Update::OnDelete, ..wanted(2) };
        for (words, expected) in [("PP", ""), ("P.", "+1"), ("Mx", "")] {
            assert_eq!(done(&when_deleted, words), expected, "{words:?}");
        }
    }

    #[test]
    fn numbers_begin_where_the_spec_says() {
        let later = Wanted { start: 2, ..wanted(2) };
        for (words, expected) in [("", "+2"), ("..++", ""), ("++++", "-1"), ("++", "+2")] {
            assert_eq!(done(&later, words), expected, "{words:?}");
        }
    }

    #[test]
    fn a_spec_is_read_with_kubernetes_defaults() {
        let read =
            |json: &str| Wanted::of(&serde_json::from_str::<WorkloadSpec>(json).expect("a spec"));
        assert_eq!(read("{}"), wanted(1));
        let all = read(
            r#"{"replicas": 4, "ordinals": {"start": 3}, "podManagementPolicy": "Parallel",
                "updateStrategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"partition": 2, "maxUnavailable": "30%"}}}"#,
        );
        let update = Update::Rolling { partition: 2, unavailable: 2 };
        assert_eq!(all, Wanted { start: 3, update, ..parallel(4) });
        let none = read(r#"{"updateStrategy": {"rollingUpdate": {"maxUnavailable": "0%"}}}"#);
        assert_eq!(none.update, Update::Rolling { partition: 0, unavailable: 1 });
        assert_eq!(read(r#"{"updateStrategy": {"type": "OnDelete"}}"#).update, Update::OnDelete);
    }

    #[test]
    fn a_pods_number_stands_in_its_name() {
        assert_eq!(pod_name("web", 12), "web-12");
        for (name, ordinal) in [
            ("web-0", Some(0)),
            ("web-12", Some(12)),
            ("web-01", None),
            ("web-x", None),
            ("db-0", None),
        ] {
            assert_eq!(ordinal_of("web", name), ordinal, "{name}");
        }
    }
}
