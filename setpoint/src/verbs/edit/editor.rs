//! The user's editor.

use std::io::{IsTerminal, stdin, stdout};
use std::path::Path;

use setpoint_settings::process_environment;
use tokio::process::Command;

use crate::failure::Failure;

/// What names an editor, the first that says something.
const VARIABLES: [&str; 2] = ["KUBE_EDITOR", "EDITOR"];
/// What is there where nobody said anything, as kubectl has it.
const FALLBACK: &str = "vi";

/// A command line to which a file's name is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Editor(pub(super) String);

impl Editor {
    /// The one that the environment names. Without a terminal that must be one: it may be a program that needs
    /// none, and `vi` does.
    pub(super) fn of_process() -> Result<Editor, Failure> {
        let has_terminal = stdin().is_terminal() && stdout().is_terminal();
        Editor::of(&process_environment(), has_terminal)
    }

    fn of(environment: &[(String, String)], has_terminal: bool) -> Result<Editor, Failure> {
        let said = |name: &str| {
            let found = environment.iter().find(|(known, _)| known == name);
            found.map(|(_, editor)| editor.trim()).filter(|editor| !editor.is_empty())
        };
        match VARIABLES.iter().find_map(|name| said(name)) {
            Some(editor) => Ok(Editor(editor.to_owned())),
            None if has_terminal => Ok(Editor(FALLBACK.to_owned())),
            None => Err(Failure::usage("there is no editor to open")
                .because("neither KUBE_EDITOR nor EDITOR is set, and vi needs a terminal")
                .remedy("use `setpoint patch` or `setpoint apply`, or set EDITOR to a program that needs none")),
        }
    }

    /// Opens a file and waits until the editor ended; why it did not end well.
    pub(super) async fn open(&self, file: &Path) -> Result<(), String> {
        // By the shell, because the variable is a command line of the user's own; the file is no part of it.
        let line = format!("{} \"$@\"", self.0);
        let ended = Command::new("sh").arg("-c").arg(line).arg(&self.0).arg(file).status().await;
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the editor {:?} ended with {status}", self.0)),
            Err(error) => Err(format!("the editor {:?} did not start: {error}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_editor_is_what_was_said_first_and_vi_needs_a_terminal() {
        let said = |pairs: &[(&str, &str)], has_terminal| {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let environment: Vec<_> = pairs.iter().map(pair).collect();
            Editor::of(&environment, has_terminal).map(|editor| editor.0)
        };
        let both = [("EDITOR", "nano"), ("KUBE_EDITOR", "code --wait")];
        assert_eq!(said(&both, true), Ok("code --wait".to_owned()));
        assert_eq!(said(&both[..1], false), Ok("nano".to_owned()));
        assert_eq!(said(&[("KUBE_EDITOR", " "), ("EDITOR", "ed")], true), Ok("ed".to_owned()));
        assert_eq!(said(&[], true), Ok("vi".to_owned()));
        let refused = said(&[], false).expect_err("there is no terminal");
        assert_eq!(refused.code(), 2);
        assert!(refused.to_string().contains("setpoint patch"), "{refused}");
    }

    #[tokio::test]
    async fn an_editor_is_a_command_line_and_its_failure_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a file");
        std::fs::write(&file, "replicas: 1\n").expect("written");
        assert_eq!(Editor("sed -i s/1/2/".to_owned()).open(&file).await, Ok(()));
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "replicas: 2\n");
        let told = Editor("false".to_owned()).open(&file).await.expect_err("it fails");
        assert!(told.contains("\"false\" ended with"), "{told}");
    }
}
