//! What probes said last, on disk: a new agent goes on from there, so that a ready pod stays ready.
//!
//! A file that cannot be read is begun anew: its containers are asked before they are ready again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use setpoint_actuators::{Health, Healths};
use setpoint_schemas::PodUid;
use tracing::warn;

use super::subject::Key;
use crate::files;

/// The file.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    written: Vec<Kept>,
}

/// One container of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    uid: PodUid,
    container: String,
    health: Health,
}

impl Memory {
    /// The file in this folder, and what stands in it.
    pub(super) fn open(folder: &Path) -> (Memory, BTreeMap<Key, Health>) {
        let path = folder.join("probes.json");
        let written: Vec<Kept> = match files::read(&path) {
            Ok(kept) => kept.unwrap_or_default(),
            Err(error) => {
                warn!(%error, "what probes said is lost: they are asked anew");
                Vec::new()
            }
        };
        let entry = |kept: &Kept| {
            let key = Key { uid: kept.uid.clone(), container: kept.container.clone() };
            (key, kept.health.clone())
        };
        let known = written.iter().map(entry).collect();
        (Memory { path, written }, known)
    }

    /// Writes down what is said now, if that is something else.
    pub(super) fn keep(&mut self, healths: &Healths) {
        let kept = |(uid, container, health): (&PodUid, &str, &Health)| Kept {
            uid: uid.clone(),
            container: container.to_owned(),
            // Who was to be ended is asked again.
            health: Health { failed: None, ..health.clone() },
        };
        let now: Vec<Kept> = healths.iter().map(kept).collect();
        if now == self.written {
            return;
        }
        match files::write(&self.path, &now) {
            Ok(()) => self.written = now,
            Err(error) => warn!(%error, "failed to write down what probes said"),
        }
    }
}

#[cfg(test)]
mod tests {
    use setpoint_actuators::{Failed, Life};

    use super::*;

    #[test]
    fn what_was_said_outlives_the_agent_and_a_broken_file_is_begun_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut memory, known) = Memory::open(dir.path());
        assert!(known.is_empty());
        let failed = Some(Failed { message: "no".to_owned(), grace: None });
        let life = Life { id: "c".to_owned(), started_ms: 7 };
        let health = Health { life, started: true, ready: true, message: "m".to_owned(), failed };
        let uid = PodUid::parse("a").expect("valid");
        let mut healths = Healths::default();
        healths.set(&uid, "main", health.clone());
        memory.keep(&healths);
        let key = Key { uid, container: "main".to_owned() };
        let (_, known) = Memory::open(dir.path());
        assert_eq!(known.get(&key), Some(&Health { failed: None, ..health }));
        std::fs::write(dir.path().join("probes.json"), "{").expect("it is written");
        assert!(Memory::open(dir.path()).1.is_empty());
    }
}
