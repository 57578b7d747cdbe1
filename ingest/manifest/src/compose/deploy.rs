//! How many, how updated, how restarted, with how much: `deploy` and its older spellings.

use serde_json::{Value, json};

use super::devices;
use super::fields;
use super::making::Making;
use super::units::{bytes, duration_ms, scalar_text, whole};
use crate::gate::cursor::Cursor;

/// What happens when a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    Always,
    OnFailure,
    Never,
}

impl Restart {
    /// Kubernetes' word.
    pub(crate) fn policy(self) -> &'static str {
        match self {
            Restart::Always => "Always",
            Restart::OnFailure => "OnFailure",
            Restart::Never => "Never",
        }
    }

    /// Whether its containers may end.
    pub(crate) fn ends(self) -> bool {
        self != Restart::Always
    }
}

/// `deploy.restart_policy`, otherwise `restart`. Without either a service is kept running, as
/// `docker stack deploy` has it: keeping things running is what we are for.
pub(crate) fn restart(making: &mut Making<'_>, service: &Cursor<'_>) -> Restart {
    let policy = service.field("deploy").field("restart_policy");
    let restart = service.field("restart");
    if let Some(condition) = policy.get("condition") {
        return match condition.text() {
            "any" => Restart::Always,
            "on-failure" => Restart::OnFailure,
            "none" => Restart::Never,
            _ => {
                making.refuse(&condition, "must be any, on-failure or none");
                Restart::Always
            }
        };
    }
    // A bare `no` reads as text in YAML 1.2 and as false in older files.
    let text = scalar_text(restart.value).unwrap_or_default();
    match text.split_once(':').map_or(text.as_str(), |(word, _)| word) {
        "" | "always" | "unless-stopped" => Restart::Always,
        "no" | "false" => Restart::Never,
        "on-failure" => Restart::OnFailure,
        _ => {
            making.refuse(&restart, "must be no, always, on-failure or unless-stopped");
            Restart::Always
        }
    }
}

/// What of an update Kubernetes has no field for.
pub(crate) struct Update {
    /// `start-first` or `stop-first`.
    pub(crate) order: &'static str,
    /// The pause between batches.
    pub(crate) delay_ms: i64,
}

/// Sets the workload's kind, number and update; answers what of the update goes beside it.
pub(crate) fn apply(
    making: &mut Making<'_>,
    service: &Cursor<'_>,
    workload: &mut Value,
) -> Option<Update> {
    let deploy = service.field("deploy");
    making.check(&deploy, fields::DEPLOY);
    making.check(&deploy.field("update_config"), fields::UPDATE_CONFIG);
    making.check(&deploy.field("restart_policy"), fields::RESTART_POLICY);
    let mode = deploy.field("mode");
    let global = match mode.text() {
        "" | "replicated" => false,
        "global" => true,
        _ => {
            making.refuse(&mode, "must be replicated or global; jobs are not supported");
            false
        }
    };
    replicas(making, service, global, workload);
    let update = update(making, &deploy.field("update_config"), global, workload);
    if global {
        workload["kind"] = json!("DaemonSet");
    }
    update
}

fn replicas(making: &mut Making<'_>, service: &Cursor<'_>, global: bool, workload: &mut Value) {
    let places = [service.field("deploy").field("replicas"), service.field("scale")];
    let set: Vec<_> = places.iter().filter(|at| !at.value.is_null()).collect();
    if let [one, other] = set[..]
        && whole(one.value) != whole(other.value)
    {
        return making.refuse(other, "differs from deploy.replicas");
    }
    let Some(at) = set.first() else {
        if !global {
            workload["spec"]["replicas"] = json!(1);
        }
        return;
    };
    match whole(at.value).and_then(|number| i32::try_from(number).ok()) {
        Some(number) if number >= 0 => {
            if global {
                making.refuse(at, "is not allowed with mode global");
            }
            workload["spec"]["replicas"] = json!(number);
        }
        _ => making.refuse(at, "must be a number of at least 0"),
    }
}

