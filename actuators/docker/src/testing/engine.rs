//! One private engine: start, wait, load the test image, stop, lose.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Surroundings, http, processes};

/// The one image that a private engine has: the static busybox, without a registry.
pub const TEST_IMAGE: &str = "busybox:local";

/// The same with a user of its own, who is nobody's and has no name.
pub const TEST_IMAGE_OF_NOBODY: &str = "busybox:nobody";

/// The same with a check of its health: whether the file `/healthy` is there, twice a second.
pub const TEST_IMAGE_CHECKED: &str = "busybox:checked";
/// That check, as the query of a URL.
const CHECKED: &str = "&changes=HEALTHCHECK%20--interval%3D500ms%20--timeout%3D10s%20--retries%3D2\
                       %20CMD%20ls%20%2Fhealthy";

/// The programs of the test image that are linked to busybox.
const APPLETS: &[&str] = &[
    "sh", "sleep", "cat", "echo", "ls", "true", "false", "test", "env", "id", "head", "tr", "grep",
    "seq", "date", "touch", "rm", "ln", "mkdir", "stat", "kill", "ip", "nc", "httpd", "wget",
    "setsid",
];
/// Ready in one second when alone, in ten under load.
const READY_MAX: Duration = Duration::from_secs(30);
/// The engine waits ten seconds for containers; those are killed before.
const STOP_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// The path of a socket has at most 108 bytes, the engine's own below it included.
const FOLDER_BYTES_MAX: usize = 60;

/// Engines of one process must not share containerd's namespaces.
static ENGINES: AtomicU32 = AtomicU32::new(0);

/// Why there is no private engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// This machine cannot run one; a test skips.
    #[error("no private docker engine: {0}")]
    Absent(String),
    /// It should run, and does not; a test fails.
    #[error("failed to {attempt} a private docker engine: {why}")]
    Failed {
        /// What was attempted.
        attempt: &'static str,
        /// What came of it.
        why: String,
    },
}

/// A private engine. Stopped and removed when dropped.
#[derive(Debug)]
pub struct PrivateEngine {
    folder: PathBuf,
    surroundings: Surroundings,
    number: u32,
    daemon: Option<Child>,
}

/// Checks that this machine can run a private engine. When it cannot: prints `SKIPPED` with the
/// reason and returns false, or panics when `SETPOINT_REQUIRE_REAL` is 1.
///
/// # Panics
/// As said.
#[must_use]
pub fn require() -> bool {
    match absent() {
        None => true,
        Some(why) if std::env::var("SETPOINT_REQUIRE_REAL").as_deref() == Ok("1") => {
            panic!("a real docker engine is required: {why}")
        }
        Some(why) => {
            println!("SKIPPED: {why}");
            false
        }
    }
}

impl PrivateEngine {
    /// Starts an engine in this folder, which is made and later removed, and gives it
    /// [`TEST_IMAGE`]. Blocking; ready within seconds.
    ///
    /// # Errors
    /// [`EngineError::Absent`] when this machine cannot run one, otherwise what failed, with the
    /// end of the engine's own log.
    pub fn start(folder: &Path) -> Result<Self, EngineError> {
        Self::start_in(folder, Surroundings::Alone)
    }

    /// The same in these surroundings.
    ///
    /// # Errors
    /// As for [`PrivateEngine::start`].
    pub fn start_in(folder: &Path, surroundings: Surroundings) -> Result<Self, EngineError> {
        if let Some(why) = absent() {
            return Err(EngineError::Absent(why));
        }
        if folder.as_os_str().len() > FOLDER_BYTES_MAX {
            return Err(failed("start", format!("{} is too long for sockets", folder.display())));
        }
        fs::create_dir_all(folder).map_err(|error| failed("make the folder of", error))?;
        let folder =
            fs::canonicalize(folder).map_err(|error| failed("find the folder of", error))?;
        let number = ENGINES.fetch_add(1, Ordering::Relaxed);
        let mut engine = PrivateEngine { folder, surroundings, number, daemon: None };
        engine.launch()?;
        engine.load_image()?;
        Ok(engine)
    }

