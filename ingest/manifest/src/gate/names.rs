//! The grammars of names, labels and annotations, as Kubernetes has them.

use super::cursor::{Checker, Cursor};

/// Kubernetes' bound for a name (an RFC 1123 subdomain).
const NAME_MAX: usize = 253;
/// Kubernetes' bound for a label's name and value, and for an RFC 1123 label.
const LABEL_MAX: usize = 63;
/// Kubernetes' bound for all annotations of an object, in bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
/// Kubernetes' bound for a port's name (an IANA service name).
const PORT_NAME_MAX: usize = 15;

/// An RFC 1123 label: what a namespace, a container and a volume are named.
pub(crate) fn label(text: &str) -> Result<(), String> {
    if text.len() > LABEL_MAX {
        return Err(format!("must have at most {LABEL_MAX} characters"));
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || !text.bytes().all(inner) || edged(text, |b| b != b'-') {
        return Err(format!(
            "{:?} must be lowercase letters, digits and '-', and begin and end with a letter or \
             digit",
            crate::problem::shortened(text)
        ));
    }
    Ok(())
}

/// An RFC 1123 subdomain: what most resources are named.
pub(crate) fn subdomain(text: &str) -> Result<(), String> {
    if text.len() > NAME_MAX {
        return Err(format!("must have at most {NAME_MAX} characters"));
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(inner) && !edged(part, |b| b != b'-');
    if !text.split('.').all(part) {
        return Err(format!(
            "{:?} must be lowercase letters, digits, '-' and '.', and begin and end with a letter \
             or digit",
            crate::problem::shortened(text)
        ));
    }
    Ok(())
}

/// A segment of a URL's path: what RBAC's resources are named.
pub(crate) fn path_segment(text: &str) -> Result<(), String> {
    let broken = text.is_empty()
        || text == "."
        || text == ".."
        || text.contains(['/', '%'])
        || text.chars().any(|c| c.is_control() || c.is_whitespace());
    if broken || text.len() > NAME_MAX {
        let shown = crate::problem::shortened(text);
        return Err(format!("{shown:?} must be a segment of a path, without '/', '%' and spaces"));
    }
    Ok(())
}

/// A label's or annotation's key: `name`, or `prefix/name` with a subdomain as prefix.
pub(crate) fn qualified(text: &str) -> Result<(), String> {
    let name = match text.split_once('/') {
        Some((prefix, name)) => {
            subdomain(prefix).map_err(|why| format!("the part before '/': {why}"))?;
            name
        }
        None => text,
    };
    if name.is_empty() || name.len() > LABEL_MAX || !spelled(name) {
        return Err(format!(
            "the key {:?} must be at most {LABEL_MAX} letters, digits, '-', '_' and '.', and begin \
             and end with a letter or digit",
            crate::problem::shortened(text)
        ));
    }
    Ok(())
}

/// A label's value: empty, or spelled as a label's name.
pub(crate) fn label_value(text: &str) -> Result<(), String> {
    if text.is_empty() || (text.len() <= LABEL_MAX && spelled(text)) {
        return Ok(());
    }
    Err(format!(
        "the value {:?} must be at most {LABEL_MAX} letters, digits, '-', '_' and '.', and begin \
         and end with a letter or digit",
        crate::problem::shortened(text)
    ))
}

/// The name of an environment variable: printable ASCII without `=`.
pub(crate) fn env_name(text: &str) -> Result<(), String> {
    let printable = |b: u8| (b' '..=b'~').contains(&b) && b != b'=';
    if text.is_empty() || !text.bytes().all(printable) {
        let shown = crate::problem::shortened(text);
        return Err(format!("{shown:?} must be printable ASCII without '='"));
    }
    Ok(())
}

/// A key of a ConfigMap or Secret, which becomes a file's name.
pub(crate) fn config_key(text: &str) -> Result<(), String> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let broken = text.is_empty() || text.len() > NAME_MAX || !text.bytes().all(inner);
    if broken || text == "." || text.starts_with("..") {
        let shown = crate::problem::shortened(text);
        return Err(format!("the key {shown:?} must be letters, digits, '-', '_' and '.'"));
    }
    Ok(())
}

/// The name of a port: an IANA service name.
pub(crate) fn port_name(text: &str) -> Result<(), String> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let broken = text.is_empty()
        || text.len() > PORT_NAME_MAX
        || !text.bytes().all(inner)
        || !text.bytes().any(|b| b.is_ascii_lowercase())
        || text.contains("--")
        || edged(text, |b| b != b'-');
    if broken {
        let shown = crate::problem::shortened(text);
        return Err(format!(
            "{shown:?} must be at most {PORT_NAME_MAX} lowercase letters, digits and '-', with a \
             letter"
        ));
    }
    Ok(())
}

/// A map of labels.
pub(crate) fn labels(checker: &mut Checker, at: &Cursor<'_>) {
    for (key, value) in at.entries() {
        for outcome in [qualified(key), label_value(value.text())] {
            if let Err(reason) = outcome {
                checker.refuse(&value, reason);
            }
        }
    }
}

/// A map of annotations: keys as labels have them, any value, bounded together.
pub(crate) fn annotations(checker: &mut Checker, at: &Cursor<'_>) {
    let mut bytes = 0;
    for (key, value) in at.entries() {
        bytes += key.len() + value.text().len();
        if let Err(reason) = qualified(&key.to_ascii_lowercase()) {
            checker.refuse(&value, reason);
        }
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        checker.refuse(at, format!("has more than {ANNOTATIONS_BYTES_MAX} bytes in all"));
    }
}

/// Whether the first or last byte is not allowed there.
fn edged(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !text.bytes().next().is_some_and(&allowed) || !text.bytes().last().is_some_and(&allowed)
}

fn spelled(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.bytes().all(inner) && !edged(text, |b| b.is_ascii_alphanumeric())
}
