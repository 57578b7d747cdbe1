//! The engine killed with -9 while it recovers, several times in a row: from its checkpoint, from the
//! whole log, and from the compacted topics. Whatever it was doing, the next start goes on.
//!
//! `SETPOINT_SEED` repeats the moments of the kills; `SETPOINT_TEST_LONG=1` has ten times the rounds.

use std::time::Duration;

use rand::RngExt;
use setpoint_test_support::is_long;

use crate::house::alone;
use crate::ledger;
use crate::load::seeded;
use crate::settled::Settled;
use crate::stopped::{LEASES_DAYS, Stopped};

const ROUNDS: usize = 3;
const ROUNDS_LONG: usize = 30;
/// Kills in a row before the engine may finish.
const KILLS_IN_A_ROW: usize = 5;
/// From the process's start until it leads takes about so long: kills fall before, within and
/// shortly behind the recovery.
const KILLED_WITHIN_MS: u64 = 400;

/// What it is called, and how it is done to a stopped engine.
type Harm = (&'static str, fn(&Stopped));

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_killed_again_and_again_while_it_recovers_disturbs_nothing() {
    let _alone = alone();
    let mut random = seeded();
    let mut fleet = Settled::new().await;
    let before = fleet.running();
    let stopped = Stopped::new(&fleet.house.path, "engine");
    let rounds = if is_long() { ROUNDS_LONG } else { ROUNDS };
    let harms: [Harm; 3] = [
        ("its checkpoint is there", |_| ()),
        ("its checkpoint is lost", Stopped::lose_checkpoint),
        ("and the log is trimmed", |stopped| {
            stopped.lose_checkpoint();
            stopped.trim(LEASES_DAYS);
        }),
    ];
    for (harm, inflict) in harms {
        for round in 0..rounds {
            fleet.house.kill("engine");
            inflict(&stopped);
            for _ in 0..KILLS_IN_A_ROW {
                fleet.launch();
                let within = random.random_range(0..KILLED_WITHIN_MS);
                tokio::time::sleep(Duration::from_millis(within)).await;
                fleet.house.kill("engine");
            }
            fleet.start().await;
            assert_eq!(fleet.running(), before, "{harm}, round {round}");
        }
        fleet.stays(&before).await;
        if harm == "its checkpoint is lost" {
            // The whole log is still there: it accounts for everything.
            ledger::audit(&fleet.api).await;
        }
    }
    // It still leads, and not in name only.
    fleet.apply(5, "1000000").await;
}
