//! The command line: what can be said, and how it is carried out.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, Parser, Subcommand};
use setpoint_settings::{Flag, Loaded, Sources, Unknown, load};

use crate::context::{Context, note, warn};
use crate::failure::{Ended, Failure};
use crate::{demo, remedy, roles, trace, verbs};

/// What every help text ends with.
const AFTER_HELP: &str = "\
Settings: flags win over environment (SETPOINT_SECTION__KEY, secrets also as SETPOINT_SECTION__KEY_FILE),
environment over file (--config, else ./setpoint.yaml, else /etc/setpoint/setpoint.yaml), file over defaults.

Exit codes: 0 done; 1 failed, or the answer is no (a difference, a step not observed); 2 wrong usage;
3 an agent that ended because another one took its node's name.
`diff`: 0 no difference, 1 a difference, 2 failed. `exec`: the command's own.";

/// Setpoint keeps a fleet of containers at its setpoint.
#[derive(Debug, Parser)]
#[command(name = "setpoint", version, after_help = AFTER_HELP, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What every verb takes.
#[derive(Debug, Default, Args)]
struct Globals {
    /// The settings file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// Any setting by its key, such as `engine.policy.lease_grace_ms=3000`; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = "Settings")]
    set: Vec<String>,
    /// The address of the API
    #[arg(long, short, global = true, value_name = "URL", help_heading = "Settings")]
    server: Option<String>,
    /// The file that holds the token to show
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    token_file: Option<PathBuf>,
    /// Certificates to trust beside the system's, a PEM file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    ca: Option<String>,
}

impl Globals {
    /// From flags that were found in a command line that is not written to its end, by their ids.
    fn of(said: &[(String, String)]) -> Globals {
        let mut globals = Globals::default();
        for (id, value) in said {
            match id.as_str() {
                "config" => globals.config = Some(value.into()),
                "set" => globals.set.push(value.clone()),
                "server" => globals.server = Some(value.clone()),
                "token_file" => globals.token_file = Some(value.into()),
                "ca" => globals.ca = Some(value.clone()),
                _ => {}
            }
        }
        globals
    }
}

/// The verbs, roles first.
#[derive(Debug, Subcommand)]
enum Command {
    Up(verbs::role::Up),
    Engine(verbs::role::Engine),
    Agent(verbs::role::Agent),
    Demo(demo::Demo),
    Apply(verbs::apply::Apply),
    Create(verbs::create::Create),
    Delete(verbs::delete::Delete),
    Get(verbs::get::Get),
    Describe(verbs::describe::Describe),
    Diff(verbs::diff::Diff),
    Explain(verbs::explain::Explain),
    Decisions(verbs::decisions::Decisions),
    Replay(verbs::replay::Replay),
    Edit(verbs::edit::Edit),
    Patch(verbs::patch::Patch),
    Label(verbs::mark::Label),
    Annotate(verbs::mark::Annotate),
    Scale(verbs::scale::Scale),
    Rollout(verbs::rollout::Rollout),
    Cordon(verbs::cordon::Cordon),
    Uncordon(verbs::cordon::Uncordon),
    Drain(verbs::drain::Drain),
    Wait(verbs::wait_for::Wait),
    Logs(verbs::logs::Logs),
    Exec(verbs::exec::Exec),
    PortForward(verbs::port_forward::PortForward),
    Node(verbs::node::Node),
    Deadletter(verbs::deadletter::DeadLetter),
    Status(verbs::status::Status),
    ApiResources(verbs::api_resources::ApiResources),
    Config(verbs::config::Config),
    Completion(verbs::completion::Completion),
    #[command(name = "__complete", hide = true)]
    Complete(verbs::complete::Complete),
    #[command(hide = true)]
    Top(verbs::absent::Top),
    /// Print the version
    Version,
}

/// Carries out the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = roles::before_main() {
        return code;
    }
    let cli = parsed(std::env::args_os().collect()).unwrap_or_else(|error| error.exit());
    match run(cli) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Different) => ExitCode::from(1),
        // What does not fit is a failure all the same.
        Ok(Ended::Code(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Err(failure) if failure.is_silent() => ExitCode::SUCCESS,
        Err(failure) => {
            note(failure.to_string());
            ExitCode::from(failure.code())
        }
    }
}

