//! Compose's spellings: words of a shell, durations, bytes, numbers given as text.

use serde_json::Value;

/// Splits a command into words as a shell does: spaces, quotes, backslashes; nothing else.
///
/// # Errors
/// When a quote is not closed.
pub(crate) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => word.get_or_insert_default().push_str(&until_single(&mut chars)?),
            '"' => word.get_or_insert_default().push_str(&until_double(&mut chars)?),
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("it ends with a backslash".into()),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

const UNCLOSED: &str = "a quote is not closed";

fn until_single(chars: &mut std::str::Chars<'_>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match chars.next().ok_or(UNCLOSED)? {
            '\'' => return Ok(text),
            c => text.push(c),
        }
    }
}

fn until_double(chars: &mut std::str::Chars<'_>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match chars.next().ok_or(UNCLOSED)? {
            '"' => return Ok(text),
            '\\' => match chars.next().ok_or(UNCLOSED)? {
                '\n' => {}
                c @ ('"' | '\\' | '$' | '`') => text.push(c),
                c => text.extend(['\\', c]),
            },
            c => text.push(c),
        }
    }
}

/// A duration such as `1m30s` or `1.5h` in milliseconds; a bare number is nanoseconds in Go and
/// refused here but for 0.
///
/// # Errors
/// When it is none.
pub(crate) fn duration_ms(value: &Value) -> Result<i64, String> {
    const FORM: &str = "must be a duration such as 10s or 1m30s";
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err(FORM.into()),
    };
    if text == "0" {
        return Ok(0);
    }
    let (mut total, mut rest) = (0.0, text.as_str());
    if rest.is_empty() {
        return Err(FORM.into());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or(FORM)?;
        let number: f64 = rest[..end].parse().map_err(|_| FORM)?;
        let tail = &rest[end..];
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        total += number
            * match &tail[..unit_end] {
                "ns" => 1e-6,
                "us" | "µs" => 1e-3,
                "ms" => 1.0,
                "s" => 1e3,
                "m" => 60e3,
                "h" => 3_600e3,
                "d" => 86_400e3,
                _ => return Err(FORM.into()),
            };
        rest = &tail[unit_end..];
    }
    if total > DURATION_MS_MAX {
        return Err(FORM.into());
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    Ok(total as i64)
}

/// A hundred years: no one waits longer.
const DURATION_MS_MAX: f64 = 100.0 * 365.0 * 86_400e3;

/// Bytes such as `50M`, `1.5gb`, `1024`: multiples of 1024 with or without the `i`.
///
/// # Errors
/// When it is none.
pub(crate) fn bytes(value: &Value) -> Result<i64, String> {
    const FORM: &str = "must be a number of bytes such as 50M or 1gb";
    let text = match value {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return Err(FORM.into()),
    };
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| FORM)?;
    let scale: f64 = match text[end..].trim() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tb" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(FORM.into()),
    };
    let bytes = number * scale;
    if bytes > BYTES_MAX {
        return Err(FORM.into());
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    Ok(bytes as i64)
}

/// An exabyte: no machine has more.
const BYTES_MAX: f64 = 1e18;

/// A whole number, given as one or as text (a variable's value is text).
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// True or false, given as such or as text.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => crate::yaml::boolean(text.trim()),
        _ => None,
    }
}

/// A scalar as text; nothing for lists, maps and no value.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A text that reaches the container as it is: Kubernetes would replace `$(NAME)` in it, and take `$$` for
/// one dollar.
pub(crate) fn escaped(text: &str) -> String {
    let is_changed = text.contains("$(") || text.contains("$$");
    if is_changed { text.replace('$', "$$") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_is_split_as_a_shell_splits_it() {
        let check = |text: &str| words(text).expect(text);
        assert_eq!(check("sleep infinity"), ["sleep", "infinity"]);
        assert_eq!(check("sh -c 'echo \"a b\"'"), ["sh", "-c", "echo \"a b\""]);
        assert_eq!(check("a \"b \\\" c\" d\\ e ''"), ["a", "b \" c", "d e", ""]);
        assert_eq!(check("  "), Vec::<String>::new());
        assert!(words("a 'b").is_err());
    }

    #[test]
    fn durations_and_bytes_read_as_compose_reads_them() {
        assert_eq!(duration_ms(&json!("1m30s")), Ok(90_000));
        assert_eq!(duration_ms(&json!("1.5h")), Ok(5_400_000));
        assert_eq!(duration_ms(&json!(0)), Ok(0));
        assert!(duration_ms(&json!("10")).is_err());
        assert!(duration_ms(&json!("s")).is_err());
        assert_eq!(bytes(&json!("50M")), Ok(50 << 20));
        assert_eq!(bytes(&json!("1.5gb")), Ok(3 << 29));
        assert_eq!(bytes(&json!(1024)), Ok(1024));
        assert!(bytes(&json!("-1")).is_err());
    }
}
