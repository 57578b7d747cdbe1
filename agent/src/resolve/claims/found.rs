//! Whether the folder of a local volume is there, which somebody else looks after.
//!
//! It may lie on a share that does not answer: then whoever looks hangs, and cannot be called back. Guarantee: a
//! start waits no longer than [`LOOK_MAX`], and a folder keeps one thread at most, until its share answers.
//! Absent: what is in the folder.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// A disk answers in milliseconds, one that sleeps within seconds.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// How often who finds another one looking asks whether that one is done.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The folders at which somebody of this program looks.
static LOOKED_AT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Waits until it is known that the folder of this local volume is there.
///
/// # Errors
/// A sentence: that it is not there, is no folder, or that the node cannot say.
pub(super) async fn be_there(volume: &str, folder: &Path) -> Result<(), String> {
    let place = folder.display();
    match is_folder(folder, LOOK_MAX).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "the local volume {volume} needs a folder {place} on this node, and what is there is none"
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
            "the local volume {volume} has no folder {place} on this node: make it there"
        )),
        Err(error) => Err(format!(
            "failed to look at {place}, the folder of the local volume {volume}: {error}"
        )),
    }
}

/// Whether a folder is there, as far as that is known in time.
async fn is_folder(folder: &Path, within: Duration) -> io::Result<bool> {
    match timeout(within, look(folder)).await {
        Ok(looked) => looked.map(|found| found.is_dir()),
        Err(_) => {
            let why = format!("it does not answer within {within:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        }
    }
}

/// What is there. One looks at a time; who comes meanwhile waits for that one to be done.
async fn look(folder: &Path) -> io::Result<std::fs::Metadata> {
    let held = loop {
        match Held::take(folder) {
            Some(held) => break held,
            None => sleep(ASK_EVERY).await,
        }
    };
    let looked = spawn_blocking(move || std::fs::metadata(&held.0)).await;
    looked.map_err(io::Error::other)?
}

/// A folder at which nobody else looks while somebody has this.
struct Held(PathBuf);

impl Held {
    fn take(folder: &Path) -> Option<Held> {
        looked_at().insert(folder.to_owned()).then(|| Held(folder.to_owned()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        looked_at().remove(&self.0);
    }
}

fn looked_at() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_told_from_one_that_cannot_be_looked_at() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").expect("written");
        let endless = dir.path().join("endless");
        std::os::unix::fs::symlink("endless", &endless).expect("linked");
        assert_eq!(be_there("v", dir.path()).await, Ok(()));
        let table = [
            (dir.path().join("none"), "make it there"),
            (file, "what is there is none"),
            (endless, "failed to look at"),
        ];
        for (path, expected) in table {
            let why = be_there("v", &path).await.expect_err("it does not do");
            assert!(why.contains(expected), "{}: {why}", path.display());
        }
    }

    #[tokio::test]
    async fn who_finds_another_one_hanging_does_not_wait_for_ever() {
        let dir = tempfile::tempdir().expect("a folder");
        let hangs = Held::take(dir.path()).expect("nobody looks");
        let why = is_folder(dir.path(), 3 * ASK_EVERY).await.expect_err("nobody knows");
        assert_eq!(why.to_string(), "it does not answer within 60ms");
        drop(hangs);
        assert!(is_folder(dir.path(), LOOK_MAX).await.expect("it is looked at"));
    }
}
