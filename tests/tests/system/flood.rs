//! More events than an engine serves: they wait in the log and not in memory, the figures say so, and
//! in the end each was taken.

use std::time::Duration;

use setpoint_test_support::is_long;

use crate::api::Api;
use crate::house::{House, LOOK_EVERY, alone};
use crate::ledger;
use crate::settled::Settled;
use crate::stopped::Stopped;

/// Events that wait when the engine starts: some hundred epochs.
const FLOOD: usize = 1_000_000;
const FLOOD_LONG: usize = 10 * FLOOD;
/// What the engine's process may hold while it takes them in: itself, RocksDB's buffers, and every
/// queue at its bound. The records alone would be more.
const RESIDENT_KIB_MAX: u64 = 300 << 10;
/// On a busy machine.
const TAKEN_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_not_served_wait_in_the_log_and_not_in_memory() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    let before = fleet.running();
    let port = fleet.api.port;
    let flood = if is_long() { FLOOD_LONG } else { FLOOD };
    for (workers, shape) in [("1", "one worker"), ("2", "two workers")] {
        fleet.house.kill("engine");
        Stopped::new(&fleet.house.path, "engine").append_renewals(flood);
        fleet.house.start_engine_with("engine", port, &[("SETPOINT_ENGINE__WORKERS", workers)]);
        let seen = taken_in(&mut fleet.house, &fleet.api).await;
        println!("{shape}: {seen:?}");
        assert!(seen.behind_max * 2.0 > flood as f64, "{shape}: the lag was not told: {seen:?}");
        assert!(seen.resident_kib_max < RESIDENT_KIB_MAX, "{shape}: {seen:?}");
        assert!(seen.records >= flood as f64, "{shape}: nothing is lost: {seen:?}");
        assert!(seen.queued_share_max <= 1.0, "{shape}: queues keep their bounds: {seen:?}");
        let status = fleet.api.get("/setpoint/v1/status").await.expect("a status");
        assert_eq!(status["behind"]["records"], 0, "{shape}");
    }
    fleet.stays(&before).await;
    fleet.apply(5, "1000000").await;
    ledger::audit(&fleet.api).await;
}

/// What was seen while an engine took in a flood.
#[derive(Debug, Default)]
struct Seen {
    behind_max: f64,
    resident_kib_max: u64,
    records: f64,
    /// Of the entries of any queue, the largest share of its bound.
    queued_share_max: f64,
}

/// Watches an engine until it has taken in all that waits.
async fn taken_in(house: &mut House, api: &Api) -> Seen {
    let mut seen = Seen::default();
    let pid = house.pid("engine");
    house
        .until("all is taken in", TAKEN_WITHIN, async || {
            seen.resident_kib_max = seen.resident_kib_max.max(resident_kib(pid));
            let figures = api.get("/metrics").await?;
            let figures = figures.as_str().unwrap_or_default();
            let behind = sum_of(figures, "setpoint_lag_records{");
            seen.behind_max = seen.behind_max.max(behind);
            seen.records = sum_of(figures, "setpoint_records_total ");
            let waiting = sum_of(figures, "setpoint_queue_entries{queue=\"commits\"}");
            let bound = sum_of(figures, "setpoint_queue_entries_max{queue=\"commits\"}").max(1.0);
            seen.queued_share_max = seen.queued_share_max.max(waiting / bound);
            let is_done = seen.behind_max > 0.0 && behind == 0.0;
            if is_done { Ok(()) } else { Err(format!("{behind} records wait; {seen:?}")) }
        })
        .await;
    tokio::time::sleep(LOOK_EVERY).await;
    seen
}

/// The sum of the samples that begin so.
fn sum_of(figures: &str, name: &str) -> f64 {
    let samples = figures.lines().filter(|line| line.starts_with(name));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
