//! `get`: objects as a table or for machines, once or as they change.

mod form;
mod sheet;

use clap::{ArgAction, Args};
use serde_json::{Value, json};

pub(crate) use form::{FORMS, Form};
use sheet::Sheet;

use crate::client::{KindPath, WatchEvent};
use crate::context::{Context, note, warn};
use crate::failure::{Ended, Failure};
use crate::output::field::{name, number, text};
use crate::output::jsonpath::{Missing, Path};
use crate::output::{Format, json as as_json, sort, yaml};
use crate::verbs::object::{Named, named};
use crate::verbs::past::At;
use crate::verbs::status::behind;

/// Records that the engine may be behind without a word: an epoch of them.
const BEHIND_TOLD_MIN: i64 = 10_000;

/// How the API begins to say that a field cannot be selected by, in Kubernetes' words.
const UNKNOWN_FIELD: &str = "field label not supported";

/// Show objects
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint get pods -A -o wide
  setpoint get deployment web -o yaml
  setpoint get deploy,pods -l app=web
  setpoint get nodes
  setpoint get pods -w
  setpoint get pods --field-selector spec.nodeName=n1,status.phase=Running
  setpoint get pods -A --sort-by .metadata.creationTimestamp
  setpoint get pods -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName
  setpoint get nodes -o jsonpath='{.items[*].metadata.name}'
  setpoint get pods -o jsonpath='{range .items[*]}{.metadata.name}{\"\\t\"}{.status.phase}{\"\\n\"}{end}'
  setpoint get pod web-1 -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].status}'")]
pub(crate) struct Get {
    /// KIND [NAME...], KIND/NAME..., several kinds as KIND,KIND, or `all`
    #[arg(required = true)]
    words: Vec<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// All namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// The form of the answer: table, wide, json, yaml, name, jsonpath=TEMPLATE, jsonpath-file=FILE,
    /// custom-columns=HEADER:PATH,... or custom-columns-file=FILE
    #[arg(long, short, value_parser = Form::parse, default_value = "table", value_name = "FORM")]
    output: Form,
    /// Go's templates are refused with what to write instead
    #[arg(long, hide = true, value_name = "TEMPLATE")]
    template: Option<String>,
    /// What a template says nothing of where an object lacks a field; with `=false` that is a failure
    #[arg(
        long,
        action = ArgAction::Set,
        default_value_t = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    allow_missing_template_keys: bool,
    /// The field to sort by within each kind, such as .metadata.creationTimestamp
    #[arg(long, value_parser = Path::relaxed, value_name = "PATH")]
    sort_by: Option<Path>,
    /// Only objects with these labels
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only objects with these fields, such as spec.nodeName=n1,status.phase!=Running; fields are metadata.name,
    /// metadata.namespace, spec.nodeName, status.phase, spec.restartPolicy, spec.unschedulable and type
    #[arg(long, value_name = "SELECTOR")]
    field_selector: Option<String>,
    /// Go on showing what changes
    #[arg(long, short)]
    watch: bool,
    /// Without the line of headers
    #[arg(long)]
    no_headers: bool,
    /// With the labels of each object
    #[arg(long)]
    show_labels: bool,
    #[command(flatten)]
    past: At,
}

/// What was found of one kind.
struct Found {
    path: KindPath,
    items: Vec<Value>,
    version: String,
    /// Whether it was asked for by one name.
    is_one: bool,
}

pub(crate) async fn run(mut get: Get, cx: &mut Context) -> Result<Ended, Failure> {
    if get.template.is_some() {
        return Err(form::no_go_templates());
    }
    if get.watch && get.past.is_named() {
        return Err(Failure::usage("the past does not change: leave out --watch or --at"));
    }
    let _past = get.past.turn_to(cx).await?;
    get.output = get.output.read()?;
    let meant = named(cx, &get.words).await?;
    if get.watch && meant.len() != 1 {
        return Err(Failure::usage("a watch is of one kind, or of one object"));
    }
    let mut found: Vec<Found> = Vec::new();
    for one in &meant {
        let more = fetch(&get, one, cx).await?;
        match found.iter_mut().find(|f| f.path == more.path) {
            Some(same) => same.items.extend(more.items),
            None => found.push(more),
        }
    }
    if let Some(path) = &get.sort_by {
        sorted(&get, path, &mut found)?;
    }
    print(&get, &found, cx)?;
    if meant.iter().any(|one| one.path.plural == "nodes") {
        tell_lag(cx).await;
    }
    match (get.watch, meant.first(), found.first()) {
        (true, Some(meant), Some(found)) => {
            let mut sheet = Sheet::of(&get, found)?;
            follow(&get, meant, found, &mut sheet, cx).await
        }
        _ => Ok(Ended::Well),
    }
}

