//! `__complete`: what may stand at the end of a command line. The scripts of `completion` ask it.
//!
//! Guarantee: it is silent about whatever fails, and takes no longer than [`ASKED_MAX`] for the API: somebody waits
//! with a finger on a key.

mod place;
mod names;
mod wanted;

use std::io::Write;
use std::time::Duration;

use clap::{Args, Command};

use crate::context::Context;
use crate::failure::{Ended, Failure};
use place::{Asked, Place};
use wanted::{Wanted, wanted};

/// What the API may take: longer, and one would rather have typed the name.
const ASKED_MAX: Duration = Duration::from_millis(500);

/// What a script is told where names of files may stand.
const FILES: &str = ":files";

/// Print what may stand at the end of a command line
#[derive(Debug, Args)]
#[command(
    hide = true,
    after_help = "\
Examples:
  setpoint __complete -- get po
  setpoint __complete -- get pods ''"
)]
pub(crate) struct Complete {
    /// The words behind `setpoint`, the last as far as it is written
    #[arg(last = true, value_name = "WORD")]
    words: Vec<String>,
}

/// Something that may stand there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    text: String,
    /// What it is, in a line; may be empty.
    about: String,
}

impl Candidate {
    fn new(text: impl Into<String>, about: impl Into<String>) -> Candidate {
        Candidate { text: text.into(), about: about.into() }
    }
}

/// Prints one candidate a line, what it is behind a tab, and [`FILES`] where files may stand too. `context` is for
/// the global flags that were said.
pub(crate) async fn run(
    complete: Complete,
    mut line: Command,
    context: impl FnOnce(&[(String, String)]) -> Option<Context>,
) -> Result<Ended, Failure> {
    line.build();
    let lines = lines(&complete.words, &line, ASKED_MAX, context).await;
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Ended::Well)
}

/// What may stand there, a line each; the API may take as long as this.
async fn lines(
    words: &[String],
    line: &Command,
    patience: Duration,
    context: impl FnOnce(&[(String, String)]) -> Option<Context>,
) -> Vec<String> {
    let place = Place::of(line, words);
    let (begun, before) = place.begun();
    let mut candidates = known(&place);
    let wanted = wanted(&place);
    if let Wanted::Named(what) = &wanted {
        let found = match context(&place.said) {
            Some(cx) => tokio::time::timeout(patience, names::found(*what, &place, &cx)).await.ok(),
            None => None,
        };
        let without = || names::without_api(*what, &place);
        candidates.extend(found.flatten().unwrap_or_else(without));
    }
    candidates.retain(|candidate| candidate.text.starts_with(begun));
    candidates.sort();
    candidates.dedup_by(|a, b| a.text == b.text);
    let shown = |one: &Candidate| format!("{before}{}\t{}", one.text, one.about);
    let files = (wanted == Wanted::Files).then(|| FILES.to_owned());
    candidates.iter().map(shown).chain(files).collect()
}

/// What the command line itself says: verbs, flags, and values of which there are only some.
fn known(place: &Place<'_>) -> Vec<Candidate> {
    let about = |text: Option<&clap::builder::StyledStr>| {
        let text = text.map(ToString::to_string).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let values = |arg: &clap::Arg| -> Vec<Candidate> {
        let values = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
        values.map(|value| Candidate::new(value.get_name(), about(value.get_help()))).collect()
    };
    match &place.asked {
        Asked::Flag(_) => {
            let flags = place.command.get_arguments().filter(|arg| !arg.is_hide_set());
            let flag = |arg: &clap::Arg| {
                arg.get_long()
                    .map(|long| Candidate::new(format!("--{long}"), about(arg.get_help())))
            };
            flags.filter_map(flag).collect()
        }
        Asked::Value { arg, .. } => values(arg),
        Asked::Word(_) if place.words.is_empty() && place.command.has_subcommands() => {
            let verbs = place.command.get_subcommands().filter(|verb| !verb.is_hide_set());
            verbs.map(|verb| Candidate::new(verb.get_name(), about(verb.get_about()))).collect()
        }
        Asked::Word(_) => {
            let mut positionals = place.command.get_positionals();
            positionals.nth(place.words.len()).map(values).unwrap_or_default()
        }
        Asked::Foreign => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
