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
    /// Nothing that can be understood, and why.
    Wrong(String),
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
        let mut file = maker().tempfile()?;
        let body = yaml(object);
        file.write_all(format!("{HEADER}{body}").as_bytes())?;
        Ok(Draft { path: Some(file.into_temp_path()), refused: None, body })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// What it says now. Where it cannot be read, it stays as it is.
    pub(super) fn read(&mut self) -> io::Result<Read> {
        let text = std::fs::read_to_string(self.path())?;
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        self.body = lines.join("\n") + "\n";
        if self.body.trim().is_empty() {
            return Ok(Read::Empty);
        }
        if self.refused.as_ref() == Some(&self.body) {
            return Ok(Read::AsBefore);
        }
        Ok(match serde_saphyr::from_str::<Value>(&self.body) {
            Ok(object) if object.is_object() => Read::Object(object),
            Ok(_) => Read::Wrong("it is no object: it has no fields".to_owned()),
            Err(error) => Read::Wrong(format!("it is no YAML: {error}")),
        })
    }

    /// The same text again, under why it was refused: in a new file, so that the former one is there until this one
    /// is whole.
    pub(super) fn reopen(&mut self, why: &str) -> io::Result<()> {
        let why: String = why.lines().map(|line| format!("# {line}\n")).collect();
        let mut file = maker().tempfile_in(self.path().parent().unwrap_or(Path::new(".")))?;
        file.write_all(format!("{HEADER}{why}#\n{}", self.body).as_bytes())?;
        file.persist(self.path()).map_err(|error| error.error)?;
        self.refused = Some(self.body.clone());
        Ok(())
    }

    /// Leaves the file where it is, and the failure says so. Nothing was sent, or it was refused.
    pub(super) fn kept(&mut self, failure: Failure) -> Failure {
        self.left(failure.because("nothing was changed"))
    }

    /// The same where something was sent and nobody says what became of it.
    pub(super) fn kept_unanswered(&mut self, failure: Failure) -> Failure {
        self.left(failure.because("whether anything was changed is not known"))
    }

    fn left(&mut self, failure: Failure) -> Failure {
        let path = self.path().to_owned();
        match self.path.take().map(TempPath::keep) {
            Some(Ok(path)) if path.exists() => failure.remedy(format!(
                "your text is in {}; look at the object, and edit it again",
                path.display()
            )),
            _ => failure.at(path.display().to_string(), "it could not be kept"),
        }
    }
}

/// What makes its files, which nobody but the user may read.
fn maker() -> tempfile::Builder<'static, 'static> {
    let mut maker = tempfile::Builder::new();
    maker.prefix("setpoint-edit-").suffix(".yaml");
    maker
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_draft_is_read_back_as_it_was_written_and_again_under_what_was_wrong() {
        let object = json!({"kind": "ConfigMap", "data": {"a": "# no comment\nyes", "b": "null"}});
        let mut draft = Draft::of(&object).expect("a file");
        assert_eq!(draft.read().expect("read"), Read::Object(object));
        draft.reopen("kind: it is wrong\ntwice").expect("written");
        let text = std::fs::read_to_string(draft.path()).expect("read");
        assert!(
            text.contains("\n# kind: it is wrong\n# twice\n#\nkind:")
                || text.contains("# twice\n#\ndata:"),
            "{text}"
        );
        assert_eq!(draft.read().expect("read"), Read::AsBefore);
        std::fs::write(draft.path(), "# x\n\n").expect("written");
        assert_eq!(draft.read().expect("read"), Read::Empty);
        for (text, why) in [("a: [", "no YAML"), ("- a\n", "no object")] {
            std::fs::write(draft.path(), text).expect("written");
            let read = draft.read().expect("read");
            assert!(matches!(&read, Read::Wrong(told) if told.contains(why)), "{text}: {read:?}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_read_is_kept_as_it_was_written() {
        let mut draft = Draft::of(&json!({"a": 1})).expect("a file");
        std::fs::write(draft.path(), [0xff, 0xfe]).expect("written");
        assert!(draft.read().is_err());
        let path = draft.path().to_owned();
        let told = draft.kept(Failure::new("failed")).to_string();
        assert!(told.contains("nothing was changed") && told.contains("your text is in"), "{told}");
        assert_eq!(std::fs::read(&path).expect("it stayed"), [0xff, 0xfe]);
        std::fs::remove_file(path).expect("it can be removed");
        // And what is not there any more is not said to be.
        let mut draft = Draft::of(&json!({"a": 1})).expect("a file");
        std::fs::remove_file(draft.path()).expect("it can be removed");
        let told = draft.kept_unanswered(Failure::new("failed")).to_string();
        assert!(told.contains("is not known") && told.contains("could not be kept"), "{told}");
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
