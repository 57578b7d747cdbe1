//! Verbs that kubectl has and we do not serve yet: each says where to look instead.

use clap::Args;
use setpoint_api::elsewhere;

use crate::failure::Failure;

/// Not served yet: says where usage is
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint get nodes
  docker stats")]
pub(crate) struct Top {
    #[command(flatten)]
    words: Words,
}

/// Whatever kubectl would take.
#[derive(Debug, Args)]
struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Top {
    pub(crate) fn refused(&self) -> Failure {
        refused("top", &self.words, elsewhere::USAGE)
    }
}

fn refused(verb: &str, words: &Words, sentence: &str) -> Failure {
    let asked = format!("{verb} {}", words.words.join(" "));
    let failure = Failure::new(format!("failed to carry out `{}`", asked.trim_end()));
    match sentence.split_once("; ") {
        Some((why, remedy)) => failure.because(why).remedy(remedy),
        None => failure.because(sentence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_says_where_it_is() {
        let top = Top { words: Words { words: vec!["pods".to_owned()] } };
        let shown = top.refused().to_string();
        for part in ["`top pods`", "why:   what pods use", "do:    `setpoint get nodes`"] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}
