//! The demo: the main job on this machine, told as a story whose every step is checked.
//!
//! Guarantee: it ends well only when every step was observed, within [`STORY_MAX`]; and however it
//! ends, nothing that it started is left behind.
//! Absent: anything that a user could not do; it starts this program's own roles and verbs.

mod stage;
mod look;
mod steps;
mod teller;

use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Ended, Failure};
use stage::Stage;
use steps::STEPS;
use teller::Teller;

/// The whole story may take this long; README promises it.
const STORY_MAX: Duration = Duration::from_secs(90);

/// Run the main job on this machine, step by step, each step checked
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint demo
  setpoint demo --json
  setpoint demo --keep")]
pub(crate) struct Demo {
    /// One JSON object a step: step, ok, seconds, detail
    #[arg(long)]
    json: bool,
    /// Keep the demo's folder, with all logs
    #[arg(long)]
    keep: bool,
}

/// Tells the story.
pub(crate) async fn run(demo: Demo) -> Result<Ended, Failure> {
    let mut teller = Teller::new(demo.json);
    let mut stage = Stage::new()?;
    let told = tokio::select! {
        told = tell(&mut stage, &mut teller) => told,
        () = interrupted() => Err(Failure::new("the demo was interrupted")),
        () = tokio::time::sleep(STORY_MAX) => Err(Failure::new("the demo took too long")
            .because(format!("it may take {} s", STORY_MAX.as_secs()))),
    };
    stage.clean().await;
    if told.is_err() {
        teller.logs(&stage.log_ends());
    }
    if demo.keep {
        teller.kept(&stage.keep());
    }
    told?;
    teller.end()?;
    Ok(Ended::Well)
}

/// Ends when someone asks the demo to end: Ctrl-C, or SIGTERM.
async fn interrupted() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

async fn tell(stage: &mut Stage, teller: &mut Teller) -> Result<(), Failure> {
    for (number, step) in STEPS.iter().enumerate() {
        teller.begin(number + 1, step.story)?;
        let began = Instant::now();
        let told = (step.act)(stage).await;
        teller.finish(step.name, began.elapsed(), &told)?;
        told?;
    }
    Ok(())
}
