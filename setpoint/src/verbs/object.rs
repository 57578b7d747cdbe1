//! Objects as the user names them: `deploy web`, `deployment/web`, `pods,nodes`.

use crate::client::{self, ApiError, Client, KindPath};
use crate::context::Context;
use crate::failure::Failure;

/// What `all` stands for, as kubectl's.
const ALL: [&str; 9] = [
    "pods",
    "replicationcontrollers",
    "services",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "cronjobs",
    "jobs",
];

/// A kind and, perhaps, a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The kind.
    pub(crate) path: KindPath,
    /// The name; `None` for all of the kind.
    pub(crate) name: Option<String>,
}

/// What is meant by the words after a verb.
pub(crate) async fn named(cx: &Context, words: &[String]) -> Result<Vec<Named>, Failure> {
    let mut found = Vec::new();
    if words.iter().any(|word| word.contains('/')) {
        for word in words {
            let (kind, name) =
                word.split_once('/').filter(|(_, name)| !name.is_empty()).ok_or_else(|| {
                    let whole = words.iter().find(|word| word.contains('/'));
                    mixed(word, whole.map_or("", String::as_str))
                })?;
            found.push(Named {
                path: kind_of(&cx.client, kind).await?,
                name: Some(name.to_owned()),
            });
        }
        return Ok(found);
    }
    let (kinds, names) = words.split_first().ok_or_else(|| Failure::usage("name a kind"))?;
    let kinds: Vec<&str> = match kinds.as_str() {
        "all" => ALL.to_vec(),
        kinds => kinds.split(',').filter(|kind| !kind.is_empty()).collect(),
    };
    for kind in kinds {
        let path = kind_of(&cx.client, kind).await?;
        match names {
            [] => found.push(Named { path, name: None }),
            names => found.extend(
                names.iter().map(|name| Named { path: path.clone(), name: Some(name.clone()) }),
            ),
        }
    }
    Ok(found)
}

/// `pod pod/x`: both ways at once.
fn mixed(word: &str, whole: &str) -> Failure {
    let failure = Failure::usage(format!("{word:?} beside {whole:?} names nothing"));
    match whole.split_once('/') {
        Some((kind, name)) if !name.is_empty() => {
            failure.remedy(format!("write {whole}, or {kind} {name}"))
        }
        _ => failure.remedy("write KIND/NAME, or KIND NAME"),
    }
}

/// Exactly one object.
pub(crate) async fn one(cx: &Context, words: &[String]) -> Result<(KindPath, String), Failure> {
    match <[Named; 1]>::try_from(named(cx, words).await?) {
        Ok([Named { path, name: Some(name) }]) => Ok((path, name)),
        _ => Err(Failure::usage(format!("{:?} does not name one object", words.join(" ")))
            .remedy("write KIND/NAME, such as deployment/web")),
    }
}

/// The kind of this name.
pub(crate) async fn kind_of(client: &Client, name: &str) -> Result<KindPath, Failure> {
    let what = || format!("failed to find out what {name:?} is");
    match client::find(client, name).await {
        Ok(Some(path)) => Ok(path),
        Ok(None) => {
            let none = format!("{} serves no kind of this name", client.server());
            let near = client::nearest(name).map(|near| format!("did you mean {near}? "));
            let near = near.unwrap_or_default();
            let list = "`setpoint api-resources` lists them all";
            Err(Failure::usage(what()).because(none).remedy(format!("{near}{list}")))
        }
        Err(error) => Err(error.during(what())),
    }
}

/// The path of an object of a manifest.
pub(crate) async fn path_of(
    client: &Client,
    object: &serde_json::Value,
) -> Result<KindPath, ApiError> {
    let kind = crate::output::field::text(object, "/kind").to_owned();
    let missing = || ApiError::refused(404, &format!("{} serves no {kind}", client.server()));
    client::of_object(client, object).await?.ok_or_else(missing)
}
