//! The demo (skeleton until its steps are here).
use clap::Args;
use crate::failure::{Ended, Failure};

/// Run the main job on this machine, step by step, each step checked
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint demo
  setpoint demo --json")]
pub(crate) struct Demo {
    /// One JSON object a step
    #[arg(long)]
    json: bool,
    /// Keep the demo's folder
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(_demo: Demo) -> Result<Ended, Failure> {
    Err(Failure::new("the demo is not there yet"))
}
