//! Label selectors, compiled: what can be wrong with them was said when they were compiled.
//!
//! Source: `k8s.io/apimachinery/pkg/labels` and `k8s.io/component-helpers/scheduling/corev1`.

use std::collections::BTreeMap;

use setpoint_schemas::{
    LabelSelector, NodeSelectorRequirement, NodeSelectorTerm, SelectorOperator,
};

use crate::CompileError;

/// A requirement on the value of one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

/// Which labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Selector {
    /// An absent selector matches nothing.
    Nothing,
    /// All requirements hold; none matches everything.
    All(Vec<Requirement>),
}

/// A term over a node's labels and its name; an empty one matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NodeTerm {
    labels: Vec<Requirement>,
    name: Vec<Requirement>,
}

impl Selector {
    pub(crate) fn compile(
        selector: Option<&LabelSelector>,
        path: &str,
    ) -> Result<Selector, CompileError> {
        let Some(selector) = selector else { return Ok(Selector::Nothing) };
        let mut all: Vec<Requirement> =
            selector.match_labels.iter().map(|(k, v)| Requirement::equal(k, v)).collect();
        for requirement in &selector.match_expressions {
            if matches!(requirement.operator, SelectorOperator::Gt | SelectorOperator::Lt) {
                return Err(CompileError::new(path, "Gt and Lt are for nodes only"));
            }
            let (key, values) = (&requirement.key, &requirement.values);
            all.push(Requirement::compile(key, requirement.operator, values, path)?);
        }
        Ok(Selector::All(all))
    }

    /// Adds a requirement; a selector of nothing stays one.
    pub(crate) fn and(&mut self, requirement: Requirement) {
        if let Selector::All(all) = self {
            all.push(requirement);
        }
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Selector::Nothing => false,
            Selector::All(all) => all.iter().all(|r| r.holds(labels)),
        }
    }

    /// Labels of which a matching pod has at least one; `None` when nothing of the kind is known.
    pub(crate) fn anchors(&self) -> Option<Vec<u64>> {
        match self {
            Selector::Nothing => Some(Vec::new()),
            Selector::All(all) => all.iter().find_map(|requirement| match &requirement.test {
                Test::In(values) => {
                    Some(values.iter().map(|v| label_hash(&requirement.key, v)).collect())
                }
                _ => None,
            }),
        }
    }
}

/// The hash of a label, for indexes.
pub(crate) fn label_hash(key: &str, value: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(
        value.as_bytes(),
        xxhash_rust::xxh3::xxh3_64(key.as_bytes()),
    )
}

impl Requirement {
    pub(crate) fn equal(key: &str, value: &str) -> Requirement {
        Requirement { key: key.to_owned(), test: Test::In(vec![value.to_owned()]) }
    }

    pub(crate) fn differs(key: &str, value: &str) -> Requirement {
        Requirement { key: key.to_owned(), test: Test::NotIn(vec![value.to_owned()]) }
    }

    fn compile(
        key: &str,
        operator: SelectorOperator,
        values: &[String],
        path: &str,
    ) -> Result<Requirement, CompileError> {
        let fail = |why: &'static str| Err(CompileError::new(path, why));
        let mut sorted = values.to_vec();
        sorted.sort();
        sorted.dedup();
        let test = match operator {
            SelectorOperator::In | SelectorOperator::NotIn if values.is_empty() => {
                return fail("In and NotIn need at least one value");
            }
            SelectorOperator::Exists | SelectorOperator::DoesNotExist if !values.is_empty() => {
                return fail("Exists and DoesNotExist take no values");
            }
            SelectorOperator::In => Test::In(sorted),
            SelectorOperator::NotIn => Test::NotIn(sorted),
            SelectorOperator::Exists => Test::Exists,
            SelectorOperator::DoesNotExist => Test::Absent,
            SelectorOperator::Gt | SelectorOperator::Lt => {
                let [value] = values else { return fail("Gt and Lt need exactly one value") };
                let Ok(bound) = value.parse::<i64>() else {
                    return fail("Gt and Lt need an integer");
                };
                if operator == SelectorOperator::Gt {
                    Test::Above(bound)
                } else {
                    Test::Below(bound)
                }
            }
        };
        if key.is_empty() {
            return fail("a requirement needs a key");
        }
        Ok(Requirement { key: key.to_owned(), test })
    }

    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        self.holds_for(labels.get(&self.key).map(String::as_str))
    }

    fn holds_for(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|text| text.parse::<i64>().ok());
        let among = |values: &[String]| value.is_some_and(|v| values.iter().any(|w| w == v));
        match &self.test {
            Test::In(values) => among(values),
            Test::NotIn(values) => !among(values),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Above(bound) => number().is_some_and(|n| n > *bound),
            Test::Below(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

impl NodeTerm {
    pub(crate) fn compile(term: &NodeSelectorTerm, path: &str) -> Result<NodeTerm, CompileError> {
        let over = |list: &[NodeSelectorRequirement]| -> Result<Vec<_>, CompileError> {
            list.iter().map(|r| Requirement::compile(&r.key, r.operator, &r.values, path)).collect()
        };
        for field in &term.match_fields {
            if field.key != "metadata.name" {
                return Err(CompileError::new(path, "matchFields knows metadata.name only"));
            }
            if !matches!(field.operator, SelectorOperator::In | SelectorOperator::NotIn)
                || field.values.len() != 1
            {
                return Err(CompileError::new(path, "matchFields takes In or NotIn and one value"));
            }
        }
        Ok(NodeTerm { labels: over(&term.match_expressions)?, name: over(&term.match_fields)? })
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>, name: &str) -> bool {
        let empty = self.labels.is_empty() && self.name.is_empty();
        !empty
            && self.labels.iter().all(|r| r.holds(labels))
            && self.name.iter().all(|r| r.holds_for(Some(name)))
    }

    /// The one name that the term asks for, if it asks for one.
    pub(crate) fn only_name(&self) -> Option<&str> {
        self.name.iter().find_map(|requirement| match &requirement.test {
            Test::In(values) => values.first().map(String::as_str),
            _ => None,
        })
    }

    /// Whether the term tells apart nodes that differ in name and host name only.
    pub(crate) fn reads_name(&self) -> bool {
        !self.name.is_empty() || self.labels.iter().any(|r| r.key == crate::HOSTNAME)
    }
}
