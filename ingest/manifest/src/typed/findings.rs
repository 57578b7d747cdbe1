//! What reading an object into its type finds, and how reading stops.

use std::cell::RefCell;
use std::fmt;

use serde::de;

use super::path::Path;
use crate::bounds::PROBLEMS_MAX;
use crate::problem::{Fault, FieldPath, Problem};

/// What reading an object into its type found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Unknown fields and wrong types.
    pub(crate) problems: Vec<Problem>,
    /// Fields that change what runs and that we do not act upon, each with the reason.
    pub(crate) not_acted_on: Vec<(FieldPath, String)>,
}

/// How closely an object is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Only its types: a kept kind, or a part without effect.
    Types,
    /// Its types, and whether we act upon each field.
    Effects,
}

/// Reading cannot go on; told already when `told`.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) reason: String,
    pub(super) told: bool,
}

impl Stop {
    /// Tells the reason, once.
    pub(super) fn record(mut self, findings: &RefCell<Findings>, path: &Path<'_>) -> Self {
        if !self.told {
            tell(findings, path, &self.reason);
            self.told = true;
        }
        self
    }
}

/// Adds a problem of types, up to a bound.
pub(super) fn tell(findings: &RefCell<Findings>, path: &Path<'_>, reason: &str) {
    let mut findings = findings.borrow_mut();
    if findings.problems.len() < PROBLEMS_MAX {
        findings.problems.push(Problem::new(Fault::Type, path.text(), reason));
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Stop {}

/// Values are never repeated in a reason: they may be secret.
impl de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Stop { reason: message.to_string(), told: false }
    }
    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Stop { reason: format!("has another type than {expected}"), told: false }
    }
    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Stop { reason: format!("is not {expected}"), told: false }
    }
}
