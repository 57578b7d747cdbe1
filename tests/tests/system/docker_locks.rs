//! A StatefulSet whose pods hold a lock of their identity on storage that all nodes share, and write down
//! when they begin and end; and who judges what they wrote.
//!
//! The kernel keeps the lock: it is held as long as a process of the pod lives, however it ends. Who finds it
//! held writes that down, and nobody takes that back. Beside it, and without the lock, the order of lines says
//! it: none of an earlier pod may come behind the first of a later one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, StartContainerOptions};
use serde_json::{Value, json};
use setpoint_actuator_docker::testing::TEST_IMAGE;

use crate::api::deployment;
use crate::docker_engines::Node;
use crate::house::{House, is_present};

/// The set's name; its pods are `db-0` and so on.
pub(crate) const SET: &str = "db";
/// A number whose pods do not hear when they are asked to end: they have to be killed.
const DEAF: &str = "*-1";
/// Two containers on a busy machine.
const CONTROL_WITHIN: Duration = Duration::from_secs(30);

/// What a pod does: `/shared` is the shared storage.
const SCRIPT: &str = r#"
cd /shared
exec 9>>"lock-$NAME"
./bin/loader --library-path ./bin ./bin/flock -n 9 || echo "$NAME $POD_UID" >> twice
tell() { read -r now rest < /proc/uptime; echo "$1 $NAME $POD_UID $REVISION $NODE $now" >> log; }
trap 'tell end; exit 0' TERM
case "$NAME" in DEAF) trap '' TERM ;; esac
tell begin
sleep 1000000 9>&- &
wait
"#;

/// The shared storage as it is laid out and read here.
pub(crate) struct Locks {
    folder: PathBuf,
}

/// A line that a pod wrote.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Whether it began by it; otherwise it ended.
    pub(crate) begins: bool,
    /// The pod's name, which is its identity.
    pub(crate) identity: String,
    pub(crate) uid: String,
    pub(crate) revision: String,
}

impl Locks {
    /// Lays out the storage: util-linux's `flock` with what it needs, for the test image has none. `None`,
    /// and says why, where it is not installed.
    ///
    /// # Panics
    /// When it is not and real parts are required.
    pub(crate) fn lay(folder: &Path) -> Option<Locks> {
        if !is_present("flock") || !is_present("ldd") {
            return None;
        }
        let bin = folder.join("bin");
        fs::create_dir_all(&bin).expect("a folder");
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut programs = std::env::split_paths(&paths).map(|folder| folder.join("flock"));
        let flock = programs.find(|path| path.is_file()).expect("it is present");
        let told = Command::new("ldd").arg(&flock).output().expect("ldd runs").stdout;
        let told = String::from_utf8_lossy(&told).into_owned();
        let libraries = told.split_whitespace().filter(|word| word.starts_with('/'));
        for path in libraries.map(Path::new).chain([flock.as_path()]) {
            let name = path.file_name().expect("a file").to_string_lossy();
            let name = if name.starts_with("ld-") { "loader" } else { &*name };
            fs::copy(path, bin.join(name)).expect("it is copied");
        }
        Some(Locks { folder: folder.to_owned() })
    }

    /// The set with so many pods at this revision.
    pub(crate) fn set(&self, replicas: u32, revision: &str) -> Value {
        let mut set = deployment(SET, replicas.into());
        set["kind"] = json!("StatefulSet");
        set["spec"]["serviceName"] = json!(SET);
        let spec = &mut set["spec"]["template"]["spec"];
        spec["terminationGracePeriodSeconds"] = json!(2);
        spec["volumes"] = json!([{"name": "shared", "hostPath": {"path": self.folder}}]);
        let container = &mut spec["containers"][0];
        container["command"] = json!(["sh", "-c", script()]);
        container["volumeMounts"] = json!([{"name": "shared", "mountPath": "/shared"}]);
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        container["env"] = json!([
            field("NAME", "metadata.name"),
            field("POD_UID", "metadata.uid"),
            field("NODE", "spec.nodeName"),
            {"name": "REVISION", "value": revision},
        ]);
        set
    }

    /// What pods wrote, in order.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let text = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let line = |text: &str| {
            let mut words = text.split(' ').map(str::to_owned);
            let begins = words.next()? == "begin";
            let (identity, uid, revision) = (words.next()?, words.next()?, words.next()?);
            Some(Line { begins, identity, uid, revision })
        };
        text.lines().filter_map(line).collect()
    }

    /// The revision that each identity began with last, and which pod that was.
    pub(crate) fn latest(&self) -> BTreeMap<String, (String, String)> {
        let begun = self.lines().into_iter().filter(|line| line.begins);
        begun.map(|line| (line.identity, (line.uid, line.revision))).collect()
    }

    /// Judges all that was written up to now.
    ///
    /// # Panics
    /// When an identity ran twice at once.
    pub(crate) fn judge(&self) {
        let twice = fs::read_to_string(self.folder.join("twice")).unwrap_or_default();
        assert_eq!(twice, "", "identities that were found held\n{}", self.story());
        let mut present: BTreeMap<String, String> = BTreeMap::new();
        let mut former: BTreeSet<String> = BTreeSet::new();
        for line in self.lines() {
            let late = former.contains(&line.uid);
            assert!(!late, "{line:?} came after a later pod began\n{}", self.story());
            let before = present.insert(line.identity.clone(), line.uid.clone());
            former.extend(before.filter(|before| *before != line.uid));
        }
    }

    /// Shows that the lock is one between engines: of two containers that stand for one identity the later
    /// one finds it held. Nothing of it is left.
    pub(crate) async fn see_a_twin(&self, house: &mut House, nodes: &[Node]) {
        let mut ids = Vec::new();
        for node in &nodes[..2] {
            ids.push((node, self.run("control-0", node).await));
            let count = ids.len();
            let begun = async || match self.lines().len() {
                lines if lines >= count => Ok(()),
                lines => Err(format!("{lines} began")),
            };
            house.until("a container of the control begins", CONTROL_WITHIN, begun).await;
        }
        let twice = fs::read_to_string(self.folder.join("twice")).unwrap_or_default();
        assert_eq!(
            twice,
            format!("control-0 {}\n", nodes[1].name),
            "the lock holds between engines"
        );
        for (node, id) in ids {
            node.remove(&id).await;
        }
        for file in ["twice", "log"] {
            fs::remove_file(self.folder.join(file)).expect("it was written");
        }
    }

    async fn run(&self, identity: &str, node: &Node) -> String {
        let bind = format!("{}:/shared", self.folder.display());
        let host = HostConfig {
            network_mode: Some("none".to_owned()),
            binds: Some(vec![bind]),
            ..HostConfig::default()
        };
        let body = ContainerCreateBody {
            image: Some(TEST_IMAGE.to_owned()),
            cmd: Some(vec!["sh".to_owned(), "-c".to_owned(), script()]),
            env: Some(vec![
                format!("NAME={identity}"),
                format!("POD_UID={}", node.name),
                format!("NODE={}", node.name),
                "REVISION=none".to_owned(),
            ]),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let made = node.docker.create_container(None::<CreateContainerOptions>, body).await;
        let id = made.expect("it is made").id;
        let started = node.docker.start_container(&id, None::<StartContainerOptions>).await;
        started.expect("it starts");
        id
    }

    /// All that pods wrote, to be shown after a failure.
    fn story(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

fn script() -> String {
    SCRIPT.replace("DEAF", DEAF)
}
