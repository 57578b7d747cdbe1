//! The text of a filter, cut where it compares.

use super::Mistake;
use super::cursor::Cursor;
use super::path::{Operator, Path, Test};

const OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// What stands left of the operator, the operator, and what stands right of it.
pub(super) fn cut(text: &str) -> Result<(&str, Option<Operator>, Option<&str>), Mistake> {
    let is_sign = |c: char| "!<>=".contains(c);
    let mut cursor = Cursor::of(text);
    let left = cursor.outside_quotes(is_sign);
    let sign = cursor.take_while(is_sign);
    if sign.is_empty() {
        return Ok((left, None, None));
    }
    let known = OPERATORS.iter().find(|(name, _)| *name == sign).map(|(_, operator)| *operator);
    if left.trim().is_empty() || cursor.rest().trim().is_empty() {
        return Err(Mistake(format!("a filter has something on both sides of its {sign}")));
    }
    let operator = known.ok_or_else(|| {
        Mistake(format!(
            "unrecognized filter operator {sign}; there are ==, !=, <, <=, > and >=, and no regular expressions"
        ))
    })?;
    Ok((left, Some(operator), Some(cursor.rest())))
}

/// The test that the sides of a filter make.
pub(super) fn test(left: Path, operator: Option<Operator>, right: Option<Path>) -> Test {
    match (operator, right) {
        (Some(operator), Some(right)) => Test::Compares(left, operator, right),
        _ => Test::Exists(left),
    }
}
