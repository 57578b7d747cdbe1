//! Text from a flag or a variable, made into the shape that its key has.
//!
//! The shape is the default's: a text stays text even when it looks like a number.

use figment::value::{Dict, Value};

/// The value of `text` for a key whose default is `shape`; `None` when the key is not known.
pub(crate) fn coerce(shape: Option<&Value>, text: &str) -> Result<Value, String> {
    match shape {
        Some(Value::Num(..)) => number(text),
        Some(Value::Bool(..)) => {
            text.parse::<bool>().map(Value::from).map_err(|_| "neither true nor false".to_owned())
        }
        Some(Value::Array(..)) => {
            Ok(Value::from(list(text).map(Value::from).collect::<Vec<Value>>()))
        }
        Some(Value::Dict(..)) => pairs(text).map(Value::from),
        _ => Ok(Value::from(text)),
    }
}

fn number(text: &str) -> Result<Value, String> {
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Value::from(number));
    }
    text.parse::<f64>().map(Value::from).map_err(|_| format!("{text:?} is not a number"))
}

/// Parts separated by commas or line ends, without empty ones.
pub(crate) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

/// `name=value` pairs separated by commas.
fn pairs(text: &str) -> Result<Dict, String> {
    let pair = |part: &str| match part.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), Value::from(value.trim()))),
        None => Err(format!("{part:?} is not name=value")),
    };
    list(text).map(pair).collect()
}
