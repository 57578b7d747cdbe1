//! What the demo works with: a folder, an engine, three agents, and this program's own verbs.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use setpoint_actuator_process::outside;
use setpoint_settings::{ClientSettings, process_environment};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::failure::Failure;

/// How many agents.
pub(crate) const AGENTS: usize = 3;
/// How often the fleet is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a process may take to end when asked; then it is killed.
const END_MAX: Duration = Duration::from_secs(5);
/// How much of a log is shown after a failure.
const LOG_LINES_SHOWN: usize = 15;

/// The examples, carried in the program so that the demo works anywhere.
const EXAMPLES: [(&str, &str); 4] = [
    ("web.yaml", include_str!("../../../examples/web.yaml")),
    ("compose.yaml", include_str!("../../../examples/compose.yaml")),
    ("web-v2.yaml", include_str!("../../../examples/web-v2.yaml")),
    ("broken.yaml", include_str!("../../../examples/broken.yaml")),
];

/// The stage.
pub(crate) struct Stage {
    folder: TempDir,
    /// The folder without links, as `/proc` shows it.
    pub(crate) path: PathBuf,
    program: PathBuf,
    port: u16,
    /// The API.
    pub(crate) client: Client,
    engine: Option<Child>,
    agents: [Option<Child>; AGENTS],
    /// The agent that was killed, and a pod that moved because of it: namespace and name.
    pub(crate) lost: Option<usize>,
    pub(crate) moved: Option<(String, String)>,
}

impl Stage {
    /// A stage on which nothing runs yet.
    pub(crate) fn new() -> Result<Self, Failure> {
        let what = || Failure::new("failed to set up the demo");
        let folder = tempfile::Builder::new().prefix("setpoint-demo-").tempdir();
        let folder = folder.map_err(|error| what().because(error))?;
        let path = folder.path().canonicalize().map_err(|error| what().because(error))?;
        for (name, text) in EXAMPLES {
            fs::write(path.join(name), text).map_err(|error| what().because(error))?;
        }
        fs::write(path.join("setpoint.yaml"), "").map_err(|error| what().because(error))?;
        let program = std::env::current_exe().map_err(|error| what().because(error))?;
        let port = free_port().map_err(|error| what().because(error))?;
        let server = format!("http://127.0.0.1:{port}");
        let client = Client::new(&ClientSettings { server, ..ClientSettings::default() })?;
        Ok(Stage {
            folder,
            path,
            program,
            port,
            client,
            engine: None,
            agents: [const { None }; AGENTS],
            lost: None,
            moved: None,
        })
    }

    /// The name of an agent's node.
    pub(crate) fn node(index: usize) -> String {
        format!("node-{}", index + 1)
    }

    /// Starts the engine.
    pub(crate) fn start_engine(&mut self) -> Result<(), Failure> {
        let data = self.path.join("engine");
        let child = self.role("engine", "engine", &data, &[])?;
        self.engine = Some(child);
        Ok(())
    }

    /// Starts an agent.
    pub(crate) fn start_agent(&mut self, index: usize) -> Result<(), Failure> {
        let node = Stage::node(index);
        let data = self.path.join(&node);
        let server = self.client.server().to_owned();
        let settings = [
            ("SETPOINT_AGENT__NAME", node.as_str()),
            ("SETPOINT_AGENT__SERVERS", server.as_str()),
            ("SETPOINT_AGENT__RUNTIME", "process"),
            // The demo runs on workstations, whose disks are often fuller than a server's may be, and which may
            // be short of memory or process ids for a while.
            ("SETPOINT_AGENT__PRESSURE__NODEFS_AVAILABLE", "0%"),
            ("SETPOINT_AGENT__PRESSURE__NODEFS_INODES_FREE", "0%"),
            ("SETPOINT_AGENT__PRESSURE__MEMORY_AVAILABLE", "0"),
            ("SETPOINT_AGENT__PRESSURE__PID_AVAILABLE", "0"),
        ];
        let child = self.role("agent", &node, &data, &settings)?;
        self.agents[index] = Some(child);
        Ok(())
    }

    /// Kills the engine with -9.
    pub(crate) async fn kill_engine(&mut self) {
        if let Some(engine) = self.engine.take() {
            kill_child(engine).await;
        }
    }

    /// Kills an agent with -9.
    pub(crate) async fn kill_agent(&mut self, index: usize) {
        if let Some(agent) = self.agents[index].take() {
            kill_child(agent).await;
        }
    }

    /// Asks agents and engine to end, as SIGTERM does; tells which did not.
    pub(crate) async fn stop_roles(&mut self) -> Vec<String> {
        let mut late = Vec::new();
        for index in 0..AGENTS {
            if let Some(agent) = self.agents[index].take()
                && !end_child(agent).await
            {
                late.push(Stage::node(index));
            }
        }
        if let Some(engine) = self.engine.take()
            && !end_child(engine).await
        {
            late.push("engine".to_owned());
        }
        late
    }

