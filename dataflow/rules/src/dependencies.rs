//! Whether a workload's pods may be started, by how far those are that it depends on.
//!
//! Source: `depends_on` of the Compose specification. What fails later stops nobody who has begun: only
//! who has not begun asks. Absent: how far anybody is; the engine counts that.

use setpoint_schemas::{Dependency, DependsCondition, ResourceKey};
use xxhash_rust::xxh3::xxh3_128;

/// The annotation of a template with the digest of the revisions of what it is restarted with, once one of
/// them changed.
pub const DIGEST: &str = "setpoint.dev/dependencies-digest";
/// As many characters as a template's hash has.
const DIGEST_CHARS: usize = 10;

/// How far a workload is that another depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not there, or is being deleted.
    Absent,
    /// It is not so far, and may come to be.
    NotYet,
    /// It has failed: it ended otherwise, or its update makes no progress.
    Failed,
    /// It is so far.
    Met,
}

/// Why a workload has to wait for another one; nothing where it need not.
#[must_use]
pub fn waits(dependency: &Dependency, standing: Standing) -> Option<String> {
    let Dependency { kind, name, condition, required, .. } = dependency;
    let ever = match condition {
        DependsCondition::Started => "has started",
        DependsCondition::Healthy => "is healthy",
        DependsCondition::Completed => "has completed successfully",
    };
    match standing {
        Standing::Met => None,
        Standing::Absent | Standing::Failed if !required => None,
        Standing::Absent => Some(format!("{kind} {name} {ever} (it is not there)")),
        Standing::Failed => Some(format!("{kind} {name} {ever} (it has failed)")),
        Standing::NotYet => Some(format!("{kind} {name} {ever}")),
    }
}

/// What is said of a workload that waits for these.
#[must_use]
pub fn sentence(waited_for: &[String]) -> Option<String> {
    (!waited_for.is_empty()).then(|| format!("waits until {}", waited_for.join(" and ")))
}

/// A digest of the revisions of workloads, in the order in which they come; one that is not there has
/// none.
#[must_use]
pub fn digest<'a>(revisions: impl Iterator<Item = (&'a ResourceKey, String)>) -> String {
    let mut text = String::new();
    for (key, revision) in revisions {
        text.push_str(&format!("{key}\n{revision}\n"));
    }
    crate::identity::encode(xxh3_128(text.as_bytes()), DIGEST_CHARS)
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::GroupKind;

    use super::*;

    fn on(condition: DependsCondition, required: bool) -> Dependency {
        let (kind, name) = ("Deployment".to_owned(), "db".to_owned());
        Dependency { kind, name, condition, required, restart: false }
    }

    #[test]
    fn who_waits_says_for_what_and_only_what_is_required_is_waited_for_in_vain() {
        use DependsCondition::{Completed, Healthy, Started};
        for (condition, required, standing, expected) in [
            (Started, true, Standing::NotYet, Some("Deployment db has started")),
            (Healthy, true, Standing::NotYet, Some("Deployment db is healthy")),
            (Healthy, false, Standing::NotYet, Some("Deployment db is healthy")),
            (Healthy, true, Standing::Absent, Some("Deployment db is healthy (it is not there)")),
            (Healthy, false, Standing::Absent, None),
            (
                Completed,
                true,
                Standing::Failed,
                Some("Deployment db has completed successfully (it has failed)"),
            ),
            (Completed, false, Standing::Failed, None),
            (Completed, true, Standing::Met, None),
        ] {
            let told = waits(&on(condition, required), standing);
            assert_eq!(told.as_deref(), expected, "{condition:?} {required} {standing:?}");
        }
        let all = ["a has started".to_owned(), "b is healthy".to_owned()];
        assert_eq!(sentence(&all).as_deref(), Some("waits until a has started and b is healthy"));
        assert_eq!(sentence(&[]), None);
    }

    #[test]
    fn a_digest_says_which_revision_of_whom() {
        let key = |name: &str| ResourceKey::new(GroupKind::new("apps", "Deployment"), "ns", name);
        let (one, two) = (key("one"), key("two"));
        let of = |all: &[(&ResourceKey, &str)]| {
            digest(all.iter().map(|(key, revision)| (*key, (*revision).to_owned())))
        };
        let first = of(&[(&one, "a"), (&two, "b")]);
        assert_eq!(first, of(&[(&one, "a"), (&two, "b")]));
        assert_ne!(first, of(&[(&one, "a"), (&two, "c")]));
        assert_ne!(first, of(&[(&one, "a")]));
    }
}
