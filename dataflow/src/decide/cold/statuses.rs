//! Statuses of workloads, for people and for `rollout status`: the cold views count, this renders.

use std::sync::Arc;

use setpoint_rules::revision;
use setpoint_rules::statefulset;
use setpoint_rules::status::{self, Pin, Progress, WorkloadCounts};
use setpoint_schemas::Resource;

use crate::decide::Turn;
use crate::state::{Done, Workload, WorkloadKind, staying};
use crate::views::Views;

/// Statuses told in one cold step: they take some milliseconds, for which whoever waits to be decided
/// waits. Who is left over is told in the next step. Those that turn out to be as they were told do not
/// count: an engine that was restored looks at all of them once, and tells in a step what the one that
/// ran through does.
const STATUSES_MAX: usize = 128;

/// Of whom one cold step tells nothing but what is remembered of him: where many pods fail, each is to be
/// remembered, and nobody who reads a status waits for that. An engine that begins anew without its checkpoint
/// has forgotten the haste of those that had no turn yet.
const MEMORIES_MAX: usize = 8;

impl<V: Views> Turn<'_, V> {
    /// Tells the statuses that changed since they were told last, as many as one step may. They have
    /// their turns by their numbers, so that none waits for ever.
    pub(crate) fn tell_statuses(&mut self) {
        let (mut told, mut last) = (0, self.state.meta.told_to);
        while told < STATUSES_MAX
            && let Some(id) = self.state.status_dirty.next(last)
        {
            last = id;
            self.state.status_dirty.remove(id);
            if self.shows_otherwise(id)
                && let Some(resource) = self.new_status(id)
            {
                if self.only_remembers(id, &resource) {
                    self.state.memory_dirty.insert(id);
                    continue;
                }
                self.tell_status(id, resource);
                told += 1;
            }
        }
        // A status that is still due tells what is remembered as well.
        if told < STATUSES_MAX {
            self.tell_memories();
        }
    }

    /// Tells of some what is remembered of them. Who has more to remember is among those that are looked at,
    /// whatever else is told of him, as in an engine that was restored.
    fn tell_memories(&mut self) {
        let (mut told, mut last) = (0, self.state.meta.told_to);
        while told < MEMORIES_MAX
            && let Some(id) = self.state.memory_dirty.next(last)
        {
            last = id;
            self.state.memory_dirty.remove(id);
            if let Some(resource) = self.remembering(id) {
                self.tell_status(id, resource);
                told += 1;
            }
        }
    }

    fn tell_status(&mut self, id: u32, resource: Arc<Resource>) {
        self.state.meta.told_to = id;
        self.state.memory_dirty.remove(id);
        let Some(workload) = self.state.workload.get(&id) else { return };
        let key = workload.key.clone();
        self.state.set_status(id, &key, resource.clone());
        self.out.resources.push((key, Some(resource)));
    }

    /// A workload's resource with all that is remembered of it, where it does not say that; its status stays.
    pub(in crate::decide) fn remembering(&self, id: u32) -> Option<Arc<Resource>> {
        let workload = self.state.workload.get(&id)?;
        let told = self.state.resources.get(&workload.key)?;
        let history = told_history(workload, told);
        let version = self.out.number;
        (history != told.history)
            .then(|| Arc::new(Resource { version, history, ..Resource::clone(told) }))
    }

    /// Whether this resource differs from the one that was told in its history alone.
    fn only_remembers(&self, id: u32, resource: &Resource) -> bool {
        let Some(workload) = self.state.workload.get(&id) else { return false };
        let told = self.state.resources.get(&workload.key);
        told.is_some_and(|told| told.status == resource.status)
    }

    /// Whether a workload's status may have to tell something else than it does; what it is about to
    /// tell of its pods is taken note of.
    fn shows_otherwise(&mut self, id: u32) -> bool {
        let Some(workload) = self.state.workload.get_mut(&id) else { return false };
        let shown = Some(workload.to_show());
        std::mem::replace(&mut workload.shown, shown) != shown
    }

    /// A workload's resource with its status as it is now, when that is another than was told.
    pub(in crate::decide) fn new_status(&self, id: u32) -> Option<Arc<Resource>> {
        let workload = self.state.workload.get(&id)?;
        let resource = self.state.resources.get(&workload.key)?;
        let mut counts = counts_of(workload, resource.generation);
        if workload.wants.runs_once {
            count_done(&mut counts, &self.state.done(workload));
        }
        let (before, now) = (&resource.status, rfc3339(self.now));
        let status = match workload.kind {
            WorkloadKind::Rolling => status::deployment(&counts, before, &now),
            WorkloadKind::Keep => status::replica_set(&counts),
            WorkloadKind::Daemon => status::daemon_set(&counts, before, &now),
            WorkloadKind::Job => workload.job_status(rfc3339)?,
            WorkloadKind::Stateful => status::stateful_set(&counts, before, &now),
            WorkloadKind::Bare => {
                serde_json::json!({"ended": workload.to_show().ended > 0}).to_string()
            }
        };
        let history = told_history(workload, resource);
        if *status == **before && history == resource.history {
            return None;
        }
        let (status, version) = (Arc::from(status), self.out.number);
        Some(Arc::new(Resource { status, version, history, ..Resource::clone(resource) }))
    }

    /// A DaemonSet wants a pod on each node that has one or waits for room for one.
    pub(crate) fn daemon_desired(&self, workload: &Workload) -> i64 {
        staying(&workload.total()) + workload.memo.waiting_here.len() as i64
    }
}

