//! `status`: the fleet at a glance.

use clap::Args;

use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::{Format, json, yaml};

/// Show the fleet at a glance: leader, epoch, nodes, pods, holds
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint status
  setpoint status -o json")]
pub(crate) struct Status {
    /// The form of the answer
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,
}

pub(crate) async fn run(status: Status, cx: &mut Context) -> Result<Ended, Failure> {
    let answer = cx.client.get("/setpoint/v1/status", &[]).await;
    let answer = answer.map_err(|error| error.during("failed to read the fleet's status"))?;
    cx.out.line(match status.output {
        Format::Json => json(&answer),
        _ => yaml(&answer),
    })?;
    Ok(Ended::Well)
}
