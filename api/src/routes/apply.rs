//! `POST /setpoint/v1/apply`: many objects in one request, all or nothing.

use std::collections::BTreeSet;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Resource, ResourceKey, Verb};

use super::access::admin_only;
use super::foresee::foresee;
use super::prepare::{Prepared, parse, prepare, text};
use super::submit::submit;
use super::write::item_of;
use super::{Shared, answer};
use crate::auth::Actor;
use crate::model::ReadModel;
use crate::ports::{Ignored, Outcome};
use crate::room::REQUEST_BODY_BYTES_MAX;
use crate::select::parse_labels;
use crate::status::ApiError;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Apply {
    #[serde(default = "default_manager")]
    field_manager: String,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    dry_run: bool,
    /// Fields without effect are listed as warnings instead of refused.
    #[serde(default)]
    allow_ignored: bool,
    #[serde(default)]
    prune: Option<Prune>,
    /// The namespace of objects that name none; `default` when empty.
    #[serde(default)]
    namespace: String,
    items: Vec<Value>,
}

/// Deletes what this manager applied before and now leaves out, in the namespaces of the items.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Prune {
    /// Everything, or nothing.
    All(bool),
    /// What a label selector selects.
    Selected { selector: String },
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Line {
    kind: String,
    namespace: String,
    name: String,
    result: &'static str,
    message: String,
    warnings: Vec<String>,
}

/// Applies. The answer is 200 with `accepted` true or false; mistakes that are found before the
/// leader is asked refuse everything in the same form.
pub(crate) async fn apply(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    admin_only(&actor)?;
    let stay = app.state.clients.enter(&actor.name, body, REQUEST_BODY_BYTES_MAX).await?;
    let value = parse(&headers, &stay.body)?;
    // The shape only: a message of serde could quote a value of a Secret.
    let items_sound = value["items"].as_array().is_some_and(|items| !items.is_empty());
    let apply: Apply = serde_json::from_value(value).map_err(|_| {
        let shape = "fieldManager, force, dryRun, allowIgnored, prune, namespace, items";
        ApiError::bad_request(format!("the body is not an object with some of: {shape}"))
    })?;
    if !items_sound {
        return Err(ApiError::bad_request("there are no items to apply"));
    }
    let (prepared, mut lines) = prepare_all(&app, &apply);
    let sound = lines.iter().all(|line| line.result != Outcome::Refused.word());
    if !sound {
        for line in &mut lines {
            line.result = Outcome::Refused.word();
        }
        return Ok(done(&lines, false, "nothing was applied: an object was refused"));
    }
    let model = &app.state.parts.model;
    let pruned = pruned(model, &apply, &prepared)?;
    lines.extend(pruned.iter().map(|key| line_of(key, Outcome::Deleted)));
    let mut items: Vec<RequestItem> =
        prepared.iter().map(|prepared| item_of(prepared, Verb::Apply, prepared.version)).collect();
    items.extend(pruned.iter().map(|resource| deletion(resource)));
    let manager = (apply.field_manager.clone(), apply.force);
    let verdict = if apply.dry_run {
        foresee(&app.state, &actor, manager, items).await?.verdict
    } else {
        submit(&app.state, &actor, manager, items).await?
    };
    for (line, item) in lines.iter_mut().zip(&verdict.items) {
        line.result = item.outcome.word();
        line.message.clone_from(&item.message);
    }
    let reason = match (apply.dry_run, verdict.accepted) {
        (true, true) => "dry run: nothing was applied",
        _ => &verdict.reason,
    };
    Ok(done(&lines, verdict.accepted, reason))
}

fn prepare_all(app: &Shared, apply: &Apply) -> (Vec<Prepared>, Vec<Line>) {
    let mut prepared = Vec::new();
    let mut lines = Vec::new();
    let mut seen: BTreeSet<ResourceKey> = BTreeSet::new();
    let ignored = if apply.allow_ignored { Ignored::Allowed } else { Ignored::Refused };
    for object in &apply.items {
        // The namespace given is a default, not a demand.
        let own = text(&object["metadata"]["namespace"]);
        let place = if own.is_empty() { apply.namespace.as_str() } else { "" };
        match prepare(&app.state, object.clone(), (place, ""), ignored) {
            Ok(ready) => {
                let key = ResourceKey::new(ready.kind.group_kind(), &ready.namespace, &ready.name);
                let twice = !seen.insert(key);
                let (result, message) = match twice {
                    true => (Outcome::Refused.word(), "it stands twice in this apply".to_owned()),
                    false => (Outcome::Unchanged.word(), String::new()),
                };
                lines.push(Line {
                    kind: ready.kind.kind.clone(),
                    namespace: ready.namespace.clone(),
                    name: ready.name.clone(),
                    result,
                    message,
                    warnings: ready.warnings.clone(),
                });
                prepared.push(ready);
            }
            Err(error) => lines.push(Line {
                kind: text(&object["kind"]),
                namespace: text(&object["metadata"]["namespace"]),
                name: text(&object["metadata"]["name"]),
                result: Outcome::Refused.word(),
                message: error.message,
                warnings: Vec::new(),
            }),
        }
    }
    (prepared, lines)
}

/// What this manager applied before, in the namespaces of the items, and what now is left out.
fn pruned(
    model: &ReadModel,
    apply: &Apply,
    prepared: &[Prepared],
) -> Result<Vec<std::sync::Arc<Resource>>, ApiError> {
    let selector = match &apply.prune {
        None | Some(Prune::All(false)) => return Ok(Vec::new()),
        Some(Prune::All(true)) => "",
        Some(Prune::Selected { selector }) => selector,
    };
    let selector = parse_labels(selector).map_err(ApiError::bad_request)?;
    let kept: BTreeSet<ResourceKey> = prepared
        .iter()
        .map(|p| ResourceKey::new(p.kind.group_kind(), &p.namespace, &p.name))
        .collect();
    let namespaces: BTreeSet<&str> = prepared.iter().map(|p| p.namespace.as_str()).collect();
    let selected = |resource: &Resource| {
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let labels = serde_json::from_value(body["metadata"]["labels"].clone());
        selector.matches(&labels.unwrap_or_default())
    };
    Ok(model.resources(|resource| {
        namespaces.contains(resource.namespace.as_str())
            && resource.kind != "Namespace"
            && !owned_by(resource, &apply.field_manager).is_empty()
            && !kept.contains(&resource.key())
            && selected(resource)
    }))
}

/// The JSON pointers that a manager owns.
fn owned_by(resource: &Resource, manager: &str) -> Vec<String> {
    let managers: Value = serde_json::from_str(&resource.managers).unwrap_or_default();
    let pointers = managers[manager].as_array().into_iter().flatten();
    pointers.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn deletion(resource: &Resource) -> RequestItem {
    RequestItem {
        verb: Verb::Delete,
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
        namespace: resource.namespace.clone(),
        name: resource.name.clone(),
        subresource: String::new(),
        body: String::new(),
        expected_version: None,
    }
}

fn line_of(resource: &Resource, outcome: Outcome) -> Line {
    Line {
        kind: resource.kind.clone(),
        namespace: resource.namespace.clone(),
        name: resource.name.clone(),
        result: outcome.word(),
        message: String::new(),
        warnings: Vec::new(),
    }
}

fn done(lines: &[Line], accepted: bool, reason: &str) -> Response {
    answer(json!({"results": lines, "accepted": accepted, "reason": reason}))
}

fn default_manager() -> String {
    "setpoint".to_owned()
}
