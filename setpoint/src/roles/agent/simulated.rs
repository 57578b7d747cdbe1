//! Many agents in one process, each with a simulated node, against the real API: for scale and for
//! trying things out. Nothing runs.
//!
//! Each agent is a real one with its own state folder; they share a client of HTTP and a plant.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use setpoint_actuator_simulated::{Faults, Plant};
use setpoint_schemas::NodeName;
use setpoint_settings::Settings;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::options;
use crate::clock::now_ms;

/// How fine the plant's time is: finer than anyone looks.
const TICK: Duration = Duration::from_millis(100);
/// The faults that a seed above 0 brings: enough that each kind is met by a few hundred pods.
const FAULTS: Faults = Faults {
    starts_fail_permille: 20,
    start_slow_ms_max: 500,
    exits_permille: 10,
    exit_within_ms: 60_000,
};

/// Runs the agents of `agent.simulated.nodes` nodes until `closing`: of one under its own name, of
/// several with their number behind it. They begin one after the other within one interval of the
/// lease, so that they do not all renew at once.
///
/// # Errors
/// Whatever keeps one of them from running; the others end with it.
pub(super) async fn serve(
    settings: &Settings,
    name: &NodeName,
    closing: CancellationToken,
) -> anyhow::Result<()> {
    let simulated = &settings.agent.simulated;
    let faults = if simulated.seed == 0 { Faults::default() } else { FAULTS };
    let plant = Plant::new(simulated.seed, faults, now_ms());
    let mut tasks = JoinSet::new();
    tasks.spawn(tick(plant.clone(), closing.clone()));
    let mut http = None;
    for number in 1..=simulated.nodes {
        let node = match simulated.nodes {
            1 => name.clone(),
            _ => NodeName::parse(&format!("{name}-{number}")).context("a simulated node's name")?,
        };
        let actuator = Arc::new(plant.actuator(&node, &settings.fleet));
        let mut options = options(settings, node)?;
        if http.is_none() {
            http = Some(setpoint_agent::http(options.ca_pem.as_deref()).context("an agent")?);
        }
        options.http.clone_from(&http);
        options.hears_calls = false;
        // What the machine lacks none of its simulated nodes does.
        options.pressure = setpoint_agent::Thresholds::none();
        let turn = options.intervals.lease * (number - 1) / simulated.nodes;
        let closing = closing.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = sleep(turn) => {}
                () = closing.cancelled() => return Ok(()),
            }
            setpoint_agent::run(options, actuator, closing).await.context("the agent stopped")
        });
    }
    let mut ended = Ok(());
    while let Some(task) = tasks.join_next().await {
        let result = task.context("an agent panicked").and_then(|done| done);
        if result.is_err() {
            closing.cancel();
        }
        ended = ended.and(result);
    }
    ended
}

/// Lets the plant's time follow the machine's.
async fn tick(plant: Plant, closing: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => plant.advance_to(now_ms()),
            () = closing.cancelled() => return Ok(()),
        }
    }
}
