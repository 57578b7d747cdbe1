//! `deadletter`: records that could not be used.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::escape;
use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::age::clock;
use crate::output::field::{list, number, text};
use crate::output::{Format, json as as_json, table, yaml};

/// List, show and replay records that could not be used
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint deadletter list
  setpoint deadletter show setpoint.pods/0@1234
  setpoint deadletter replay setpoint.pods/0@1234")]
pub(crate) struct DeadLetter {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List them, newest first
    #[command(after_help = "\
Examples:
  setpoint deadletter list
  setpoint deadletter list --limit 10 -o json")]
    List {
        /// At most so many
        #[arg(long, default_value = "100", value_name = "N")]
        limit: usize,
        /// The form of the answer
        #[arg(long, short, value_enum, default_value = "table")]
        output: Format,
    },
    /// Show one with its bytes
    #[command(after_help = "\
Examples:
  setpoint deadletter show setpoint.pods/0@1234")]
    Show {
        /// TOPIC/PARTITION@OFFSET, as `list` prints it
        position: String,
        /// The form of the answer
        #[arg(long, short, value_enum, default_value = "yaml")]
        output: Format,
    },
    /// Append one to its topic again, when this version can read it; says why when not
    #[command(after_help = "\
Examples:
  setpoint deadletter replay setpoint.pods/0@1234")]
    Replay {
        /// TOPIC/PARTITION@OFFSET, as `list` prints it
        position: String,
    },
}

/// How many are looked through for one: as many as one answer of the API holds.
const LOOKED_THROUGH_MAX: usize = 1_000;

pub(crate) async fn run(verb: DeadLetter, cx: &mut Context) -> Result<Ended, Failure> {
    match verb.verb {
        Verb::List { limit, output } => {
            let letters = fetch(limit, cx).await?;
            let shown = match output {
                Format::Json => as_json(&letters),
                Format::Yaml => yaml(&letters),
                Format::Name => letters.iter().map(position).collect::<Vec<_>>().join("\n"),
                Format::Table | Format::Wide => shown(&letters),
            };
            cx.out.line(shown)?;
        }
        Verb::Show { position: wanted, output } => {
            let letters = fetch(LOOKED_THROUGH_MAX, cx).await?;
            let letter = letters.iter().find(|letter| position(letter) == wanted);
            let letter = letter.ok_or_else(|| {
                Failure::new(format!("failed to show {wanted}"))
                    .because(format!(
                        "it is not among the latest {LOOKED_THROUGH_MAX} dead letters"
                    ))
                    .remedy("see which there are with: setpoint deadletter list")
            })?;
            cx.out.line(if output == Format::Json { as_json(letter) } else { yaml(letter) })?;
        }
        Verb::Replay { position } => {
            let done = cx.client.post(&replay_path(&position)?, &json!({})).await;
            let done =
                done.map_err(|error| error.during(format!("failed to replay {position}")))?;
            cx.out.line(format!("{position} appended again as {}", self::position(&done)))?;
        }
    }
    Ok(Ended::Well)
}

async fn fetch(limit: usize, cx: &Context) -> Result<Vec<Value>, Failure> {
    let answer = cx.client.get("/setpoint/v1/deadletter", &[("limit", limit.to_string())]).await;
    let answer = answer.map_err(|error| error.during("failed to read the dead letters"))?;
    Ok(list(&answer, "/items").to_vec())
}

fn shown(letters: &[Value]) -> String {
    let row = |letter: &Value| {
        let time = clock(number(letter, "/time_ms"));
        vec![position(letter), time, text(letter, "/reason").to_owned()]
    };
    table(&["POSITION", "TIME", "REASON"], &letters.iter().map(row).collect::<Vec<_>>())
}

fn position(letter: &Value) -> String {
    let (partition, offset) = (number(letter, "/partition"), number(letter, "/offset"));
    format!("{}/{partition}@{offset}", text(letter, "/topic"))
}

fn replay_path(position: &str) -> Result<String, Failure> {
    let parts = position.split_once('/').and_then(|(topic, rest)| {
        let (partition, offset) = rest.split_once('@')?;
        Some((topic, partition.parse::<i32>().ok()?, offset.parse::<i64>().ok()?))
    });
    let (topic, partition, offset) = parts
        .ok_or_else(|| Failure::usage(format!("{position:?} is not TOPIC/PARTITION@OFFSET")))?;
    Ok(format!("/setpoint/v1/deadletter/{}/{partition}/{offset}/replay", escape(topic)))
}
