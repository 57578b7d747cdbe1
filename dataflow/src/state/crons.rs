//! The CronJobs, when each is looked at next, and which Jobs are theirs.
//!
//! Guarantee: when one is looked at is in the checkpoint; all else follows from its resource and from
//! the Jobs. Absent: what is done then.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use setpoint_rules::cron::{Schedule, zone};
use setpoint_rules::cron_runs::CatchUp;
use setpoint_schemas::{CATCH_UP, CronJobSpec, Resource, ResourceKey};

use crate::causes::Cause;

/// All CronJobs.
#[derive(Debug, Default)]
pub(crate) struct Crons {
    all: BTreeMap<ResourceKey, Cron>,
    due: BTreeSet<(i64, ResourceKey)>,
    /// The Jobs of each, by its uid: one that is made again under its name has none of them.
    jobs: BTreeMap<String, BTreeSet<ResourceKey>>,
}

/// A CronJob as it is acted upon.
#[derive(Debug, Clone)]
pub(crate) struct Cron {
    pub(crate) uid: String,
    pub(crate) spec: CronJobSpec,
    pub(crate) schedule: Schedule,
    pub(crate) catch_up: CatchUp,
    row: CronRow,
}

/// What the checkpoint keeps of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CronRow {
    pub(crate) key: ResourceKey,
    /// Engine time at which it is looked at; `None`: not until something happens.
    pub(crate) look_ms: Option<i64>,
    /// How it came to be as it is: what it starts follows from that, and from time.
    pub(crate) cause: Cause,
}

impl Cron {
    /// By its resource.
    ///
    /// # Errors
    /// A sentence that names what cannot be acted upon.
    pub(crate) fn of(resource: &Resource, row: CronRow) -> Result<Cron, String> {
        let (spec, schedule, catch_up) = Cron::read(resource)?;
        Ok(Cron { uid: resource.uid.clone(), spec, schedule, catch_up, row })
    }

    /// What it says.
    ///
    /// # Errors
    /// As [`Cron::of`].
    pub(crate) fn read(resource: &Resource) -> Result<(CronJobSpec, Schedule, CatchUp), String> {
        let body: Value = serde_json::from_str(&resource.body).map_err(|e| e.to_string())?;
        let spec: CronJobSpec =
            serde_json::from_value(body["spec"].clone()).map_err(|e| format!("spec: {e}"))?;
        if let Some(name) = &spec.time_zone {
            zone(name).map_err(|why| format!("spec.timeZone: {why}"))?;
        }
        let schedule = Schedule::parse(&spec.schedule, spec.time_zone.as_deref())
            .map_err(|why| format!("spec.schedule: {why}"))?;
        let said = body["metadata"]["annotations"][CATCH_UP].as_str();
        let catch_up = CatchUp::of(said).ok_or_else(|| {
            format!("metadata.annotations.{CATCH_UP}: is none of skip, latest, all")
        })?;
        Ok((spec, schedule, catch_up))
    }

    /// How it came to be as it is.
    pub(crate) fn cause(&self) -> &Cause {
        &self.row.cause
    }
}

impl Crons {
    pub(crate) fn get(&self, key: &ResourceKey) -> Option<&Cron> {
        self.all.get(key)
    }

    pub(crate) fn row(&self, key: &ResourceKey) -> Option<&CronRow> {
        self.all.get(key).map(|cron| &cron.row)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &CronRow> {
        self.all.values().map(|cron| &cron.row)
    }

    /// One is this now.
    pub(crate) fn put(&mut self, cron: Cron) {
        self.remove(&cron.row.key);
        if let Some(look_ms) = cron.row.look_ms {
            self.due.insert((look_ms, cron.row.key.clone()));
        }
        self.all.insert(cron.row.key.clone(), cron);
    }

    /// One is gone.
    pub(crate) fn remove(&mut self, key: &ResourceKey) -> Option<Cron> {
        let cron = self.all.remove(key)?;
        if let Some(look_ms) = cron.row.look_ms {
            self.due.remove(&(look_ms, key.clone()));
        }
        Some(cron)
    }

    /// One is looked at then; whether that is another time than before.
    pub(crate) fn look(&mut self, key: &ResourceKey, look_ms: Option<i64>) -> bool {
        let Some(cron) = self.all.get_mut(key) else { return false };
        let before = std::mem::replace(&mut cron.row.look_ms, look_ms);
        if before == look_ms {
            return false;
        }
        before.map(|at| self.due.remove(&(at, key.clone())));
        look_ms.map(|at| self.due.insert((at, key.clone())));
        true
    }

    /// The first that is due by now.
    pub(crate) fn due(&self, now_ms: i64) -> Option<ResourceKey> {
        self.due.first().filter(|(at, _)| *at <= now_ms).map(|(_, key)| key.clone())
    }

    /// When the first falls due.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A Job is one of the CronJob with this uid.
    pub(crate) fn owns(&mut self, uid: &str, job: &ResourceKey) {
        self.jobs.entry(uid.to_owned()).or_default().insert(job.clone());
    }

    /// A Job is gone.
    pub(crate) fn disown(&mut self, uid: &str, job: &ResourceKey) {
        let Some(jobs) = self.jobs.get_mut(uid) else { return };
        jobs.remove(job);
        if jobs.is_empty() {
            self.jobs.remove(uid);
        }
    }

    /// The Jobs of the CronJob with this uid, in the order of their keys.
    pub(crate) fn jobs_of(&self, uid: &str) -> Vec<ResourceKey> {
        self.jobs.get(uid).into_iter().flatten().cloned().collect()
    }
}
