//! What the running containers have used: by the kernel's files where they can be read, otherwise
//! by the engine's own account.

use std::path::Path;

use bollard::Docker;
use bollard::models::{ContainerStatsResponse, ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::StatsOptionsBuilder;
use futures::stream::{self, StreamExt};
use setpoint_actuators::{ActuatorError, Usage, labels};
use setpoint_schemas::{FleetId, PodUid};

use crate::cgroup;
use crate::observe::{CALLS_AT_ONCE, list};

/// The page cache that the kernel may take back at any time, by cgroup v1 and by v2.
const CACHE: [&str; 2] = ["total_inactive_file", "inactive_file"];

/// One sample of every running container of the fleet. One that does not answer is left out.
pub(crate) async fn usage(docker: &Docker, fleet: &FleetId) -> Result<Vec<Usage>, ActuatorError> {
    let running = |c: &ContainerSummary| c.state == Some(ContainerSummaryStateEnum::RUNNING);
    let containers = list(docker, fleet, None).await?.into_iter().filter(running);
    let samples = stream::iter(containers).map(|container| sample(docker, container));
    Ok(samples.buffered(CALLS_AT_ONCE).filter_map(|sample| async { sample }).collect().await)
}

async fn sample(docker: &Docker, container: ContainerSummary) -> Option<Usage> {
    let labels = container.labels?;
    let name = labels.get(labels::CONTAINER)?.clone();
    let uid = PodUid::parse(labels.get(labels::POD_UID)?).ok()?;
    let id = container.id?;
    let read = cgroup::usage(Path::new(cgroup::ROOT), &id);
    let (cpu_nanos, memory_bytes) = match read {
        Some(figures) => figures,
        None => asked(docker, &id).await?,
    };
    Some(Usage { uid, container: name, cpu_nanos, memory_bytes })
}

async fn asked(docker: &Docker, id: &str) -> Option<(i64, i64)> {
    let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
    let mut stats = std::pin::pin!(docker.stats(id, Some(options)));
    figures(&stats.next().await?.ok()?)
}

/// Processor time in nanoseconds, and memory in bytes without page cache.
fn figures(stats: &ContainerStatsResponse) -> Option<(i64, i64)> {
    let cpu = stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
    let memory = stats.memory_stats.as_ref()?;
    let details = memory.stats.as_ref();
    let cache = CACHE.iter().find_map(|name| details?.get(*name).copied()).unwrap_or(0);
    let used = memory.usage?.saturating_sub(cache);
    Some((i64::try_from(cpu).ok()?, i64::try_from(used).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_cache_does_not_count_on_either_version_of_cgroups() {
        let table = [
            (r#"{"total_inactive_file": 30, "inactive_file": 1}"#, 70),
            (r#"{"inactive_file": 40}"#, 60),
            ("{}", 100),
        ];
        for (details, expected) in table {
            let text = format!(
                r#"{{"cpu_stats": {{"cpu_usage": {{"total_usage": 5}}}},
                     "memory_stats": {{"usage": 100, "stats": {details}}}}}"#
            );
            let stats = serde_json::from_str(&text).expect("an answer of the engine");
            assert_eq!(figures(&stats), Some((5, expected)), "{details}");
        }
        assert_eq!(figures(&ContainerStatsResponse::default()), None, "it ended meanwhile");
    }
}
