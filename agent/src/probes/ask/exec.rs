//! A command in the container that ends with 0.
//!
//! Source: the kubelet's `pkg/probe/exec`: what a command writes is why it failed; one that the runtime
//! could not run is no answer. `$(NAME)` is replaced by what the spec itself says of a variable, never
//! by what it takes from elsewhere, which may be secret.

use std::time::Duration;

use setpoint_actuators::{Actuator, ActuatorError};
use setpoint_schemas::Container;
use tokio_util::sync::CancellationToken;

use crate::probes::checkup::Answer;
use crate::probes::subject::Subject;
use crate::resolve::expand::expand;

/// A runtime that does not end what it was told to end, within this, does not answer.
const CANCEL_MAX: Duration = Duration::from_secs(5);

pub(super) async fn ask(
    actuator: &dyn Actuator,
    subject: &Subject,
    command: &[String],
    within: Duration,
) -> Answer {
    let command = expanded(command, subject.container());
    let cancel = CancellationToken::new();
    let (uid, container) = (&subject.key.uid, subject.key.container.as_str());
    let end = actuator.exec(uid, container, &command, &cancel);
    tokio::pin!(end);
    let ended = tokio::select! {
        ended = &mut end => ended,
        () = tokio::time::sleep(within) => {
            cancel.cancel();
            match tokio::time::timeout(CANCEL_MAX, end).await {
                // It ended in the same instant.
                Ok(Ok(ended)) => Ok(ended),
                _ => return Answer::Failed(late(&command, within)),
            }
        }
    };
    match ended {
        Ok(end) if end.exit_code == 0 => Answer::Passed,
        Ok(end) => Answer::Failed(why(&end.output, end.exit_code)),
        Err(ActuatorError::Cancelled) => Answer::Unknown("cancelled".to_owned()),
        Err(error) => Answer::Unknown(error.to_string()),
    }
}

fn late(command: &[String], within: Duration) -> String {
    let command = command.join(" ");
    format!("command timed out: {command:?} timed out after {}s", within.as_secs())
}

fn why(output: &[u8], code: i32) -> String {
    let text = String::from_utf8_lossy(output);
    if text.trim().is_empty() { format!("exit code {code}") } else { text.into_owned() }
}

fn expanded(command: &[String], container: &Container) -> Vec<String> {
    let own = container.env.iter().filter(|variable| variable.value_from.is_none());
    let own: Vec<(String, String)> =
        own.map(|v| (v.name.clone(), v.value.clone().unwrap_or_default())).collect();
    command.iter().map(|word| expand(word, &own)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_spec_says_itself_is_replaced() {
        let text = r#"{"env": [{"name": "A", "value": "1"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}"#;
        let container: Container = serde_json::from_str(text).expect("a container");
        let command = ["$(A)", "$(S)", "$$(A)"].map(str::to_owned);
        assert_eq!(expanded(&command, &container), ["1", "$(S)", "$(A)"]);
    }

    #[test]
    fn why_it_failed_is_what_it_wrote() {
        assert_eq!(why(b"no such table\n", 1), "no such table\n");
        assert_eq!(why(b" \n", 3), "exit code 3");
        let command = ["sh", "-c", "sleep 9"].map(str::to_owned);
        let late = late(&command, Duration::from_secs(1));
        assert_eq!(late, r#"command timed out: "sh -c sleep 9" timed out after 1s"#);
    }
}
