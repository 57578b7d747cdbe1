//! What a verb says when it cannot do what it was asked: what, where, why, and what to do.

use std::fmt;
use std::io;

use setpoint_settings::SettingsError;

/// How a verb ended when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Done.
    Well,
    /// Done, and the answer is no: something differs, or was not observed.
    Different,
    /// With the exit code of a command elsewhere.
    Code(i32),
}

/// A verb that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What was attempted.
    what: String,
    /// Where and why, one for each problem.
    problems: Vec<(Option<String>, String)>,
    /// What to do about it.
    remedy: Option<String>,
    /// The exit code.
    code: u8,
    /// Nobody reads any more: nothing to say.
    silent: bool,
}

/// The exit code of a failure.
const CODE_FAILED: u8 = 1;
/// The exit code of wrong usage; also of a diff that failed, as kubectl's.
const CODE_USAGE: u8 = 2;
/// The exit code of an agent whose node another one took: a service manager must not start it again.
const CODE_TAKEN: u8 = 3;
/// What shells add to the number of the signal that ended a program.
const CODE_OF_SIGNALS: u8 = 128;

impl Failure {
    /// A failed attempt, such as `failed to read x.yaml`.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Failure {
            what: what.into(),
            problems: Vec::new(),
            remedy: None,
            code: CODE_FAILED,
            silent: false,
        }
    }

    /// The verb was used in a way that it cannot be.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Failure { code: CODE_USAGE, ..Failure::new(what) }
    }

    /// Adds why.
    pub(crate) fn because(mut self, why: impl fmt::Display) -> Self {
        self.problems.push((None, why.to_string()));
        self
    }

    /// Adds where and why.
    pub(crate) fn at(mut self, place: impl Into<String>, why: impl fmt::Display) -> Self {
        self.problems.push((Some(place.into()), why.to_string()));
        self
    }

    /// Says what to do.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same with the exit code of a diff that could not be made.
    pub(crate) fn of_diff(self) -> Self {
        Failure { code: CODE_USAGE, ..self }
    }

    /// The same with the exit code of an agent whose node another one took.
    pub(crate) fn of_taken(self) -> Self {
        Failure { code: CODE_TAKEN, ..self }
    }

    /// The same with the exit code of a program that this signal ended.
    pub(crate) fn of_signal(self, number: u8) -> Self {
        Failure { code: CODE_OF_SIGNALS.saturating_add(number), ..self }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// Whether there is nothing to say, because nobody reads.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for (place, why) in &self.problems {
            if let Some(place) = place {
                write!(f, "\n  where: {place}")?;
            }
            write!(f, "\n  why:   {}", why.replace('\n', "\n         "))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  do:    {remedy}")?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        Failure { silent, ..Failure::new("failed to write the answer").because(error) }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let failure = match &error {
            SettingsError::Invalid(problems) => problems.iter().fold(
                Failure::usage("the settings cannot be used"),
                |failure, problem| {
                    let key = if problem.key.is_empty() { "the whole" } else { &problem.key };
                    let expected = expected(&problem.why);
                    failure.at(
                        format!("{key}, from {}", problem.origin),
                        format!("{}{expected}", problem.why),
                    )
                },
            ),
            other => {
                let failure = Failure::usage("the settings cannot be read").because(other);
                match std::error::Error::source(other) {
                    Some(source) => failure.because(source),
                    None => failure,
                }
            }
        };
        failure.remedy("see what holds with: setpoint config view --effective")
    }
}

/// What is expected where the parser's words do not say it.
fn expected(why: &str) -> &'static str {
    match why {
        "invalid socket address syntax" => "; expected ADDRESS:PORT, such as 127.0.0.1:6440",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use setpoint_settings::{Flag, Sources, load};

    #[test]
    fn a_failure_says_what_where_why_and_what_to_do() {
        let failure = Failure::new("failed to apply web.yaml")
            .at("document 2, spec.replicas", "-1 is below 0")
            .because("nothing was applied")
            .remedy("correct it and apply again");
        expect![[r#"
            error: failed to apply web.yaml
              where: document 2, spec.replicas
              why:   -1 is below 0
              why:   nothing was applied
              do:    correct it and apply again"#]]
        .assert_eq(&failure.to_string());
    }

    #[test]
    fn an_address_without_its_host_is_told_with_an_example() {
        let flags = vec![Flag::new("--listen", "api.address", "7440")];
        let error = load(&Sources { flags, ..Sources::default() }).expect_err("it is no address");
        let shown = Failure::from(error).to_string();
        let why = "invalid socket address syntax; expected ADDRESS:PORT, such as 127.0.0.1:6440";
        assert!(shown.contains(why), "{shown}");
    }
}
