//! Which pods a verb means: one by its name, or those of a workload, of a Service or with some labels.

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
    /// Those of a workload or a Service, which may have none.
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
        return match cx.client.get(&format!("{path}/{}", escape(&named)), &[]).await {
            Ok(pod) => Ok(Pods::One(pod)),
            Err(error) if error.is_not_found() && !subject.contains('/') => {
                let failure = error.during(what);
                Err(match namesake(cx, home, subject).await {
                    Some(one) => failure.remedy(format!("no pod is called so; say {one}")),
                    None => failure,
                })
            }
            Err(error) => Err(error.during(what)),
        };
    }
    if kind == "Service" {
        let path = format!("/api/v1/namespaces/{}/services/{}", escape(home), escape(&named));
        let service = cx.client.get(&path, &[]).await.map_err(|error| error.during(what))?;
        return selected(cx, home, &service, what).await.map(Pods::Of);
    }
    let all = cx.client.get(&path, &[]).await.map_err(|error| error.during(what))?;
    let is_its = |pod: &&Value| is_owned(pod, &kind, &named);
    Ok(Pods::Of(list(&all, "/items").iter().filter(is_its).cloned().collect()))
}

/// The pods that a Service selects.
pub(crate) async fn selected(
    cx: &Context,
    home: &str,
    service: &Value,
    what: &str,
) -> Result<Vec<Value>, Failure> {
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    let term =
        |(key, value): (&String, &Value)| value.as_str().map(|value| format!("{key}={value}"));
    let terms: Vec<String> = selector.into_iter().flatten().filter_map(term).collect();
    if terms.is_empty() {
        return Err(Failure::new(what).because("it selects no pods"));
    }
    labelled(cx, home, &terms.join(","), what).await
}

/// The pods with these labels.
pub(crate) async fn labelled(
    cx: &Context,
    home: &str,
    selector: &str,
    what: &str,
) -> Result<Vec<Value>, Failure> {
    let path = format!("/api/v1/namespaces/{}/pods", escape(home));
    let query = [("labelSelector", selector.to_owned())];
    let pods = cx.client.get(&path, &query).await.map_err(|error| error.during(what))?;
    Ok(list(&pods, "/items").to_vec())
}

/// What has the name that was taken for a pod's, as it is to be written.
async fn namesake(cx: &Context, home: &str, named: &str) -> Option<String> {
    for (root, kind) in [
        ("/apis/apps/v1", "deployment"),
        ("/apis/apps/v1", "statefulset"),
        ("/apis/apps/v1", "daemonset"),
        ("/apis/batch/v1", "job"),
    ] {
        let path = format!("{root}/namespaces/{}/{kind}s/{}", escape(home), escape(named));
        if matches!(cx.client.find(&path).await, Ok(Some(_))) {
            return Some(format!("{kind}/{named}"));
        }
    }
    None
}

/// The container of a pod that is meant when none is named; empty for the only one.
pub(crate) fn default_container(pod: &Value) -> &str {
    text(pod, DEFAULT_CONTAINER)
}

/// Whether a pod is of this workload.
pub(crate) fn is_owned(pod: &Value, kind: &str, named: &str) -> bool {
    let owners = list(pod, "/metadata/ownerReferences");
    owners.iter().any(|owner| text(owner, "/kind") == kind && text(owner, "/name") == named)
}
