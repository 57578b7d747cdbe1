//! Looks at what is left, again and again; tells when the node is short of something, and lets a pod go when
//! that is memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use setpoint_actuators::{Actuator, Desired};
use setpoint_schemas::Threshold;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::signals::{self, Left};
use super::strain::Strain;
use super::{Pressures, Thresholds};
use crate::evictions::Eviction;
use crate::evictions::sent::Sent;
use crate::evictions::shortage::{Shortage, relieve};

/// What is looked at, and how it stood.
#[derive(Debug)]
pub(crate) struct Gauge {
    thresholds: Thresholds,
    /// A folder on the node's disk.
    folder: PathBuf,
    memory: Strain,
    pids: Strain,
    disk: Strain,
    /// What of the disk was short when it was last.
    disk_words: String,
}

impl Gauge {
    pub(crate) fn new(thresholds: Thresholds, folder: PathBuf) -> Gauge {
        Gauge {
            thresholds,
            folder,
            memory: Strain::default(),
            pids: Strain::default(),
            disk: Strain::default(),
            disk_words: String::new(),
        }
    }

    /// How the node does now, and what it lacks of memory at this very moment.
    pub(crate) fn look(&mut self, now: Instant) -> (Pressures, Option<Shortage>) {
        let Thresholds { memory, pids, transition, .. } = self.thresholds.clone();
        let memory = memory.and_then(|least| Some((signals::memory()?, least)));
        let pids = pids.and_then(|least| Some((signals::pids()?, least)));
        let misses = |(left, least): &(Left, Threshold)| least.is_missed(left.available, left.all);
        let short_of_memory = memory.as_ref().filter(|memory| misses(*memory));
        let shortage = short_of_memory
            .map(|(left, least)| Shortage { least: least.to_string(), available: left.available });
        let short_of_disk = self.lacks_disk();
        let is_short = short_of_disk.is_some();
        if let Some(words) = short_of_disk {
            self.disk_words = words;
        }
        let pressures = Pressures {
            memory: memory.map(|_| self.memory.counts(shortage.is_some(), now, transition)),
            pids: pids.map(|pids| self.pids.counts(misses(&pids), now, transition)),
            disk: self.disk.counts(is_short, now, transition).then(|| self.disk_words.clone()),
        };
        (pressures, shortage)
    }

    /// What of the disk is short; a disk that does not answer says nothing.
    fn lacks_disk(&self) -> Option<String> {
        let Thresholds { disk, files, .. } = &self.thresholds;
        if disk.is_none() && files.is_none() {
            return None;
        }
        let folder: &Path = self.folder.ancestors().find(|folder| folder.exists())?;
        let (bytes, inodes) = signals::disk(folder)?;
        let misses = |left: Left, least: &&Threshold| least.is_missed(left.available, left.all);
        let place = folder.display();
        if let Some(least) = disk.as_ref().filter(|least| misses(bytes, least)) {
            return Some(format!("the disk of {place} has less than {least} available"));
        }
        let least =
            files.as_ref().filter(|least| inodes.is_some_and(|left| misses(left, least)))?;
        Some(format!("the disk of {place} has less than {least} of its files free"))
    }
}

/// Looks for ever.
pub(crate) async fn mind(
    mut gauge: Gauge,
    actuator: Arc<dyn Actuator>,
    desired: watch::Receiver<Arc<Desired>>,
    every: Duration,
    (tell, evict): (watch::Sender<Pressures>, mpsc::Sender<Eviction>),
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = Sent::default();
    loop {
        ticks.tick().await;
        // A disk that hangs must hang nothing else.
        let look = tokio::task::spawn_blocking(move || {
            let found = gauge.look(Instant::now());
            (gauge, found)
        });
        let Ok((same, (now, shortage))) = look.await else { return };
        gauge = same;
        tell.send_if_modified(|known| {
            let is_new = *known != now;
            if is_new {
                say(known, &now);
                *known = now;
            }
            is_new
        });
        let Some(shortage) = shortage else { continue };
        let pods = desired.borrow().clone();
        sent.keep_to(&pods);
        if sent.awaits_one(Instant::now()) {
            continue;
        }
        if let Some(eviction) = relieve(&*actuator, &pods, &shortage, &sent).await {
            sent.note(&eviction, Instant::now());
            if evict.send(eviction).await.is_err() {
                return;
            }
        }
    }
}

fn say(before: &Pressures, now: &Pressures) {
    let table = [
        ("memory", before.memory == Some(true), now.memory == Some(true)),
        ("process ids", before.pids == Some(true), now.pids == Some(true)),
        ("disk", before.disk.is_some(), now.disk.is_some()),
    ];
    for (what, was, is) in table {
        match (was, is) {
            (false, true) => warn!(what, "the node is short of it"),
            (true, false) => info!(what, "the node has enough of it again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauge(memory: &str, disk: &str) -> Gauge {
        let threshold = |text: &str| Some(text.parse().expect("a threshold"));
        let thresholds =
            Thresholds { memory: threshold(memory), disk: threshold(disk), ..Thresholds::none() };
        Gauge::new(thresholds, std::env::temp_dir().join("not-made-yet"))
    }

    #[test]
    fn a_node_is_short_of_what_misses_its_threshold_and_of_nothing_else() {
        let now = Instant::now();
        let (fine, shortage) = gauge("0", "0%").look(now);
        assert_eq!(fine, Pressures { memory: Some(false), ..Pressures::default() });
        assert_eq!(shortage, None);
        let (short, shortage) = gauge("100%", "0%").look(now);
        assert_eq!((short.memory, short.pids), (Some(true), None));
        assert_eq!(shortage.expect("memory is short").least, "100%");
        let (full, _) = gauge("0", "1000Ti").look(now);
        let words = full.disk.expect("the disk is short");
        assert!(words.ends_with("has less than 1000Ti available"), "{words}");
    }
}
