//! The role `agent`: one node's loop over its runtime, those of many simulated nodes, or a watcher.

mod gpus;
mod services;
mod simulated;
mod watched;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use setpoint_actuator_docker::{DockerActuator, DockerConfig, Network};
use setpoint_actuator_process::{ProcessActuator, ProcessOptions};
use setpoint_actuators::Actuator;
use setpoint_agent::{AgentOptions, Thresholds};
use setpoint_schemas::{Device, NodeName, Quantity, ResourceRequirements, Resources};
use setpoint_settings::{AgentSettings, NO_DEVICES, PressureSettings, Runtime, Settings};
use tokio_util::sync::CancellationToken;

use super::signals;

/// Runs until it is told to stop; its pods run on then.
///
/// # Errors
/// Whatever keeps it from running.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    runtime.block_on(async {
        let closing = CancellationToken::new();
        signals::cancel_on_signal(closing.clone());
        serve(settings, closing).await
    })
}

/// Runs the agent of one node until `closing`.
///
/// # Errors
/// Whatever keeps it from running.
pub(crate) async fn serve(settings: Settings, closing: CancellationToken) -> anyhow::Result<()> {
    let node = node_name(&settings.agent)?;
    let actuator: Arc<dyn Actuator> = match settings.agent.runtime {
        Runtime::Process => Arc::new(process(&settings, &state(&settings, &node)?)?),
        Runtime::Docker if settings.agent.docker.watch => {
            return watched::serve(&settings, node, closing).await;
        }
        Runtime::Docker => Arc::new(docker(&settings, &state(&settings, &node)?).await?),
        Runtime::Simulated => return simulated::serve(&settings, &node, closing).await,
    };
    let mut options = options(&settings, node)?;
    if settings.agent.runtime == Runtime::Docker && settings.agent.devices.is_empty() {
        options.devices = gpus::found().await;
    }
    options.services = services::options(&settings.agent);
    setpoint_agent::run(options, actuator, closing).await.context("the agent stopped")
}

/// The folder of a node's agent, made when it is not there.
fn state(settings: &Settings, node: &NodeName) -> anyhow::Result<PathBuf> {
    let state = settings.data_dir.join("agents").join(node.as_str());
    super::data_folder(&state).with_context(|| format!("failed to make {}", state.display()))?;
    Ok(state)
}

fn node_name(agent: &AgentSettings) -> anyhow::Result<NodeName> {
    if !agent.name.is_empty() {
        return NodeName::parse(&agent.name).context("agent.name");
    }
    let host = nix::unistd::gethostname().context("failed to read the host name")?;
    let host = host.to_string_lossy().to_ascii_lowercase();
    NodeName::parse(&host).context("the host name is not a node name; set agent.name")
}

fn process(settings: &Settings, state: &Path) -> anyhow::Result<ProcessActuator> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let options = ProcessOptions {
        fleet: settings.fleet.clone(),
        state: absolute(state)?.join("process"),
        shim: vec![program.into(), super::SHIM.into()],
        env: setpoint_settings::process_environment(),
    };
    let actuator = ProcessActuator::open(options).context("failed to open the process runtime")?;
    Ok(actuator.at(&settings.agent.address.to_string()))
}

async fn docker(settings: &Settings, state: &Path) -> anyhow::Result<DockerActuator> {
    let docker = &settings.agent.docker;
    let mut config = DockerConfig::new(&docker.host, settings.fleet.clone(), absolute(state)?);
    config.network = Network::of(&docker.network);
    let actuator = DockerActuator::connect(config).await;
    actuator.with_context(|| format!("failed to reach the Docker engine at {}", docker.host))
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("failed to resolve {}", path.display()))
}

fn options(settings: &Settings, node: NodeName) -> anyhow::Result<AgentOptions> {
    let state = state(settings, &node)?;
    let agent = &settings.agent;
    let first = agent
        .servers
        .first()
        .cloned()
        .unwrap_or_else(|| format!("http://{}", settings.api.address));
    let mut options = AgentOptions::new(settings.fleet.clone(), node, &first, state);
    if !agent.servers.is_empty() {
        options.api_urls.clone_from(&agent.servers);
    }
    options.token = agent.token.is_set().then(|| agent.token.reveal().to_owned());
    if !agent.ca.is_empty() {
        let ca = std::fs::read(&agent.ca)
            .with_context(|| format!("failed to read agent.ca {}", agent.ca))?;
        options.ca_pem = Some(ca);
    }
    options.address = agent.address.to_string();
    options.labels = agent.labels.clone();
    options.reserved = amounts(&agent.reserved).context("agent.reserved")?;
    options.capacity = amounts(&agent.capacity).context("agent.capacity")?;
    options.devices = devices(&agent.devices).context("agent.devices")?;
    let pace = &agent.pace;
    let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    options.pacing.starts_per_second = at_least_one(pace.starts_per_second);
    options.pacing.starts_burst = at_least_one(pace.starts_burst);
    options.pacing.starts_in_flight_max = usize::try_from(pace.in_flight.max(1)).unwrap_or(1);
    let fence_ms = agent.fence_ms;
    options.fence = (fence_ms > 0).then(|| Duration::from_millis(fence_ms));
    options.pressure = thresholds(&agent.pressure);
    let renew = u64::try_from(settings.engine.policy.lease_renew_ms).unwrap_or(5_000);
    options.intervals.lease = Duration::from_millis(renew);
    Ok(options)
}

fn thresholds(written: &PressureSettings) -> Thresholds {
    Thresholds {
        memory: PressureSettings::threshold(&written.memory_available),
        disk: PressureSettings::threshold(written.disk()),
        files: PressureSettings::threshold(written.files()),
        pids: PressureSettings::threshold(&written.pid_available),
        transition: Duration::from_millis(written.transition_ms),
    }
}

/// Devices as they are written.
fn devices(written: &[String]) -> anyhow::Result<Vec<Device>> {
    if written == [NO_DEVICES] {
        return Ok(Vec::new());
    }
    written.iter().map(|text| text.parse().context("a device")).collect()
}

/// Amounts by Kubernetes' names, such as `cpu: 500m`.
fn amounts(named: &std::collections::BTreeMap<String, String>) -> anyhow::Result<Resources> {
    let mut requirements = ResourceRequirements::default();
    for (name, text) in named {
        requirements.requests.insert(name.clone(), Quantity::parse(text)?);
    }
    let mut amounts = requirements.reserved();
    if let Some(pods) = amounts.extended.remove("pods") {
        amounts.pods = pods;
    }
    Ok(amounts)
}
