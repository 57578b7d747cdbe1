//! `get`: objects as a table or for machines, once or as they change.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{KindPath, WatchEvent};
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{name, number, pairs, text};
use crate::output::{Columns, Format, columns, json as as_json, row, table, widths, yaml};
use crate::verbs::object::{Named, named};
use crate::verbs::status::behind;

/// Records that the engine may be behind without a word: an epoch of them.
const BEHIND_TOLD_MIN: i64 = 10_000;

/// Columns that grow while one watches, and how wide they may become: an address of IPv4, and what pods say most.
const ROOM: [(&str, usize); 2] = [("IP", 15), ("STATUS", 17)];

/// Show objects
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint get pods -A -o wide
  setpoint get deployment web -o yaml
  setpoint get deploy,pods -l app=web
  setpoint get nodes
  setpoint get pods -w")]
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
    /// The form of the answer
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,
    /// Only objects with these labels
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only objects with these fields, such as spec.nodeName=n1
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
}

/// What was found of one kind.
struct Found {
    path: KindPath,
    items: Vec<Value>,
    version: String,
}

pub(crate) async fn run(get: Get, cx: &mut Context) -> Result<Ended, Failure> {
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
    print(&get, &found, cx)?;
    if meant.iter().any(|one| one.path.plural == "nodes") {
        tell_lag(cx).await;
    }
    match (get.watch, meant.first(), found.first()) {
        (true, Some(meant), Some(found)) => {
            let mut sheet = Sheet::of(&get, found);
            follow(&get, meant, found, &mut sheet, cx).await
        }
        _ => Ok(Ended::Well),
    }
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
        return Ok(Found { path: meant.path.clone(), items: vec![object], version });
    }
    list(get, meant, cx).await
}

/// What there is of it, as a list.
async fn list(get: &Get, meant: &Named, cx: &Context) -> Result<Found, Failure> {
    let query = query_for(get, meant);
    let answer = cx.client.get(&meant.path.list(scope(get, cx).as_deref()), &query).await;
    let mut answer =
        answer.map_err(|error| error.during(format!("failed to list {}", meant.path.plural)))?;
    let version = text(&answer, "/metadata/resourceVersion").to_owned();
    let mut items = match answer.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    for item in &mut items {
        typed(item, &meant.path);
    }
    Ok(Found { path: meant.path.clone(), items, version })
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
    match get.output {
        Format::Json => cx.out.line(as_json(&whole(found)))?,
        Format::Yaml => cx.out.line(yaml(&whole(found)))?,
        Format::Name => {
            for (path, item) in found.iter().flat_map(|f| f.items.iter().map(|i| (&f.path, i))) {
                cx.out.line(path.shown(name(item)))?;
            }
        }
        Format::Table | Format::Wide => tables(get, found, cx)?,
    }
    Ok(())
}

/// One object as it is, more as a `List`.
fn whole(found: &[Found]) -> Value {
    let items: Vec<&Value> = found.iter().flat_map(|f| &f.items).collect();
    match &items[..] {
        [one] if found.len() == 1 && !found[0].version.is_empty() && is_object(one, &found[0]) => {
            (*one).clone()
        }
        items => json!({"apiVersion": "v1", "kind": "List", "items": items}),
    }
}

/// Whether this was asked for by name: then its version is the answer's.
fn is_object(one: &Value, found: &Found) -> bool {
    text(one, "/metadata/resourceVersion") == found.version
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
        cx.out.line(one_table(get, found, is_many))?;
    }
    Ok(())
}

fn one_table(get: &Get, found: &Found, is_many: bool) -> String {
    let mut sheet = Sheet::of(get, found);
    let named = |mut row: Vec<String>| {
        let at = sheet.headers().iter().position(|header| *header == "NAME");
        if let Some(cell) = at.filter(|_| is_many).and_then(|at| row.get_mut(at)) {
            *cell = found.path.shown(cell);
        }
        row
    };
    let rows: Vec<Vec<String>> = sheet.rows(found).into_iter().map(named).collect();
    if get.no_headers {
        sheet.widths = widths(&[], &rows);
        let lines: Vec<String> = rows.iter().map(|cells| row(&mut sheet.widths, cells)).collect();
        return lines.join("\n");
    }
    if get.watch {
        let headers = sheet.headers().into_iter().map(str::to_owned).collect::<Vec<_>>();
        let lines = std::iter::once(&headers).chain(&rows);
        let lines: Vec<String> = lines.map(|cells| row(&mut sheet.widths, cells)).collect();
        return lines.join("\n");
    }
    table(&sheet.headers(), &rows)
}

/// A table that goes on growing.
struct Sheet {
    columns: Columns,
    /// Whether it has the namespace, and the columns of `wide`.
    shape: (bool, bool),
    /// Whether the labels are its last column.
    has_labels: bool,
    widths: Vec<usize>,
    /// Still to be printed, when there was no row to print them above.
    headers: Option<Vec<String>>,
}

impl Sheet {
    fn of(get: &Get, found: &Found) -> Sheet {
        let shape = (get.all_namespaces && found.path.namespaced, get.output == Format::Wide);
        let columns = columns(&found.path.kind);
        let has_labels = get.show_labels;
        let mut sheet = Sheet { columns, shape, has_labels, widths: Vec::new(), headers: None };
        let headers = sheet.headers();
        sheet.widths = widths(&headers, &sheet.rows(found));
        if get.watch {
            sheet.leave_room();
        }
        let unprinted = found.items.is_empty() && !get.no_headers;
        sheet.headers = unprinted.then(|| headers.into_iter().map(str::to_owned).collect());
        sheet
    }

    /// Columns whose cells grow while one watches are as wide as they may become.
    fn leave_room(&mut self) {
        for (header, width) in self.headers().iter().zip(&mut self.widths) {
            let room = ROOM.iter().find(|(name, _)| name == header);
            *width = room.map_or(*width, |(_, chars)| (*width).max(*chars));
        }
    }

    fn headers(&self) -> Vec<&'static str> {
        let mut headers = self.columns.headers(self.shape.0, self.shape.1);
        headers.extend(self.has_labels.then_some("LABELS"));
        headers
    }

    fn rows(&self, found: &Found) -> Vec<Vec<String>> {
        let now = Timestamp::now();
        found.items.iter().map(|item| self.cells(item, now)).collect()
    }

    fn cells(&self, item: &Value, now: Timestamp) -> Vec<String> {
        let mut cells = self.columns.row(item, self.shape.0, self.shape.1, now);
        cells.extend(self.has_labels.then(|| pairs(item, "/metadata/labels")));
        cells
    }
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
    let line = match get.output {
        Format::Json => as_json(&object),
        Format::Yaml => format!("---\n{}", yaml(&object)),
        Format::Name => path.shown(name(&object)),
        Format::Table | Format::Wide => {
            let cells = sheet.cells(&object, Timestamp::now());
            if let Some(headers) = sheet.headers.take() {
                cx.out.line(row(&mut sheet.widths, &headers))?;
            }
            row(&mut sheet.widths, &cells) + if deleted { "   (deleted)" } else { "" }
        }
    };
    cx.out.line(line).map_err(Failure::from)
}
