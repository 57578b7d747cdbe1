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
            let read = |error: std::io::Error| {
                Failure::usage("failed to read the patch").at(place.as_str(), error)
            };
            (text.map_err(read)?, place)
        }
        (None, None) => {
            return Err(Failure::usage("there is no patch").remedy("write it behind -p"));
        }
    };
    let wrong =
        |why: &str| Failure::usage("failed to understand the patch").at(place.as_str(), why);
    let body: Value = serde_saphyr::from_str(&text)
        .map_err(|error| wrong(&format!("neither JSON nor YAML: {error}")))?;
    match (patch.kind, &body) {
        (Kind::Json, Value::Array(_)) | (Kind::Strategic | Kind::Merge, Value::Object(_)) => {
            Ok(body)
        }
        (Kind::Json, _) => Err(wrong("a json patch is a list of operations")
            .remedy("write [{\"op\": …, \"path\": …}], or another --type")),
        _ => Err(wrong("a merge patch is a map of what changes")
            .remedy("write {\"spec\": …}; a list of operations is --type json")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::verbs::tests::{Fake, run};

    const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

    fn at(version: &str) -> Value {
        json!({"metadata": {"resourceVersion": version}})
    }

    #[tokio::test]
    async fn a_patch_is_sent_as_it_is_meant_and_says_whether_it_changed_anything() {
        let call = format!("PATCH {WEB}?fieldManager=setpoint");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("patch.yaml");
        std::fs::write(&file, "spec:\n  replicas: 3\n").expect("written");
        let of_file = format!("patch deployment web --patch-file {}", file.display());
        let table = [
            ("patch deploy/web -p {\"spec\":{\"replicas\":3}}", "5", r#"{"spec":{"replicas":3}}"#),
            (of_file.as_str(), "5", r#"{"spec":{"replicas":3}}"#),
            ("patch deploy/web --type merge -p {}", "4", "{}"),
            ("patch deploy/web --type json -p []", "4", "[]"),
        ];
        for (line, after, body) in table {
            let fake = Fake::default().answer(&format!("GET {WEB}"), 200, at("4")).answer(
                &call,
                200,
                at(after),
            );
            let (ended, printed) = run(&fake.start().await, line).await;
            assert_eq!(ended, Ok(Ended::Well), "{line}");
            let same = if after == "4" { " (no change)" } else { "" };
            assert_eq!(printed, format!("deployment.apps/web patched{same}\n"), "{line}");
            assert_eq!(fake.asked()[1], format!("{call} {body}"), "{line}");
        }
    }

    #[tokio::test]
    async fn a_patch_of_another_shape_is_refused_before_anything_is_asked() {
        let fake = Fake::default();
        let server = fake.start().await;
        for (line, why) in [
            ("patch deploy/web -p []", "--type json"),
            ("patch deploy/web --type json -p {}", "a list of operations"),
            ("patch deploy/web -p {", "neither JSON nor YAML"),
            ("patch deploy/web --patch-file none.yaml", "where: none.yaml"),
            ("patch deploy -p {}", "name the object"),
        ] {
            let (ended, _) = run(&server, line).await;
            let failure = ended.expect_err(line);
            assert_eq!(failure.code(), 2, "{line}");
            assert!(failure.to_string().contains(why), "{line}: {failure}");
        }
        assert_eq!(fake.asked(), Vec::<String>::new());
    }
}
