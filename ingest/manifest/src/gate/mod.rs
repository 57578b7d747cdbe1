//! The gate: one object in, judged.
//!
//! Guarantee: an object that passes is of a known kind, typed strictly and valid; every field
//! that changes what runs and that we do not act upon is an error or named as ignored.
//! Absent: what needs other resources (quotas, conflicts, existence): that is the leader's.

pub(crate) mod cursor;
pub(crate) mod names;

mod custom;
mod meta;
mod owned;
mod selector;
mod workload;
mod job;
mod cron_job;
mod stateful;
mod dependencies;
mod pod;
mod priority;
mod budget;
mod quota;
mod limits;
mod service;
mod container;
mod volumes;
mod downward;
mod security;
mod naming;
mod probe;
mod lifecycle;
mod resources;
mod scheduling;
mod data;
mod storage;
mod persistent;
mod devices;
mod ready;
mod stored;

use serde_json::Value;
use setpoint_schemas::{
    CronJobSpec, GroupKind, JobSpec, PersistentVolumeSpec, PodSpec, ResourceKey, Standing,
    WorkloadSpec,
};

pub use custom::{CustomKind, custom_kinds};

use crate::kinds::{self, KINDS, Kind};
use crate::problem::{Fault, FieldPath, Problem, shortened};
use crate::typed::{self, Look};
use cursor::{Checker, Cursor};

/// How an object is judged.
#[derive(Debug, Clone, Default)]
pub struct GateOptions {
    /// Fields that change what runs and that we do not act upon are listed, not refused.
    pub allow_ignored: bool,
    /// Such fields that the stored object has: as many in the same places pass without being
    /// allowed again.
    pub stored_ignored: Vec<FieldPath>,
    /// The namespace of objects that name none; `default` when empty.
    pub namespace: String,
    /// Kinds that custom resource definitions name, of this request or stored before.
    pub custom: Vec<CustomKind>,
}

/// A field that changes what runs and that is not acted upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The field.
    pub path: FieldPath,
    /// Why it is not acted upon.
    pub reason: String,
}

/// An object that passed.
#[derive(Debug, Clone, PartialEq)]
pub struct Gated {
    /// The object, ready for the API: its namespace set, without status and server's metadata.
    pub object: Value,
    /// Its key.
    pub key: ResourceKey,
    /// Whether its kind is acted upon or only kept.
    pub standing: Standing,
    /// Fields that change what runs and that are not acted upon, when that was allowed.
    pub ignored: Vec<Ignored>,
    /// What the asker should know.
    pub warnings: Vec<String>,
}

