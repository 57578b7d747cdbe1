//! What is gathered while a project becomes objects: problems, fields not acted on, warnings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::fields::{self, Rows};
use super::waits::Waits;
use crate::bounds::PROBLEMS_MAX;
use crate::gate::cursor::Cursor;
use crate::problem::{Fault, FieldPath, Problem};
use crate::typed::effect::Effect;

/// What is gathered, and what the project's parts are made with.
pub(crate) struct Making<'m> {
    pub(crate) project: String,
    pub(crate) folder: &'m Path,
    pub(crate) variables: &'m BTreeMap<String, String>,
    pub(crate) scopes: &'m BTreeMap<String, Rc<BTreeMap<String, String>>>,
    pub(crate) unset: BTreeSet<String>,
    pub(crate) tree: &'m Map<String, Value>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) not_acted_on: Vec<(FieldPath, String)>,
    pub(crate) warnings: Vec<String>,
    pub(crate) objects: Vec<Value>,
    pub(crate) waits: Waits,
}

impl<'m> Making<'m> {
    /// A value is not allowed.
    pub(crate) fn refuse(&mut self, at: &Cursor<'_>, reason: impl Into<String>) {
        self.tell(Problem::new(Fault::Value, at.path.clone(), reason));
    }

    /// Something is wrong; told up to a bound.
    pub(crate) fn tell(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// A field changes what runs and is not acted on.
    pub(crate) fn ignore(&mut self, at: &Cursor<'_>, reason: &str) {
        self.not_acted_on.push((at.path.clone(), reason.to_owned()));
    }

    /// Holds a map against its rows: unknown fields, shapes, fields not acted on.
    pub(crate) fn check(&mut self, at: &Cursor<'_>, rows: Rows) {
        for (name, field) in at.entries() {
            if name.starts_with("x-") {
                continue;
            }
            let Some((shape, effect)) = fields::row(rows, name) else {
                self.tell(Problem::new(Fault::Type, field.path, "unknown field"));
                continue;
            };
            if let Some(reason) = shape.broken(field.value) {
                self.tell(Problem::new(Fault::Type, field.path, reason));
            } else if let Effect::Changes(when, why) = effect
                && when.holds(field.value)
            {
                self.ignore(&field, why);
            }
        }
    }

    /// The variables of a service: its own project's when it is included.
    pub(crate) fn variables_of(&self, service: &str) -> &'m BTreeMap<String, String> {
        self.scopes.get(service).map_or(self.variables, |scope| scope)
    }

    /// A section of the project, such as its configs.
    pub(crate) fn section(&self, name: &str) -> Cursor<'m> {
        static EMPTY: Value = Value::Null;
        let value = self.tree.get(name).unwrap_or(&EMPTY);
        Cursor { value, path: FieldPath::root().field(name) }
    }

    /// An object's name: the project's and the part's, as Kubernetes allows it.
    pub(crate) fn object_name(&self, part: &str) -> String {
        kubernetes_name(&format!("{}-{part}", self.project))
    }
}

/// Longest name of an object that we make: a label's, since pods' names are made from it.
const NAME_MAX: usize = 63;

/// Lowercase letters, digits and `-`, beginning and ending with a letter or digit.
pub(crate) fn kubernetes_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let fit = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let name: String = lower.chars().map(fit).take(NAME_MAX).collect();
    name.trim_matches('-').to_owned()
}
