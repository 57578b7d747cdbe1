//! Manifests that a verb was given: read, and judged by the same gate as the server's.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use setpoint_ingest_manifest::{
    ComposeOptions, GateOptions, Gated, LoadOptions, Origin, Problem, ReadOptions, Source, load,
};
use setpoint_schemas::Standing;
use setpoint_settings::process_environment;

use crate::context::warn;
use crate::failure::Failure;
use crate::output::field::{namespace, shown};

/// Which manifests.
#[derive(Debug, Clone, Args)]
pub(crate) struct Files {
    /// A file, a folder, or `-` for standard input; Kubernetes YAML or JSON, or a Compose file.
    /// May be repeated
    #[arg(long = "filename", short = 'f', value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Folders within folders too
    #[arg(long, short = 'R')]
    pub(crate) recursive: bool,
    /// Name what is not acted upon instead of refusing it
    #[arg(long)]
    pub(crate) allow_ignored: bool,
    /// A Compose profile to activate; may be repeated
    #[arg(long = "profile", value_name = "NAME")]
    pub(crate) profiles: Vec<String>,
    /// The name of the Compose project, when not its folder's
    #[arg(long, value_name = "NAME")]
    pub(crate) project_name: Option<String>,
}

/// Tells what the readers of these objects should know, each with its file and document.
pub(crate) fn tell_warnings(items: &[Item]) {
    for item in items {
        item.warnings.iter().for_each(|text| warn(format!("{}: {text}", item.origin)));
    }
}

/// One object of a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// The object.
    pub(crate) object: Value,
    /// File and document.
    pub(crate) origin: Origin,
    /// Whether it is kept without effect.
    pub(crate) kept: bool,
    /// What its reader should know, one sentence each.
    pub(crate) warnings: Vec<String>,
}

impl Files {
    /// Only these files, as apply with no other flag reads them.
    pub(crate) fn only(files: Vec<PathBuf>) -> Self {
        Files {
            files,
            recursive: false,
            allow_ignored: false,
            profiles: Vec::new(),
            project_name: None,
        }
    }

    /// Reads and judges everything; all that is wrong is told at once.
    ///
    /// `namespace` is for objects that name none; one that names another than `demanded` is refused.
    pub(crate) fn read(
        &self,
        verb: &str,
        namespace: &str,
        demanded: Option<&str>,
    ) -> Result<Vec<Item>, Failure> {
        self.are_here(verb)?;
        let sources: Vec<Source> = self.files.iter().map(|path| source(path)).collect();
        let options = LoadOptions {
            read: ReadOptions { recursive: self.recursive },
            gate: GateOptions {
                allow_ignored: self.allow_ignored,
                namespace: namespace.to_owned(),
                ..GateOptions::default()
            },
            compose: ComposeOptions {
                variables: process_environment().into_iter().collect(),
                profiles: self.profiles.clone(),
                project: self.project_name.clone(),
                allow_ignored: self.allow_ignored,
            },
        };
        let loaded = load(&sources, &options).map_err(|problems| self.refused(verb, &problems))?;
        let item = |(origin, gated): (Origin, Gated)| {
            let ignored =
                gated.ignored.iter().map(|i| format!("{} has no effect: {}", i.path, i.reason));
            let warnings = gated.warnings.iter().cloned().chain(ignored).collect();
            let kept = gated.standing == Standing::Kept;
            Item { object: gated.object, origin, kept, warnings }
        };
        let items: Vec<Item> = loaded.into_iter().map(item).collect();
        self.are_in(verb, demanded, &items)?;
        match items.is_empty() {
            true => Err(Failure::new(format!("failed to {verb} {}", self.shown()))
                .because("there is no object in it")),
            false => Ok(items),
        }
    }

    /// The files, for people.
    pub(crate) fn shown(&self) -> String {
        let names: Vec<String> = self.files.iter().map(|path| path.display().to_string()).collect();
        names.join(", ")
    }

    /// What lies elsewhere is not fetched.
    fn are_here(&self, verb: &str) -> Result<(), Failure> {
        let is_url = |name: &&String| name.starts_with("http://") || name.starts_with("https://");
        let names: Vec<String> = self.files.iter().map(|f| f.display().to_string()).collect();
        let Some(url) = names.iter().find(is_url) else { return Ok(()) };
        Err(Failure::usage(format!("failed to {verb} {}", self.shown()))
            .at(url, "URLs are not fetched")
            .remedy(format!("look at it first, then: curl -fsSL {url} | setpoint {verb} -f -")))
    }

    fn are_in(&self, verb: &str, demanded: Option<&str>, items: &[Item]) -> Result<(), Failure> {
        let Some(demanded) = demanded else { return Ok(()) };
        let mut strays = items
            .iter()
            .filter(|item| !["", demanded].contains(&namespace(&item.object)))
            .peekable();
        if strays.peek().is_none() {
            return Ok(());
        }
        let failure = Failure::usage(format!("failed to {verb} {}", self.shown()));
        let failure = strays.fold(failure, |failure, item| {
            let own = namespace(&item.object);
            let why = format!("its namespace is {own:?}, and --namespace says {demanded:?}");
            failure.at(format!("{}, {}", item.origin, shown(&item.object)), why)
        });
        Err(failure.remedy("nothing was changed; make both the same, or leave one of them out"))
    }

    fn refused(&self, verb: &str, problems: &[Problem]) -> Failure {
        let failure = Failure::new(format!("failed to {verb} {}", self.shown()));
        let failure = problems.iter().fold(failure, |failure, problem| {
            let path = Some(problem.path.as_str()).filter(|path| !path.is_empty());
            // Without a line of its own it is where the document begins, or where its text breaks.
            let line = |begins: usize| match (problem.line, path) {
                (Some(line), _) => format!("line {line}"),
                (None, Some(_)) => format!("from line {begins}"),
                (None, None) => format!("line {begins}"),
            };
            let origin = problem.origin.as_ref().map(|o| match o.document {
                0 => o.to_string(),
                _ => format!("{o}, {}", line(o.line)),
            });
            let parts: Vec<&str> = origin.as_deref().into_iter().chain(path).collect();
            match parts.is_empty() {
                true => failure.because(&problem.reason),
                false => failure.at(parts.join(", "), &problem.reason),
            }
        });
        failure.remedy("nothing was changed; correct it and try again")
    }
}

fn source(path: &Path) -> Source {
    match path.to_str() {
        Some("-") => Source::Stdin,
        _ => Source::Path(path.to_owned()),
    }
}
