//! A house on a real Kafka: engines that share it, and agents that know all of them.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use setpoint_ingest_kafka::testing::Kafka;

use crate::api::Api;
use crate::house::{House, free_port};
use crate::processes;

/// The nodes of every house on Kafka.
pub(crate) const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// An engine that starts on a busy machine and waits for the silence of the one before.
pub(crate) const LEADS_WITHIN: Duration = Duration::from_secs(40);
/// A client tries elsewhere after this.
const CALL_MAX: Duration = Duration::from_secs(3);
/// All engines of a fleet seal with one key: any 32 bytes will do.
const SEALING_KEY: &str = "c2VhbGluZy1rZXktb2YtdGhlLXN5c3RlbS10ZXN0cyE=";

/// One of the engines.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) api: Api,
    port: u16,
}

/// The house and its Kafka, which outlives it.
pub(crate) struct KafkaHouse {
    pub(crate) house: House,
    pub(crate) engines: Vec<Engine>,
    pub(crate) kafka: Kafka,
}

impl KafkaHouse {
    /// With these engines, and agents on the process runtime; `None` without a real Kafka.
    pub(crate) fn start(names: &[&'static str]) -> Option<KafkaHouse> {
        Some(KafkaHouse::on(Kafka::start()?, names))
    }

    /// The same on this Kafka.
    pub(crate) fn on(kafka: Kafka, names: &[&'static str]) -> KafkaHouse {
        let house = House::new(&[
            ("SETPOINT_LOG__KIND", "kafka"),
            ("SETPOINT_LOG__KAFKA__BOOTSTRAP_SERVERS", &kafka.bootstrap_servers()),
            ("SETPOINT_API__SEALING_KEY", SEALING_KEY),
            ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
            ("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "1000"),
        ]);
        let engine = |name: &&'static str| {
            let port = free_port();
            Engine { name, port, api: Api::new(port).patient(CALL_MAX) }
        };
        let mut all = KafkaHouse { house, engines: names.iter().map(engine).collect(), kafka };
        (0..all.engines.len()).for_each(|index| all.start_engine(index));
        let bases: Vec<&str> = all.engines.iter().map(|engine| &*engine.api.base).collect();
        let bases = bases.join(",");
        for node in NODES {
            all.house.start_agent(node, &bases, &[("SETPOINT_AGENT__RUNTIME", "process")]);
        }
        all
    }

    /// Starts one of the engines.
    pub(crate) fn start_engine(&mut self, index: usize) {
        let Engine { name, port, .. } = self.engines[index];
        self.house.start_engine(name, port);
    }

    /// A client of each engine.
    pub(crate) fn apis(&self) -> Vec<Api> {
        self.engines.iter().map(|engine| engine.api.clone()).collect()
    }

    /// Which engine leads, once one does and all others stand by: engines that start together may
    /// take the lead from each other at first.
    pub(crate) async fn leader(&mut self) -> usize {
        let apis = self.apis();
        self.house
            .until("one engine leads, the others stand by", LEADS_WITHIN, async || {
                let mut roles = Vec::new();
                for api in &apis {
                    roles.push(role(api).await?);
                }
                let leads = roles.iter().position(|role| role == "leader");
                let others = roles.iter().filter(|role| *role == "standby").count();
                let leads = leads.filter(|_| others + 1 == roles.len());
                leads.ok_or(format!("{roles:?}"))
            })
            .await
    }

    /// Waits until this engine has this role, and says how long that took.
    pub(crate) async fn becomes(
        &mut self,
        index: usize,
        wanted: &str,
        within: Duration,
    ) -> Duration {
        let (began, api) = (Instant::now(), self.engines[index].api.clone());
        let what = format!("{} is {wanted}", self.engines[index].name);
        self.house
            .until(&what, within, async || {
                let role = role(&api).await?;
                if role == wanted { Ok(()) } else { Err(role) }
            })
            .await;
        began.elapsed()
    }

    /// Stops Kafka's process where it is, or lets it go on.
    pub(crate) fn signal_kafka(&self, signal: Signal) {
        let pid = self.kafka.pid().expect("Kafka runs");
        processes::signal(i32::try_from(pid).expect("a pid"), signal);
    }
}

/// `leader` or `standby`; anything else, and one that is not ready, is an error.
async fn role(api: &Api) -> Result<String, String> {
    let status = api.get("/setpoint/v1/status").await?;
    let role = status["role"].as_str().unwrap_or_default();
    let is_ready = status["ready"] == true;
    if is_ready { Ok(role.to_owned()) } else { Err(status.to_string()) }
}