/// Judges one object.
///
/// # Errors
/// Everything that is wrong with it, in the order of its fields.
pub fn gate(object: &Value, options: &GateOptions) -> Result<Gated, Vec<Problem>> {
    let kind = kind_of(object, options).map_err(|problem| vec![problem])?;
    let (mut problems, not_acted_on) = match kind {
        Found::Known(kind) => judge(object, kind),
        Found::Custom(_) => (Vec::new(), Vec::new()),
    };
    let mut checker = Checker::default();
    meta::check(&mut checker, &Cursor::new(object), kind.namespaced(), kind.group());
    let judged = owned::Judged {
        is_built_in: matches!(kind, Found::Known(_)),
        namespaced: kind.namespaced(),
        custom: &options.custom,
    };
    owned::check(&mut checker, &Cursor::new(object).field("metadata"), &judged);
    dependencies::check(&mut checker, &Cursor::new(object));
    problems.extend(checker.problems);
    if !options.allow_ignored {
        let added = stored::added(&not_acted_on, &options.stored_ignored);
        problems.extend(added.into_iter().map(|(path, why)| refused(path, why)));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let ignored = not_acted_on.into_iter().map(|(path, reason)| Ignored { path, reason });
    let gated = passed(object, kind, options, ignored.collect());
    match unreadable(&gated) {
        Some(problem) => Err(vec![problem]),
        None => Ok(gated),
    }
}

#[derive(Clone, Copy)]
enum Found<'o> {
    Known(&'static Kind),
    Custom(&'o CustomKind),
}

impl Found<'_> {
    fn namespaced(self) -> bool {
        match self {
            Found::Known(kind) => kind.namespaced,
            Found::Custom(kind) => kind.namespaced,
        }
    }

    fn group(&self) -> &str {
        match self {
            Found::Known(kind) => kind.group,
            Found::Custom(kind) => &kind.group,
        }
    }

    fn standing(self) -> Standing {
        match self {
            Found::Known(kind) => kind.standing,
            Found::Custom(_) => Standing::Kept,
        }
    }
}

/// Types first; values only when the types are right, so that one mistake is told once.
fn judge(object: &Value, kind: &Kind) -> (Vec<Problem>, Vec<(FieldPath, String)>) {
    let look = match kind.standing {
        Standing::Managed => Look::Effects,
        Standing::Kept => Look::Types,
    };
    let findings = (kind.check)(object, look);
    let mut problems = findings.problems;
    if problems.iter().all(|problem| problem.reason == "unknown field")
        && kind.standing == Standing::Managed
    {
        let mut checker = Checker::default();
        values(&mut checker, &Cursor::new(object), kind.kind);
        problems.extend(checker.problems);
    }
    (problems, findings.not_acted_on)
}

/// The paired assertion: what passes here, the engine's own types read.
fn unreadable(gated: &Gated) -> Option<Problem> {
    let spec = || gated.object["spec"].clone();
    let outcome = match &*gated.key.kind.kind {
        _ if gated.standing != Standing::Managed => return None,
        "Pod" => serde_json::from_value::<PodSpec>(spec()).map(|_| ()),
        "Deployment" | "ReplicaSet" | "ReplicationController" | "DaemonSet" | "StatefulSet" => {
            serde_json::from_value::<WorkloadSpec>(spec()).map(|_| ())
        }
        "PersistentVolume" => serde_json::from_value::<PersistentVolumeSpec>(spec()).map(|_| ()),
        "Job" => job_spec(spec()),
        "CronJob" => serde_json::from_value::<CronJobSpec>(spec())
            .and_then(|_| job_spec(spec()["jobTemplate"]["spec"].clone())),
        _ => return None,
    };
    let reason = format!("cannot be read by the engine: {}", outcome.err()?);
    Some(Problem::new(Fault::Value, FieldPath::of("spec"), reason))
}

fn job_spec(spec: Value) -> serde_json::Result<()> {
    serde_json::from_value::<JobSpec>(spec.clone())?;
    serde_json::from_value::<WorkloadSpec>(spec).map(|_| ())
}

fn values(checker: &mut Checker, object: &Cursor<'_>, kind: &str) {
    match kind {
        "Deployment" | "ReplicaSet" | "ReplicationController" | "DaemonSet" | "StatefulSet" => {
            workload::check(checker, object, kind);
        }
        "Job" => job::check(checker, &object.field("spec")),
        "CronJob" => cron_job::check(checker, object),
        "Pod" => {
            pod::check(checker, &object.field("spec"));
            volumes::claim_names(checker, object);
        }
        "ConfigMap" => data::config_map(checker, object),
        "Secret" => data::secret(checker, object),
        "Node" => scheduling::taints(checker, &object.field("spec").field("taints")),
        "PriorityClass" => priority::class(checker, object),
        "PersistentVolumeClaim" => storage::claim(checker, &object.field("spec")),
        "PersistentVolume" => persistent::check(checker, object),
        "StorageClass" => storage::class(checker, object),
        "PodDisruptionBudget" => budget::check(checker, &object.field("spec")),
        "ResourceQuota" => quota::check(checker, &object.field("spec")),
        "LimitRange" => limits::check(checker, &object.field("spec")),
        "Service" => service::check(checker, object),
        _ => {}
    }
}

/// A field that is not acted on, as a problem.
pub(crate) fn refused(path: &FieldPath, why: &str) -> Problem {
    let reason = format!("{why}; it changes what runs (--allow-ignored accepts it without effect)");
    Problem::new(Fault::NotActedOn, path.clone(), reason)
}

fn kind_of<'o>(object: &Value, options: &'o GateOptions) -> Result<Found<'o>, Problem> {
    let problem =
        |path: &str, fault, reason: String| Problem::new(fault, FieldPath::of(path), reason);
    if !object.is_object() {
        let reason = format!("expected a map, found {}", typed::sort_of(object));
        return Err(problem("", Fault::Type, reason));
    }
    let text = |name: &str| match object.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        Some(Value::String(_) | Value::Null) | None => {
            let neither = object.get("kind").is_none() && object.get("apiVersion").is_none();
            let hint = ": neither a Kubernetes object nor a Compose file with services";
            let reason = format!("is required{}", if neither { hint } else { "" });
            Err(problem(name, Fault::Type, reason))
        }
        Some(other) => {
            let reason = format!("expected a string, found {}", typed::sort_of(other));
            Err(problem(name, Fault::Type, reason))
        }
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    if let Some(known) = kinds::known(api_version, kind) {
        return Ok(Found::Known(known));
    }
    match options.custom.iter().find(|custom| custom.serves(api_version, kind)) {
        Some(custom) => Ok(Found::Custom(custom)),
        None => Err(unknown(api_version, kind)),
    }
}

