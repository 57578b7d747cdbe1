//! A second release, while the first serves.

use futures::FutureExt;
use setpoint_actuator_process::outside::has_variable;

use super::Seen;
use crate::demo::look;
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::output::field::number;

/// The pods of web.yaml, its `maxUnavailable` and its `maxSurge`.
const WEB: (i64, i64, i64) = (4, 1, 1);

pub(super) fn roll(stage: &mut Stage) -> Seen<'_> {
    async move {
        stage.well(&["apply", "-f", "web-v2.yaml"]).await?;
        let (mut ready_min, mut total_max) = (i64::MAX, 0);
        let rolled = async |stage: &Stage| {
            let web = look::read(stage, "/apis/apps/v1/namespaces/default/deployments/web").await?;
            let status = |field: &str| number(&web, &format!("/status/{field}"));
            ready_min = ready_min.min(status("readyReplicas"));
            total_max = total_max.max(status("replicas"));
            let fleet = look::settled(stage).await?;
            let new = fleet.pods.iter().filter(|pod| pod.is_web()).filter(|pod| {
                fleet.process(&pod.uid).is_some_and(|pid| has_variable(pid, "RELEASE", "2"))
            });
            match new.count() {
                4 if status("updatedReplicas") == WEB.0 => Ok(fleet),
                new => Err(format!("{new} of {} pods run the second release", WEB.0)),
            }
        };
        stage.until("every pod of web runs the second release", 30, rolled).await?;
        if ready_min < WEB.0 - WEB.1 || total_max > WEB.0 + WEB.2 {
            return Err(Failure::new("the update left its bounds").because(format!(
                "{ready_min} pods ready at the least, {total_max} there at the most"
            )));
        }
        Ok(format!(
            "{} processes run the second release; at the least {ready_min} were ready, at the most {total_max} there",
            WEB.0
        ))
    }
    .boxed_local()
}
