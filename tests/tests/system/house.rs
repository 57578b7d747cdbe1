//! A house for one test: a folder, the program's roles as processes, free ports.
//!
//! Guarantee: nothing that it started is left behind when it is dropped; after a failure the ends of
//! all logs are printed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
pub(crate) use setpoint_test_support::free_port;
use tempfile::TempDir;

use crate::api::Api;
use crate::processes;

/// How often the fleet is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// An engine that starts on a busy machine.
pub(crate) const LEADS_WITHIN: Duration = Duration::from_secs(30);
/// How much of each log is printed after a failure.
const LOG_LINES_SHOWN: usize = 25;
/// What a killed process may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(10);

/// Held by the tests that run, over all that they await: each has a runtime of its own, so the thread that
/// waits here keeps nobody else waiting.
static CORES: RwLock<()> = RwLock::new(());

/// This test and no other: it keeps the cores busy, measures what a neighbour would change, or needs what the
/// machine has once, such as addresses of Services. So does an engine that returns to its port, which a
/// neighbour could have been given meanwhile; and a test of short leases, probes or waits, which a neighbour
/// that takes the cores would make late.
pub(crate) fn alone() -> Alone {
    Alone(CORES.write().unwrap_or_else(PoisonError::into_inner))
}

/// This test and others that say so: its processes wait most of the time, no engine of it starts twice, and it
/// asks for nothing sooner than a busy machine gives it.
pub(crate) fn beside() -> Beside {
    Beside(CORES.read().unwrap_or_else(PoisonError::into_inner))
}

pub(crate) struct Alone(
    #[expect(dead_code, reason = "held, not read")] RwLockWriteGuard<'static, ()>,
);

pub(crate) struct Beside(
    #[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'static, ()>,
);

/// The processes of one test.
pub(crate) struct House {
    _folder: TempDir,
    /// The folder without links, as `/proc` shows it.
    pub(crate) path: PathBuf,
    program: PathBuf,
    common: Vec<(String, String)>,
    children: BTreeMap<String, Child>,
    /// How much of a role's log is no longer looked at.
    forgotten: BTreeMap<String, usize>,
}

impl House {
    /// An empty one; these settings are every role's.
    pub(crate) fn new(common: &[(&str, &str)]) -> House {
        let folder = tempfile::Builder::new().prefix("sp-").tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("its path");
        fs::write(path.join("setpoint.yaml"), "").expect("empty settings");
        let common = common.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        House {
            _folder: folder,
            path,
            program: program(),
            common,
            children: BTreeMap::new(),
            forgotten: BTreeMap::new(),
        }
    }

