//! How the fleet comes to be.

use futures::FutureExt;

use super::Seen;
use crate::demo::look;
use crate::demo::stage::{AGENTS, Stage};

pub(super) fn start(stage: &mut Stage) -> Seen<'_> {
    async move {
        stage.start_engine()?;
        for index in 0..AGENTS {
            stage.start_agent(index)?;
        }
        let all_ready = async |stage: &Stage| {
            let nodes = look::nodes(stage).await?;
            let ready = nodes.values().filter(|ready| **ready).count();
            if ready == AGENTS {
                Ok(())
            } else {
                Err(format!("{ready} of {AGENTS} nodes are ready"))
            }
        };
        stage.until("three nodes are ready", 20, all_ready).await?;
        Ok(format!("the API answers on {}; {AGENTS} nodes are ready", stage.client.server()))
    }
    .boxed_local()
}

pub(super) fn apply(stage: &mut Stage) -> Seen<'_> {
    async move {
        let manifest = stage.well(&["apply", "-f", "web.yaml"]).await?;
        let compose = stage.well(&["apply", "-f", "compose.yaml"]).await?;
        Ok(format!(
            "$ setpoint apply -f web.yaml\n{}\n$ setpoint apply -f compose.yaml\n{}",
            manifest.trim_end(),
            compose.trim_end()
        ))
    }
    .boxed_local()
}

pub(super) fn converge(stage: &mut Stage) -> Seen<'_> {
    async move {
        let fleet = stage.until("every pod runs", 20, look::settled).await?;
        Ok(format!("{} pods run: {}", fleet.pods.len(), fleet.spread()))
    }
    .boxed_local()
}
