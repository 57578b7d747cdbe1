//! Query parameters, by the names that Kubernetes gives them.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use serde::Deserialize;

use crate::select::Selection;
use crate::status::ApiError;

/// The query of a call; of a parameter given twice the last counts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Params(HashMap<String, String>);

impl Params {
    /// A parameter; empty when absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a parameter is given, with whatever value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether a flag is set: `true` or `1`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }

    /// A number; `None` when absent.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let text = self.get(name);
        let wrong = |_| ApiError::bad_request(format!("invalid {name} {text:?}: not a number"));
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(wrong) }
    }

    /// The label and field selectors.
    pub(crate) fn selection(&self) -> Result<Selection, ApiError> {
        let parsed = Selection::parse(self.get("labelSelector"), self.get("fieldSelector"));
        parsed.map_err(ApiError::bad_request)
    }

    /// Whether nothing shall change.
    pub(crate) fn dry_run(&self) -> bool {
        !self.get("dryRun").is_empty() && self.get("dryRun") != "None"
    }

    /// Who owns the fields: `fieldManager`, or the first word of the user agent.
    pub(crate) fn manager(&self, headers: &HeaderMap) -> String {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let tool = agent.and_then(|agent| agent.split(['/', ' ']).next());
        let manager = Some(self.get("fieldManager")).filter(|name| !name.is_empty());
        manager.or(tool).unwrap_or("unknown").chars().take(MANAGER_CHARS_MAX).collect()
    }
}

/// Kubernetes' bound for the name of a field manager.
const MANAGER_CHARS_MAX: usize = 128;
