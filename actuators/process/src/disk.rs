//! What stands on disk: one folder a pod, one folder a container in it.
//!
//! ```text
//! <state>/<fleet>/fence.json                     until when pods may run that may run at most once
//! <state>/<fleet>/pods/pod-<uid>/pod.json        what runs there
//!                               /volumes/<name>/ files of its volumes, and folders that began empty
//!                               /c0/run.json     how the first container starts (may hold Secrets)
//!                               /c0/status.json  how it goes, written by its supervisor
//!                               /c0/lock         held by its supervisor
//!                               /c0/out.log      its output; out.log.1 the part before that
//!                               /c0/last.log     the output of its life before; last.log.1 likewise
//!                               /c0-commands/s-<pid>-<n>/   a command beside it, of the agent <pid>:
//!                                                run.json, session.json, lock
//! ```
//! A container works in its own folder where its spec names none, so what lies there may be the
//! application's. Commands beside it have their folders elsewhere: nothing that an application writes is
//! taken for one.
//! Guarantee: a file is whole or absent; a pod's folder appears and disappears at once. Files are
//! readable by their owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use setpoint_actuators::volume;
use setpoint_schemas::{FleetId, Namespace, PodUid, ResourceName};
use tracing::warn;

/// The generation and term of a pod whose file is damaged: below every real one.
const UNKNOWN: i64 = -1;
/// Kubernetes' grace period where a spec names none: nobody knows any more what this one said.
const GRACE_UNKNOWN_MS: u64 = 30_000;

/// What is written of a pod.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PodFile {
    pub(crate) fleet: FleetId,
    pub(crate) uid: PodUid,
    pub(crate) generation: i64,
    pub(crate) term: i64,
    pub(crate) namespace: Namespace,
    pub(crate) name: ResourceName,
    pub(crate) grace_ms: u64,
    /// In the order in which they begin, init containers first; the container at index `i` has the
    /// folder `c<i>`.
    pub(crate) containers: Vec<ContainerFile>,
}

/// What is written of a container in its pod's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContainerFile {
    pub(crate) name: String,
    pub(crate) image: String,
}

/// How a container starts.
#[derive(Serialize, Deserialize)]
pub(crate) struct RunFile {
    pub(crate) argv: Vec<String>,
    pub(crate) dir: PathBuf,
    pub(crate) env: Vec<(String, String)>,
    /// Whether none of its programs may gain rights that it has not.
    #[serde(default)]
    pub(crate) no_new_privileges: bool,
    /// Where it is written until when it may run, if it may run at most once.
    #[serde(default)]
    pub(crate) fence: Option<PathBuf>,
}

/// How a command beside a container starts; its folder has a [`RunFile`] too.
#[derive(Serialize, Deserialize)]
pub(crate) struct SessionFile {
    /// Its terminal, if it has one.
    pub(crate) terminal: Option<PathBuf>,
}

/// How a container goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    /// It could not be started.
    Failed { reason: String, message: String },
    /// It was started and nobody wrote yet that it ended.
    Running(Process),
    /// It ended.
    Ended { process: Process, exit_code: i32, finished_ms: i64, reason: String },
}

/// A process, safe against the reuse of its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Its start, in clock ticks since boot (`/proc/<pid>/stat`, field 22).
    pub(crate) start_ticks: u64,
    /// The session of the container: the id of its supervisor.
    pub(crate) session: i32,
    /// The start of the supervisor, in clock ticks since boot; 0 where it is not written.
    #[serde(default)]
    pub(crate) supervisor_ticks: u64,
    /// The boot that the ids belong to.
    pub(crate) boot: String,
    pub(crate) started_ms: i64,
}

