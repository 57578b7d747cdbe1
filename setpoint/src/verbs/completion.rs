//! `completion`: the words of the command line, for a shell.

use clap::{Args, Command, ValueEnum};

use crate::failure::{Ended, Failure};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint completion bash > /etc/bash_completion.d/setpoint
  setpoint completion zsh > ~/.zfunc/_setpoint
  setpoint completion fish > ~/.config/fish/completions/setpoint.fish")]
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

pub(crate) fn run(completion: &Completion, words: Command) -> Result<Ended, Failure> {
    std::io::Write::write_all(&mut std::io::stdout(), &generated(completion.shell, words))?;
    Ok(Ended::Well)
}

fn generated(shell: Shell, mut words: Command) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut words, "setpoint", &mut script);
    script
}

/// The script of a shell by its name.
#[cfg(test)]
pub(crate) fn script(shell: &str, words: Command) -> Option<String> {
    let shell = Shell::from_str(shell, false).ok()?;
    String::from_utf8(generated(shell, words)).ok()
}