/// The command line. What the parser advises of words that look like flags is right only where a command
/// follows behind `--`.
fn parsed(words: Vec<OsString>) -> Result<Cli, clap::Error> {
    let takes_command = words.iter().any(|word| word == "exec");
    Cli::try_parse_from(words).map_err(|mut error| {
        if takes_command {
            return error;
        }
        if let Some(ContextValue::StyledStrs(tips)) = error.remove(ContextKind::Suggested) {
            let is_right = |tip: &clap::builder::StyledStr| !tip.to_string().contains("as a value");
            let right: Vec<_> = tips.into_iter().filter(is_right).collect();
            if !right.is_empty() {
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(right));
            }
        }
        error
    })
}

fn run(cli: Cli) -> Result<Ended, Failure> {
    let Cli { globals, command } = cli;
    match command {
        Command::Up(up) => role(&globals, up.flags(), |settings| {
            roles::former::tell(&settings);
            roles::up::run(settings)
        }),
        Command::Engine(engine) => role(&globals, engine.flags(), roles::engine::run),
        Command::Agent(agent) => role(&globals, agent.flags(), roles::agent::run),
        Command::Demo(demo) => block_on(demo::run(demo)),
        Command::Config(config) => verbs::config::run(config, &loaded(&globals, Vec::new())?),
        Command::Completion(completion) => verbs::completion::run(&completion),
        Command::Complete(complete) => {
            let context = |said: &[(String, String)]| {
                let settings = loaded(&Globals::of(said), Vec::new()).ok()?.settings;
                Context::new(settings).ok()
            };
            block_on(verbs::complete::run(complete, Cli::command(), context))
        }
        Command::Top(verb) => Err(verb.refused()),
        Command::Version => {
            println!("setpoint {}", env!("CARGO_PKG_VERSION"));
            Ok(Ended::Well)
        }
        verb => {
            let mut cx = Context::new(loaded(&globals, Vec::new())?.settings)?;
            block_on(client(verb, &mut cx))
        }
    }
}

/// The verbs that only ask the API.
async fn client(command: Command, cx: &mut Context) -> Result<Ended, Failure> {
    match command {
        Command::Apply(verb) => verbs::apply::run(verb, cx).await,
        Command::Create(verb) => verbs::create::run(verb, cx).await,
        Command::Delete(verb) => verbs::delete::run(verb, cx).await,
        Command::Get(verb) => verbs::get::run(verb, cx).await,
        Command::Describe(verb) => verbs::describe::run(verb, cx).await,
        Command::Diff(verb) => verbs::diff::run(verb, cx).await.map_err(Failure::of_diff),
        Command::Explain(verb) => verbs::explain::run(verb, cx).await,
        Command::Decisions(verb) => verbs::decisions::run(verb, cx).await,
        Command::Replay(verb) => verbs::replay::run(verb, cx).await,
        Command::Edit(verb) => verbs::edit::run(verb, cx).await,
        Command::Patch(verb) => verbs::patch::run(verb, cx).await,
        Command::Label(verb) => verbs::mark::label(verb, cx).await,
        Command::Annotate(verb) => verbs::mark::annotate(verb, cx).await,
        Command::Scale(verb) => verbs::scale::run(verb, cx).await,
        Command::Rollout(verb) => verbs::rollout::run(verb, cx).await,
        Command::Cordon(verb) => verbs::cordon::cordon(verb, cx).await,
        Command::Uncordon(verb) => verbs::cordon::uncordon(verb, cx).await,
        Command::Drain(verb) => verbs::drain::run(verb, cx).await,
        Command::Wait(verb) => verbs::wait_for::run(verb, cx).await,
        Command::Logs(verb) => verbs::logs::run(verb, cx).await,
        Command::Exec(verb) => verbs::exec::run(verb, cx).await,
        Command::PortForward(verb) => verbs::port_forward::run(verb, cx).await,
        Command::Node(verb) => verbs::node::run(verb, cx).await,
        Command::Deadletter(verb) => verbs::deadletter::run(verb, cx).await,
        Command::Status(verb) => verbs::status::run(verb, cx).await,
        Command::ApiResources(verb) => verbs::api_resources::run(verb, cx).await,
        Command::Up(_)
        | Command::Engine(_)
        | Command::Agent(_)
        | Command::Demo(_)
        | Command::Config(_)
        | Command::Completion(_)
        | Command::Complete(_)
        | Command::Top(_)
        | Command::Version => unreachable!("carried out before the API is asked"),
    }
}

