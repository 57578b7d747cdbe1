//! What must hold of Jobs and CronJobs, counted from placements, from what nodes said, and from the
//! resources as they were committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use setpoint_dataflow::{Outcome, Served};
use setpoint_schemas::{PodPhase, PodUid, Resource, ResourceKey, SCHEDULED_AT};

/// All that was ever said of Jobs.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The phase that each pod was last observed in.
    phases: BTreeMap<PodUid, PodPhase>,
    /// The pods that finished, of each Job as it is now.
    finished: BTreeMap<ResourceKey, (String, BTreeMap<PodUid, Finished>)>,
    /// The Job that each time of a CronJob's schedule was started by: their uids.
    started: BTreeMap<(String, String), String>,
}

#[derive(Debug)]
struct Finished {
    is_success: bool,
    index: Option<String>,
}

type Resources = BTreeMap<ResourceKey, Arc<Resource>>;

impl Work {
    /// Holds an epoch against what must hold.
    pub(super) fn committed(
        &mut self,
        outcome: &Outcome,
        resources: &Resources,
    ) -> Result<(), String> {
        for served in &outcome.served {
            if let Served::Pod(pod) = served {
                self.phases.insert(pod.uid().clone(), pod.phase());
            }
        }
        let jobs = resources.iter().filter(|(key, _)| &*key.kind.kind == "Job");
        for (key, job) in jobs.clone() {
            let known = self.finished.entry(key.clone()).or_default();
            if known.0 != job.uid {
                *known = (job.uid.clone(), BTreeMap::new());
            }
            self.once_for_each_time(job)?;
        }
        self.finished.retain(|key, _| resources.contains_key(key));
        self.note_finished(outcome)?;
        for (key, job) in jobs {
            self.counts_are_right(key, job)?;
        }
        nothing_overlaps(resources)
    }

    fn note_finished(&mut self, outcome: &Outcome) -> Result<(), String> {
        for change in &outcome.placements {
            let Some(placement) = change.placement.as_ref().filter(|p| p.is_finished()) else {
                continue;
            };
            let key = ResourceKey::parse(&placement.pattern.workload).map_err(|e| e.to_string())?;
            let Some((_, finished)) = self.finished.get_mut(&key) else { continue };
            let phase = self.phases.get(&change.uid).copied();
            let Some(phase) = phase.filter(|phase| phase.is_finished()) else {
                return Err(format!("pod {} is counted and was {phase:?}", change.uid));
            };
            let labels = &placement.pattern.labels;
            let index = labels.get(setpoint_schemas::COMPLETION_INDEX).cloned();
            let is_success = phase == PodPhase::Succeeded;
            if finished.insert(change.uid.clone(), Finished { is_success, index }).is_some() {
                return Err(format!("pod {} is counted twice", change.uid));
            }
        }
        Ok(())
    }

    /// A Job says of its successes what its pods came to, and it has no more than it asks for.
    fn counts_are_right(&self, key: &ResourceKey, job: &Resource) -> Result<(), String> {
        let (body, status) = (json_of(&job.body), json_of(&job.status));
        let told = status["succeeded"].as_i64().unwrap_or(0);
        let Some((_, finished)) = self.finished.get(key) else { return Ok(()) };
        let successes = finished.values().filter(|pod| pod.is_success);
        let is_indexed = body["spec"]["completionMode"] == "Indexed";
        let counted = match is_indexed {
            true => successes.filter_map(|p| p.index.as_ref()).collect::<BTreeSet<_>>().len(),
            false => successes.count(),
        };
        let completions = body["spec"]["completions"].as_i64().unwrap_or(1);
        if told != counted as i64 || told > completions {
            return Err(format!(
                "{key} is told to have {told} of {completions} successes, and {counted} are counted"
            ));
        }
        // One that is complete stays so when its indexes become more afterwards.
        let may_grow = is_indexed && body["spec"]["parallelism"].as_i64() == Some(completions);
        if holds(&status, "Complete") && told != completions && !may_grow {
            return Err(format!("{key} is complete with {told} of {completions} successes"));
        }
        Ok(())
    }

    /// For one time of a schedule there is one Job, ever.
    fn once_for_each_time(&mut self, job: &Resource) -> Result<(), String> {
        let metadata = &json_of(&job.body)["metadata"];
        let at = metadata["annotations"][SCHEDULED_AT].as_str();
        let owner = metadata["ownerReferences"][0]["uid"].as_str();
        let Some((owner, at)) = owner.zip(at) else { return Ok(()) };
        let key = (owner.to_owned(), at.to_owned());
        let first = self.started.entry(key).or_insert_with(|| job.uid.clone());
        match *first == job.uid {
            true => Ok(()),
            false => Err(format!("{} is another Job for {at}", job.name)),
        }
    }
}

/// A CronJob that forbids it never has two Jobs that have not ended.
fn nothing_overlaps(resources: &Resources) -> Result<(), String> {
    let mut active: BTreeMap<String, usize> = BTreeMap::new();
    for (_, job) in resources.iter().filter(|(key, _)| &*key.kind.kind == "Job") {
        let owner = json_of(&job.body)["metadata"]["ownerReferences"][0]["uid"].clone();
        let status = json_of(&job.status);
        let is_over = holds(&status, "Complete") || holds(&status, "Failed");
        if let Some(owner) = owner.as_str().filter(|_| !is_over) {
            *active.entry(owner.to_owned()).or_default() += 1;
        }
    }
    for (key, cron) in resources.iter().filter(|(key, _)| &*key.kind.kind == "CronJob") {
        let policy = json_of(&cron.body)["spec"]["concurrencyPolicy"].clone();
        let count = active.get(&cron.uid).copied().unwrap_or(0);
        if policy == "Forbid" && count > 1 {
            return Err(format!("{key} forbids it and has {count} Jobs at once"));
        }
    }
    Ok(())
}

/// Whether a Job has ended or is not to begin; where it is not so, why.
pub(super) fn job_settled(job: &Resource) -> Result<(), String> {
    let status = json_of(&job.status);
    let is_over = holds(&status, "Complete") || holds(&status, "Failed");
    let is_suspended = json_of(&job.body)["spec"]["suspend"] == true;
    if is_over || is_suspended { Ok(()) } else { Err(format!("Job {} has not ended", job.name)) }
}

/// How many pods a Job has at once at most.
pub(super) fn at_once(body: &Value) -> i64 {
    let (at_once, all) = (&body["spec"]["parallelism"], &body["spec"]["completions"]);
    let at_once = at_once.as_i64().unwrap_or(1).min(all.as_i64().unwrap_or(i64::MAX));
    if body["spec"]["suspend"] == true { 0 } else { at_once }
}

fn holds(status: &Value, kind: &str) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut conditions = conditions.filter(|c| c["status"] == "True");
    conditions.any(|condition| condition["type"] == kind)
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
