//! `apply`: make it so, all of it or nothing.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::context::{Context, warn};
use crate::failure::{Ended, Failure};
use crate::output::field::{is_true, list, name, namespace, shown, text};
use crate::verbs::manifest::{Files, Item, tell_warnings};
use crate::verbs::rollout::wait_for;
use crate::verbs::wait::duration;

/// What the engine says when fields belong to another manager.
const CONFLICT: &str = "apply failed with";

/// How the engine begins to say that an item was refused for another one's sake.
const SPARED: &str = "not done, because another item";

/// Who applies, unless told otherwise; owns the fields that it sets.
pub(crate) const FIELD_MANAGER: &str = "setpoint-apply";

/// Apply manifests or Compose files: all of it, or nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint apply -f web.yaml
  setpoint apply -f compose.yaml --wait
  setpoint apply -f manifests/ -R --prune -l app=shop
  kustomize build . | setpoint apply -f - --dry-run=server")]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The namespace of objects that name none
    #[arg(long, short, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Check only: here, or by the server
    #[arg(long, value_enum, default_value = "none", value_name = "WHERE")]
    pub(crate) dry_run: DryRun,
    /// Delete what an earlier apply with this selector set and this one leaves out
    #[arg(long, requires = "selector")]
    pub(crate) prune: bool,
    /// Only objects with these labels, such as app=web,tier!=db
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// Take over fields that another manager owns
    #[arg(long, visible_alias = "force-conflicts")]
    pub(crate) force: bool,
    /// Who owns the fields that are set
    #[arg(long, value_name = "NAME", default_value = FIELD_MANAGER)]
    pub(crate) field_manager: String,
    /// Wait until the workloads run as asked
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "5m", value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// Where a dry run is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    None,
    Client,
    Server,
}

pub(crate) async fn run(apply: Apply, cx: &mut Context) -> Result<Ended, Failure> {
    let home = cx.namespace(apply.namespace.as_deref());
    let mut items = apply.files.read("apply", &home, apply.namespace.as_deref())?;
    if let Some(selector) = &apply.selector {
        let selector = crate::verbs::selector::Selector::parse(selector)?;
        items.retain(|item| selector.matches(&item.object));
    }
    tell_warnings(&items);
    if apply.dry_run == DryRun::Client {
        for item in &items {
            cx.out.line(format!("{} would be applied (dry run, client)", shown(&item.object)))?;
        }
        return Ok(Ended::Well);
    }
    let answer = cx.client.post("/setpoint/v1/apply", &request(&apply, &items)).await;
    let answer =
        answer.map_err(|error| error.during(format!("failed to apply {}", apply.files.shown())))?;
    report(&apply, &items, &answer, cx)?;
    if apply.wait && apply.dry_run == DryRun::None {
        for item in items.iter().filter(|item| !item.kept) {
            wait_for(cx, &item.object, apply.timeout).await?;
        }
    }
    Ok(Ended::Well)
}

fn request(apply: &Apply, items: &[Item]) -> Value {
    let objects: Vec<&Value> = items.iter().map(|item| &item.object).collect();
    let mut request = json!({
        "fieldManager": apply.field_manager,
        "force": apply.force,
        "dryRun": apply.dry_run == DryRun::Server,
        "allowIgnored": apply.files.allow_ignored,
        "items": objects,
    });
    if let (true, Some(selector)) = (apply.prune, &apply.selector) {
        request["prune"] = json!({"selector": selector});
    }
    request
}

/// Tells the verdict on each object; a refusal is a failure that names file and document.
fn report(apply: &Apply, items: &[Item], answer: &Value, cx: &mut Context) -> Result<(), Failure> {
    let results = list(answer, "/results");
    if !is_true(answer, "/accepted") {
        let failure = Failure::new(format!("failed to apply {}", apply.files.shown()));
        let refused = results.iter().filter(|r| text(r, "/result") == "refused");
        let (spared, refused): (Vec<_>, Vec<_>) = refused.partition(|r| is_spared(r));
        let failure = refused.iter().fold(failure, |failure, result| {
            let place = match item_of(items, result) {
                Some(item) => format!("{}, {}", item.origin, shown(&item.object)),
                None => shown_result(result),
            };
            failure.at(place, text(result, "/message"))
        });
        let failure = match refused.is_empty() {
            true => failure.because(text(answer, "/reason")),
            false => failure,
        };
        let failure = match spared.len() {
            0 => failure,
            1 => failure.because("1 other was not done"),
            others => failure.because(format!("{others} others were not done")),
        };
        let conflict = results.iter().any(|result| text(result, "/message").contains(CONFLICT));
        return Err(failure.remedy(match conflict {
            true => {
                "nothing was applied; leave those fields out of the manifest, or take them over \
                 with --force-conflicts"
            }
            false => "nothing was applied; correct it and apply again",
        }));
    }
    let dry = if apply.dry_run == DryRun::Server { " (dry run, server)" } else { "" };
    for result in results {
        // The manifest was judged here by the same gate: what it said was told with its place.
        if item_of(items, result).is_none() {
            for warning in list(result, "/warnings").iter().filter_map(Value::as_str) {
                warn(format!("{}: {warning}", shown_result(result)));
            }
        }
        if let Some(told) = Some(text(result, "/message")).filter(|told| !told.is_empty()) {
            let subject =
                item_of(items, result).map_or(shown_result(result), |i| i.origin.to_string());
            warn(format!("{subject}: {told}"));
        }
        let subject = item_of(items, result).map_or(shown_result(result), |i| shown(&i.object));
        cx.out.line(format!("{subject} {}{dry}", text(result, "/result")))?;
    }
    Ok(())
}

/// Whether nothing is wrong with this item itself.
fn is_spared(result: &Value) -> bool {
    let message = text(result, "/message");
    message.is_empty() || message.starts_with(SPARED)
}

fn item_of<'a>(items: &'a [Item], result: &Value) -> Option<&'a Item> {
    items.iter().find(|item| {
        let same = |pointer: &str, value: &str| text(result, pointer) == value;
        same("/kind", text(&item.object, "/kind"))
            && same("/name", name(&item.object))
            && same("/namespace", namespace(&item.object))
    })
}

fn shown_result(result: &Value) -> String {
    format!("{}/{}", text(result, "/kind").to_lowercase(), text(result, "/name"))
}
