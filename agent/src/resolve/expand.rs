//! `$(NAME)` in commands, arguments and values.
//!
//! Source: Kubernetes' `third_party/forked/golang/expansion`: `$$` is a `$`, so `$$(NAME)` is not
//! expanded; a name that is not known, and a reference that does not end, stay as they are.

/// The text with every known reference replaced; a later variable of the same name wins.
pub(crate) fn expand(text: &str, variables: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = reference(after, variables, &mut out);
    }
    out.push_str(rest);
    out
}

/// The first name that a reference has and no variable.
pub(super) fn missing(text: &str, variables: &[(String, String)]) -> Option<String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after.strip_prefix('$').unwrap_or(after);
        let named = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        if let Some((name, _)) = named.filter(|(name, _)| variables.iter().all(|v| v.0 != *name)) {
            return Some(name.to_owned());
        }
    }
    None
}

/// What follows a `$`; returns what follows that.
fn reference<'a>(after: &'a str, variables: &[(String, String)], out: &mut String) -> &'a str {
    if let Some(rest) = after.strip_prefix('$') {
        out.push('$');
        return rest;
    }
    let named = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
    let Some((name, rest)) = named else {
        out.push('$');
        return after;
    };
    match variables.iter().rev().find(|(known, _)| known == name) {
        Some((_, value)) => out.push_str(value),
        None => out.push_str(&format!("$({name})")),
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_as_kubernetes_does() {
        let variables = [("A".to_owned(), "old".to_owned()), ("A".to_owned(), "1".to_owned())];
        let table = [
            ("plain", "plain"),
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$A ${A} $", "$A ${A} $"),
            ("$(A", "$(A"),
            ("$$$(A)", "$1"),
        ];
        for (text, expanded) in table {
            assert_eq!(expand(text, &variables), expanded, "{text}");
        }
    }

    #[test]
    fn a_reference_without_a_variable_is_found() {
        let variables = [("A".to_owned(), "1".to_owned())];
        let table = [("x", None), ("$(A)/$(B)", Some("B")), ("$$(B)", None), ("$B $(B", None)];
        for (text, expected) in table {
            assert_eq!(missing(text, &variables).as_deref(), expected, "{text}");
        }
    }
}