    /// A house whose engine leads, with an agent on each of these nodes whose pods are processes.
    pub(crate) async fn with_nodes(common: &[(&str, &str)], nodes: &[&str]) -> (House, Api) {
        let (mut house, api) = (House::new(common), Api::new(free_port()));
        house.start_engine("engine", api.port);
        for node in nodes {
            house.start_agent(node, &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
        }
        house.leads(&api, LEADS_WITHIN).await;
        (house, api)
    }

    /// Starts the engine of this name on this port.
    pub(crate) fn start_engine(&mut self, name: &str, port: u16) {
        self.start_engine_with(name, port, &[]);
    }

    /// The same with settings of its own.
    pub(crate) fn start_engine_with(&mut self, name: &str, port: u16, more: &[(&str, &str)]) {
        let address = format!("127.0.0.1:{port}");
        let own = [("SETPOINT_ENGINE__NAME", name), ("SETPOINT_API__ADDRESS", &address)];
        self.start("engine", name, &[&own, more].concat());
    }

    /// Starts the agent of this node.
    pub(crate) fn start_agent(&mut self, node: &str, servers: &str, settings: &[(&str, &str)]) {
        self.start("agent", node, &[&of_agent(node, servers), settings].concat());
    }

    /// The same in a network namespace that was made beforehand, as on another machine.
    pub(crate) fn start_agent_in(
        &mut self,
        namespace: &str,
        node: &str,
        servers: &str,
        settings: &[(&str, &str)],
    ) {
        let own = of_agent(node, servers);
        let enter = ["nsenter".to_owned(), format!("--net=/run/netns/{namespace}")];
        self.start_by(&enter, "agent", node, &[&own, settings].concat());
    }

    /// Starts everything in one process, `up`, with so many agents.
    pub(crate) fn start_up(&mut self, name: &str, port: u16, agents: usize) {
        let (address, agents) = (format!("127.0.0.1:{port}"), agents.to_string());
        let own = [
            ("SETPOINT_API__ADDRESS", &*address),
            ("SETPOINT_UP__AGENTS", &*agents),
            ("SETPOINT_AGENT__RUNTIME", "process"),
        ];
        self.start("up", name, &own);
    }

    /// Carries out a client verb against this server: its output and exit code.
    pub(crate) fn verb(&self, server: &str, arguments: &str) -> Output {
        let words: Vec<&str> = arguments.split(' ').collect();
        let mut command = self.command(&words);
        command.env("SETPOINT_CLIENT__SERVER", server).output().expect("the verb runs")
    }

    /// Carries out a client verb that must succeed; what it printed.
    pub(crate) fn does(&self, server: &str, arguments: &str) -> String {
        let Output { status, stdout, stderr } = self.verb(server, arguments);
        let [stdout, stderr] = [stdout, stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
        assert!(status.success(), "{arguments}: {stderr}");
        stdout
    }

    /// Applies what is written to a file of this name; what the verb printed.
    pub(crate) fn applies(&self, server: &str, name: &str, text: &str) -> String {
        let file = self.path.join(name);
        fs::write(&file, text).expect("it is written");
        self.does(server, &format!("apply -f {}", file.display()))
    }

    /// A client verb for this server that is yet to be started.
    pub(crate) fn verb_to_speak_with(&self, server: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("SETPOINT_CLIENT__SERVER", server);
        command
    }

    /// Ends a role with -9 and waits until it is gone.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut child = self.children.remove(name).expect("it was started");
        child.kill().expect("it can be killed");
        child.wait().expect("it ended");
    }

    /// Waits until a role ends by itself; its exit code.
    pub(crate) async fn ends(&mut self, name: &str, within: Duration) -> Option<i32> {
        let mut child = self.children.remove(name).expect("it was started");
        let look = async || child.try_wait().expect("its state").ok_or("it runs".to_owned());
        self.until(&format!("{name} ends"), within, look).await.code()
    }

    /// Sends a role a signal.
    pub(crate) fn signal(&self, name: &str, signal: Signal) {
        let pid = self.children[name].id();
        processes::signal(i32::try_from(pid).expect("a pid"), signal);
    }

    /// The process of a role.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        self.children[name].id()
    }

    /// Runs a verb of the program in this folder, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    /// The same with settings of its own.
    pub(crate) fn run_with(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let mut verb = self.command(arguments);
        verb.env("SETPOINT_DATA_DIR", self.path.join("client"));
        verb.envs(settings.iter().copied()).output().expect("the program starts")
    }

    /// Whether a role's log says this, since what was forgotten.
    pub(crate) fn said(&self, name: &str, what: &str) -> bool {
        let from = self.forgotten.get(name).copied().unwrap_or(0);
        self.log_text(name).get(from..).is_some_and(|text| text.contains(what))
    }

    /// What a role's log has said up to now is no longer looked at.
    pub(crate) fn forget_said(&mut self, name: &str) {
        let length = self.log_text(name).len();
        self.forgotten.insert(name.to_owned(), length);
    }

    /// Waits until a role ended by itself, badly; all that it printed.
    pub(crate) async fn ended(&mut self, name: &str, within: Duration) -> String {
        let code = self.ends(name, within).await;
        assert_ne!(code, Some(0), "{name} ended well: {}", self.log_text(name));
        self.log_text(name)
    }

