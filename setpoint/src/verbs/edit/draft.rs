//! The file that is edited: the object as YAML, under what its reader is told.
//!
//! Guarantee: only its user can read it, and it is gone in the end unless it was told where it stays.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;
use tempfile::TempPath;

use crate::failure::Failure;
use crate::output::yaml;

/// What stands above every object.
const HEADER: &str = "\
# Edit the object below and save it. Lines that begin with a '#' are ignored, and an empty file changes nothing.
# Where the object is refused, this file is opened again with the reasons.
#
";

/// What a saved file says.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// Nothing at all.
    Empty,
    /// The same that was refused before.
    AsBefore,
    /// An object.
    Object(Value),
}

/// The file that is edited.
#[derive(Debug)]
pub(super) struct Draft {
    path: Option<TempPath>,
    /// The text that was refused last.
    refused: Option<String>,
    /// The text that was read last.
    body: String,
}

impl Draft {
    /// A file with this object.
    pub(super) fn of(object: &Value) -> io::Result<Draft> {
        // Its maker lets nobody but the user read it.
        let mut file =
            tempfile::Builder::new().prefix("setpoint-edit-").suffix(".yaml").tempfile()?;
        let body = yaml(object);
        file.write_all(format!("{HEADER}{body}").as_bytes())?;
        Ok(Draft { path: Some(file.into_temp_path()), refused: None, body })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// What it says now; why it says nothing that can be understood.
    pub(super) fn read(&mut self) -> Result<Read, String> {
        let text = std::fs::read_to_string(self.path())
            .map_err(|error| format!("the file cannot be read: {error}"))?;
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        self.body = lines.join("\n") + "\n";
        if self.body.trim().is_empty() {
            return Ok(Read::Empty);
        }
        if self.refused.as_ref() == Some(&self.body) {
            return Ok(Read::AsBefore);
        }
        match serde_saphyr::from_str::<Value>(&self.body) {
            Ok(object) if object.is_object() => Ok(Read::Object(object)),
            Ok(_) => Err("it is no object: it has no fields".to_owned()),
            Err(error) => Err(format!("it is no YAML: {error}")),
        }
    }

    /// The same text again, under why it was refused.
    pub(super) fn reopen(&mut self, why: &str) -> io::Result<()> {
        let why: String = why.lines().map(|line| format!("# {line}\n")).collect();
        std::fs::write(self.path(), format!("{HEADER}{why}#\n{}", self.body))?;
        self.refused = Some(self.body.clone());
        Ok(())
    }

    /// Leaves the file where it is; the failure says so.
    pub(super) fn kept(&mut self, failure: Failure) -> Failure {
        let path = self.path().to_owned();
        match self.path.take().map(TempPath::keep) {
            Some(Ok(path)) => failure.because("nothing was changed").remedy(format!(
                "your text is in {}; look at the object, and edit it again",
                path.display()
            )),
            _ => failure.because(format!("{} could not be kept", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_draft_is_read_back_as_it_was_written_and_again_under_what_was_wrong() {
        let object = json!({"kind": "ConfigMap", "data": {"a": "# no comment\nyes", "b": "null"}});
        let mut draft = Draft::of(&object).expect("a file");
        assert_eq!(draft.read(), Ok(Read::Object(object)));
        draft.reopen("kind: it is wrong\ntwice").expect("written");
        let text = std::fs::read_to_string(draft.path()).expect("read");
        assert!(
            text.contains("\n# kind: it is wrong\n# twice\n#\nkind:")
                || text.contains("# twice\n#\ndata:"),
            "{text}"
        );
        assert_eq!(draft.read(), Ok(Read::AsBefore));
        for (text, read) in [("# x\n\n", Ok(Read::Empty)), ("a: [", Err(())), ("- a\n", Err(()))] {
            std::fs::write(draft.path(), text).expect("written");
            assert_eq!(draft.read().map_err(|_| ()), read, "{text}");
        }
    }

    #[test]
    fn a_draft_is_its_users_alone_and_stays_only_when_it_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let draft = Draft::of(&json!({"a": 1})).expect("a file");
        let path = draft.path().to_owned();
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(draft);
        assert!(!path.exists());
        let mut draft = Draft::of(&json!({"a": 1})).expect("a file");
        let path = draft.path().to_owned();
        let told = draft.kept(Failure::new("failed")).to_string();
        drop(draft);
        assert!(told.contains(&path.display().to_string()), "{told}");
        std::fs::remove_file(&path).expect("it stayed");
    }
}
