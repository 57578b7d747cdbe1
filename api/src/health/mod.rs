//! How an object is: one word and a sentence, from what it says of itself.
//!
//! Guarantee: a function of the object alone, so every caller hears the same.
//! Absent: kinds that are only kept. Nobody writes their status, so nobody knows how they are.
//!
//! Source of the words, and of what they mean kind by kind: Argo CD's health assessment,
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/health/>. Its own cases are our test.

mod workload;
mod job;
mod pod;
mod node;
mod volume;
mod service;
mod field;

use serde_json::Value;

/// How an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In one word.
    pub state: HealthState,
    /// Why, in a sentence; empty when there is nothing to say.
    pub message: String,
}

/// How an object is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthState {
    /// It is as it should be.
    Healthy,
    /// It is not yet as it should be, and may still become so.
    Progressing,
    /// It failed, or did not become as it should be in time.
    Degraded,
    /// Someone holds it on purpose.
    Suspended,
    /// It is not there.
    Missing,
    /// Nobody knows.
    Unknown,
}

impl HealthState {
    /// Every state, the good one first.
    pub const ALL: [HealthState; 6] = [
        HealthState::Healthy,
        HealthState::Progressing,
        HealthState::Degraded,
        HealthState::Suspended,
        HealthState::Missing,
        HealthState::Unknown,
    ];

    /// The word that people read.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            HealthState::Healthy => "Healthy",
            HealthState::Progressing => "Progressing",
            HealthState::Degraded => "Degraded",
            HealthState::Suspended => "Suspended",
            HealthState::Missing => "Missing",
            HealthState::Unknown => "Unknown",
        }
    }
}

impl Health {
    fn is(state: HealthState, message: impl Into<String>) -> Health {
        Health { state, message: message.into() }
    }

    fn healthy(message: impl Into<String>) -> Health {
        Health::is(HealthState::Healthy, message)
    }

    fn progressing(message: impl Into<String>) -> Health {
        Health::is(HealthState::Progressing, message)
    }

    fn degraded(message: impl Into<String>) -> Health {
        Health::is(HealthState::Degraded, message)
    }

    fn suspended(message: impl Into<String>) -> Health {
        Health::is(HealthState::Suspended, message)
    }

    fn unknown(message: impl Into<String>) -> Health {
        Health::is(HealthState::Unknown, message)
    }
}

/// What a kind's health follows from.
type Rule = fn(&Value) -> Health;

/// The kinds that say how they are, and what follows from it.
const RULES: &[(&str, Rule)] = &[
    ("Pod", pod::pod),
    ("Deployment", workload::deployment),
    ("StatefulSet", workload::stateful_set),
    ("DaemonSet", workload::daemon_set),
    ("ReplicaSet", workload::replicas),
    ("ReplicationController", workload::replicas),
    ("Job", job::job),
    ("CronJob", job::cron_job),
    ("Service", service::service),
    ("PersistentVolumeClaim", volume::claim),
    ("PersistentVolume", volume::volume),
    ("Node", node::node),
];

/// Kinds that are as they should be when they are there.
const THERE_IS_ENOUGH: &[&str] = &[
    "Namespace",
    "ConfigMap",
    "Secret",
    "EndpointSlice",
    "PriorityClass",
    "StorageClass",
    "PodDisruptionBudget",
    "ResourceQuota",
    "LimitRange",
];

/// How an object of a kind is, as the API serves it; `None` is one that is not there.
#[must_use]
pub fn health(kind: &str, object: Option<&Value>) -> Health {
    let Some(object) = object else {
        return Health::is(HealthState::Missing, "it is not there");
    };
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Health::progressing("it is being deleted");
    }
    if THERE_IS_ENOUGH.contains(&kind) {
        return Health::healthy("");
    }
    match RULES.iter().find(|(known, _)| *known == kind) {
        Some((_, rule)) => rule(object),
        None => Health::unknown(format!("nothing acts upon a {kind} or says how it is")),
    }
}

#[cfg(test)]
mod tests;