    /// The engine's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("d.sock")
    }

    /// The engine's address, as `DOCKER_HOST` has it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Ends the engine, its containerd and all its containers at once with SIGKILL, as when the
    /// machine loses power. Its folder stays, so that it can be started again.
    pub fn lose(&mut self) {
        let ours = processes::naming(&self.folder);
        let inside = processes::descendants(&ours);
        processes::signal(&ours, Signal::SIGKILL);
        processes::signal(&inside, Signal::SIGKILL);
        processes::ended(&[ours, inside].concat(), STOP_MAX);
        self.reap();
        processes::unmount(&self.folder);
        // What a machine keeps in memory is gone with its power.
        let _absent = fs::remove_dir_all(self.folder.join("exec"));
    }

    /// Ends the engine alone with SIGKILL; its containers run on.
    pub fn kill_daemon(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ended_already = daemon.kill();
        }
        self.reap();
    }

    /// Starts an engine again that was lost, killed or stopped.
    ///
    /// # Errors
    /// What failed, with the end of the engine's own log.
    pub fn restart(&mut self) -> Result<(), EngineError> {
        let _absent = fs::remove_file(self.folder.join("pid"));
        if !processes::containerd_runs(&self.folder) {
            // A containerd that has ended but was not yet reaped counts as alive by its pid file.
            let _absent = fs::remove_file(self.folder.join("exec/containerd/containerd.pid"));
        }
        self.launch()
    }

    /// Ends all containers, then the engine, and waits for it. Its folder stays.
    pub fn stop(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        let pid = i32::try_from(daemon.id()).unwrap_or(0);
        let shims: Vec<i32> = processes::naming(&self.folder);
        let containers = processes::descendants(&shims);
        let engine = [pid].to_vec();
        let of_engine = processes::descendants(&engine);
        let inside = |pid: &&i32| !of_engine.contains(pid) && !shims.contains(pid);
        let inside: Vec<i32> = containers.iter().filter(inside).copied().collect();
        processes::signal(&inside, Signal::SIGKILL);
        processes::signal(&engine, Signal::SIGTERM);
        if processes::ended(&engine, STOP_MAX) { self.reap() } else { self.lose() }
    }

    fn launch(&mut self) -> Result<(), EngineError> {
        let at = |name: &str| self.folder.join(name);
        let log = File::create(at("log")).map_err(|error| failed("open the log of", error))?;
        let errors = log.try_clone().map_err(|error| failed("open the log of", error))?;
        // Several processes may test at once: the process id is part of the namespace.
        let namespace = format!("{}-{}", std::process::id(), self.number);
        let daemon = self
            .surroundings
            .daemon()
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .args(["--host", &self.host()])
            .args(["--iptables=false", "--ip-masq=false"])
            .args(["--containerd-namespace", &format!("n{namespace}")])
            .args(["--containerd-plugins-namespace", &format!("p{namespace}")])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| failed("start", error))?;
        self.daemon = Some(daemon);
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), EngineError> {
        let begin = Instant::now();
        loop {
            if matches!(http::request(&self.socket(), "GET", "/_ping", &[]), Ok((200, _))) {
                return Ok(());
            }
            let ended = self.daemon.as_mut().is_none_or(|d| !matches!(d.try_wait(), Ok(None)));
            if ended || begin.elapsed() > READY_MAX {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                return Err(failed("wait for", tail.join(" | ")));
            }
            sleep(POLL);
        }
    }

    fn load_image(&self) -> Result<(), EngineError> {
        let root = self.folder.join("rootfs");
        let archive = busybox_archive(&root).map_err(|error| failed("make the image of", error))?;
        self.import(TEST_IMAGE, "", &archive)?;
        self.import(TEST_IMAGE_OF_NOBODY, "&changes=USER%2065534", &archive)?;
        self.import(TEST_IMAGE_CHECKED, CHECKED, &archive)
    }

    fn import(&self, image: &str, changes: &str, archive: &[u8]) -> Result<(), EngineError> {
        let (name, tag) = image.split_once(':').unwrap_or((image, "latest"));
        let path = format!("/images/create?fromSrc=-&repo={name}&tag={tag}{changes}");
        let answer = http::request(&self.socket(), "POST", &path, archive);
        match answer.map_err(|error| failed("load the image of", error))? {
            (200, body) if !String::from_utf8_lossy(&body).contains("\"error\"") => Ok(()),
            (_, body) => Err(failed("load the image of", String::from_utf8_lossy(&body))),
        }
    }

    fn reap(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ended = daemon.wait();
        }
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        self.stop();
        self.lose();
        let _left = fs::remove_dir_all(&self.folder);
    }
}

fn absent() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("a private docker engine needs root".to_owned());
    }
    let missing = ["dockerd", "containerd", "runc", "busybox", "tar"]
        .into_iter()
        .find(|p| which(p).is_none());
    missing.map(|program| format!("{program} is not installed"))
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A root file system of busybox alone, as a tar archive.
fn busybox_archive(root: &Path) -> io::Result<Vec<u8>> {
    let busybox = which("busybox").ok_or_else(|| io::Error::other("busybox is not installed"))?;
    let bin = root.join("bin");
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(root.join("tmp"))?;
    fs::copy(busybox, bin.join("busybox"))?;
    for applet in APPLETS {
        symlink("busybox", bin.join(applet))?;
    }
    let output = Command::new("tar").arg("-C").arg(root).args(["-c", "."]).output()?;
    fs::remove_dir_all(root)?;
    Ok(output.stdout)
}

fn failed(attempt: &'static str, why: impl std::fmt::Display) -> EngineError {
    EngineError::Failed { attempt, why: why.to_string() }
}
