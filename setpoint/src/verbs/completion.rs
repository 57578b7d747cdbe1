//! `completion`: what a shell runs to complete command lines. The scripts ask the program itself
//! ([`crate::verbs::complete`]), which knows its verbs, and names from the API.

use clap::{Args, ValueEnum};

use crate::failure::{Ended, Failure};

/// Print completions for a shell: of verbs and flags, and of names that the API has
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(setpoint completion bash)
  setpoint completion bash > /etc/bash_completion.d/setpoint
  setpoint completion zsh > ~/.zfunc/_setpoint
  setpoint completion fish > ~/.config/fish/completions/setpoint.fish

Kinds, names, namespaces, nodes and containers are asked for as the command line itself would be asked, with the
settings that hold and for half a second at most; where nobody answers there are none.")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(completion: &Completion) -> Result<Ended, Failure> {
    std::io::Write::write_all(&mut std::io::stdout(), text(completion.shell).as_bytes())?;
    Ok(Ended::Well)
}

fn text(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("completion/setpoint.bash"),
        Shell::Zsh => include_str!("completion/setpoint.zsh"),
        Shell::Fish => include_str!("completion/setpoint.fish"),
    }
}

/// The script of a shell by its name.
#[cfg(test)]
pub(crate) fn script(shell: &str) -> Option<&'static str> {
    Some(text(Shell::from_str(shell, false).ok()?))
}
