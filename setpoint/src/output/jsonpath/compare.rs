//! Whether two values compare as a filter asks for.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::Mistake;
use super::path::Operator;

/// Whether it holds; values of two kinds, and such as have no order, are a mistake, as in kubectl.
pub(super) fn holds(left: &Value, operator: Operator, right: &Value) -> Result<bool, Mistake> {
    let ordering = match (left, right) {
        (Value::Number(left), Value::Number(right)) => numbers(left, right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => match operator {
            Operator::Equal | Operator::Unequal => left.cmp(right),
            _ => {
                return Err(Mistake(
                    "true and false have no order; compare with == or !=".to_owned(),
                ));
            }
        },
        _ => {
            let kinds = format!("{} is compared with {}", kind(left), kind(right));
            return Err(Mistake(format!(
                "{kinds}; a text in quotes compares with a text, a number with a number"
            )));
        }
    };
    Ok(match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::Unequal => ordering.is_ne(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
    })
}

fn numbers(left: &Number, right: &Number) -> Ordering {
    match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => {
            let number = |of: &Number| of.as_f64().unwrap_or_default();
            number(left).total_cmp(&number(right))
        }
    }
}

/// The kind of a value in a word. The value itself may be a secret.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
