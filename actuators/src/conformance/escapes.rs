//! What a container started ends with it, whatever session it has made its own and whoever has
//! adopted it.

use std::fs;
use std::time::Duration;

use setpoint_schemas::ContainerState::{Running, Terminated};

use super::Rig;
use super::tools::{find, pod, reaches, start, stop, uid_of};
use crate::Actuator;

/// Processes are there within moments; on a machine under load it takes seconds.
const LOOKS_MAX: u32 = 600;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many processes [`script`] leaves beside the container's own.
pub const ESCAPED: usize = 3;

/// A shell script that runs until it is asked to end and leaves processes that try to outlive it:
/// one in a session of its own, one whose parent has ended as well, one with an empty environment.
/// Each names the word in its arguments.
#[must_use]
pub fn script(word: &str) -> String {
    let lasting = "sh -c 'while :; do sleep 1; done'";
    format!(
        "setsid {lasting} {word}-session &
         (setsid {lasting} {word}-orphan &)
         (env -i \"PATH=$PATH\" setsid {lasting} {word}-bare &)
         trap 'exit 0' TERM; sleep 100000 & wait"
    )
}

/// How many processes of this machine that [`script`] left with this word run.
#[must_use]
pub fn running(word: &str) -> usize {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_left = |arguments: &Vec<u8>| {
        let last = arguments.split(|byte| *byte == 0).rfind(|text| !text.is_empty());
        last.is_some_and(|text| text.starts_with(format!("{word}-").as_bytes()))
    };
    entries.filter_map(|e| fs::read(e.path().join("cmdline")).ok()).filter(is_left).count()
}

pub(super) async fn a_stop_leaves_nothing_that_tried_to_outlive_it(rig: &dyn Rig) {
    let actuator = rig.open().await;
    escape(rig, &*actuator, "c-escaped").await;
    stop(&*actuator, "c-escaped").await;
    assert_eq!(rig.count("c-escaped").await, 0, "processes of a stopped pod run on");
}

pub(super) async fn a_new_instance_stops_what_tried_to_outlive_it(rig: &dyn Rig) {
    let actuator = rig.open().await;
    escape(rig, &*actuator, "c-outlived").await;
    drop(actuator);
    let actuator = rig.open().await;
    stop(&*actuator, "c-outlived").await;
    assert_eq!(find(&*actuator, "c-outlived").await, None);
    assert_eq!(rig.count("c-outlived").await, 0, "processes of a stopped pod run on");
}

pub(super) async fn an_end_takes_along_what_tried_to_outlive_it(rig: &dyn Rig) {
    let actuator = rig.open().await;
    escape(rig, &*actuator, "c-fell").await;
    rig.kill(&uid_of("c-fell"), "main").await;
    reaches(rig, &*actuator, "c-fell", "main", Terminated).await;
    assert_eq!(rig.count("c-fell").await, 0, "processes of an ended container run on");
    stop(&*actuator, "c-fell").await;
}

/// Starts a pod of this uid whose container leaves processes, and waits until they are there.
async fn escape(rig: &dyn Rig, actuator: &dyn Actuator, uid: &str) {
    start(actuator, &pod(uid, vec![rig.escaping("main", uid)])).await;
    reaches(rig, actuator, uid, "main", Running).await;
    for _ in 0..LOOKS_MAX {
        if rig.count(uid).await >= ESCAPED {
            return;
        }
        rig.pass(LOOK_EVERY).await;
    }
    panic!("the processes of {uid} never come");
}