/// `parallelism` at a time, 0 for all at once; stopped first unless it says otherwise.
fn update(
    making: &mut Making<'_>,
    config: &Cursor<'_>,
    global: bool,
    workload: &mut Value,
) -> Option<Update> {
    if config.value.is_null() {
        return None;
    }
    let order = match config.field("order").text() {
        "" | "stop-first" => "stop-first",
        "start-first" if global => {
            let why = "a node never has two pods of a DaemonSet";
            making.ignore(&config.field("order"), why);
            "stop-first"
        }
        "start-first" => "start-first",
        _ => {
            making.refuse(&config.field("order"), "must be start-first or stop-first");
            return None;
        }
    };
    let parallelism = config.field("parallelism");
    let at_once = match parallelism.get_or(1) {
        Some(0) => json!("100%"),
        Some(number) if number > 0 => json!(number),
        _ => {
            making.refuse(&parallelism, "must be a number of at least 0");
            return None;
        }
    };
    let rolling = match order {
        "start-first" => json!({"maxSurge": at_once, "maxUnavailable": 0}),
        _ => json!({"maxSurge": 0, "maxUnavailable": at_once}),
    };
    let field = if global { "updateStrategy" } else { "strategy" };
    workload["spec"][field] = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
    Some(Update { order, delay_ms: delay(making, &config.field("delay"), global) })
}

/// The pause between batches: only where they are counted, which a DaemonSet's are not.
fn delay(making: &mut Making<'_>, at: &Cursor<'_>, global: bool) -> i64 {
    let delay = if at.value.is_null() { Ok(0) } else { duration_ms(at.value) };
    match delay {
        Ok(ms) if ms > 0 && global => making.ignore(at, "a DaemonSet does not update in batches"),
        Ok(ms) if ms >= 0 => return ms,
        Ok(_) => making.refuse(at, "must not be below 0"),
        Err(why) => making.refuse(at, why),
    }
    0
}

trait WholeOr {
    fn get_or(&self, default: i64) -> Option<i64>;
}

impl WholeOr for Cursor<'_> {
    fn get_or(&self, default: i64) -> Option<i64> {
        if self.value.is_null() { Some(default) } else { whole(self.value) }
    }
}

/// Limits and reservations. Compose reserves nothing for a limit alone, Kubernetes reserves as
/// much as the limit: so the reservation is written out.
pub(crate) fn resources(making: &mut Making<'_>, service: &Cursor<'_>, container: &mut Value) {
    let resources = service.field("deploy").field("resources");
    making.check(&resources, fields::RESOURCES);
    let (limits, reservations) = (resources.field("limits"), resources.field("reservations"));
    making.check(&limits, fields::AMOUNTS);
    making.check(&reservations, fields::RESERVATIONS);
    let mut amounts = json!({});
    for (from, old, group, name) in [
        (limits.field("cpus"), service.field("cpus"), "limits", "cpu"),
        (limits.field("memory"), service.field("mem_limit"), "limits", "memory"),
        (reservations.field("cpus"), service.field("-"), "requests", "cpu"),
        (reservations.field("memory"), service.field("mem_reservation"), "requests", "memory"),
    ] {
        let at = if from.value.is_null() { old } else { from };
        let amount = match (at.value, name) {
            (Value::Null, _) => continue,
            (value, "cpu") => cpus(value),
            (value, _) => bytes(value).map(|bytes| bytes.to_string()),
        };
        match amount {
            Ok(amount) => amounts[group][name] = json!(amount),
            Err(why) => making.refuse(&at, why),
        }
    }
    for name in ["cpu", "memory"] {
        if !amounts["limits"][name].is_null() && amounts["requests"][name].is_null() {
            amounts["requests"][name] = json!("0");
        }
    }
    devices::reserve(making, &reservations.field("devices"), &mut amounts);
    container["resources"] = without_nothing(amounts);
}

/// Looking into an absent entry made it; what has no value goes again.
fn without_nothing(mut amounts: Value) -> Value {
    if let Some(groups) = amounts.as_object_mut() {
        for group in groups.values_mut().filter_map(Value::as_object_mut) {
            group.retain(|_, amount| !amount.is_null());
        }
        groups.retain(|_, group| group.as_object().is_some_and(|group| !group.is_empty()));
    }
    amounts
}

/// Cores as a quantity; thousandths are the smallest part.
fn cpus(value: &Value) -> Result<String, String> {
    let text = scalar_text(value).unwrap_or_default();
    match text.trim().parse::<f64>() {
        Ok(cores) if (0.0..=CORES_MAX).contains(&cores) => {
            Ok(format!("{}m", (cores * 1000.0).ceil()))
        }
        _ => Err("must be a number of cores such as 0.5".into()),
    }
}

/// A million cores: no machine has more.
const CORES_MAX: f64 = 1e6;
