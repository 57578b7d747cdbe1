//! Names that the API knows.

use serde_json::Value;

use super::Candidate;
use super::place::{Asked, Place};
use super::wanted::What;
use crate::client::{self, KindPath};
use crate::context::Context;
use crate::output::field::{list, name, text};
use crate::verbs::get::FORMS;

/// Names that are asked for; who has more types a letter of theirs and looks at `get`.
const NAMES_MAX: usize = 1_000;

/// What may stand at the place; `None` when the API does not say.
pub(super) async fn found(what: What, place: &Place<'_>, cx: &Context) -> Option<Vec<Candidate>> {
    match what {
        What::Forms => None,
        What::Nodes => names("nodes", place, cx).await,
        What::Namespaces => names("namespaces", place, cx).await,
        What::Pods => names("pods", place, cx).await,
        What::Containers => containers(place, cx).await,
        What::Subject if !place.begun().0.contains('/') => names("pods", place, cx).await,
        What::Subject | What::Objects | What::Workloads => match at(place) {
            At::Kind(earlier) => Some(before(earlier, kinds(what, cx).await?)),
            At::Slash(kind) => Some(before(&format!("{kind}/"), names(kind, place, cx).await?)),
            At::Name(kinds, named) => {
                let mut found = Vec::new();
                for kind in kinds.split(',') {
                    found.extend(names(kind, place, cx).await?);
                }
                found.retain(|candidate| !named.contains(&candidate.text.as_str()));
                Some(found)
            }
            At::Nothing => None,
        },
    }
}

/// What may stand there as far as it is known without the API.
pub(super) fn without_api(what: What, place: &Place<'_>) -> Vec<Candidate> {
    match (what, at(place)) {
        (What::Forms, _) => FORMS.iter().map(|form| Candidate::new(*form, "")).collect(),
        (What::Objects | What::Workloads, At::Kind(earlier)) => before(earlier, what.kinds()),
        _ => Vec::new(),
    }
}

/// Where one is among the words that say which objects.
enum At<'p> {
    /// A kind, behind others and their commas.
    Kind(&'p str),
    /// Behind `KIND/`.
    Slash(&'p str),
    /// A name behind its kinds, and behind other names.
    Name(&'p str, &'p [&'p str]),
    /// What is there already says all.
    Nothing,
}

fn at<'p>(place: &'p Place<'_>) -> At<'p> {
    let (begun, _) = place.begun();
    if let Some((kind, _)) = begun.split_once('/') {
        return At::Slash(kind);
    }
    match place.words.split_first() {
        // The value of a flag stands by itself.
        _ if matches!(place.asked, Asked::Value { .. }) => At::Kind(""),
        None => At::Kind(begun.rfind(',').map_or("", |comma| &begun[..=comma])),
        Some((kind, _)) if kind.contains('/') => At::Nothing,
        Some((kinds, named)) => At::Name(kinds, named),
    }
}

fn before(begins: &str, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let with = |one: Candidate| Candidate::new(format!("{begins}{}", one.text), one.about);
    candidates.into_iter().map(with).collect()
}

/// The kinds that the API has.
async fn kinds(what: What, cx: &Context) -> Option<Vec<Candidate>> {
    let all = client::all(&cx.client).await.ok()?;
    let shown = |(path, short): (KindPath, Vec<String>)| {
        Candidate::new(path.plural, [vec![path.kind], short].concat().join(", "))
    };
    let mut found: Vec<Candidate> = all.into_iter().map(shown).collect();
    found.retain(|candidate| what.is_about(&candidate.text));
    Some(found).filter(|found| !found.is_empty())
}

/// The names of a kind, in the namespace that was said.
async fn names(kind: &str, place: &Place<'_>, cx: &Context) -> Option<Vec<Candidate>> {
    let path = client::find(&cx.client, kind).await.ok()??;
    let scope = match place.value("all_namespaces") {
        Some(_) => None,
        None => Some(cx.namespace(place.value("namespace"))),
    };
    let query = [("limit", NAMES_MAX.to_string())];
    let answer = cx.client.get(&path.list(scope.as_deref()), &query).await.ok()?;
    let one = |object: &Value| Candidate::new(name(object), "");
    Some(list(&answer, "/items").iter().map(one).collect())
}

/// The containers of the pod, or of the workload's template, that stands before.
async fn containers(place: &Place<'_>, cx: &Context) -> Option<Vec<Candidate>> {
    let subject = place.words.first()?;
    let (kind, named) = subject.split_once('/').unwrap_or(("pods", subject));
    let path = client::find(&cx.client, kind).await.ok()??;
    let home = cx.namespace(place.value("namespace"));
    let object = cx.client.get(&path.object(&home, named), &[]).await.ok()?;
    let spec = object.pointer("/spec/template/spec").or_else(|| object.get("spec"))?;
    let of = |pointer| list(spec, pointer).iter().map(|c| Candidate::new(text(c, "/name"), ""));
    Some(of("/containers").chain(of("/initContainers")).collect())
}