/// Each kind in the order of this field.
fn sorted(get: &Get, path: &Path, found: &mut [Found]) -> Result<(), Failure> {
    let what = "failed to sort what was found";
    let is_any = found.iter().any(|f| !f.items.is_empty());
    let mut is_known = false;
    for of_kind in found {
        let sorted = sort(&mut of_kind.items, path);
        is_known |= sorted.map_err(|why| Failure::new(what).at("--sort-by", why))?;
    }
    if is_any && !is_known {
        return Err(Failure::new(what)
            .at("--sort-by", "no object here has this field")
            .remedy("see which fields there are with -o yaml"));
    }
    if get.watch {
        warn("--sort-by is for what there is; changes are told as they come");
    }
    Ok(())
}

/// Says on stderr when the engine is far behind its log: nodes are shown as they were then.
async fn tell_lag(cx: &mut Context) {
    // Who may not ask for the status, or gets no answer, has the nodes all the same.
    let Ok(status) = cx.client.get("/setpoint/v1/status", &[]).await else { return };
    let records = number(&status, "/behind/records");
    if records >= BEHIND_TOLD_MIN {
        note(format!("The engine is behind its log: {}.", behind(records)));
    }
}

fn scope(get: &Get, cx: &Context) -> Option<String> {
    (!get.all_namespaces).then(|| cx.namespace(get.namespace.as_deref()))
}

async fn fetch(get: &Get, meant: &Named, cx: &Context) -> Result<Found, Failure> {
    let scope = scope(get, cx);
    if let Some(name) = &meant.name {
        // An object's own version may be older than the changes that the server still has: a watch goes on
        // from a list's.
        if get.watch
            && let found = list(get, meant, cx).await?
            && !found.items.is_empty()
        {
            return Ok(found);
        }
        let path = meant.path.object(scope.as_deref().unwrap_or_default(), name);
        let object =
            cx.client.get(&path, &[]).await.map_err(|error| {
                error.during(format!("failed to get {}", meant.path.shown(name)))
            })?;
        let version = text(&object, "/metadata/resourceVersion").to_owned();
        let (path, items) = (meant.path.clone(), vec![object]);
        return Ok(Found { path, items, version, is_one: true });
    }
    list(get, meant, cx).await
}

/// What there is of it, as a list.
async fn list(get: &Get, meant: &Named, cx: &Context) -> Result<Found, Failure> {
    let query = query_for(get, meant);
    let answer = cx.client.get(&meant.path.list(scope(get, cx).as_deref()), &query).await;
    let mut answer = answer.map_err(|error| {
        let is_unknown = error.to_string().contains(UNKNOWN_FIELD);
        let failure = error.during(format!("failed to list {}", meant.path.plural));
        match is_unknown {
            true => failure.remedy("`setpoint get --help` says by which fields one can select"),
            false => failure,
        }
    })?;
    let version = text(&answer, "/metadata/resourceVersion").to_owned();
    let mut items = match answer.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    for item in &mut items {
        typed(item, &meant.path);
    }
    let is_one = meant.name.is_some();
    Ok(Found { path: meant.path.clone(), items, version, is_one })
}

/// Items of a list leave out what the list says once.
fn typed(item: &mut Value, path: &KindPath) {
    let Some(fields) = item.as_object_mut() else { return };
    let api_version = match path.group.as_str() {
        "" => path.version.clone(),
        group => format!("{group}/{}", path.version),
    };
    fields.entry("apiVersion").or_insert_with(|| json!(api_version));
    fields.entry("kind").or_insert_with(|| json!(path.kind));
}

fn query(get: &Get) -> Vec<(&'static str, String)> {
    let labels = get.selector.iter().map(|s| ("labelSelector", s.clone()));
    let fields = get.field_selector.iter().map(|s| ("fieldSelector", s.clone()));
    labels.chain(fields).collect()
}

/// The same, and of one object its name.
fn query_for(get: &Get, meant: &Named) -> Vec<(&'static str, String)> {
    let name = meant.name.iter().map(|name| ("fieldSelector", format!("metadata.name={name}")));
    query(get).into_iter().chain(name).collect()
}

fn print(get: &Get, found: &[Found], cx: &mut Context) -> Result<(), Failure> {
    match &get.output {
        Form::Plain(Format::Table | Format::Wide) => return tables(get, found, cx),
        Form::Custom(_) => {
            let table = sheet::of_user(get, found)?;
            return if table.is_empty() { Ok(()) } else { Ok(cx.out.line(table)?) };
        }
        _ => {}
    }
    if get.watch || matches!(get.output, Form::Plain(Format::Name)) {
        for (path, item) in found.iter().flat_map(|f| f.items.iter().map(|i| (&f.path, i))) {
            tell(&get.output, get, path, item, cx)?;
        }
        return Ok(());
    }
    match found.first() {
        Some(first) => tell(&get.output, get, &first.path, &whole(found), cx),
        None => Ok(()),
    }
}

