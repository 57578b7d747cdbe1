//! What a plain scalar means, as the YAML reader that kubectl uses has it: YAML 1.1's words for
//! true and false, octal numbers with a leading zero, underscores between digits.
//!
//! `1:30` is text (no numbers in base 60), and so are dates, infinities and what is no number.

use serde_json::{Number, Value};

/// The value of a plain scalar.
pub(crate) fn typed(text: &str) -> Value {
    if is_null(text) {
        return Value::Null;
    }
    if let Some(value) = boolean(text) {
        return Value::Bool(value);
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// Whether a plain scalar is no value.
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The truth value of a word.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "y" | "Y" | "on" | "On" | "ON" => {
            Some(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "n" | "N" | "off" | "Off" | "OFF" => {
            Some(false)
        }
        _ => None,
    }
}

/// The number that a text spells.
pub(crate) fn number(text: &str) -> Option<Number> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(&digits))
}

fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = magnitude(digits)?;
    if !negative {
        return u64::try_from(magnitude).ok().map(Number::from);
    }
    i64::try_from(-magnitude).ok().map(Number::from)
}

fn magnitude(digits: &str) -> Option<i128> {
    let radix = |digits: &str, radix| i128::from_str_radix(digits, radix).ok();
    if digits.len() > 1 && digits.starts_with('0') {
        return match digits.as_bytes()[1] {
            b'x' | b'X' => radix(digits.get(2..)?, 16),
            b'o' | b'O' => radix(digits.get(2..)?, 8),
            b'b' | b'B' => radix(digits.get(2..)?, 2),
            _ => radix(digits, 8),
        };
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// A whole number written with a point or an exponent is that whole number, as JSON has it.
fn float(text: &str) -> Option<Number> {
    let shape =
        text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !shape || !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    if value.fract() == 0.0 && value.abs() < WHOLE_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

/// Two to the power of 53: below it each whole number is exact in 64-bit floating point.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_mean_what_kubectl_reads() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!(true)),
            ("off", json!(false)),
            ("0440", json!(288)),
            ("0o440", json!(288)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("08", json!(8)),
            ("1.5", json!(1.5)),
            ("1.0", json!(1)),
            (".5", json!(0.5)),
            ("1e3", json!(1000)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615u64)),
            ("8080:80", json!("8080:80")),
            ("22:22", json!("22:22")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            (".", json!(".")),
            (".inf", json!(".inf")),
            ("--1", json!("--1")),
            ("0x-1", json!("0x-1")),
            ("100m", json!("100m")),
            ("2001-01-01", json!("2001-01-01")),
        ] {
            assert_eq!(typed(text), value, "{text}");
        }
    }
}