    /// Looks until it is so; the closure says what is, while it is not so yet.
    ///
    /// # Panics
    /// When it is not so in time, or a role ended by itself.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut look: impl AsyncFnMut() -> Result<T, String>,
    ) -> T {
        let began = Instant::now();
        loop {
            let is = match look().await {
                Ok(value) => return value,
                Err(is) => is,
            };
            for (name, child) in &mut self.children {
                let ended = child.try_wait().expect("its state");
                assert!(ended.is_none(), "while waiting until {what}: {name} ended: {ended:?}");
            }
            assert!(began.elapsed() < within, "not within {within:?}: {what}; but: {is}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the engine leads.
    pub(crate) async fn leads(&mut self, api: &Api, within: Duration) {
        self.until("the engine leads", within, async || {
            let status = api.get("/setpoint/v1/status").await?;
            let leads = status["role"] == "leader" && status["ready"] == true;
            if leads { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    }

    fn start(&mut self, role: &str, name: &str, settings: &[(&str, &str)]) {
        self.start_by(&[], role, name, settings);
    }

    /// By a program that becomes ours, with these words before ours; without any: at once.
    fn start_by(&mut self, by: &[String], role: &str, name: &str, settings: &[(&str, &str)]) {
        let log = File::options().create(true).append(true).open(self.log(name)).expect("a log");
        let child = self
            .command_by(by, &[role])
            .env("SETPOINT_DATA_DIR", self.path.join(name))
            .envs(settings.iter().copied())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let before = self.children.insert(name.to_owned(), child);
        assert!(before.is_none(), "{name} runs already");
    }

    /// The program in this house: nothing of the caller's settings reaches it.
    fn command(&self, words: &[&str]) -> Command {
        self.command_by(&[], words)
    }

    fn command_by(&self, by: &[String], words: &[&str]) -> Command {
        let others = std::env::vars().filter(|(key, _)| !key.starts_with("SETPOINT_"));
        let mut line = by.iter().map(OsStr::new).chain([self.program.as_os_str()]);
        let mut command = Command::new(line.next().expect("our program at least"));
        command
            .args(line)
            .args(words)
            .env_clear()
            .envs(others)
            .env("SETPOINT_CONFIG", self.path.join("setpoint.yaml"))
            .envs(self.common.iter().map(|(key, value)| (key, value)))
            .current_dir(&self.path)
            .stdin(Stdio::null());
        command
    }

    /// All that a role printed.
    pub(crate) fn log_text(&self, name: &str) -> String {
        fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.log"))
    }

    fn print_logs(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|kind| kind == "log") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let end = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
                println!("--- the end of {} ---\n{end}", path.display());
            }
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        for child in self.children.values_mut() {
            let _ended_already = child.kill();
            let _ended = child.wait();
        }
        let began = Instant::now();
        while began.elapsed() < GONE_MAX {
            let left = processes::all(&self.path);
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(|pid| processes::signal(pid, Signal::SIGKILL));
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Whether a program is installed; otherwise the test is skipped.
///
/// # Panics
/// When it is not, and real parts are required.
pub(crate) fn is_present(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        setpoint_test_support::skip(&format!("{program} is not installed"));
    }
    found
}

/// What every agent is told. The machine that tests run on may have a fuller disk than a server should, and be
/// short of memory or process ids for a while; tests of such shortages say what they look at.
fn of_agent<'a>(node: &'a str, servers: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("SETPOINT_AGENT__NAME", node),
        ("SETPOINT_AGENT__SERVERS", servers),
        ("SETPOINT_AGENT__PRESSURE__NODEFS_AVAILABLE", "0%"),
        ("SETPOINT_AGENT__PRESSURE__NODEFS_INODES_FREE", "0%"),
        ("SETPOINT_AGENT__PRESSURE__MEMORY_AVAILABLE", "0"),
        ("SETPOINT_AGENT__PRESSURE__PID_AVAILABLE", "0"),
    ]
}

/// The program: beside the folder of the test executables.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test's path");
    let beside = test.parent().and_then(Path::parent).map(|folder| folder.join("setpoint"));
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let named = target.map(|folder| PathBuf::from(folder).join("debug/setpoint"));
    let found = [beside, named].into_iter().flatten().find(|path| path.is_file());
    found.expect("the program is built: cargo build -p setpoint")
}