/// One object, or all of them as a list, in a form that is no table.
fn tell(
    form: &Form,
    get: &Get,
    path: &KindPath,
    object: &Value,
    cx: &mut Context,
) -> Result<(), Failure> {
    match form {
        Form::Template(template) => {
            let missing = match get.allow_missing_template_keys {
                true => Missing::Allowed,
                false => Missing::Refused,
            };
            let text = template.filled(object, missing);
            let text =
                text.map_err(|why| Failure::new("failed to fill the template").because(why))?;
            // What ends a line is in the template, as with kubectl.
            cx.out.text(&text)?;
        }
        Form::Plain(Format::Name) => cx.out.line(path.shown(name(object)))?,
        Form::Plain(Format::Yaml) if get.watch => cx.out.line(format!("---\n{}", yaml(object)))?,
        Form::Plain(Format::Yaml) => cx.out.line(yaml(object))?,
        _ => cx.out.line(as_json(object))?,
    }
    Ok(())
}

/// One object as it is, more as a `List`.
fn whole(found: &[Found]) -> Value {
    let items: Vec<&Value> = found.iter().flat_map(|f| &f.items).collect();
    match &items[..] {
        [one] if found.len() == 1 && found[0].is_one => (*one).clone(),
        items => json!({"apiVersion": "v1", "kind": "List", "items": items}),
    }
}

fn tables(get: &Get, found: &[Found], cx: &mut Context) -> Result<(), Failure> {
    let filled: Vec<&Found> = found.iter().filter(|f| !f.items.is_empty()).collect();
    if filled.is_empty() {
        match scope(get, cx).filter(|_| found.iter().any(|f| f.path.namespaced)) {
            Some(namespace) => note(format!("No resources found in {namespace} namespace.")),
            None => note("No resources found"),
        }
    }
    // Of several kinds each name says its own, as kubectl has it.
    let is_many = found.len() > 1;
    for (index, found) in filled.iter().enumerate() {
        if index > 0 {
            cx.out.line("")?;
        }
        cx.out.line(sheet::of_kind(get, found, is_many)?)?;
    }
    Ok(())
}

/// Shows each change until the user ends it. A watch that the server ends is begun again where it
/// ended; when the server no longer has what changed since, with what there is now.
async fn follow(
    get: &Get,
    meant: &Named,
    found: &Found,
    sheet: &mut Sheet,
    cx: &mut Context,
) -> Result<Ended, Failure> {
    let what = || format!("failed to watch {}", meant.path.plural);
    let mut version = found.version.clone();
    loop {
        let mut query = query(get);
        query.push(("resourceVersion", version.clone()));
        if let Some(name) = &meant.name {
            query.push(("fieldSelector", format!("metadata.name={name}")));
        }
        let path = meant.path.list(scope(get, cx).as_deref());
        let mut watch = match cx.client.watch(&path, &query).await {
            Err(error) if error.is_expired() => {
                version = anew();
                continue;
            }
            watch => watch.map_err(|error| error.during(what()))?,
        };
        loop {
            let (object, deleted) = match watch.next().await {
                Ok(None) => break,
                Ok(Some(WatchEvent::Present(object))) => (object, false),
                Ok(Some(WatchEvent::Deleted(object))) => (object, true),
                Err(error) if error.is_expired() => {
                    version = anew();
                    break;
                }
                Err(error) => return Err(error.during(what())),
            };
            version = text(&object, "/metadata/resourceVersion").to_owned();
            changed(get, &meant.path, object, deleted, sheet, cx)?;
        }
    }
}

/// The version from which a watch begins with all that there is.
fn anew() -> String {
    note("the server no longer has what changed meanwhile; this is what there is now");
    "0".to_owned()
}

fn changed(
    get: &Get,
    path: &KindPath,
    mut object: Value,
    deleted: bool,
    sheet: &mut Sheet,
    cx: &mut Context,
) -> Result<(), Failure> {
    typed(&mut object, path);
    match &get.output {
        Form::Plain(Format::Table | Format::Wide) => {
            let line = sheet.more(&object)? + if deleted { "   (deleted)" } else { "" };
            Ok(cx.out.line(line)?)
        }
        Form::Custom(_) => Ok(cx.out.line(sheet.more(&object)?)?),
        form => tell(form, get, path, &object, cx),
    }
}

#[cfg(test)]
mod tests;
