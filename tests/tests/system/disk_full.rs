//! A node whose disk gets full takes no new pods from its threshold on, says so, and takes them again when there
//! is room.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::api::{Api, deployment};
use crate::house::{House, LOOK_EVERY, alone};

const NODE: &str = "node-1";
/// The disk is looked at every ten seconds, and a machine under load is slow.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// Room for a node's files many times over, and soon filled.
const DISK_MIB: usize = 64;
/// More than half of the disk, and so little that the rest would do for a node without a threshold.
const PART_MIB: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_disk_is_full_takes_no_new_pods_until_there_is_room() {
    let _alone = alone();
    // Dropped last: who writes there must have ended.
    let Some(disk) = Disk::mount() else { return };
    let (mut house, api) = House::with_nodes(&[], &[]).await;
    let data = disk.path().to_str().expect("a path of letters").to_owned();
    let settings = [
        ("SETPOINT_AGENT__RUNTIME", "process"),
        ("SETPOINT_DATA_DIR", &data),
        ("SETPOINT_AGENT__PRESSURE__TRANSITION_MS", "0"),
        ("SETPOINT_AGENT__PRESSURE__NODEFS_AVAILABLE", "50%"),
    ];
    house.start_agent(NODE, &api.base, &settings);
    pressure(&mut house, &api, "False").await;
    api.apply(&[deployment("early", 1)]).await.expect("it is applied");
    are_ready(&mut house, &api, 1).await;

    disk.fill_partly();
    let why = pressure(&mut house, &api, "True").await;
    assert!(why.ends_with("has less than 50% available"), "{why}");
    api.apply(&[deployment("late", 1)]).await.expect("it is applied");
    let waits = async || {
        let pods = api.get("/api/v1/namespaces/default/pods").await?;
        let text = pods.to_string();
        let why = "untolerated taint {node.kubernetes.io/disk-pressure: }";
        if text.contains(why) { Ok(()) } else { Err(text) }
    };
    house.until("the new pod waits and says why", SEEN_WITHIN, waits).await;
    are_ready(&mut house, &api, 1).await;

    disk.fill();
    let said = |house: &House| house.log_text(NODE).matches("takes no new pods").count();
    let began = Instant::now();
    while said(&house) == 0 {
        assert!(began.elapsed() < SEEN_WITHIN, "it is not logged that the disk is full");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    pressure(&mut house, &api, "True").await;
    are_ready(&mut house, &api, 1).await;
    assert_eq!(said(&house), 1, "it is logged once");

    disk.empty();
    are_ready(&mut house, &api, 2).await;
    pressure(&mut house, &api, "False").await;
}

/// Waits until a node that is ready says so of its disk; why.
async fn pressure(house: &mut House, api: &Api, status: &str) -> String {
    let look = async || {
        let node = api.get(&format!("/api/v1/nodes/{NODE}")).await?;
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let find = |kind: &str, status: &str| {
            conditions.iter().find(|c: &&Value| c["type"] == kind && c["status"] == status)
        };
        match find("DiskPressure", status).filter(|_| find("Ready", "True").is_some()) {
            Some(found) => Ok(found["message"].as_str().unwrap_or_default().to_owned()),
            None => Err(format!("{conditions:?}")),
        }
    };
    house.until(&format!("DiskPressure is {status}"), SEEN_WITHIN, look).await
}

async fn are_ready(house: &mut House, api: &Api, count: usize) {
    let look = async || {
        let pods = api.pods().await?;
        let ready = pods.values().filter(|pod| pod.ready).count();
        if ready == count { Ok(()) } else { Err(format!("{pods:?}")) }
    };
    house.until(&format!("{count} pods are ready"), SEEN_WITHIN, look).await;
}

/// A small disk in memory, mounted for one test.
struct Disk(TempDir);

impl Disk {
    /// `None`, and says why, where nothing may be mounted.
    fn mount() -> Option<Disk> {
        let folder = tempfile::Builder::new().prefix("sp-disk-").tempdir().expect("a folder");
        let size = format!("size={DISK_MIB}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(folder.path())
            .output();
        if mount.is_ok_and(|done| done.status.success()) {
            return Some(Disk(folder));
        }
        setpoint_test_support::skip("a disk may not be mounted here");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// So far that less is left than the threshold.
    fn fill_partly(&self) {
        fs::write(self.ballast(), vec![1; PART_MIB << 20]).expect("there was room");
    }

    /// To the last byte.
    fn fill(&self) {
        let ballast = File::options().create(true).append(true).open(self.ballast());
        let mut file = ballast.expect("there was room");
        let block = vec![1; 1 << 20];
        for _ in 0..=DISK_MIB {
            if std::io::Write::write_all(&mut file, &block).is_err() {
                return;
            }
        }
        panic!("the disk takes more than its size");
    }

    fn empty(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}
