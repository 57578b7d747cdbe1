//! Which pods a verb means: one by its name, or those of a workload.

use serde_json::Value;

use crate::client::escape;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::field::{list, text};
use crate::verbs::object::one;

/// What kubectl reads for the container that is meant when none is named.
const DEFAULT_CONTAINER: &str = "/metadata/annotations/kubectl.kubernetes.io~1default-container";

/// The pods that are meant.
pub(crate) enum Pods {
    /// The one of this name.
    One(Value),
    /// Those of a workload, which may have none.
    Of(Vec<Value>),
}

/// The pods that a subject such as `web-1` or `deploy/web` means; `what` is attempted with them.
pub(crate) async fn pods(
    cx: &Context,
    home: &str,
    subject: &str,
    what: &str,
) -> Result<Pods, Failure> {
    let path = format!("/api/v1/namespaces/{}/pods", escape(home));
    let (kind, named) = match subject.contains('/') {
        true => {
            let (path, named) = one(cx, &[subject.to_owned()]).await?;
            (path.kind, named)
        }
        false => ("Pod".to_owned(), subject.to_owned()),
    };
    if kind == "Pod" {
        let pod = cx.client.get(&format!("{path}/{}", escape(&named)), &[]).await;
        return Ok(Pods::One(pod.map_err(|error| error.during(what))?));
    }
    let all = cx.client.get(&path, &[]).await.map_err(|error| error.during(what))?;
    let is_its = |pod: &&Value| is_owned(pod, &kind, &named);
    Ok(Pods::Of(list(&all, "/items").iter().filter(is_its).cloned().collect()))
}

/// The container of a pod that is meant when none is named; empty for the only one.
pub(crate) fn default_container(pod: &Value) -> &str {
    text(pod, DEFAULT_CONTAINER)
}

fn is_owned(pod: &Value, kind: &str, named: &str) -> bool {
    let owners = list(pod, "/metadata/ownerReferences");
    owners.iter().any(|owner| text(owner, "/kind") == kind && text(owner, "/name") == named)
}
