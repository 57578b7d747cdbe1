//! The forms that `get` answers in: those of every verb, kubectl's JSONPath, and columns of one's own.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::failure::Failure;
use crate::output::jsonpath::Template;
use crate::output::{Custom, Format};

/// What stands behind `-o`.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// A form without more words.
    Plain(Format),
    /// What a template says of all that was found.
    Template(Template),
    /// The same, and the template is in a file.
    TemplateFile(PathBuf),
    /// A table with these columns.
    Custom(Vec<Custom>),
    /// The same, and the columns are in a file.
    CustomFile(PathBuf),
}

/// What to say for Go's templates, which only a program in Go understands whole.
const NO_GO: &str = "Go's templates are not understood here; write -o jsonpath='{.metadata.name}', or give \
                     -o json to a program such as jq";

/// Every form, as it is written.
pub(crate) const FORMS: [&str; 9] = [
    "table",
    "wide",
    "json",
    "yaml",
    "name",
    "jsonpath=",
    "jsonpath-file=",
    "custom-columns=",
    "custom-columns-file=",
];

impl Form {
    /// Parses what stands behind `-o`.
    pub(crate) fn parse(text: &str) -> Result<Form, String> {
        let (word, rest) = match text.split_once('=') {
            Some((word, rest)) => (word, Some(rest).filter(|rest| !rest.is_empty())),
            None => (text, None),
        };
        let file = |name: &str| PathBuf::from(name);
        match (word, rest) {
            ("jsonpath", Some(template)) => {
                Template::parse(template).map(Form::Template).map_err(|why| why.to_string())
            }
            ("jsonpath-file", Some(name)) => Ok(Form::TemplateFile(file(name))),
            ("custom-columns", Some(columns)) => {
                Custom::parse(columns).map(Form::Custom).map_err(|why| why.to_string())
            }
            ("custom-columns-file", Some(name)) => Ok(Form::CustomFile(file(name))),
            ("jsonpath", None) => Err("write its template: jsonpath='{.metadata.name}'".to_owned()),
            ("custom-columns", None) => {
                Err("write its columns: custom-columns=NAME:.metadata.name".to_owned())
            }
            ("jsonpath-file" | "custom-columns-file", None) => {
                Err(format!("write which file: {word}=FILE"))
            }
            (word, _) if word.starts_with("go-template") || word.starts_with("template") => {
                Err(NO_GO.to_owned())
            }
            ("jsonpath-as-json", _) => {
                Err("write -o jsonpath=…, which gives lists and maps as JSON".to_owned())
            }
            (word, rest) => match Format::from_str(word, false) {
                Ok(format) if rest.is_none() => Ok(Form::Plain(format)),
                _ => Err(format!("the forms are {}", FORMS.join(", "))),
            },
        }
    }

    /// The same with what its file says.
    pub(super) fn read(self) -> Result<Form, Failure> {
        let what = |path: &PathBuf| format!("failed to read {}", path.display());
        let text = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|error| Failure::usage(what(path)).at("--output", error))
        };
        match self {
            Form::TemplateFile(path) => Template::parse(&text(&path)?)
                .map(Form::Template)
                .map_err(|why| Failure::usage(what(&path)).at("the template", why)),
            Form::CustomFile(path) => Custom::parse_file(&text(&path)?)
                .map(Form::Custom)
                .map_err(|why| Failure::usage(what(&path)).at("the columns", why)),
            form => Ok(form),
        }
    }

    /// Whether it is a table that has its columns of the kind.
    pub(super) fn is_wide(&self) -> bool {
        matches!(self, Form::Plain(Format::Wide))
    }
}

/// `--template` is kubectl's for Go's templates.
pub(super) fn no_go_templates() -> Failure {
    Failure::usage("--template cannot be filled").because(NO_GO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_form_says_what_to_write_instead() {
        for (text, why) in [
            ("go-template={{.metadata.name}}", "-o jsonpath="),
            ("go-template-file=x", "-o jsonpath="),
            ("jsonpath", "jsonpath='{.metadata.name}'"),
            ("jsonpath=", "jsonpath='{.metadata.name}'"),
            ("jsonpath={.a", "unclosed action"),
            ("jsonpath=.metadata.name", "write {.metadata.name}"),
            ("custom-columns=NAME", "write HEADER:PATH"),
            ("custom-columns-file", "custom-columns-file=FILE"),
            ("yml", "the forms are table, wide, json"),
            ("json=x", "the forms are"),
        ] {
            let told = Form::parse(text).expect_err(text);
            assert!(told.contains(why), "{text}: {told}");
        }
        for text in ["wide", "name", "jsonpath={.a}", "jsonpath-file=f", "custom-columns=A:.a"] {
            assert!(Form::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_template_in_a_file_is_read_and_judged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t");
        std::fs::write(&path, "{.metadata.name}\n").expect("written");
        let form = Form::TemplateFile(path.clone()).read().expect("a template");
        assert!(matches!(form, Form::Template(_)), "{form:?}");
        std::fs::write(&path, "{.metadata").expect("written");
        let told = Form::TemplateFile(path).read().expect_err("it is wrong").to_string();
        assert!(told.contains("unclosed action"), "{told}");
        let told = Form::CustomFile(folder.path().join("none")).read().expect_err("no file");
        assert_eq!(told.code(), 2);
    }
}
