//! `scale`: how many pods a workload has.

use clap::Args;
use serde_json::json;

use crate::client::Patch;
use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::verbs::object::named;

/// Set how many pods a workload has
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint scale deployment/web --replicas 5
  setpoint scale deploy web api --replicas 0 -n shop")]
pub(crate) struct Scale {
    /// KIND/NAME... or KIND NAME...
    #[arg(required = true)]
    words: Vec<String>,
    /// How many
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(0..))]
    replicas: i32,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// The kinds that have a number of pods, in words.
const SCALED: &str = "a Deployment, a StatefulSet, a ReplicaSet or a ReplicationController";

fn has_scale(kind: &str) -> bool {
    SCALED.split([' ', ',']).any(|word| word == kind)
}

pub(crate) async fn run(scale: Scale, cx: &mut Context) -> Result<Ended, Failure> {
    let home = cx.namespace(scale.namespace.as_deref());
    for found in named(cx, &scale.words).await? {
        let name = found.name.ok_or_else(|| Failure::usage("name the workload to scale"))?;
        let path = format!("{}/scale", found.path.object(&home, &name));
        let body = json!({"spec": {"replicas": scale.replicas}});
        let shown = found.path.shown(&name);
        let done = cx.client.patch(&path, Patch::Merge, &body).await;
        done.map_err(|error| match error.is_not_found() && !has_scale(&found.path.kind) {
            true => Failure::usage(format!("failed to scale {shown}")).because(format!(
                "a {} has no number of pods to set; {SCALED} has",
                found.path.kind
            )),
            false => error.during(format!("failed to scale {shown}")),
        })?;
        cx.out.line(format!("{shown} scaled"))?;
    }
    Ok(Ended::Well)
}
