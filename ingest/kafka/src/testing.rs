//! A real Apache Kafka for tests: one node in KRaft mode, on free ports of the loopback address.
//!
//! Guarantee: ended by its process id when dropped; its data is in a folder of its own.
//! Needs Java and Kafka's jars (`scripts/kafka-jars`), looked for in `SETPOINT_KAFKA_LIBS`.

mod proxy;
mod security;

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::Settings;
pub use proxy::{Fault, Proxy};

pub use security::{Door, Identity, PASSWORD, USER};

/// A running Kafka.
pub struct Kafka {
    folder: tempfile::TempDir,
    libs: PathBuf,
    /// Where it says that it is.
    advertised: u16,
    doors: Vec<(Door, u16)>,
    server: Option<Child>,
}

/// Any 16 bytes in base64 will do.
const CLUSTER_ID: &str = "c2V0cG9pbnQtdGVzdC0wMQ";
/// A JVM and a log recovery on a busy machine.
const START_WAIT: Duration = Duration::from_secs(120);

impl Kafka {
    /// Starts one; `None` after saying `SKIPPED` when Java or the jars are absent.
    ///
    /// # Panics
    /// When it is absent and `SETPOINT_REQUIRE_REAL` is 1, or does not start.
    #[must_use]
    pub fn start() -> Option<Kafka> {
        let port = free_port();
        Kafka::start_at(port, port, &[], None)
    }

    /// Starts one that is reached by these doors too, with this identity where they speak TLS.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    #[must_use]
    pub fn start_with(doors: &[Door], identity: Option<&Identity>) -> Option<Kafka> {
        let port = free_port();
        Kafka::start_at(port, port, doors, identity)
    }

    /// Starts one whose clients come through this proxy, which forwards to it from now on.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    #[must_use]
    pub fn start_behind(proxy: &Proxy) -> Option<Kafka> {
        let port = free_port();
        proxy.forward(port);
        Kafka::start_at(port, proxy.port(), &[], None)
    }

    fn start_at(
        port: u16,
        advertised: u16,
        doors: &[Door],
        identity: Option<&Identity>,
    ) -> Option<Kafka> {
        let libs = libs();
        if let Err(why) = is_present(&libs) {
            let required = std::env::var("SETPOINT_REQUIRE_REAL").is_ok_and(|value| value == "1");
            assert!(!required, "a real Kafka is required: {why}");
            println!("SKIPPED: {why}");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder for Kafka");
        let doors: Vec<(Door, u16)> = doors.iter().map(|door| (*door, free_port())).collect();
        let ports = (port, advertised, free_port());
        let properties = properties_of(folder.path(), ports, &doors)
            + &security::properties_of(folder.path(), &doors, identity);
        std::fs::write(folder.path().join("server.properties"), properties)
            .expect("server.properties is written");
        let mut kafka = Kafka { folder, libs, advertised, doors, server: None };
        kafka.format();
        kafka.resume();
        Some(kafka)
    }

    /// Where clients find it.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.advertised)
    }

    /// Where clients find one of its doors.
    ///
    /// # Panics
    /// When it was started without it.
    #[must_use]
    pub fn servers_at(&self, door: Door) -> String {
        let found = self.doors.iter().find(|(other, _)| *other == door);
        format!("localhost:{}", found.expect("it was started with this door").1)
    }

    /// Settings of a log on it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings { replication: 1, ..Settings::new(&self.bootstrap_servers()) }
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Ends it with -9; what it acknowledged stays in its folder.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts it again on its port and folder, and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer in time; its log is printed.
    pub fn resume(&mut self) {
        let mut java = self.java("kafka.Kafka");
        java.arg(self.folder.path().join("server.properties"));
        self.server = Some(java.spawn().expect("java starts"));
        let until = Instant::now() + START_WAIT;
        while !self.answers() {
            let ended = self.server.as_mut().and_then(|server| server.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > until {
                panic!("Kafka does not answer ({ended:?}):\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn answers(&self) -> bool {
        let consumer: BaseConsumer =
            self.settings().consumer("read_committed").create().expect("a client");
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(2));
        metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
    }

    fn format(&self) {
        let properties = self.folder.path().join("server.properties");
        let mut java = self.java("kafka.tools.StorageTool");
        java.args(["format", "-t", CLUSTER_ID, "-c"]).arg(properties);
        java.args(self.doors.iter().flat_map(|(door, _)| door.format_arguments()));
        let status = java.status().expect("java starts");
        assert!(status.success(), "the storage is not formatted:\n{}", self.log());
    }

    fn java(&self, class: &str) -> Command {
        let log = File::options().create(true).append(true).open(self.log_path());
        let log = log.expect("Kafka's log file");
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(format!("{}/*", self.libs.display()))
            .arg(class)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("Kafka's log file"))
            .stderr(log);
        java
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("kafka.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
}

fn properties_of(
    folder: &Path,
    (port, advertised, controller): (u16, u16, u16),
    doors: &[(Door, u16)],
) -> String {
    let listeners = security::listeners(doors, "127.0.0.1");
    let told = security::listeners(doors, "localhost");
    let protocols = security::protocols(doors);
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}{told}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocols}
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
",
        folder.join("data").display()
    )
}

fn libs() -> PathBuf {
    if let Some(folder) = std::env::var_os("SETPOINT_KAFKA_LIBS") {
        return PathBuf::from(folder);
    }
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
    home.join(".cache/setpoint/kafka/libs")
}

fn is_present(libs: &Path) -> Result<(), String> {
    let absent = |error: io::Error| format!("{}: {error}; see scripts/kafka-jars", libs.display());
    let mut jars = std::fs::read_dir(libs).map_err(absent)?.flatten();
    let is_server = |name: &str| name.starts_with("kafka_2.13-") && name.ends_with(".jar");
    if !jars.any(|jar| jar.file_name().to_str().is_some_and(is_server)) {
        return Err(format!("no kafka_2.13 jar in {}; see scripts/kafka-jars", libs.display()));
    }
    let java = Command::new("java").arg("-version").stderr(Stdio::null()).status();
    java.map(|_| ()).map_err(|error| format!("java does not start: {error}"))
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
