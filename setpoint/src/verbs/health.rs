//! How the objects are that someone names: what the API says of them, judged by the one rule for it.

use serde_json::{Value, json};
use setpoint_api::health;

use crate::client::KindPath;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::field::{list, name, namespace};
use crate::verbs::object::Named;

/// The health of each object that is meant, in this namespace or in all: `kind`, `namespace`, `name`,
/// `health`, `message`. One that is named and not there is `Missing`.
pub(crate) async fn healths(
    cx: &Context,
    meant: &[Named],
    home: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::new();
    for Named { path, name } in meant {
        match name {
            Some(name) => found.push(of_one(cx, path, home, name).await?),
            None => {
                let answer = cx.client.get(&path.list(home), &[]).await;
                let answer = answer
                    .map_err(|error| error.during(format!("failed to list {}", path.plural)))?;
                found.extend(list(&answer, "/items").iter().map(|item| told(path, item)));
            }
        }
    }
    Ok(found)
}

async fn of_one(
    cx: &Context,
    path: &KindPath,
    home: Option<&str>,
    name: &str,
) -> Result<Value, Failure> {
    let home = home.unwrap_or_default();
    let object = cx.client.find(&path.object(home, name)).await;
    let object =
        object.map_err(|error| error.during(format!("failed to get {}", path.shown(name))))?;
    Ok(object.map_or_else(|| row(path, home, name, None), |object| told(path, &object)))
}

fn told(path: &KindPath, object: &Value) -> Value {
    row(path, namespace(object), name(object), Some(object))
}

fn row(path: &KindPath, home: &str, name: &str, object: Option<&Value>) -> Value {
    let health = health(&path.kind, object);
    let home = if path.namespaced { home } else { "" };
    json!({
        "kind": path.kind, "namespace": home, "name": name,
        "health": health.state.word(), "message": health.message,
    })
}