    /// Whether engine and agents that should run do run.
    pub(crate) fn fallen(&mut self) -> Option<String> {
        let ended = |child: &mut Option<Child>| {
            child.as_mut().and_then(|child| child.try_wait().ok().flatten())
        };
        if let Some(status) = ended(&mut self.engine) {
            return Some(format!("the engine ended by itself: {status}"));
        }
        (0..AGENTS).find_map(|index| {
            let status = ended(&mut self.agents[index])?;
            Some(format!("{} ended by itself: {status}", Stage::node(index)))
        })
    }

    /// Runs one of this program's own verbs in the demo's folder.
    pub(crate) async fn verb(&self, words: &[&str]) -> Result<Output, Failure> {
        let mut command = self.command();
        command.args(words).args(["--server", self.client.server()]);
        let what = || Failure::new(format!("failed to run setpoint {}", words.join(" ")));
        command.output().await.map_err(|error| what().because(error))
    }

    /// The same, and what it printed when it ended well.
    pub(crate) async fn well(&self, words: &[&str]) -> Result<String, Failure> {
        let output = self.verb(words).await?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(Failure::new(format!("setpoint {} failed", words.join(" ")))
                .because(String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    /// Looks until it is so; the closure says what is, while it is not so yet.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        seconds: u64,
        mut look: impl AsyncFnMut(&Stage) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        loop {
            let is = match look(self).await {
                Ok(value) => return Ok(value),
                Err(is) => is,
            };
            if let Some(fallen) = self.fallen() {
                return Err(Failure::new(format!("not observed: {what}")).because(fallen));
            }
            if began.elapsed() >= Duration::from_secs(seconds) {
                let why = format!("not within {seconds} s: {is}");
                return Err(Failure::new(format!("not observed: {what}")).because(why));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends whatever of the demo still runs.
    pub(crate) async fn clean(&mut self) {
        drop(self.engine.take());
        for agent in &mut self.agents {
            drop(agent.take());
        }
        let began = Instant::now();
        while began.elapsed() < END_MAX {
            let left = outside::all(&self.path);
            if left.is_empty() {
                return;
            }
            left.into_iter().for_each(|pid| outside::signal(pid, Signal::SIGKILL));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The last lines of every log.
    pub(crate) fn log_ends(&self) -> Vec<(String, String)> {
        let names = std::iter::once("engine".to_owned()).chain((0..AGENTS).map(Stage::node));
        let end = |name: String| {
            let text = fs::read_to_string(self.log(&name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
            (format!("{name}.log"), lines[from..].join("\n"))
        };
        names.map(end).filter(|(_, end)| !end.is_empty()).collect()
    }

    /// Keeps the folder after the demo.
    pub(crate) fn keep(&mut self) -> String {
        self.folder.disable_cleanup(true);
        self.path.display().to_string()
    }

    fn role(
        &self,
        role: &str,
        name: &str,
        data: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Child, Failure> {
        let what = || Failure::new(format!("failed to start {name}"));
        let log = File::options().create(true).append(true).open(self.log(name));
        let log = log.map_err(|error| what().because(error))?;
        let errors = log.try_clone().map_err(|error| what().because(error))?;
        let mut command = self.command();
        command.arg(role).env("SETPOINT_DATA_DIR", data).envs(settings.iter().copied());
        command.stdout(log).stderr(errors);
        command.spawn().map_err(|error| what().because(error))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.log"))
    }

    /// This program, with no settings but the demo's own.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let others =
            process_environment().into_iter().filter(|(name, _)| !name.starts_with("SETPOINT_"));
        let folder: &OsStr = self.path.as_os_str();
        command
            .env_clear()
            .envs(others)
            .env("SETPOINT_CONFIG", self.path.join("setpoint.yaml"))
            .env("SETPOINT_DATA_DIR", folder)
            .env("SETPOINT_FLEET", "demo")
            .env("SETPOINT_API__ADDRESS", format!("127.0.0.1:{}", self.port))
            .env("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000")
            .env("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "3000")
            .current_dir(folder)
            .stdin(Stdio::null())
            // An interrupt is the demo's to handle: a child must not see the terminal's.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// A port that nobody listens on now.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn kill_child(mut child: Child) {
    // It fails only when the child has ended already.
    let _ = child.kill().await;
}

/// Whether it ended in time when asked.
async fn end_child(mut child: Child) -> bool {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        outside::signal(pid, Signal::SIGTERM);
    }
    let ended = tokio::time::timeout(END_MAX, child.wait()).await.is_ok();
    if !ended {
        kill_child(child).await;
    }
    ended
}
