//! What an engine stands on gives way: its folder is deleted or replaced, its disk is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::api::{Api, deployment};
use crate::house::{House, LEADS_WITHIN, alone, free_port};
use crate::ledger;

/// Some looks at the folder, on a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// RocksDB looks every five seconds whether there is room again.
const GOES_ON_WITHIN: Duration = Duration::from_secs(60);
/// A disk that is soon full: the log's files when it is made, and a little more.
const DISK: &str = "size=24m";
/// A request that fills it in a few steps.
const LARGE: usize = 600_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_folder_is_deleted_or_replaced_ends_and_acknowledges_nothing_more() {
    let _alone = alone();
    for replaced in [false, true] {
        let mut house = House::new(&[]);
        let api = Api::new(free_port());
        house.start_engine("engine", api.port);
        house.leads(&api, LEADS_WITHIN).await;
        api.apply(&[deployment("web", 1)]).await.expect("it is applied");
        let folder = house.path.join("engine");
        fs::rename(&folder, house.path.join("away")).expect("it is moved");
        if replaced {
            copy(&house.path.join("away"), &folder);
        }
        let applied = api.apply(&[deployment("lost", 1)]).await;
        assert!(applied.is_err(), "acknowledged, and nothing will be there: {applied:?}");
        let said = house.ended("engine", ENDS_WITHIN).await;
        assert!(said.contains("was deleted or replaced while it was in use"), "{said}");
        assert!(said.contains("do:    put the data folder back"), "{said}");
        let _ = fs::remove_dir_all(&folder);
        fs::rename(house.path.join("away"), &folder).expect("it is put back");
        house.start_engine("engine", api.port);
        house.leads(&api, LEADS_WITHIN).await;
        api.get("/apis/apps/v1/namespaces/default/deployments/web").await.expect("it is there");
        ledger::audit(&api).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_with_a_reason_and_the_engine_goes_on_when_there_is_room() {
    let _alone = alone();
    let mut house = House::new(&[("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "200")]);
    let Some(disk) = SmallDisk::at(house.path.join("engine")) else { return };
    let api = Api::new(free_port());
    house.start_engine("engine", api.port);
    house.leads(&api, LEADS_WITHIN).await;
    let mut taken = Vec::new();
    let refused = loop {
        let name = format!("c{}", taken.len());
        match api.apply(&[large(&name)]).await {
            Ok(_) => taken.push(name),
            // The log took the request and has no room for its verdict.
            Err(why) if why.contains("may still be decided") => {}
            Err(why) => break why,
        }
        assert!(taken.len() < 200, "the disk is never full");
    };
    assert!(refused.contains("room on the server's disk") && refused.contains("507"), "{refused}");
    api.get("/api/v1/namespaces/default/configmaps/c0").await.expect("reads go on");

    disk.grow();
    let again = async || api.apply(&[deployment("web", 1)]).await.map_err(|why| why.to_string());
    house.until("writes are taken again", GOES_ON_WITHIN, again).await;
    taken.push("after".to_owned());
    api.apply(&[large("after")]).await.expect("it is applied");
    house.leads(&api, LEADS_WITHIN).await;
    house.kill("engine");
    house.start_engine("engine", api.port);
    house.leads(&api, LEADS_WITHIN).await;
    for name in taken {
        let path = format!("/api/v1/namespaces/default/configmaps/{name}");
        api.get(&path).await.expect("what was acknowledged is there");
    }
    ledger::audit(&api).await;
    house.kill("engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_without_room_is_told_once_and_written_later() {
    let _alone = alone();
    let mut house = House::new(&[("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "200")]);
    let Some(disk) = SmallDisk::at(house.path.join("engine/checkpoint")) else { return };
    let api = Api::new(free_port());
    house.start_engine("engine", api.port);
    house.leads(&api, LEADS_WITHIN).await;
    let mut count = 0;
    while !house.said("engine", "the checkpoint is not written") {
        api.apply(&[large(&format!("c{count}"))]).await.expect("the log has room");
        count += 1;
        assert!(count < 200, "the disk is never full");
    }
    for more in 0..5 {
        api.apply(&[large(&format!("more{more}"))]).await.expect("the log has room");
    }
    let status = api.get("/setpoint/v1/status").await.expect("it answers");
    assert_eq!(status["ready"], true, "{status}");
    let figures = api.get("/metrics").await.expect("it answers").to_string();
    assert!(figures.contains("setpoint_checkpoint_failures_total"), "{figures}");
    assert!(!figures.contains("setpoint_checkpoint_failures_total 0"), "{figures}");
    let told = house.log_text("engine").matches("the checkpoint is not written").count();
    assert_eq!(told, 1);
    disk.grow();
    let written = async || {
        api.apply(&[deployment("web", 1)]).await.map_err(|why| why.to_string())?;
        let log = fs::read_to_string(house_log(&disk.0)).unwrap_or_default();
        if log.contains("checkpoints are written again") { Ok(()) } else { Err("no".to_owned()) }
    };
    house.until("it is written", GOES_ON_WITHIN, written).await;
    house.kill("engine");
    house.start_engine("engine", api.port);
    house.leads(&api, LEADS_WITHIN).await;
    assert!(house.said("engine", "recovering from the checkpoint"));
    api.get("/api/v1/namespaces/default/configmaps/more4").await.expect("it is there");
    house.kill("engine");
}

/// The engine's log file beside the folder that holds its checkpoint.
fn house_log(checkpoint: &Path) -> PathBuf {
    checkpoint.parent().expect("the engine's folder").with_extension("log")
}

fn large(name: &str) -> serde_json::Value {
    // Not to be compressed to nothing.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let text: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(name.len() as u64 | 1);
        format!("{state:016x}")
    })
    .take(LARGE / 16)
    .collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"text": format!("{name}{text}")}})
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().expect("cp runs");
    assert!(done.success());
}

/// A small file system in memory, mounted for one test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn at(path: PathBuf) -> Option<SmallDisk> {
        fs::create_dir_all(&path).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("{DISK},mode=700"), "tmpfs"]).arg(&path);
        if mount.output().is_ok_and(|done| done.status.success()) {
            return Some(SmallDisk(path));
        }
        setpoint_test_support::skip("this user may not mount a small disk");
        None
    }

    /// Makes room.
    fn grow(&self) {
        let mut mount = Command::new("mount");
        let done = mount.args(["-o", "remount,size=256m"]).arg(&self.0).output();
        assert!(done.is_ok_and(|done| done.status.success()), "it is mounted anew");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a role that still runs after a failed test ends behind this.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
