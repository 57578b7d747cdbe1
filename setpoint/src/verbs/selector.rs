//! Label selectors in a line, judged here: for what never reaches the server.

use serde_json::Value;

use crate::failure::Failure;

/// Labels that an object must have: `app=web,tier!=db,canary,!legacy,zone in (a,b)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// Parses Kubernetes' form.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let terms = split(text).into_iter().map(|term| {
            parse_term(term.trim()).ok_or_else(|| {
                Failure::usage(format!("{text:?} is not a label selector"))
                    .at(term.trim(), "it is none of key=value, key!=value, key, !key, key in (a,b)")
            })
        });
        terms.collect::<Result<Vec<_>, _>>().map(Selector)
    }

    /// Whether the labels of an object match.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| {
            let labels = object.pointer("/metadata/labels");
            let value = labels.and_then(|l| l.get(&term.key)).and_then(Value::as_str);
            match &term.test {
                Test::In(values) => value.is_some_and(|v| values.iter().any(|one| one == v)),
                Test::NotIn(values) => !value.is_some_and(|v| values.iter().any(|one| one == v)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }
}

/// At commas that are not between parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

fn parse_term(text: &str) -> Option<Term> {
    let term = |key: &str, test| {
        let key = key.trim();
        let plain =
            !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || "!=()".contains(c));
        plain.then(|| Term { key: key.to_owned(), test })
    };
    if let Some((key, values)) = text.split_once(" notin ") {
        return term(key, Test::NotIn(set(values)?));
    }
    if let Some((key, values)) = text.split_once(" in ") {
        return term(key, Test::In(set(values)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return term(key, Test::NotIn(vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = text.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return term(key, Test::In(vec![value.trim().to_owned()]));
    }
    match text.strip_prefix('!') {
        Some(key) => term(key, Test::Absent),
        None => term(text, Test::Exists),
    }
}

fn set(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_match_as_kubernetes_matches_them() {
        let object = json!({"metadata": {"labels": {"app": "web", "zone": "a"}}});
        let table = [
            ("app=web", true),
            ("app==web,zone=a", true),
            ("app!=web", false),
            ("tier!=db", true),
            ("app,!tier", true),
            ("zone in (a,b),app=web", true),
            ("zone notin (a,b)", false),
            ("", true),
        ];
        for (text, expected) in table {
            assert_eq!(Selector::parse(text).expect(text).matches(&object), expected, "{text}");
        }
        for text in ["=web", "a b", "zone in a"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