/// Says in which versions the kind is served, or that nobody defined it. `extensions` is where
/// Kubernetes had its workloads first.
fn unknown(api_version: &str, kind: &str) -> Problem {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let ours = group == "extensions" || KINDS.iter().any(|row| row.group == group);
    let named = KINDS.iter().filter(|row| ours && row.kind == kind);
    let same = named.clone().any(|row| row.group == group);
    let served: Vec<String> =
        named.filter(|row| !same || row.group == group).map(Kind::api_version).collect();
    let (kind, version) = (shortened(kind), shortened(api_version));
    if !served.is_empty() {
        let reason = format!("{version} has no {kind}; it is served as {}", served.join(", "));
        return Problem::new(Fault::Kind, FieldPath::of("apiVersion"), reason);
    }
    let reason = format!(
        "{version} {kind} is unknown: no built-in kind and no custom resource definition names it"
    );
    Problem::new(Fault::Kind, FieldPath::of("kind"), reason)
}

fn passed(object: &Value, kind: Found<'_>, options: &GateOptions, ignored: Vec<Ignored>) -> Gated {
    let default = if options.namespace.is_empty() { "default" } else { &options.namespace };
    let place = ready::Place {
        managed: kind.standing() == Standing::Managed,
        group: kind.group(),
        namespace: kind.namespaced().then_some(default),
    };
    let (object, mut warnings) = ready::prepared(object, &place);
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let name = object["kind"].as_str().unwrap_or_default();
    let group_kind = GroupKind::of_api_version(api_version, name);
    if kind.standing() == Standing::Kept {
        warnings.push(format!("{name} is kept as applied and has no effect here yet"));
    } else {
        warnings.extend(scheduling::borne_in_vain(&Cursor::new(&object).field("spec")));
    }
    if kind.standing() == Standing::Managed && name == "Service" {
        warnings.extend(service::warning(&object));
    }
    if kind.standing() == Standing::Managed && name == "PersistentVolume" {
        warnings.extend(persistent::warning(&object));
    }
    if kind.standing() == Standing::Managed && name == "Secret" {
        warnings.extend(data::warning(&object));
    }
    let key = ResourceKey::new(group_kind, &text("namespace"), &text("name"));
    Gated { object, key, standing: kind.standing(), ignored, warnings }
}
