//! Files of variables: `.env` and `env_file`.
//!
//! One variable a line, `export` allowed; values plain (a ` #` begins a comment), in single quotes
//! (as they stand) or in double quotes (escapes and variables), quoted ones over several lines.

use std::collections::{BTreeMap, BTreeSet};

use super::interpolate::{Variables, interpolate};

/// The variables of a text, in order. Variables within values come from `outer` and from the
/// lines above, and those that are set nowhere are noted; with `raw` values are taken as they
/// stand.
///
/// # Errors
/// The line and what is wrong with it.
pub(crate) fn parse(
    text: &str,
    outer: &BTreeMap<String, String>,
    raw: bool,
    unset: &mut BTreeSet<String>,
) -> Result<Vec<(String, Option<String>)>, String> {
    let mut known = outer.clone();
    let mut found = Vec::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |why: &str| format!("line {}: {why}", number + 1);
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, rest)) = line.split_once('=') else {
            found.push((checked(line).map_err(|why| at(&why))?, None));
            continue;
        };
        let name = checked(name).map_err(|why| at(&why))?;
        let more = &mut lines.by_ref().map(|(_, line)| line);
        let value = if raw {
            rest.to_owned()
        } else {
            let mut variables = Variables { values: &known, unset: std::mem::take(unset) };
            let value = value(rest, more, &mut variables);
            *unset = variables.unset;
            value.map_err(|why| at(&why))?
        };
        known.entry(name.clone()).or_insert_with(|| value.clone());
        found.push((name, Some(value)));
    }
    Ok(found)
}

fn checked(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_whitespace) || name.contains(['"', '\'']) {
        return Err(format!("{:?} is no variable's name", crate::problem::shortened(name)));
    }
    Ok(name.to_owned())
}

fn value(
    rest: &str,
    more: &mut dyn Iterator<Item = &str>,
    variables: &mut Variables<'_>,
) -> Result<String, String> {
    let rest = rest.trim();
    let mut expanded = |text: &str| interpolate(text, variables);
    match rest.chars().next() {
        Some('\'') => quoted(&rest[1..], '\'', more).map(|text| text.replace("\\'", "'")),
        Some('"') => expanded(&escaped(&quoted(&rest[1..], '"', more)?)),
        _ => {
            let plain = rest.split_once(" #").map_or(rest, |(plain, _)| plain);
            expanded(plain.trim_end())
        }
    }
}

/// The text up to the closing quote, over as many lines as it takes.
fn quoted(
    first: &str,
    quote: char,
    more: &mut dyn Iterator<Item = &str>,
) -> Result<String, String> {
    let mut text = first.to_owned();
    loop {
        let mut escaped = false;
        for (at, c) in text.char_indices() {
            if c == quote && !escaped {
                return Ok(text[..at].to_owned());
            }
            escaped = c == '\\' && !escaped;
        }
        let next = more.next().ok_or("a quote is not closed")?;
        text.push('\n');
        text.push_str(next);
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"),
            Some(c @ ('\\' | '"')) => out.push(c),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_variable_is_read() {
        let text = "A=1\nexport B='two $A'\nC=\"x${A}\\n\"\nD = plain # comment\nE=\n# no\nF\n\
                    G='a\nb'\nH=${NO:-d}\nI=a#b\nJ='it\\'s'\n";
        let found = parse(text, &BTreeMap::new(), false, &mut BTreeSet::new()).expect("read");
        let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
        let expected = [
            ("A", Some("1")),
            ("B", Some("two $A")),
            ("C", Some("x1\n")),
            ("D", Some("plain")),
            ("E", Some("")),
            ("F", None),
            ("G", Some("a\nb")),
            ("H", Some("d")),
            ("I", Some("a#b")),
            ("J", Some("it's")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = parse("A=1\nB C=2\n", &BTreeMap::new(), false, &mut BTreeSet::new());
        assert_eq!(error, Err("line 2: \"B C\" is no variable's name".to_owned()));
        assert!(parse("A='x", &BTreeMap::new(), false, &mut BTreeSet::new()).is_err());
    }
}
