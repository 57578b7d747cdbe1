//! `patch`: a part of objects, changed by what the user writes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::client::Patch as Meaning;
use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::field::text;
use crate::verbs::object::named;

/// Change parts of objects
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint patch deployment/web -p '{\"spec\":{\"replicas\":3}}'
  setpoint patch node n1 --type merge -p 'metadata: {labels: {disk: ssd}}'
  setpoint patch deploy web --type json -p '[{\"op\":\"remove\",\"path\":\"/metadata/annotations/note\"}]'
  setpoint patch deployment/web --patch-file change.yaml")]
pub(crate) struct Patch {
    /// KIND/NAME... or KIND NAME...
    #[arg(required = true)]
    words: Vec<String>,
    /// How it is meant: strategic (lists are merged by their keys), merge (RFC 7386: lists are replaced) or json
    /// (RFC 6902: operations)
    #[arg(long = "type", value_enum, default_value = "strategic", value_name = "TYPE")]
    kind: Kind,
    /// The patch, JSON or YAML
    #[arg(
        long,
        short = 'p',
        value_name = "PATCH",
        required_unless_present = "patch_file",
        conflicts_with = "patch_file"
    )]
    patch: Option<String>,
    /// The file that holds the patch
    #[arg(long, value_name = "FILE")]
    patch_file: Option<PathBuf>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// How a patch is meant, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Strategic,
    Merge,
    Json,
}

impl Kind {
    fn meaning(self) -> Meaning {
        match self {
            Kind::Strategic => Meaning::Strategic,
            Kind::Merge => Meaning::Merge,
            Kind::Json => Meaning::Json,
        }
    }
}

pub(crate) async fn run(patch: Patch, cx: &mut Context) -> Result<Ended, Failure> {
    let body = body(&patch)?;
    let home = cx.namespace(patch.namespace.as_deref());
    for found in named(cx, &patch.words).await? {
        let name = found.name.ok_or_else(|| {
            Failure::usage("name the object to patch").remedy("write KIND/NAME, or KIND NAME")
        })?;
        let (shown, url) = (found.path.shown(&name), found.path.object(&home, &name));
        let what = format!("failed to patch {shown}");
        let before = cx.client.get(&url, &[]).await.map_err(|error| error.during(&what))?;
        let after = cx.client.patch(&url, patch.kind.meaning(), &body).await;
        let after = after.map_err(|error| error.during(&what))?;
        let version = |object: &Value| text(object, "/metadata/resourceVersion").to_owned();
        let is_same = !version(&after).is_empty() && version(&before) == version(&after);
        cx.out.line(format!("{shown} patched{}", if is_same { " (no change)" } else { "" }))?;
    }
    Ok(Ended::Well)
}

/// The patch, in the shape that its type has.
fn body(patch: &Patch) -> Result<Value, Failure> {
    let (text, place) = match (&patch.patch, &patch.patch_file) {
        (Some(text), _) => (text.clone(), "--patch".to_owned()),
        (None, Some(path)) => {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path);
            let read = |error: std::io::Error| Failure::usage("failed to read the patch").at(place.as_str(), error);
            (text.map_err(read)?, place)
        }
        (None, None) => return Err(Failure::usage("there is no patch").remedy("write it behind -p")),
    };
    let wrong = |why: &str| Failure::usage("failed to understand the patch").at(place.as_str(), why);
    let body: Value = serde_saphyr::from_str(&text)
        .map_err(|error| wrong(&format!("neither JSON nor YAML: {error}")))?;
    match (patch.kind, &body) {
        (Kind::Json, Value::Array(_)) | (Kind::Strategic | Kind::Merge, Value::Object(_)) => Ok(body),
        (Kind::Json, _) => Err(wrong("a json patch is a list of operations")
            .remedy("write [{\"op\": …, \"path\": …}], or another --type")),
        _ => Err(wrong("a merge patch is a map of what changes")
            .remedy("write {\"spec\": …}; a list of operations is --type json")),
    }
}
