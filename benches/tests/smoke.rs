//! `make bench` in its smallest form: it runs, and what it writes is what it promises.

use std::process::Command;

use setpoint_benches::measurement::{Measurement, NOT_RUN};

/// Small enough for a debug build on a busy machine.
const FLAGS: &str = "--quick --pods 1000 --decisions 60 --views-pods 2000 --batches 1,100 \
    --effect-batches 100 --changes 400 --nodes 50 --packing-nodes 60 --placements 1000 --records 1000 --round-trips 100 \
    --gpu-lists multigpu20 --kafka-records 2000 --kafka-decisions 8 --patches 640 --agents 20 --watched 4 \
    --checkpoint-ms 100 --events 4000 --offered 4000";

#[test]
fn the_benches_run_and_every_yardstick_is_a_row_of_the_same_results() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-smoke");
    let out = folder.join("results.json");
    let run = Command::new(env!("CARGO_BIN_EXE_setpoint-benches"))
        .args(FLAGS.split_whitespace())
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{told}");

    let rows: Vec<Measurement> = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let table = String::from_utf8(run.stdout).unwrap();
    for row in &rows {
        assert!(row.value > 0.0 || MAY_BE_NONE.contains(&row.unit.as_str()), "{row:?}");
        assert!(table.contains(&format!("| {} |", row.name)), "{} is not in the table", row.name);
        if let Some(yardstick) = &row.yardstick {
            let beside = rows.iter().find(|other| other.name == *yardstick).unwrap();
            assert_eq!(row.ratio, Some(row.value / beside.value), "{row:?}");
        }
    }
    let unserved = rows.iter().filter(|row| row.name.ends_with("events unserved"));
    unserved.for_each(|row| assert_eq!(row.worst, Some(0.0), "{row:?}"));
    for expected in EXPECTED {
        assert!(rows.iter().any(|row| row.name == *expected), "{expected} was not measured");
    }
    if setpoint_test_support::data("traces/openb").is_some() {
        let ours = rows.iter().find(|row| row.name == GPU).unwrap();
        assert_eq!((ours.unit.as_str(), ours.met), ("%", Some(true)), "{ours:?}");
    }
    assert!(folder.join("machine.json").exists());
}

/// Units of what may be nothing.
const MAY_BE_NONE: [&str; 3] = [NOT_RUN, "%", "count"];

/// The row that has a goal, where the trace is there.
const GPU: &str = "gpu allocation at 130 %, multigpu20/setpoint";

/// What must be in every run, one row a section.
const EXPECTED: &[&str] = &[
    "machine/loopback tcp round trip/p50",
    "machine/fdatasync of 4 KiB/p50",
    "avro decode of an observed pod/setpoint, as the engine takes it",
    "avro decode to a struct/setpoint codec",
    "views, status in batches of 100/differential",
    "views, move in batches of 1/hand-written",
    "resident memory of the views, a pod/differential",
    "placements on 50 nodes/through Engine::step",
    "packing 60 nodes at demand = capacity/rejected at least, by the linear program",
    "single placement, 60 nodes 95 % full/p99",
    "placements on 50 nodes/with ledger, synced log and checkpoint",
    "placements on 50 nodes/as an outside observer of the topic sees them",
    "cases/SchedulingBasic/10000",
    "cases/EventHandlingNodeUpdate/freeing event to decision/p99",
    "cases/PreemptionBasic/3000m",
    "cases/GangScheduling",
    "fleet of 1000 pods/failed pod: bytes to decision/p99",
    "fleet of 1000 pods/loopback tcp round trip/p50",
    "fleet of 1000 pods/under 200000 events/s: intended send to encoded/p99.9",
    "fleet of 1000 pods/under 200000 events/s: intended send to encoded/events unserved",
    "fleet of 1000 pods/failed pod: bytes to encoded decision/p50",
    "fleet of 1000 pods, views by hand/failed pod: bytes to decision/p50",
    "status events to effect, 1000 pods, in batches of 100/setpoint",
    "moves to effect, 1000 pods, in batches of 100/by hand",
    "fleet of 1000 pods/node of 100 pods lost: lease over to all replacements decided",
    "fleet of 1000 pods/a third of the pods lost at once: confirmation to all replacements decided",
    "fleet of 1000 pods after 4000 events/engine state",
    "fleet of 1000 pods after 4000 events/engine by hand",
    "fleet of 1000 pods after 4000 events/whole process with the model that the API reads",
    "fleet of 1000 pods/bulk load from the checkpoint's rows",
    "recovery of 1000 pods: cold checkpoint to first decision/setpoint",
    "status events, 1000 pods, checkpoint every 100ms/off",
    "fleet of 1000 pods/resident memory of the engine, a pod",
];
