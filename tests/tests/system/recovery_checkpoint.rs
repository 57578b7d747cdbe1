//! A checkpoint that is damaged, another fleet's, or in use: each has a clear outcome, and the fleet
//! does not notice.

use std::fs;
use std::path::Path;
use std::time::Duration;

use setpoint_store::Checkpoint;

use crate::house::alone;
use crate::settled::Settled;
use crate::stopped::Stopped;

/// What an engine that cannot start may take to say so.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// What it is called, and how it is done to a checkpoint.
type Harm = (&'static str, fn(&Path));

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_damaged_or_foreign_is_set_aside() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    let before = fleet.running();
    let stopped = Stopped::new(&fleet.house.path, "engine");
    let harms: [Harm; 4] = [
        ("it has no manifest", without_manifest),
        ("its tables and its log are noise", noise),
        ("it is a file", a_file),
        ("it is of another log", of_another_log),
    ];
    for (harm, inflict) in harms {
        fleet.house.kill("engine");
        inflict(&stopped.checkpoint());
        fleet.start().await;
        let said = fleet.house.said("engine", "the checkpoint is not usable and is set aside");
        assert!(said, "{harm}: it is said");
        assert!(stopped.checkpoint().with_extension("set-aside").exists(), "{harm}: it is kept");
        fleet.house.forget_said("engine");
        fleet.stays(&before).await;
    }
    // And a missing one is nothing to speak of.
    fleet.house.kill("engine");
    stopped.lose_checkpoint();
    fleet.start().await;
    assert!(fleet.house.said("engine", "recovering from the whole log"));
    fleet.stays(&before).await;
}

fn without_manifest(checkpoint: &Path) {
    each_file(checkpoint, "MANIFEST", |path| fs::remove_file(path).expect("it is removed"));
}

fn noise(checkpoint: &Path) {
    let scramble = |path: &Path| fs::write(path, [0x5a; 5_000]).expect("it is written over");
    each_file(checkpoint, "MANIFEST", scramble);
    each_file(checkpoint, ".sst", scramble);
    each_file(checkpoint, ".log", scramble);
}

fn a_file(checkpoint: &Path) {
    fs::remove_dir_all(checkpoint).expect("it is removed");
    fs::write(checkpoint, "not a folder").expect("it is written");
}

/// A checkpoint that names an epoch that this log has at no such place.
fn of_another_log(checkpoint: &Path) {
    let mut store = Checkpoint::open(checkpoint).expect("opens");
    let (epoch, term, cut) = {
        let loaded = store.load().expect("loads").expect("there is one");
        (loaded.epoch, loaded.term, loaded.cut.clone())
    };
    // One epoch further than the rows say, so that the log has another one there.
    let other = cut.iter().map(|(topic, partition, next)| {
        let back = i64::from(topic == setpoint_schemas::Topic::Epochs);
        (topic, partition, next - back)
    });
    store.write(epoch, term, &other.collect(), &[]).expect("writes");
}

fn each_file(folder: &Path, part: &str, act: impl Fn(&Path)) {
    let files = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let named = |path: &std::path::PathBuf| path.to_string_lossy().contains(part);
    files.filter(named).for_each(|path| act(&path));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_in_use_stops_the_engine_and_is_left_alone() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    let before = fleet.running();
    fleet.house.kill("engine");
    let path = Stopped::new(&fleet.house.path, "engine").checkpoint();
    let held = Checkpoint::open(&path).expect("opens");
    fleet.launch();
    let printed = fleet.house.ended("engine", ENDS_WITHIN).await;
    assert!(printed.contains("is in use by another process"), "{printed}");
    drop(held);
    fleet.start().await;
    fleet.stays(&before).await;
}
