//! Label and field selectors, as `kubectl -l` and `--field-selector` write them.

use setpoint_schemas::{LabelSelector, LabelSelectorRequirement, SelectorOperator};

use crate::model::Entry;

/// Which objects of a kind are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    labels: LabelSelector,
    fields: Vec<FieldTerm>,
}

/// A field that must or must not be a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTerm {
    field: Field,
    value: String,
    equal: bool,
}

/// The fields that can be selected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    NodeName,
    Phase,
    RestartPolicy,
    Type,
    Unschedulable,
}

const FIELDS: &[(&str, Field)] = &[
    ("metadata.name", Field::Name),
    ("metadata.namespace", Field::Namespace),
    ("spec.nodeName", Field::NodeName),
    ("status.phase", Field::Phase),
    ("spec.restartPolicy", Field::RestartPolicy),
    ("type", Field::Type),
    ("spec.unschedulable", Field::Unschedulable),
];

impl Selection {
    /// Parses both selectors; either may be empty.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Selection, String> {
        Ok(Selection { labels: parse_labels(labels)?, fields: parse_fields(fields)? })
    }

    /// The one object with this name.
    pub(crate) fn named(mut self, name: &str) -> Selection {
        let value = name.to_owned();
        self.fields.push(FieldTerm { field: Field::Name, value, equal: true });
        self
    }

    /// Whether an object is asked for.
    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        self.fields.iter().all(|term| term.holds(entry)) && self.matches_labels(entry)
    }

    /// Whether labels alone select it.
    pub(crate) fn matches_labels(&self, entry: &Entry) -> bool {
        let all = self.labels.match_labels.is_empty() && self.labels.match_expressions.is_empty();
        all || self.labels.matches(&entry.labels())
    }
}

impl FieldTerm {
    fn holds(&self, entry: &Entry) -> bool {
        let found = match (self.field, entry) {
            (Field::Name, _) => entry.name().to_owned(),
            (Field::Namespace, _) => entry.namespace().to_owned(),
            (Field::NodeName, Entry::Pod(pod)) => pod.node().to_owned(),
            (Field::Phase, Entry::Pod(pod)) => pod.phase().to_owned(),
            _ => self.rendered(entry),
        };
        (found == self.value) == self.equal
    }

    fn rendered(&self, entry: &Entry) -> String {
        let object = crate::render::object(entry);
        let (pointer, absent) = match self.field {
            Field::RestartPolicy => ("/spec/restartPolicy", "Always"),
            Field::Type => ("/type", ""),
            Field::Unschedulable => ("/spec/unschedulable", "false"),
            Field::Phase => ("/status/phase", ""),
            Field::NodeName => ("/spec/nodeName", ""),
            Field::Name | Field::Namespace => ("/metadata/name", ""),
        };
        match object.pointer(pointer) {
            None => absent.to_owned(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

fn parse_fields(text: &str) -> Result<Vec<FieldTerm>, String> {
    text.split(',').filter(|term| !term.trim().is_empty()).map(parse_field).collect()
}

fn parse_field(term: &str) -> Result<FieldTerm, String> {
    let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
        (path, value, false)
    } else if let Some((path, value)) = term.split_once("==") {
        (path, value, true)
    } else if let Some((path, value)) = term.split_once('=') {
        (path, value, true)
    } else {
        return Err(format!("invalid field selector {term:?}: it has no '=' or '!='"));
    };
    let known = FIELDS.iter().find(|(name, _)| *name == path.trim());
    let Some((_, field)) = known else {
        return Err(format!("field label not supported: {}", path.trim()));
    };
    Ok(FieldTerm { field: *field, value: value.trim().to_owned(), equal })
}

/// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
pub(crate) fn parse_labels(text: &str) -> Result<LabelSelector, String> {
    let mut selector = LabelSelector::default();
    for term in split_outside_parentheses(text) {
        let term = term.trim();
        if !term.is_empty() {
            let requirement = parse_requirement(term)
                .ok_or_else(|| format!("unable to parse requirement: {term:?}"))?;
            selector.match_expressions.push(requirement);
        }
    }
    Ok(selector)
}

fn parse_requirement(term: &str) -> Option<LabelSelectorRequirement> {
    let requirement = |key: &str, operator, values: Vec<String>| {
        let key = key.trim();
        let sound = !key.is_empty() && !key.contains([' ', '(', ')', '=', '!']);
        sound.then(|| LabelSelectorRequirement { key: key.to_owned(), operator, values })
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some(values) = term.strip_suffix(')') {
        let (head, values) = values.split_once('(')?;
        let (key, word) = head.trim().rsplit_once(char::is_whitespace)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let operator = match word {
            "in" => SelectorOperator::In,
            "notin" => SelectorOperator::NotIn,
            _ => return None,
        };
        return requirement(key, operator, values);
    }
    if let Some((key, value)) = term.split_once("!=") {
        requirement(key, SelectorOperator::NotIn, one(value))
    } else if let Some((key, value)) = term.split_once("==") {
        requirement(key, SelectorOperator::In, one(value))
    } else if let Some((key, value)) = term.split_once('=') {
        requirement(key, SelectorOperator::In, one(value))
    } else if let Some(key) = term.strip_prefix('!') {
        requirement(key, SelectorOperator::DoesNotExist, Vec::new())
    } else {
        requirement(term, SelectorOperator::Exists, Vec::new())
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0i32;
    text.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn label_selectors_select_as_kubectl_writes_them() {
        let labels = BTreeMap::from([
            ("app".to_owned(), "web".to_owned()),
            ("tier".to_owned(), "front".to_owned()),
        ]);
        for (text, selected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (api, web)", true),
            ("app notin (api,web)", false),
            ("tier", true),
            ("!tier", false),
            ("!zone,app in (web)", true),
            ("zone!=a", true),
        ] {
            assert_eq!(parse_labels(text).unwrap().matches(&labels), selected, "{text}");
        }
        for text in ["app in web", "=web", "a b", "app like (x)"] {
            assert!(parse_labels(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = Selection::parse("", "spec.color=red").unwrap_err();
        assert_eq!(error, "field label not supported: spec.color");
    }
}
