//! The role `up`.

use setpoint_settings::Settings;

/// Runs until it is told to stop.
///
/// # Errors
/// Whatever keeps it from running.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let fleet = &settings.fleet;
    anyhow::bail!("the role up is not wired into this build (fleet {fleet})")
}
