//! Everything that an apply names, read and judged: Kubernetes documents and Compose projects.

use std::collections::BTreeMap;
use std::rc::Rc;

use setpoint_schemas::ResourceKey;

use crate::compose::{self, ComposeOptions};
use crate::gate::{self, GateOptions, Gated};
use crate::problem::{Fault, FieldPath, Origin, Problem};
use crate::read::{self, Document};
use crate::source::{self, ReadOptions, Source, Text};
use crate::yaml::Parsed;

/// How an apply's files are read and judged.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// How sources are read.
    pub read: ReadOptions,
    /// How objects are judged.
    pub gate: GateOptions,
    /// How Compose files are read.
    pub compose: ComposeOptions,
}

/// Reads and judges everything that the sources hold, in their order. Custom resources find their
/// definitions anywhere among the sources. A file with `services` and without `apiVersion` is a
/// Compose project.
///
/// # Errors
/// Everything that is wrong, each with file, document, path and reason: all or nothing.
pub fn load(
    sources: &[Source],
    options: &LoadOptions,
) -> Result<Vec<(Origin, Gated)>, Vec<Problem>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for source in sources {
        match source::texts(source, &options.read) {
            Ok(texts) => texts.iter().for_each(|text| match items(text, options) {
                Ok(items) => found.extend(items),
                Err(more) => problems.extend(more),
            }),
            Err(problem) => problems.push(problem),
        }
    }
    let mut gating = options.gate.clone();
    gating.custom.extend(gate::custom_kinds(found.iter().map(|item| &item.document.value)));
    let mut accepted = Vec::new();
    for item in found {
        match gate_item(&item, &gating) {
            Ok(gated) => accepted.push((item.document.origin, gated)),
            Err(more) => problems.extend(more),
        }
    }
    let (accepted, differing) = once(accepted);
    problems.extend(differing);
    if problems.is_empty() { Ok(accepted) } else { Err(problems) }
}

/// A document, and what was found about it before the gate.
struct Item {
    document: Document,
    /// The trees of its file, for the lines of its fields; none where the text has no lines.
    trees: Rc<[Parsed]>,
    ignored: Vec<gate::Ignored>,
    warnings: Vec<String>,
}

fn items(text: &Text, options: &LoadOptions) -> Result<Vec<Item>, Vec<Problem>> {
    let trees = read::trees(text).map_err(|problem| vec![problem])?;
    if let [tree] = &trees[..]
        && compose::is_compose(&tree.node.value())
    {
        return compose_items(text, options).map_err(|problems| {
            problems.into_iter().map(|problem| with_line(problem, &text.name, &trees)).collect()
        });
    }
    let documents = read::flattened(text, &trees).map_err(|problem| vec![problem])?;
    let trees: Rc<[Parsed]> = trees.into();
    let plain = |document| Item {
        document,
        trees: trees.clone(),
        ignored: Vec::new(),
        warnings: Vec::new(),
    };
    Ok(documents.into_iter().map(plain).collect())
}

fn compose_items(text: &Text, options: &LoadOptions) -> Result<Vec<Item>, Vec<Problem>> {
    let mut compose = options.compose.clone();
    compose.allow_ignored |= options.gate.allow_ignored;
    let project = compose::read_text(text, &compose)?;
    let origin = Origin { file: text.name.clone(), document: 1, line: 1 };
    let mut warnings = project.warnings;
    let mut ignored = project.ignored;
    let items = project.objects.into_iter().map(|value| Item {
        document: Document { origin: origin.clone(), within: FieldPath::root(), value },
        // What is wrong with an object made of a Compose file has no line in it.
        trees: Rc::default(),
        // What concerns the whole file is told once, with its first object.
        ignored: std::mem::take(&mut ignored),
        warnings: std::mem::take(&mut warnings),
    });
    Ok(items.collect())
}

/// One request says one thing of an object. The same again, just so, is taken once and told, as real
/// files have it; another thing of it is a problem.
fn once(accepted: Vec<(Origin, Gated)>) -> (Vec<(Origin, Gated)>, Vec<Problem>) {
    let mut places: BTreeMap<ResourceKey, usize> = BTreeMap::new();
    let (mut kept, mut problems) = (Vec::<(Origin, Gated)>::new(), Vec::new());
    for (origin, gated) in accepted {
        let Some(&place) = places.get(&gated.key) else {
            places.insert(gated.key.clone(), kept.len());
            kept.push((origin, gated));
            continue;
        };
        let (first, other) = &mut kept[place];
        if other.object == gated.object {
            other.warnings.push(format!("the same is given at {origin} again, and is taken once"));
            continue;
        }
        let reason = format!("{} is given at {first} already, differently", gated.key);
        let path = FieldPath::of("metadata.name");
        problems.push(Problem::new(Fault::Value, path, reason).at(&origin));
    }
    (kept, problems)
}

/// The problem with the line of its field, when it is of this file.
fn with_line(mut problem: Problem, file: &str, trees: &[Parsed]) -> Problem {
    let here = problem.origin.as_ref().filter(|origin| origin.file == file);
    let tree = here.and_then(|origin| trees.iter().find(|tree| tree.number == origin.document));
    if let (Some(tree), None) = (tree.filter(|tree| tree.is_lined), problem.line)
        && !problem.path.as_str().is_empty()
    {
        problem.line = Some(tree.node.line_of(problem.path.as_str()));
    }
    problem
}

fn gate_item(item: &Item, gating: &GateOptions) -> Result<Gated, Vec<Problem>> {
    let document = &item.document;
    let prefix = document.within.as_str();
    match gate::gate(&document.value, gating) {
        Ok(mut gated) => {
            gated.ignored.splice(0..0, item.ignored.iter().cloned());
            gated.warnings.splice(0..0, item.warnings.iter().cloned());
            Ok(gated)
        }
        Err(problems) => Err(problems
            .into_iter()
            .map(|mut problem| {
                problem.path = problem.path.within(prefix);
                with_line(problem.at(&document.origin), &document.origin.file, &item.trees)
            })
            .collect()),
    }
}
