//! A template and a value: what is found, and the text that it gives.

use serde_json::Value;

use super::Mistake;
use super::compare::{holds, kind};
use super::path::{Path, Piece, Slice, Step, Test};
use super::shown;

/// What a path may find; a list of all pods of a large fleet, a few times over. Beyond it a `..` was written
/// into another.
const FOUND_MAX: usize = 5_000_000;

/// What becomes of a field that no value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing is found.
    Allowed,
    /// A mistake.
    Refused,
}

/// Appends the pieces with what their paths find in the current value.
pub(super) fn fill(
    pieces: &[Piece],
    current: &Value,
    missing: Missing,
    text: &mut String,
) -> Result<(), Mistake> {
    for piece in pieces {
        match piece {
            Piece::Text(said) => text.push_str(said),
            Piece::Found(path) => {
                let values = found(path, vec![current], missing)?;
                let values: Vec<String> = values.into_iter().map(shown).collect();
                text.push_str(&values.join(" "));
            }
            Piece::Range(path, pieces) => {
                for value in found(path, vec![current], missing)? {
                    fill(pieces, value, missing, text)?;
                }
            }
        }
    }
    Ok(())
}

/// What the path finds in these values.
pub(super) fn found<'a>(
    path: &'a Path,
    from: Vec<&'a Value>,
    missing: Missing,
) -> Result<Vec<&'a Value>, Mistake> {
    let mut values = from;
    for step in &path.0 {
        values = stepped(step, values, missing)?;
        if values.len() > FOUND_MAX {
            return Err(Mistake(format!("a path finds more than {FOUND_MAX} values")));
        }
    }
    Ok(values)
}

fn stepped<'a>(
    step: &'a Step,
    from: Vec<&'a Value>,
    missing: Missing,
) -> Result<Vec<&'a Value>, Mistake> {
    match step {
        Step::Field(name) => {
            let values: Vec<&Value> = from.iter().filter_map(|value| value.get(name)).collect();
            match missing {
                Missing::Refused if values.is_empty() && !from.is_empty() => {
                    Err(Mistake(format!("{name} is not found")))
                }
                _ => Ok(values),
            }
        }
        Step::All => Ok(from.into_iter().flat_map(children).collect()),
        Step::Deep => {
            let mut values = Vec::new();
            from.into_iter().for_each(|value| descend(value, &mut values));
            Ok(values)
        }
        Step::At(index) => each_list(&from, |list| element(list, *index).map(|one| vec![one])),
        Step::Slice(slice) => each_list(&from, |list| elements(list, *slice)),
        Step::Union(paths) => {
            let mut values = Vec::new();
            for path in paths {
                values.extend(found(path, from.clone(), missing)?);
            }
            Ok(values)
        }
        Step::Filter(test) => each_list(&from, |list| filtered(list, test, missing)),
        Step::Literal(value) => Ok(from.iter().map(|_| value).collect()),
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

/// Maps and lists that are not empty, those that hold others before these.
fn descend<'a>(value: &'a Value, values: &mut Vec<&'a Value>) {
    let within = children(value);
    if !within.is_empty() {
        values.push(value);
        within.into_iter().for_each(|child| descend(child, values));
    }
}

/// What is taken of each list; `null` is none, and anything else a mistake.
fn each_list<'a>(
    from: &[&'a Value],
    take: impl Fn(&'a [Value]) -> Result<Vec<&'a Value>, Mistake>,
) -> Result<Vec<&'a Value>, Mistake> {
    let mut values = Vec::new();
    for value in from.iter().copied() {
        match value {
            Value::Null => {}
            Value::Array(list) => values.extend(take(list)?),
            other => return Err(Mistake(format!("{} has no elements by number", kind(other)))),
        }
    }
    Ok(values)
}

/// A place of a list; one that is negative counts from the end.
fn place(list: &[Value], index: i64) -> i64 {
    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
    if index < 0 { index.saturating_add(length) } else { index }
}

fn element(list: &[Value], index: i64) -> Result<&Value, Mistake> {
    let at = usize::try_from(place(list, index)).ok();
    at.and_then(|at| list.get(at)).ok_or_else(|| beyond(list, index))
}

fn elements(list: &[Value], slice: Slice) -> Result<Vec<&Value>, Mistake> {
    let end = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let (from, to) = (slice.from.unwrap_or(0), slice.to.unwrap_or(end));
    let (begins, ends) = (place(list, from), place(list, to));
    if begins == ends {
        return Ok(Vec::new());
    }
    let begins = usize::try_from(begins).ok().filter(|at| *at < list.len());
    let begins = begins.ok_or_else(|| beyond(list, from))?;
    let ends = usize::try_from(ends).ok().filter(|at| *at <= list.len());
    let ends = ends.ok_or_else(|| beyond(list, to.saturating_sub(1)))?;
    let some = list
        .get(begins..ends)
        .ok_or_else(|| Mistake(format!("[{from}:{to}] ends before it begins")))?;
    Ok(some.iter().step_by(slice.by).collect())
}

fn beyond(list: &[Value], index: i64) -> Mistake {
    Mistake(format!("array index out of bounds: index {index}, length {}", list.len()))
}

fn filtered<'a>(
    list: &'a [Value],
    test: &'a Test,
    missing: Missing,
) -> Result<Vec<&'a Value>, Mistake> {
    let mut values = Vec::new();
    for one in list {
        if passes(one, test, missing)? {
            values.push(one);
        }
    }
    Ok(values)
}

/// Whether the test holds of an element; it does not where a side finds nothing.
fn passes(one: &Value, test: &Test, missing: Missing) -> Result<bool, Mistake> {
    let (left, operator, right) = match test {
        // That nothing is there is an answer here, and no mistake.
        Test::Exists(path) => return Ok(!found(path, vec![one], Missing::Allowed)?.is_empty()),
        Test::Compares(left, operator, right) => (left, *operator, right),
    };
    match (&found(left, vec![one], missing)?[..], &found(right, vec![one], missing)?[..]) {
        ([] | [Value::Null], _) | (_, [] | [Value::Null]) => Ok(false),
        ([left], [right]) => holds(left, operator, right),
        _ => Err(Mistake("can only compare one element at a time".to_owned())),
    }
}
