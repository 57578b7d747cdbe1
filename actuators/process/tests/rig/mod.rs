//! A folder with process pods, and what a test may do to them behind the actuator's back.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use setpoint_actuator_process::{ProcessActuator, ProcessOptions};
use setpoint_actuators::conformance::{Rig, escapes, script_leaving, script_of};
use setpoint_actuators::{Actuator, PodToRun};
use setpoint_schemas::{Container, FleetId, PodSpec, PodUid, VolumeMount, samples};

/// A state folder of its own; what was planted in it ends with it.
pub(crate) struct Folder {
    dir: tempfile::TempDir,
    foreign: Mutex<Option<std::process::Child>>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Folder { dir: tempfile::tempdir().expect("a folder"), foreign: Mutex::new(None) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn actuator(&self, fleet: &str) -> ProcessActuator {
        let this = std::env::current_exe().expect("this program has a path");
        let shim = [this.into_os_string(), "--nocapture".into(), "--exact".into()];
        let path = std::env::var("PATH").expect("there is a path");
        let options = ProcessOptions {
            fleet: FleetId::parse(fleet).expect("a valid fleet"),
            state: self.path().to_owned(),
            shim: shim.into_iter().chain(["the_supervisor".into()]).collect(),
            env: vec![("PATH".into(), path), ("SECRET_OF_THE_AGENT".into(), "x".into())],
        };
        ProcessActuator::open(options).expect("it opens")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(mut child) = self.foreign.lock().expect("no one panicked").take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Rig for Folder {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Actuator>> {
        Box::pin(async { Arc::new(self.actuator("conformance")) as Arc<dyn Actuator> })
    }

    fn open_other_fleet(&self) -> BoxFuture<'_, Arc<dyn Actuator>> {
        Box::pin(async { Arc::new(self.actuator("another")) as Arc<dyn Actuator> })
    }

    fn lasting(&self, name: &str) -> Container {
        shell(name, "exec sleep 1000")
    }

    fn stubborn(&self, name: &str) -> Container {
        shell(name, "trap '' TERM; while true; do sleep 1; done")
    }

    fn ending(&self, name: &str, code: i32) -> Container {
        shell(name, &format!("exit {code}"))
    }

    fn escaping(&self, name: &str, word: &str) -> Container {
        shell(name, &escapes::script(word))
    }

    fn count<'a>(&'a self, word: &'a str) -> BoxFuture<'a, usize> {
        Box::pin(async { escapes::running(word) })
    }

    fn reading(&self, name: &str, text: &str, code: i32) -> Option<Container> {
        let look = format!(r#"[ "$(cat $SETPOINT_MOUNT_CONF/key)" = {text} ]"#);
        let script = format!("until {look}; do sleep 0.1; done; exit {code}");
        let mount = VolumeMount { name: "conf".into(), ..VolumeMount::default() };
        Some(Container { volume_mounts: vec![mount], ..shell(name, &script) })
    }

    fn marking(&self, name: &str, code: i32) -> Option<Container> {
        let script = format!(
            "cd $SETPOINT_MOUNT_SCRATCH && if [ -e mark ]; then exit {code}; fi; echo x > mark"
        );
        let mount = VolumeMount { name: "scratch".into(), ..VolumeMount::default() };
        Some(Container { volume_mounts: vec![mount], ..shell(name, &script) })
    }

    fn writing(&self, name: &str, lines: &[&str], code: i32) -> Container {
        shell(name, &script_of(lines, code))
    }

    fn leaving(&self, name: &str, text: &str, code: i32) -> Container {
        shell(name, &script_leaving("$SETPOINT_TERMINATION_MESSAGE", text, code))
    }

    fn saying(&self, text: &str, code: i32) -> Vec<String> {
        shell("", &format!("echo {text}; exit {code}")).command
    }

    fn telling(&self, variable: &str) -> Vec<String> {
        shell("", &format!("echo ${variable}")).command
    }

    /// The shell stays, with a child: both must go.
    fn hanging(&self, word: &str) -> Vec<String> {
        shell("", &format!("sh -c 'while :; do sleep 1; done' {word}-child; :")).command
    }

    fn unstartable(&self, name: &str) -> Container {
        Container { name: name.into(), ..Container::default() }
    }

    fn kill<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let pods = self.actuator("conformance").observe().await.expect("readable");
            let pod = pods.iter().find(|pod| pod.uid == *uid).expect("it is told of");
            let container = pod.containers.iter().find(|c| c.name == container);
            signal(&container.expect("it is told of").id, "KILL");
        })
    }

    fn plant_foreign(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let child = Command::new("sleep").arg("1000").spawn().expect("it starts");
            *self.foreign.lock().expect("no one panicked") = Some(child);
        })
    }

    fn foreign_lives(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let mut foreign = self.foreign.lock().expect("no one panicked");
            let ended = foreign.as_mut().map(|child| child.try_wait().expect("it is ours"));
            ended == Some(None)
        })
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// The container's folder, when this program was started as a supervisor.
pub(crate) fn container_to_supervise() -> Option<PathBuf> {
    let last = PathBuf::from(std::env::args_os().next_back()?);
    last.join("run.json").exists().then_some(last)
}

/// A container that runs a script.
pub(crate) fn shell(name: &str, script: &str) -> Container {
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    Container { name: name.into(), command, ..Container::default() }
}

/// A pod of generation 1 and term 1.
pub(crate) fn pod(uid: &str, containers: Vec<Container>) -> PodToRun {
    let spec = PodSpec { containers, ..PodSpec::default() };
    let placement =
        samples::placement_of(uid, &serde_json::to_string(&spec).expect("a spec is JSON"));
    PodToRun::bare(placement, spec)
}

/// Sends a signal to a process, or to a group when the id is negative.
pub(crate) fn signal(pid: &str, name: &str) {
    let target = if pid.starts_with('-') { vec!["--", pid] } else { vec![pid] };
    let status = Command::new("kill").arg("-s").arg(name).args(target).status();
    assert!(status.expect("kill runs").success(), "kill {pid}");
}

/// Kills what a test of its own left running with this word as its last argument; returns how many.
pub(crate) fn end_naming(word: &str) -> usize {
    let mut ended = 0;
    for entry in std::fs::read_dir("/proc").expect("there are processes").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let last = line.split(|byte| *byte == 0).rfind(|text| !text.is_empty());
        if last == Some(word.as_bytes()) {
            signal(&entry.file_name().to_string_lossy(), "KILL");
            ended += 1;
        }
    }
    ended
}

/// Whether a process runs (a zombie does not).
pub(crate) fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// The session of a process: its supervisor.
pub(crate) fn session_of(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(") ").expect("it has a name");
    rest.split(' ').nth(3).expect("it has a session").to_owned()
}
