//! Whether there is room on the disks that the agent and its runtime write to.
//!
//! Guarantee: told once when it changes; a disk that is nearly full counts as such until there is
//! clearly room again, so that nothing flaps. Only asks the file system, writes nothing.
//! Absent: making room. Kubernetes' kubelet evicts pods; here whoever sees the condition decides.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

/// What the next starts may need at once: eight in flight, each with a ConfigMap of 1 MiB, and as
/// much again for lists and logs.
const BYTES_MIN: u64 = 16 << 20;
/// Each start makes some ten files; this is some eight in flight.
const FILES_MIN: u64 = 100;
/// There is room again when there is this many times as much as it takes to be short.
const ROOM_FACTOR: u64 = 2;

/// How the disks do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is room.
    Enough,
    /// There is not, and where.
    Short(String),
}

/// Looks at the disks below these folders for ever, and tells when it changes how they do.
pub(crate) async fn mind(folders: Vec<PathBuf>, every: Duration, tell: watch::Sender<Room>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (former, folders) = (tell.borrow().clone(), folders.clone());
        // A disk that hangs must hang nothing else.
        let look = tokio::task::spawn_blocking(move || look(&folders, &former));
        let Ok(now) = look.await else { continue };
        tell.send_if_modified(|room| {
            let is_new = *room != now;
            if is_new {
                say(&now);
                *room = now;
            }
            is_new
        });
    }
}

fn say(room: &Room) {
    match room {
        Room::Enough => info!("there is room on the disk again"),
        Room::Short(why) => warn!(%why, "the node takes no new pods until there is room"),
    }
}

fn look(folders: &[PathBuf], former: &Room) -> Room {
    let factor = if *former == Room::Enough { 1 } else { ROOM_FACTOR };
    let short = folders.iter().find_map(|folder| shortage(folder, factor));
    short.map_or(Room::Enough, Room::Short)
}

/// What is short below the folder, in words that do not change while it is; a disk that does not
/// answer says nothing.
fn shortage(folder: &Path, factor: u64) -> Option<String> {
    let folder = folder.ancestors().find(|folder| folder.exists())?;
    let disk = statvfs(folder).ok()?;
    // File systems keep some blocks for root.
    let blocks = if geteuid().is_root() { disk.blocks_free() } else { disk.blocks_available() };
    let what = if disk.flags().contains(FsFlags::ST_RDONLY) {
        "can only be read"
    } else if blocks.saturating_mul(disk.fragment_size()) < BYTES_MIN * factor {
        "is nearly full"
    } else if disk.files() > 0 && disk.files_free() < FILES_MIN * factor {
        "has hardly a file left to give"
    } else {
        return None;
    };
    Some(format!("the disk of {} {what}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_can_only_be_read_has_no_room_and_an_ordinary_one_has() {
        let here = std::env::temp_dir().join("not-made-yet");
        assert_eq!(look(&[here], &Room::Enough), Room::Enough);
        // The kernel's own: nobody can write there.
        let read_only = Path::new("/sys/fs/cgroup");
        let is_read_only =
            statvfs(read_only).is_ok_and(|disk| disk.flags().contains(FsFlags::ST_RDONLY));
        assert_eq!(shortage(read_only, 1).is_some_and(|why| why.contains("read")), is_read_only);
    }
}