/// The folders of one fleet.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the folders and empties what a former life left half removed.
    pub(crate) fn open(state: &Path, fleet: &FleetId) -> io::Result<Self> {
        make_dir(state)?;
        // Processes start in their own folder, so a relative path would lose its meaning.
        let root = state.canonicalize()?.join(fleet.as_str());
        let layout = Layout { root };
        for dir in [layout.root.clone(), layout.pods(), layout.scratch()] {
            make_dir(&dir)?;
        }
        for entry in fs::read_dir(layout.scratch())? {
            let folder = entry?.path();
            if let Err(error) = volume::remove(&folder) {
                // It is nobody's any more, and keeps no pod from starting.
                warn!(%error, folder = %folder.display(), "what is left of a pod cannot be removed");
            }
        }
        Ok(layout)
    }

    /// Where it is written until when pods may run that may run at most once.
    pub(crate) fn fence(&self) -> PathBuf {
        self.root.join("fence.json")
    }

    fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// The folder of a pod. The prefix keeps a uid such as `..` a plain name.
    pub(crate) fn pod(&self, uid: &PodUid) -> PathBuf {
        self.pods().join(format!("pod-{uid}"))
    }

    /// The folder of the container at this index.
    pub(crate) fn container(&self, uid: &PodUid, index: usize) -> PathBuf {
        self.pod(uid).join(format!("c{index}"))
    }

    /// The pod's file; `None` when there is no such pod. One that does not read is stood in for:
    /// its processes can be stopped, and the pod be started anew.
    pub(crate) fn read_pod(&self, uid: &PodUid) -> io::Result<Option<PodFile>> {
        let dir = self.pod(uid);
        match read(&dir.join("pod.json")) {
            Err(error) if is_damage(&error) => {
                warn!(%uid, %error, folder = %dir.display(), "a pod's file is damaged: by its folder");
                self.stand_in(uid, &dir).map(Some)
            }
            result => result,
        }
    }

    /// What the folder alone says of a pod: older than whatever is asked for.
    fn stand_in(&self, uid: &PodUid, dir: &Path) -> io::Result<PodFile> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let named = |index| ContainerFile { name: format!("c{index}"), image: String::new() };
        let count = (0..).take_while(|index| dir.join(format!("c{index}")).is_dir()).count();
        let fleet = self.root.file_name().unwrap_or_default().to_string_lossy();
        Ok(PodFile {
            fleet: FleetId::parse(&fleet).map_err(invalid)?,
            uid: uid.clone(),
            generation: UNKNOWN,
            term: UNKNOWN,
            namespace: Namespace::parse("default").map_err(invalid)?,
            name: ResourceName::parse("damaged").map_err(invalid)?,
            grace_ms: GRACE_UNKNOWN_MS,
            containers: (0..count).map(named).collect(),
        })
    }

    /// Writes the pod's file; the pod's folder is made when it is not there.
    pub(crate) fn write_pod(&self, pod: &PodFile) -> io::Result<()> {
        let dir = self.pod(&pod.uid);
        if dir.exists() {
            return write(&dir.join("pod.json"), pod);
        }
        let fresh = self.scratch().join(format!("new-{}", pod.uid));
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        make_dir(&fresh)?;
        for index in 0..pod.containers.len() {
            make_dir(&fresh.join(format!("c{index}")))?;
        }
        write(&fresh.join("pod.json"), pod)?;
        fs::rename(&fresh, &dir)
    }

    /// Removes the pod's folder: at once for whoever looks.
    pub(crate) fn remove_pod(&self, uid: &PodUid) -> io::Result<()> {
        let gone = self.scratch().join(format!("gone-{uid}"));
        volume::remove(&gone)?;
        match fs::rename(self.pod(uid), &gone) {
            Ok(()) => volume::remove(&gone),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All pods. A folder whose pod is being removed meanwhile is left out.
    pub(crate) fn read_pods(&self) -> io::Result<Vec<PodFile>> {
        let mut pods = Vec::new();
        for entry in fs::read_dir(self.pods())? {
            let folder = entry?.file_name();
            let uid = folder.to_str().and_then(|name| name.strip_prefix("pod-"));
            let Some(uid) = uid.and_then(|uid| PodUid::parse(uid).ok()) else {
                warn!(?folder, "a folder among the pods is not a pod's and is left alone");
                continue;
            };
            pods.extend(self.read_pod(&uid)?);
        }
        Ok(pods)
    }
}

/// The bytes of a file of ours are not what we write; the disk answers.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Where a container's supervisor writes how it goes.
pub(crate) fn status_path(container: &Path) -> PathBuf {
    container.join("status.json")
}

/// Where it is written how a container starts.
pub(crate) fn run_path(container: &Path) -> PathBuf {
    container.join("run.json")
}

/// Where a container's output goes.
pub(crate) fn log_path(container: &Path) -> PathBuf {
    container.join("out.log")
}

/// Where the output of its life before is kept.
pub(crate) fn former_log_path(container: &Path) -> PathBuf {
    container.join("last.log")
}

/// Where a file of output is put when it is long.
pub(crate) fn aside(log: &Path) -> PathBuf {
    log.with_extension("log.1")
}

/// What stands behind a container's folder in the name of the folder of its commands.
pub(crate) const COMMANDS: &str = "-commands";

/// The file for a container's last message.
pub(crate) fn message_path(container: &Path) -> PathBuf {
    container.join("last-message")
}

/// Where the folders of the commands beside a container lie.
pub(crate) fn commands_path(container: &Path) -> PathBuf {
    let name = container.file_name().unwrap_or_default().to_string_lossy();
    container.with_file_name(format!("{name}{COMMANDS}"))
}

/// The folder of the session of this number, of the agent with this process id.
pub(crate) fn session_folder(container: &Path, agent: u32, number: u64) -> PathBuf {
    commands_path(container).join(format!("s-{agent}-{number}"))
}

/// Whether a folder is a session's: by its name alone.
pub(crate) fn is_session(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    let numbers = name.and_then(|name| name.strip_prefix("s-")?.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(agent, number)| is_number(agent) && is_number(number))
}

/// What else a session needs to know than how its command starts.
pub(crate) fn session_path(folder: &Path) -> PathBuf {
    folder.join("session.json")
}

/// The file that a container's supervisor holds locked for its life.
pub(crate) fn open_lock(container: &Path) -> io::Result<File> {
    let path = container.join("lock");
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Reads a file of ours; `None` when it is not there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file of ours whole, durably, readable by its owner only.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    // The id keeps the agent and a supervisor that write at once out of each other's way.
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let bytes = serde_json::to_vec(value)?;
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// Makes a folder for its owner only, in one that is there; one that is there itself is as good.
pub(crate) fn make_dir_in_place(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Makes a folder for its owner only, and those above it.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_of_dots_stays_inside_the_folder() {
        let layout = Layout { root: PathBuf::from("/state") };
        let uid = PodUid::parse("..").expect("the grammar allows it");
        assert_eq!(layout.pod(&uid), PathBuf::from("/state/pods/pod-.."));
    }

    #[test]
    fn a_session_is_known_by_its_name_and_lies_beside_its_container() {
        let folder = session_folder(Path::new("/p/c0"), 71, 2);
        assert_eq!(folder, PathBuf::from("/p/c0-commands/s-71-2"));
        assert!(is_session(&folder));
        for other in ["/p/c0", "/p/c0/data", "/p/s-", "/p/s-1", "/p/s-1-", "/p/s-1-b", "/p/x-1-2"] {
            assert!(!is_session(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn what_is_written_reads_back_and_is_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("status.json");
        assert_eq!(read::<Status>(&path).expect("readable"), None);
        let status = Status::Failed { reason: "A".into(), message: "b".into() };
        write(&path, &status).expect("writable");
        assert_eq!(read(&path).expect("readable"), Some(status));
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
