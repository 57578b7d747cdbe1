//! `config`: the settings, as they hold.

use clap::{Args, Subcommand, ValueEnum};
use setpoint_settings::{Loaded, Settings};

use crate::failure::{Ended, Failure};
use crate::output::{json, yaml};

/// Show the settings
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint config view
  setpoint config view --effective
  setpoint config view --effective -o json --set agent.runtime=process")]
pub(crate) struct Config {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what differs from the defaults, or all that holds; secrets are not shown
    View {
        /// All that holds, defaults too
        #[arg(long)]
        effective: bool,
        /// The form of the answer
        #[arg(long, short, value_enum, default_value = "yaml")]
        output: Form,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Yaml,
    Json,
}

pub(crate) fn run(config: Config, loaded: &Loaded) -> Result<Ended, Failure> {
    let Verb::View { effective, output } = config.verb;
    let mut shown = value(&loaded.settings)?;
    if !effective {
        shown = differing(&value(&Settings::default())?, shown);
    }
    match output {
        Form::Yaml => print!("{}", yaml(&shown)),
        Form::Json => println!("{}", json(&shown)),
    }
    Ok(Ended::Well)
}

fn value(settings: &Settings) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(settings)
        .map_err(|error| Failure::new("failed to show the settings").because(error))
}

/// The parts that differ.
fn differing(default: &serde_json::Value, now: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    let Value::Object(fields) = now else { return now };
    let kept = fields.into_iter().filter(|(key, value)| default.get(key) != Some(value));
    let kept = kept.map(|(key, value)| match default.get(&key) {
        Some(default) => (key, differing(default, value)),
        None => (key, value),
    });
    Value::Object(kept.collect())
}
