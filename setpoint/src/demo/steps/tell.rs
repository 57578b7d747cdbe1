//! What a user is told.

use futures::FutureExt;

use super::Seen;
use crate::demo::look;
use crate::demo::stage::{AGENTS, Stage};
use crate::failure::Failure;

/// What the refusal of broken.yaml names: file, document, path, reason.
const NAMED: [&str; 4] = ["broken.yaml", "document 2", "spec.replicas", "-3"];
/// What broken.yaml would have made.
const NOT_MADE: [&str; 2] = [
    "/apis/apps/v1/namespaces/default/deployments/api",
    "/api/v1/namespaces/default/configmaps/api",
];

pub(super) fn refuse(stage: &mut Stage) -> Seen<'_> {
    async move {
        let output = stage.verb(&["apply", "-f", "broken.yaml"]).await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(1) {
            return Err(Failure::new("the mistake was not refused").because(output.status));
        }
        if let Some(missing) = NAMED.iter().find(|part| !said.contains(**part)) {
            return Err(
                Failure::new(format!("the refusal does not name {missing:?}")).because(said)
            );
        }
        for path in NOT_MADE {
            let found = stage.client.find(path).await;
            if found.map_err(|error| error.during("failed to look"))?.is_some() {
                return Err(Failure::new(format!("{path} was made all the same")));
            }
        }
        Ok(format!(
            "$ setpoint apply -f broken.yaml\n{}\nnothing of it was applied",
            said.trim_end()
        ))
    }
    .boxed_local()
}

pub(super) fn explain(stage: &mut Stage) -> Seen<'_> {
    async move {
        let moved = stage.moved.clone();
        let (namespace, name) = moved.ok_or_else(|| Failure::new("no pod has moved"))?;
        let subject = format!("pod/{name}");
        let told = stage.well(&["explain", &subject, "-n", &namespace]).await?;
        let pod = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let pod = look::read(stage, &pod).await;
        let pod = pod.map_err(|why| Failure::new("failed to read the pod").because(why))?;
        let node = crate::output::field::text(&pod, "/spec/nodeName");
        match told.contains(node) && told.contains("because") {
            true => Ok(format!("$ setpoint explain {subject}\n{}", told.trim_end())),
            false => Err(Failure::new(format!("the answer does not say why {name} is on {node}"))
                .because(told)),
        }
    }
    .boxed_local()
}

pub(super) fn nodes(stage: &mut Stage) -> Seen<'_> {
    async move {
        let table = stage.well(&["get", "nodes"]).await?;
        let whole = (0..AGENTS).all(|index| table.contains(&Stage::node(index)));
        match whole && table.contains("%)") && table.contains("ALLOCATABLE") {
            true => Ok(format!("$ setpoint get nodes\n{}", table.trim_end())),
            false => Err(Failure::new("the table of nodes is not whole").because(table)),
        }
    }
    .boxed_local()
}
