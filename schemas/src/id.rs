//! Ids, parsed at the door: whoever holds one need not check it again.
//!
//! The grammars are Kubernetes' own (RFC 1123 labels and subdomains), so that a name that
//! Kubernetes accepts is accepted here and no other.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Kubernetes' limit for names (an RFC 1123 subdomain).
pub const NAME_BYTES_MAX: usize = 253;
/// Kubernetes' limit for namespaces (an RFC 1123 label).
pub const LABEL_BYTES_MAX: usize = 63;

/// An id that does not follow its grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {text:?}: {why}")]
pub struct InvalidId {
    /// Which kind of id was expected, in words.
    pub what: &'static str,
    /// What was found, shortened to a line.
    pub text: String,
    /// Which part of the grammar it breaks.
    pub why: &'static str,
}

impl InvalidId {
    pub(crate) fn of(what: &'static str, text: &str, why: &'static str) -> InvalidId {
        InvalidId { what, text: text.chars().take(80).collect(), why }
    }
}

/// Reads an id where it stands, without a copy of its text on the way.
pub(crate) fn parsed_when_read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    what: &'static str,
    parse: fn(&str) -> Result<T, InvalidId>,
) -> Result<T, D::Error> {
    struct Reader<T> {
        what: &'static str,
        parse: fn(&str) -> Result<T, InvalidId>,
    }

    impl<T> Visitor<'_> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.what)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.parse)(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Reader { what, parse })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the text.
            ///
            /// # Errors
            /// [`InvalidId`] when the text breaks the grammar of this id.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                $check(text).map_err(|why| InvalidId::of($what, text, why))?;
                Ok(Self(Arc::from(text)))
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text of the id, shared with it.
            #[must_use]
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed_when_read(deserializer, concat!("a ", $what), $name::parse)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        /// It is compared and hashed as its text is.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// A node's name.
    NodeName, "node name", subdomain
);
id!(
    /// A namespace.
    Namespace, "namespace", label
);
id!(
    /// A resource's name within its namespace and kind.
    ResourceName, "name", path_segment
);
id!(
    /// The id of a request, chosen by whoever asks.
    RequestId, "request id", token
);
id!(
    /// One life of an agent on its node: a new one after every start of the machine's agent.
    SessionId, "session id", token
);
id!(
    /// The fleet that a container belongs to; on every label that we write.
    FleetId, "fleet id", label
);

/// Of a label.
const INNER: u8 = 1;
/// Of a subdomain.
const DOTTED: u8 = 2;
/// Of a token, and nothing that a path segment could trip over but for a dot alone.
const TOKEN: u8 = 4;
/// What each byte may be a part of.
const PARTS: [u8; 256] = {
    let mut parts = [0; 256];
    let mut byte = 0;
    while byte < parts.len() {
        let text = byte as u8;
        let is_inner = text.is_ascii_lowercase() || text.is_ascii_digit() || text == b'-';
        let is_dotted = is_inner || text == b'.';
        let is_token = is_dotted || text.is_ascii_uppercase() || text == b'_';
        parts[byte] =
            (is_inner as u8 * INNER) | (is_dotted as u8 * DOTTED) | (is_token as u8 * TOKEN);
        byte += 1;
    }
    parts
};

/// Whether every byte may be of this part.
fn is_all(part: u8, text: &str) -> bool {
    text.bytes().fold(part, |all, byte| all & PARTS[usize::from(byte)]) != 0
}

/// Kubernetes' labels (RFC 1123).
pub(crate) fn label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > LABEL_BYTES_MAX {
        return Err("it is longer than 63 characters");
    }
    if !is_all(INNER, text) {
        return Err("only lowercase letters, digits and '-' are allowed");
    }
    if is_edged(text.as_bytes()) {
        return Err("it must start and end with a letter or digit");
    }
    Ok(())
}

/// Kubernetes' subdomains (RFC 1123).
pub(crate) fn subdomain(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > NAME_BYTES_MAX {
        return Err("it is longer than 253 characters");
    }
    if !is_all(DOTTED, text) {
        return Err("only lowercase letters, digits, '-' and '.' are allowed");
    }
    if text.as_bytes().split(|byte| *byte == b'.').any(is_edged) {
        return Err("each part must start and end with a letter or digit");
    }
    Ok(())
}

/// Whether there is nothing, or a hyphen at an end.
fn is_edged(text: &[u8]) -> bool {
    matches!(text, [] | [b'-', ..] | [.., b'-'])
}

/// RBAC objects and some others are only held to be a path segment.
pub(crate) fn path_segment(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > NAME_BYTES_MAX {
        return Err("it is longer than 253 characters");
    }
    let is_dots = text == "." || text == "..";
    if !is_dots && is_all(TOKEN, text) {
        // Nearly all names: nothing in them needs a closer look.
        return Ok(());
    }
    if is_dots || text.contains(['/', '%']) {
        return Err("it must not be '.' or '..' nor contain '/' or '%'");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it must not contain white space or control characters");
    }
    Ok(())
}

/// Letters, digits and a few signs.
pub(crate) fn token(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > NAME_BYTES_MAX {
        return Err("it is longer than 253 characters");
    }
    if !is_all(TOKEN, text) {
        return Err("only letters, digits, '-', '.' and '_' are allowed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PodUid;

    #[test]
    fn a_name_that_kubernetes_accepts_is_accepted() {
        for text in ["a", "web-1", "node.example.com", "10-0-0-1"] {
            assert!(NodeName::parse(text).is_ok(), "{text}");
        }
        assert!(ResourceName::parse("system:node").is_ok());
    }

    #[test]
    fn a_broken_name_says_what_it_is_and_why() {
        let error = Namespace::parse("Team_A").expect_err("uppercase is refused");
        assert_eq!(
            error.to_string(),
            "invalid namespace \"Team_A\": only lowercase letters, digits and '-' are allowed"
        );
    }

    #[test]
    fn a_broken_id_in_json_is_refused_when_it_is_read() {
        assert!(serde_json::from_str::<NodeName>("\"-a\"").is_err());
        assert!(serde_json::from_str::<PodUid>("\"a/b\"").is_err());
    }
}
