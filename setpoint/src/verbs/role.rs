//! The roles on the command line: their flags as settings.

use clap::{Args, ValueEnum};
use setpoint_settings::Flag;

/// Run everything on this machine: engine, API, embedded log and agents
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint up
  setpoint up --runtime process --agents 3
  setpoint up --data-dir /var/lib/setpoint --listen 127.0.0.1:7000")]
pub(crate) struct Up {
    /// How many agents, each a node
    #[arg(long, value_name = "N")]
    agents: Option<u32>,
    #[command(flatten)]
    engine: EngineFlags,
    #[command(flatten)]
    runtime: RuntimeFlags,
    #[command(flatten)]
    common: CommonFlags,
}

/// Run an engine: the leader, or a standby when there is one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint engine
  setpoint engine --log kafka --set log.kafka.bootstrap.servers=kafka:9092 --engine-name engine-2
  setpoint engine --listen 0.0.0.0:6440 --set api.tls_cert=tls.crt --set api.tls_key=tls.key \\
      --set api.tokens=admin:ops:c2V0cG9pbnQtdG9rZW4")]
pub(crate) struct Engine {
    #[command(flatten)]
    engine: EngineFlags,
    #[command(flatten)]
    common: CommonFlags,
}

/// Run the agent of a node
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint agent
  setpoint agent --server https://engine:6440 --name node-7 --label zone=a --label disk=ssd
  setpoint agent --runtime process
  setpoint agent --watch --name legacy-1 --docker-host unix:///var/run/docker.sock
  setpoint agent --runtime simulated --name sim --set agent.simulated.nodes=1000")]
pub(crate) struct Agent {
    /// The node's name; the host's when not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only watch the Docker engine: its containers are shown, nothing is run there
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    runtime: RuntimeFlags,
    #[command(flatten)]
    common: CommonFlags,
}

#[derive(Debug, Args)]
struct EngineFlags {
    /// Where the API listens
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The name of this engine among leader and standbys
    #[arg(long = "engine-name", alias = "name", value_name = "NAME")]
    engine_name: Option<String>,
    /// Which log
    #[arg(long, value_enum)]
    log: Option<Log>,
    /// Workers: the one that decides, and others that read the log and count
    #[arg(long, value_name = "N")]
    workers: Option<u32>,
    /// A file with the addresses of the processes that count together, the deciding one first
    #[arg(long, value_name = "FILE")]
    processes: Option<String>,
    /// The number of this process among them, from 0 on
    #[arg(long, value_name = "NUMBER", requires = "processes")]
    process: Option<usize>,
}

#[derive(Debug, Args)]
struct RuntimeFlags {
    /// What runs the pods
    #[arg(long, value_enum)]
    runtime: Option<Runtime>,
    /// A label of the node; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// A GPU of the node, such as `GPU-5f0c=T4`; may be repeated. Without it: those that are found
    #[arg(long = "device", value_name = "ID[=MODEL[/MEMORY]]")]
    devices: Vec<String>,
    /// Docker's socket
    #[arg(long, value_name = "URL")]
    docker_host: Option<String>,
}

#[derive(Debug, Args)]
struct CommonFlags {
    /// The fleet's id
    #[arg(long, value_name = "ID")]
    fleet: Option<String>,
    /// Where everything that must survive lies
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// How log lines look
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Log {
    Embedded,
    Kafka,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Runtime {
    Docker,
    Process,
    Simulated,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Up {
    /// The flags that were given, as settings.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let mut flags = Flags::default();
        flags.add("--agents", "up.agents", self.agents);
        flags.engine(&self.engine);
        flags.runtime(&self.runtime);
        flags.common(&self.common);
        flags.0
    }
}

impl Engine {
    /// The flags that were given, as settings.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let mut flags = Flags::default();
        flags.engine(&self.engine);
        flags.common(&self.common);
        flags.0
    }
}

impl Agent {
    /// The flags that were given, as settings.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let mut flags = Flags::default();
        flags.add("--name", "agent.name", self.name.as_ref());
        flags.add("--watch", "agent.docker.watch", self.watch.then_some(true));
        flags.runtime(&self.runtime);
        flags.common(&self.common);
        flags.0
    }
}

#[derive(Default)]
struct Flags(Vec<Flag>);

impl Flags {
    fn add(&mut self, flag: &str, key: &str, value: Option<impl ToString>) {
        self.0.extend(value.map(|value| Flag::new(flag, key, value.to_string())));
    }

    fn engine(&mut self, flags: &EngineFlags) {
        self.add("--listen", "api.address", flags.listen.as_ref());
        self.add("--engine-name", "engine.name", flags.engine_name.as_ref());
        self.add("--log", "log.kind", flags.log.map(name_of));
        self.add("--workers", "engine.workers", flags.workers);
        self.add("--processes", "engine.processes", flags.processes.as_ref());
        self.add("--process", "engine.process", flags.process);
    }

    fn runtime(&mut self, flags: &RuntimeFlags) {
        self.add("--runtime", "agent.runtime", flags.runtime.map(name_of));
        self.add("--docker-host", "agent.docker.host", flags.docker_host.as_ref());
        if !flags.labels.is_empty() {
            self.add("--label", "agent.labels", Some(flags.labels.join(",")));
        }
        if !flags.devices.is_empty() {
            self.add("--device", "agent.devices", Some(flags.devices.join(",")));
        }
    }

    fn common(&mut self, flags: &CommonFlags) {
        self.add("--fleet", "fleet", flags.fleet.as_ref());
        self.add("--data-dir", "data_dir", flags.data_dir.as_ref());
        self.add("--log-format", "trace.format", flags.log_format.map(name_of));
    }
}

fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use setpoint_settings::{LogKind, Sources, load};

    #[derive(Parser)]
    enum Roles {
        Up(Up),
        Engine(Engine),
        Agent(Agent),
    }

    fn settings(line: &str) -> setpoint_settings::Settings {
        let words = std::iter::once("setpoint").chain(line.split_whitespace());
        let flags = match Roles::try_parse_from(words).expect("a command line") {
            Roles::Up(up) => up.flags(),
            Roles::Engine(engine) => engine.flags(),
            Roles::Agent(agent) => agent.flags(),
        };
        load(&Sources { flags, ..Sources::default() }).expect("settings").settings
    }

    #[test]
    fn flags_become_settings() {
        let up = settings("up --agents 3 --runtime process --data-dir /d --listen 127.0.0.1:7000");
        assert_eq!(up.up.agents, 3);
        assert_eq!(up.agent.runtime, setpoint_settings::Runtime::Process);
        assert_eq!(up.api.address.port(), 7000);
        let engine = settings("engine --name engine-2 --log embedded --fleet blue");
        assert_eq!((engine.engine.name.as_str(), engine.log.kind), ("engine-2", LogKind::Embedded));
        assert_eq!(engine.fleet.as_str(), "blue");
        let second = settings("engine --workers 4 --processes hosts.txt --process 1").engine;
        assert_eq!(
            (second.workers, second.processes.as_str(), second.process),
            (4, "hosts.txt", 1)
        );
        let agent = settings(
            "agent --name n1 --watch --label zone=a --label disk=ssd --device 0=T4/16Gi --device 1",
        );
        assert_eq!(agent.agent.devices, ["0=T4/16Gi", "1"]);
        assert!(agent.agent.docker.watch);
        assert_eq!(agent.agent.name, "n1");
        assert_eq!(agent.agent.labels.len(), 2);
    }
}
