//! The process runtime on real processes: the conformance suite, and what only processes have.

mod rig;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rig::{Folder, pod, shell};
use setpoint_actuators::conformance::{self, escapes};
use setpoint_actuators::session::{Output, Session};
use setpoint_actuators::{Actuator, ActuatorError, FileToMount, POD_ADDRESS};
use setpoint_schemas::call::ExecOptions;
use setpoint_schemas::{
    Container, ContainerObserved, ContainerState, EmptyDirSource, HostPathSource, PodUid, Security,
    Volume, VolumeMount,
};
use tokio_util::sync::CancellationToken;

/// Machines are noisy; beyond this something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test of its own: this program, started anew as a container's supervisor.
#[test]
fn the_supervisor() {
    if let Some(container) = rig::container_to_supervise() {
        let _ = setpoint_actuator_process::shim::run(&container);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_runtime_keeps_the_contract() {
    conformance::run(&Folder::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_a_command_is_a_status_that_says_so() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let bare = Container { name: "main".into(), args: vec!["x".into()], ..Container::default() };
    let error = start(&actuator, "bare", vec![bare]).await.expect_err("there is no command");
    assert_eq!((error.reason(), error.is_transient()), ("NoCommand", false));
    let seen = &actuator.observe().await.expect("readable")[0].containers[0];
    assert_eq!((seen.state, seen.reason.as_str()), (ContainerState::Waiting, "NoCommand"));
    stop(&actuator, "bare").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_told_by_name_and_tried_again() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let command = vec!["/no/such/program".to_owned()];
    let ghost = Container { name: "main".into(), command, ..Container::default() };
    for _ in 0..2 {
        let error = start(&actuator, "ghost", vec![ghost.clone()]).await.expect_err("not there");
        assert_eq!((error.reason(), error.is_transient()), ("RunContainerError", true));
        assert!(error.to_string().contains("/no/such/program"), "{error}");
    }
    stop(&actuator, "ghost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_has_its_environment_its_files_and_no_other() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let script = r#"test "$COLOUR" = blue || exit 3
        test "$(cat "$SETPOINT_MOUNT_APP_CONF/a/b.txt")" = content || exit 4
        test -z "$CARGO_MANIFEST_DIR" || exit 5
        test -n "$PATH" || exit 6
        test -z "$SECRET_OF_THE_AGENT" || exit 7
        exit 0"#;
    let mount = VolumeMount { name: "app-conf".into(), ..VolumeMount::default() };
    let container = Container { volume_mounts: vec![mount], ..shell("main", script) };
    let mut pod = pod("env", vec![container]);
    pod.env.insert(
        "main".into(),
        vec![("COLOUR".into(), "red".into()), ("COLOUR".into(), "blue".into())],
    );
    let file = FileToMount { path: "a/b.txt".into(), bytes: b"content".to_vec(), mode: 0o600 };
    pod.volumes.insert("app-conf".into(), vec![file]);
    actuator.start(&pod, &CancellationToken::new()).await.expect("it starts");
    assert_eq!(ended(&actuator, "env").await.exit_code, Some(0));
    stop(&actuator, "env").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_paths_and_addresses_are_there_and_what_cannot_be_is_refused_by_its_field() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let script = r#"test -d "$SETPOINT_MOUNT_CACHE/part" || exit 3
        test "$(cat "$SETPOINT_MOUNT_HOST/made")" = x || exit 4
        test "$URL" = http://127.0.0.1:80 || exit 5
        grep -q 'NoNewPrivs:.*1' /proc/self/status || exit 6
        exit 0"#;
    let host = folder.path().join("host");
    std::fs::create_dir(&host).expect("made");
    std::fs::write(host.join("made"), "x").expect("written");
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.into(),
        sub_path: Some(path.into()),
        ..VolumeMount::default()
    };
    let mut container = shell("main", script);
    container.volume_mounts = vec![mount("cache", "part"), mount("host", "")];
    container.security_context =
        Some(Security { allow_privilege_escalation: Some(false), ..Security::default() });
    let mut pod = pod("given", vec![container]);
    let named = |name: &str| Volume { name: name.into(), ..Volume::default() };
    let path = host.to_string_lossy().into_owned();
    pod.spec.volumes = vec![
        Volume { empty_dir: Some(EmptyDirSource::default()), ..named("cache") },
        Volume { host_path: Some(HostPathSource { path, kind: None }), ..named("host") },
    ];
    let url = ("URL".to_owned(), format!("http://{POD_ADDRESS}:80"));
    pod.env.insert("main".into(), vec![url]);
    actuator.start(&pod, &CancellationToken::new()).await.expect("it starts");
    assert_eq!(ended(&actuator, "given").await.exit_code, Some(0));
    stop(&actuator, "given").await;
    assert!(host.join("made").exists(), "what is the machine's stays");

    pod.spec.containers[0].tty = Some(true);
    let error = actuator.start(&pod, &CancellationToken::new()).await.expect_err("no terminal");
    assert_eq!((error.reason(), error.is_transient()), ("Unsupported", false));
    assert!(error.to_string().starts_with("tty is asked for"), "{error}");
    let seen = &actuator.observe().await.expect("readable")[0].containers[0];
    assert_eq!((seen.state, seen.reason.as_str()), (ContainerState::Waiting, "Unsupported"));
    stop(&actuator, "given").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_container_left_running_ends_with_it() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let left = folder.path().join("left");
    let script = format!("sleep 1000 & echo $! > {}; exit 0", left.display());
    start(&actuator, "left", vec![shell("main", &script)]).await.expect("it starts");
    ended(&actuator, "left").await;
    let pid = std::fs::read_to_string(&left).expect("it was written");
    assert!(!rig::runs(pid.trim()), "process {pid} still runs");
    stop(&actuator, "left").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_its_session_is_stopped_although_supervisor_and_container_were_killed() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let word = format!("p-lost-{}", std::process::id());
    start(&actuator, "lost", vec![shell("main", &escapes::script(&word))]).await.expect("starts");
    until(|| escapes::running(&word) == escapes::ESCAPED).await;
    let pid = actuator.observe().await.expect("readable")[0].containers[0].id.clone();
    drop(actuator);
    rig::signal(&rig::session_of(&pid), "KILL");
    rig::signal(&pid, "KILL");
    let actuator = folder.actuator("fleet");
    stop(&actuator, "lost").await;
    let left = escapes::running(&word);
    let nobodys = rig::end_naming(&format!("{word}-bare"));
    assert_eq!(left, nobodys, "only one without environment and supervisor is nobody's any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_counts_what_left_its_session() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let busy = "(setsid sh -c 'while :; do :; done' &) ; exec sleep 1000";
    start(&actuator, "busy", vec![shell("main", busy)]).await.expect("it starts");
    let began = std::time::Instant::now();
    loop {
        let usage = actuator.usage().await.expect("readable");
        // The container's own process only sleeps.
        if usage[0].cpu_nanos > 200_000_000 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "only {usage:?} is counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop(&actuator, "busy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_whole_group_is_an_end_with_a_code() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    start(&actuator, "group", vec![shell("main", "sleep 1000 & wait")]).await.expect("it starts");
    let pid = actuator.observe().await.expect("readable")[0].containers[0].id.clone();
    rig::signal(&format!("-{pid}"), "KILL");
    assert_eq!(ended(&actuator, "group").await.exit_code, Some(137));
    stop(&actuator, "group").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_supervisor_was_killed_runs_on_and_is_still_stopped() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    start(&actuator, "alone", vec![shell("main", "exec sleep 1000")]).await.expect("it starts");
    let pid = actuator.observe().await.expect("readable")[0].containers[0].id.clone();
    rig::signal(&rig::session_of(&pid), "KILL");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let seen = actuator.observe().await.expect("readable")[0].containers[0].clone();
    assert_eq!((seen.state, seen.id.as_str()), (ContainerState::Running, pid.as_str()));
    rig::signal(&pid, "KILL");
    let end = ended(&actuator, "alone").await;
    assert_eq!((end.exit_code, end.reason.as_str()), (Some(255), "ExitCodeUnknown"));
    stop(&actuator, "alone").await;
    assert!(!rig::runs(&pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_kept_in_the_pods_folder() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    start(&actuator, "loud", vec![shell("main", "echo out; echo err >&2")]).await.expect("starts");
    ended(&actuator, "loud").await;
    let log = folder.path().join("fleet/pods/pod-loud/c0/out.log");
    let kept = std::fs::read_to_string(log).expect("it is there");
    let mut lines: Vec<&str> = kept.lines().filter_map(|l| Some(l.split_once(' ')?.1)).collect();
    // The streams are two: which of them is read first is nobody's to say.
    lines.sort_unstable();
    assert_eq!(lines, ["stderr F err", "stdout F out"]);
    stop(&actuator, "loud").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_started_in_a_session_of_its_own_ends_with_it() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    start(&actuator, "left", vec![shell("main", "exec sleep 1000")]).await.expect("it starts");
    let script = "setsid env -i sleep 1000 & echo $!; wait";
    let mut session = session(&actuator, "left", script).await;
    let said = session.output.recv().await;
    let Some(Output::Stdout(pid)) = said else { panic!("it tells a process") };
    let pid = String::from_utf8(pid).expect("text").trim().to_owned();
    // Once it is what it becomes, nothing about it names the container any more.
    until(|| std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|bytes| bytes.is_empty()))
        .await;
    drop(session);
    until(|| !rig::runs(&pid)).await;
    stop(&actuator, "left").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_gain_no_rights_gains_none_by_probes_and_commands() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let look = "grep -c 'NoNewPrivs:.*1' /proc/self/status; exit 0";
    for (uid, may_gain, wanted) in [("may", None, "0\n"), ("may-not", Some(false), "1\n")] {
        let mut container = shell("main", "exec sleep 1000");
        container.security_context =
            Some(Security { allow_privilege_escalation: may_gain, ..Security::default() });
        start(&actuator, uid, vec![container]).await.expect("it starts");
        let (id, command) = (PodUid::parse(uid).expect("a valid uid"), shell("", look).command);
        let probed = actuator.exec(&id, "main", &command, &CancellationToken::new()).await;
        assert_eq!(probed.expect("it runs").output, wanted.as_bytes(), "{uid}");
        let mut session = session(&actuator, uid, look).await;
        let Some(Output::Stdout(said)) = session.output.recv().await else { panic!("it tells") };
        assert_eq!(said, wanted.as_bytes(), "{uid}");
        stop(&actuator, uid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_application_keeps_in_its_folder_is_its_own() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    let script = r#"mkdir -p data s-1-1 && echo '{}' | tee session.json data/session.json s-1-1/session.json
        echo run >> runs; exit 3"#;
    start(&actuator, "own", vec![shell("main", script)]).await.expect("it starts");
    ended(&actuator, "own").await;
    drop(actuator);
    let actuator = folder.actuator("fleet");
    let uid = PodUid::parse("own").expect("a valid uid");
    actuator.restart_container(&uid, "main").await.expect("it restarts");
    assert_eq!(ended(&actuator, "own").await.exit_code, Some(3));
    let own = folder.path().join("fleet/pods/pod-own/c0");
    assert!(own.join("data/session.json").exists() && own.join("s-1-1/session.json").exists());
    assert_eq!(std::fs::read_to_string(own.join("runs")).expect("it ran"), "run\nrun\n");
    stop(&actuator, "own").await;
}

/// Disks lie after a power loss. The other pods and the node do not suffer for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_whose_file_is_damaged_is_told_as_unknown_and_is_stopped_or_started_anew() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    for uid in ["sound", "stopped", "anew"] {
        start(&actuator, uid, vec![shell("main", "exec sleep 1000")]).await.expect("it starts");
    }
    let file = |uid: &str, name: &str| folder.path().join(format!("fleet/pods/pod-{uid}/{name}"));
    let pids = ["stopped", "anew"].map(|uid| pid_of(&file(uid, "c0/status.json")));
    std::fs::write(file("stopped", "pod.json"), "").expect("it is damaged");
    std::fs::write(file("anew", "pod.json"), [0; 64]).expect("it is damaged");
    std::fs::create_dir(folder.path().join("fleet/pods/lost+found")).expect("a folder of others");

    let actuator = folder.actuator("fleet");
    let seen = actuator.observe().await.expect("the node answers");
    let generations: BTreeMap<String, i64> =
        seen.iter().map(|pod| (pod.uid.to_string(), pod.generation)).collect();
    assert_eq!(generations["stopped"], -1, "nobody knows what runs there");
    assert!(generations["sound"] >= 0, "the others are as they were");
    stop(&actuator, "stopped").await;
    start(&actuator, "anew", vec![shell("main", "exec sleep 1000")]).await.expect("it starts anew");
    assert!(pids.iter().all(|pid| !rig::runs(pid)), "what ran there was stopped");
    assert_ne!(pid_of(&file("anew", "c0/status.json")), pids[1]);
    for uid in ["sound", "anew"] {
        stop(&actuator, uid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_status_is_damaged_says_so_and_the_others_are_as_they_were() {
    let folder = Folder::new();
    let actuator = folder.actuator("fleet");
    for uid in ["sound", "damaged"] {
        start(&actuator, uid, vec![shell("main", "exec sleep 1000")]).await.expect("it starts");
    }
    let path = folder.path().join("fleet/pods/pod-damaged/c0/status.json");
    let kept = std::fs::read(&path).expect("it is there");
    std::fs::write(&path, "{").expect("it is damaged");
    let seen = actuator.observe().await.expect("the node answers");
    let state = |uid: &str| {
        let pod = seen.iter().find(|pod| pod.uid == *uid).expect("it is told of");
        (pod.containers[0].state, pod.containers[0].reason.as_str())
    };
    assert_eq!(state("damaged"), (ContainerState::Waiting, "StateDamaged"));
    assert_eq!(state("sound"), (ContainerState::Running, ""));
    std::fs::write(&path, kept).expect("it is mended");
    for uid in ["sound", "damaged"] {
        stop(&actuator, uid).await;
    }
}

fn pid_of(status: &Path) -> String {
    let text = std::fs::read_to_string(status).expect("it is there");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    json.pointer("/Running/pid").unwrap_or_else(|| panic!("a pid in {text}")).to_string()
}

async fn until(is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it never comes to be");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn start(
    actuator: &dyn Actuator,
    uid: &str,
    containers: Vec<Container>,
) -> Result<(), ActuatorError> {
    actuator.start(&pod(uid, containers), &CancellationToken::new()).await
}

/// A command of a shell beside the container of this pod.
async fn session(actuator: &dyn Actuator, uid: &str, script: &str) -> Session {
    let options = ExecOptions {
        command: shell("", script).command,
        stdout: true,
        stderr: true,
        ..ExecOptions::default()
    };
    let uid = PodUid::parse(uid).expect("a valid uid");
    actuator.session(&uid, "main", &options).await.expect("a command runs")
}

async fn stop(actuator: &dyn Actuator, uid: &str) {
    let uid = PodUid::parse(uid).expect("a valid uid");
    let cancel = CancellationToken::new();
    actuator.stop(&uid, Duration::from_secs(1), &cancel).await.expect("it stops");
    assert!(actuator.observe().await.expect("readable").iter().all(|pod| pod.uid != uid));
}

async fn ended(actuator: &dyn Actuator, uid: &str) -> ContainerObserved {
    for _ in 0..500 {
        let pods = actuator.observe().await.expect("readable");
        let pod = pods.iter().find(|pod| pod.uid == *uid).expect("it is told of");
        if pod.containers[0].state == ContainerState::Terminated {
            return pod.containers[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the container of {uid} never ends");
}
