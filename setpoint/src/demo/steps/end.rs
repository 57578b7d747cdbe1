//! Everything stops, and nothing is left behind.

use futures::FutureExt;
use setpoint_actuator_process::outside;

use super::Seen;
use crate::demo::stage::Stage;
use crate::failure::Failure;

pub(super) fn stop(stage: &mut Stage) -> Seen<'_> {
    async move {
        if let Some(index) = stage.lost {
            stage.start_agent(index)?;
        }
        stage.well(&["delete", "-f", "web-v2.yaml"]).await?;
        stage.well(&["delete", "-f", "compose.yaml"]).await?;
        let none = async |stage: &Stage| {
            let left = outside::by_pod(&stage.path).len();
            if left == 0 { Ok(()) } else { Err(format!("{left} pods still run")) }
        };
        stage.until("no pod runs", 25, none).await?;
        let late = stage.stop_roles().await;
        if !late.is_empty() {
            let who = late.join(", ");
            return Err(Failure::new(format!("not ended within 5 s of SIGTERM: {who}")));
        }
        let left = outside::all(&stage.path);
        match left.is_empty() {
            true => Ok("no pod, no agent, no engine is left, nor any process of theirs".to_owned()),
            false => Err(Failure::new(format!("processes are left behind: {left:?}"))),
        }
    }
    .boxed_local()
}
