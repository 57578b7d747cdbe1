//! Variables in text: `$VAR ${VAR} ${VAR:-x} ${VAR-x} ${VAR:?e} ${VAR?e} ${VAR:+x} ${VAR+x} $$`.
//!
//! Source: the Compose Specification, chapter interpolation.

use std::collections::{BTreeMap, BTreeSet};

use crate::bounds::{INTERPOLATED_BYTES_MAX, INTERPOLATION_DEPTH_MAX};

/// The variables at hand, and those that were asked for and not set.
pub(crate) struct Variables<'v> {
    pub(crate) values: &'v BTreeMap<String, String>,
    pub(crate) unset: BTreeSet<String>,
}

/// The text with its variables replaced.
///
/// # Errors
/// Why it cannot be: a required variable is not set, or the form is none of those.
pub(crate) fn interpolate(text: &str, variables: &mut Variables<'_>) -> Result<String, String> {
    expand(text, variables, 0)
}

fn expand(text: &str, variables: &mut Variables<'_>, depth: usize) -> Result<String, String> {
    if depth > INTERPOLATION_DEPTH_MAX {
        return Err(format!("variables are nested deeper than {INTERPOLATION_DEPTH_MAX} levels"));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        rest = match rest.as_bytes().first() {
            Some(b'$') => {
                out.push('$');
                &rest[1..]
            }
            Some(b'{') => {
                let end = closing(rest).ok_or("a '${' has no '}'")?;
                out.push_str(&braced(&rest[1..end], variables, depth)?);
                &rest[end + 1..]
            }
            _ => {
                let end = name_end(rest);
                if end == 0 {
                    // Followed by neither a name nor a brace it is only a dollar, as in `$(date)`.
                    out.push('$');
                } else {
                    out.push_str(&value(&rest[..end], variables).unwrap_or_default());
                }
                &rest[end..]
            }
        };
        if out.len() > INTERPOLATED_BYTES_MAX {
            return Err(format!("it grows beyond {INTERPOLATED_BYTES_MAX} bytes"));
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The form within the braces.
fn braced(inner: &str, variables: &mut Variables<'_>, depth: usize) -> Result<String, String> {
    let end = name_end(inner);
    let (name, form) = inner.split_at(end);
    if name.is_empty() {
        return Err(format!("'${{{}}}' names no variable", crate::problem::shortened(inner)));
    }
    if form.is_empty() {
        return Ok(value(name, variables).unwrap_or_default());
    }
    let found = variables.values.get(name).cloned();
    let (strict, form) = form.strip_prefix(':').map_or((false, form), |form| (true, form));
    let set = found.filter(|value| !(strict && value.is_empty()));
    let operator = form.get(..1).unwrap_or_default();
    let word = form.get(1..).unwrap_or_default();
    match (operator, set) {
        ("-" | "?", Some(value)) => Ok(value),
        ("-", None) | ("+", Some(_)) => expand(word, variables, depth + 1),
        ("+", None) => Ok(String::new()),
        ("?", None) => {
            let message = expand(word, variables, depth + 1)?;
            let message = if message.is_empty() { "it is not set".to_owned() } else { message };
            Err(format!("the variable {name} is required: {message}"))
        }
        _ => Err(format!("'${{{}}}' is no form of a variable", crate::problem::shortened(inner))),
    }
}

fn value(name: &str, variables: &mut Variables<'_>) -> Option<String> {
    let found = variables.values.get(name).cloned();
    if found.is_none() {
        variables.unset.insert(name.to_owned());
    }
    found
}

/// The end of the variable's name at the text's beginning.
fn name_end(text: &str) -> usize {
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    match text.bytes().next() {
        Some(byte) if first(byte) => {
            text.bytes().position(|b| !(first(b) || b.is_ascii_digit())).unwrap_or(text.len())
        }
        _ => 0,
    }
}

/// Where the brace at the text's beginning closes; inner `${` are skipped.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut open, mut at) = (0usize, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'$') => at += 1,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'{' if at == 0 => open += 1,
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, String> {
        let set = [("SET", "x"), ("EMPTY", "")];
        let values = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        interpolate(text, &mut Variables { values: &values, unset: BTreeSet::new() })
    }

    #[test]
    fn each_form_gives_what_the_specification_says() {
        for (text, expected) in [
            ("a $SET b", "a x b"),
            ("${SET}y", "xy"),
            ("$UNSET.", "."),
            ("${SET:-d}", "x"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${UNSET-d}", "d"),
            ("${SET:+r}", "r"),
            ("${EMPTY:+r}", ""),
            ("${EMPTY+r}", "r"),
            ("${UNSET+r}", ""),
            ("${UNSET:-${SET}}", "x"),
            ("${UNSET:-a${UNSET2:-b}c}", "abc"),
            ("${UNSET:-}", ""),
            ("$$SET $${SET}", "$SET ${SET}"),
            ("${UNSET:-$$}", "$"),
            ("${SET:?e}", "x"),
            ("$(date) 5$ $1", "$(date) 5$ $1"),
        ] {
            assert_eq!(check(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_required_or_broken_is_an_error() {
        for (text, expected) in [
            ("${UNSET:?no port}", "the variable UNSET is required: no port"),
            ("${EMPTY:?}", "the variable EMPTY is required: it is not set"),
            ("${UNSET?e}", "the variable UNSET is required: e"),
            ("${SET", "a '${' has no '}'"),
            ("${}", "'${}' names no variable"),
            ("${SET!x}", "'${SET!x}' is no form of a variable"),
        ] {
            assert_eq!(check(text), Err(expected.to_owned()), "{text}");
        }
    }
}