/// The history of a workload as its resource is to carry it: since that was written its current revision may
/// have proved to be healthy, and there may be more to remember of it.
fn told_history(workload: &Workload, resource: &Resource) -> Arc<str> {
    let (history, memory) = (&workload.memo.history, workload.memory());
    let is_kept = workload.kind.rolls() || workload.kind == WorkloadKind::Keep;
    if !is_kept || revision::is_told(&resource.history, history, memory.as_ref()) {
        return resource.history.clone();
    }
    Arc::from(revision::text(history, memory.as_ref()))
}

/// What the views count of a workload, and what is remembered of it.
fn counts_of(workload: &Workload, generation: i64) -> WorkloadCounts {
    let (shown, memo) = (workload.to_show(), &workload.memo);
    let waiting = memo.waiting.as_ref().map_or_else(String::new, |w| w.reason.clone());
    let is_held = workload.is_held() && !workload.has_gates();
    let (held, waiting) = if is_held { (waiting, String::new()) } else { (String::new(), waiting) };
    let progress = match workload.wants.paused {
        true => Progress::Paused,
        false if !memo.watch.halted.is_empty() => Progress::Halted,
        false if memo.complete => Progress::Complete,
        false if memo.stuck => Progress::Stuck,
        false => Progress::Proceeds,
    };
    WorkloadCounts {
        name: workload.key.name.to_string(),
        generation,
        desired: workload.desired_fact.unwrap_or(0),
        unavailable_max: workload.update().unavailable(),
        live: shown.live,
        updated: shown.updated,
        ready: shown.ready,
        available: shown.available,
        waiting,
        held,
        is_judged: workload.wants.progress_limit_ms.is_some() || workload.wants.paused,
        progress,
        progressed: rfc3339(memo.progress_ms),
        current: workload.tallies.get(&workload.stable()).map_or(0, |tally| tally.live),
        current_revision: revision_name(workload, workload.stable()),
        update_revision: revision_name(workload, memo.current),
        halted: memo.watch.halted.clone(),
        pinned: revision::barred(&memo.history).zip(memo.history.last()).map(pin),
    }
}

/// Pods that were to run once and did are there for whoever waits for them; one that failed will not be.
fn count_done(counts: &mut WorkloadCounts, done: &Done) {
    counts.live += done.well;
    counts.updated += done.well;
    counts.available += done.well;
    if let Some(why) = done.why() {
        (counts.progress, counts.halted, counts.is_judged) = (Progress::Halted, why, true);
    }
}

/// Why a Deployment is not what its manifest may still say.
fn pin((barred, current): (&revision::Revision, &revision::Revision)) -> Pin {
    let (left, stands, why) = (barred.number, current.number, barred.failed.clone());
    Pin { left, stands, why }
}

/// The name of a StatefulSet's revision; empty for other kinds.
fn revision_name(workload: &Workload, revision: u32) -> String {
    let template =
        workload.templates.get(&revision).filter(|_| workload.kind == WorkloadKind::Stateful);
    template.map_or_else(String::new, |template| {
        statefulset::revision_name(&workload.key.name, &template.pattern.revision)
    })
}

/// Milliseconds since 1970 as RFC 3339 in UTC, to the second, as Kubernetes writes times.
/// Source of the calendar arithmetic: Howard Hinnant, "chrono-compatible low-level date algorithms".
pub(crate) fn rfc3339(time_ms: i64) -> String {
    let seconds = time_ms.div_euclid(1_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_written_as_kubernetes_writes_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_210_096_789), "2024-02-29T12:34:56Z");
    }
}