/// The client verb of a command line.
#[cfg(test)]
pub(crate) async fn client_of(cli: Cli, cx: &mut Context) -> Result<Ended, Failure> {
    client(cli.command, cx).await
}

fn role(
    globals: &Globals,
    flags: Vec<Flag>,
    run: impl FnOnce(setpoint_settings::Settings) -> anyhow::Result<()>,
) -> Result<Ended, Failure> {
    let settings = loaded(globals, flags)?.settings;
    trace::start(&settings.trace)?;
    match run(settings) {
        Ok(()) => Ok(Ended::Well),
        Err(error) => {
            let failure = Failure::new(error.to_string());
            let failure = if roles::is_taken(&error) { failure.of_taken() } else { failure };
            let failure =
                error.chain().skip(1).fold(failure, |failure, cause| failure.because(cause));
            Err(remedy::of(&error).map_or(failure.clone(), |remedy| failure.remedy(remedy)))
        }
    }
}

/// The settings of this process, with these flags above all.
fn loaded(globals: &Globals, mut flags: Vec<Flag>) -> Result<Loaded, Failure> {
    if let Some(server) = &globals.server {
        flags.push(Flag::new("--server", "client.server", server));
        flags.push(Flag::new("--server", "agent.servers", server));
    }
    if let Some(ca) = &globals.ca {
        flags.push(Flag::new("--ca", "client.ca", ca));
        flags.push(Flag::new("--ca", "agent.ca", ca));
    }
    if let Some(path) = &globals.token_file {
        let token = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!("failed to read {}", path.display())).at("--token-file", error)
        })?;
        flags.push(Flag::new("--token-file", "client.token", token.trim_end()));
        flags.push(Flag::new("--token-file", "agent.token", token.trim_end()));
    }
    for setting in &globals.set {
        let (key, value) = setting.split_once('=').ok_or_else(|| {
            Failure::usage(format!("{setting:?} is not KEY=VALUE")).at("--set", "it has no `=`")
        })?;
        flags.push(Flag::new("--set", key, value));
    }
    let loaded = load(&Sources::of_process(flags, globals.config.clone()))?;
    for Unknown { name, nearest } in &loaded.unknown {
        warn(format!("the environment variable {name} is no setting; did you mean {nearest}?"));
    }
    Ok(loaded)
}

fn block_on(future: impl Future<Output = Result<Ended, Failure>>) -> Result<Ended, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::new("failed to start the runtime").because(e))?;
    runtime.block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_a_help_text_with_examples() {
        for verb in Cli::command().get_subcommands() {
            assert!(verb.get_about().is_some(), "{} says what it does", verb.get_name());
            let plain = ["version", "help"].contains(&verb.get_name());
            let examples = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                plain || examples.starts_with("Examples:\n"),
                "{} has examples",
                verb.get_name()
            );
        }
    }

    #[test]
    fn a_flag_that_nobody_knows_is_no_value_unless_a_command_follows() {
        let refused = |line: &str| {
            let words = line.split_whitespace().map(OsString::from).collect();
            parsed(words).expect_err("there is no such flag").to_string()
        };
        assert!(!refused("setpoint scale web --nosuch").contains("as a value"));
        assert!(refused("setpoint exec web-1 --nosuch").contains("as a value"));
    }

    #[test]
    fn wrong_usage_is_told_apart_from_failure() {
        let refused = Cli::try_parse_from(["setpoint", "scale"]).expect_err("a name is missing");
        assert_eq!(refused.exit_code(), 2);
    }
}
