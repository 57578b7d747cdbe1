//! `replay`: the recorded log run through the engine again, and held against what was decided.

use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::{Form, json as as_json, yaml};
use crate::roles::engine::past::moment::Moment;
use crate::roles::engine::past::replay::{Replayed, Span};
use crate::verbs::past::on_log;

/// Run the recorded log through the engine again; with --verify compare every decision, byte for byte
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint replay --verify
  setpoint replay --from 1200 --to 2026-11-24T10:00:00Z --verify -o json
  setpoint replay --offline --data-dir /var/lib/setpoint --verify
  setpoint replay --offline --set log.kind=kafka --set log.kafka.bootstrap.servers=kafka:9092 --verify

Nothing is written: the log is read through the API (as an administrator), or with --offline from where
the settings say. Exit code 1 when a decision differs; the first that does is named.")]
pub(crate) struct Replay {
    /// Compare from here on: an epoch, a time, or how long ago
    #[arg(long, value_name = "MOMENT")]
    from: Option<Moment>,
    /// Up to here
    #[arg(long, value_name = "MOMENT")]
    to: Option<Moment>,
    /// Compare what is decided with what stands on the log
    #[arg(long)]
    verify: bool,
    /// Read the log that the settings name, not the API's: of an engine that does not run, or Kafka's
    #[arg(long)]
    offline: bool,
    /// The data folder of --offline
    #[arg(long, value_name = "FOLDER", requires = "offline")]
    data_dir: Option<std::path::PathBuf>,
    /// The form of the answer
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
}

pub(crate) async fn run(replay: Replay, cx: &mut Context) -> Result<Ended, Failure> {
    let (span, verify) = (Span { from: replay.from, to: replay.to }, replay.verify);
    if let Some(folder) = replay.data_dir {
        cx.settings.data_dir = folder;
    }
    let began = Instant::now();
    let replayed = on_log(cx, replay.offline, "failed to replay the log", move |past, bar| {
        past.replay(span, verify, |epoch| bar.set_message(format!("epoch {}", epoch.number)))
    })
    .await?;
    let seconds = began.elapsed().as_secs_f64();
    let mut answer = serde_json::to_value(&replayed).unwrap_or_default();
    answer["seconds"] = json!(seconds);
    match replay.output {
        Form::Json => cx.out.line(as_json(&answer))?,
        Form::Yaml => cx.out.line(yaml(&answer))?,
        Form::Table => cx.out.line(told(&replayed, verify, seconds))?,
    }
    Ok(if replayed.divergence.is_some() { Ended::Different } else { Ended::Well })
}

fn told(replayed: &Replayed, verify: bool, seconds: f64) -> String {
    let Replayed { from, to, epochs, followed, compared, divergence } = replayed;
    if *epochs == 0 {
        return "there is no epoch in this span".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "shown to one digit")]
    let rate = *epochs as f64 / seconds.max(0.001);
    let mut lines = vec![format!(
        "replayed {epochs} epochs, {from} to {to}, {rate:.0} a second from the first"
    )];
    if *followed > 0 {
        lines.push(format!(
            "  {followed} of them are of other rules, or of a state that was rebuilt, and were taken in as recorded"
        ));
    }
    if verify {
        lines.push(format!(
            "  equal, byte for byte: {} decisions, {} placements, {} resources",
            compared.decisions, compared.placements, compared.resources
        ));
        if compared.gone > 0 {
            lines.push(format!("  {} records are no longer on the log", compared.gone));
        }
    }
    if let Some(first) = divergence {
        lines.push(format!(
            "the first difference is in epoch {}: {} {}",
            first.epoch, first.topic, first.key
        ));
        lines.push(format!("  recorded: {}", shown(first.recorded.as_ref())));
        lines.push(format!("  replayed: {}", shown(first.replayed.as_ref())));
        lines.extend(causes(first.recorded.as_ref().or(first.replayed.as_ref())));
    }
    lines.join("\n")
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("nothing".to_owned(), ToString::to_string)
}

/// What a decision says it came from.
fn causes(decision: Option<&Value>) -> Vec<String> {
    let causes = decision.and_then(|decision| decision["causes"].as_array());
    causes.into_iter().flatten().map(|cause| format!("  cause:    {cause}")).collect()
}
