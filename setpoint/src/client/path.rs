//! The path of a kind, as the API has it.

use std::fmt::Write as _;

/// Where objects of one kind are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KindPath {
    /// The kind, such as `Deployment`.
    pub(crate) kind: String,
    /// The group; empty for the core group.
    pub(crate) group: String,
    /// The version.
    pub(crate) version: String,
    /// The plural, such as `deployments`.
    pub(crate) plural: String,
    /// Whether objects lie in a namespace.
    pub(crate) namespaced: bool,
}

impl KindPath {
    /// The list of a namespace; of all when there is none.
    pub(crate) fn list(&self, namespace: Option<&str>) -> String {
        let root = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{}/{}", escape(namespace), self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }

    /// One object.
    pub(crate) fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.list(Some(namespace)), escape(name))
    }

    /// Its name for people, as kubectl writes it: `deployment.apps/web`, `pod/web`.
    pub(crate) fn shown(&self, name: &str) -> String {
        let kind = self.kind.to_lowercase();
        match self.group.as_str() {
            "" => format!("{kind}/{name}"),
            group => format!("{kind}.{group}/{name}"),
        }
    }
}

/// A part of a path, with everything but RFC 3986's unreserved characters and `:` escaped.
pub(crate) fn escape(part: &str) -> String {
    let mut escaped = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                escaped.push(char::from(byte));
            }
            _ => {
                // Writing to a text never fails.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_leave_its_place_in_the_path_is_escaped() {
        assert_eq!(escape("system:node"), "system:node");
        assert_eq!(escape("../a b?x"), "..%2Fa%20b%3Fx");
    }
}
