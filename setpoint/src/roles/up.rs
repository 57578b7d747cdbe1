//! The role `up`: everything on one machine.

use anyhow::Context as _;
use setpoint_settings::Settings;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{agent, engine, signals};

/// Runs until it is told to stop: an engine, and as many agents as `up.agents` says. An agent whose node
/// another one takes ends alone.
///
/// # Errors
/// Whatever else keeps any of them from running.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    runtime.block_on(async {
        // Before any agent: on a port that is taken they would join whoever has it.
        let address = settings.api.address;
        drop(
            std::net::TcpListener::bind(address)
                .with_context(|| format!("failed to listen on {address}"))?,
        );
        let closing = CancellationToken::new();
        signals::cancel_on_signal(closing.clone());
        let mut roles = tokio::task::JoinSet::new();
        for number in 1..=settings.up.agents {
            let mut settings = settings.clone();
            settings.agent.pressure.of_workstation();
            settings.agent.name = format!("node-{number}");
            if number > 1 {
                // The machine's devices are the first node's: no two may give away the same one.
                settings.agent.devices = vec![setpoint_settings::NO_DEVICES.to_owned()];
            }
            let scheme = if settings.api.tls_cert.is_empty() { "http" } else { "https" };
            settings.agent.servers = vec![format!("{scheme}://{}", settings.api.address)];
            roles.spawn(agent::serve(settings, closing.clone()));
        }
        roles.spawn(engine::serve(settings, closing.clone()));
        let mut ended = Ok(());
        while let Some(role) = roles.join_next().await {
            let done = role.context("a role panicked").and_then(|done| done);
            if let Err(error) = &done
                && super::is_taken(error)
            {
                // The node has an agent, which is not ours; the others go on.
                error!(error = format!("{error:#}"), "an agent ended, the rest goes on without it");
                continue;
            }
            closing.cancel();
            ended = ended.and(done);
        }
        ended
    })
}
