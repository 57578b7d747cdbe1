//! Who may call the API: a bearer token, its role and its name.

use serde::{Deserialize, Serialize};
use setpoint_schemas::NodeName;

use crate::Secret;

/// A bearer token. In one line: `role:name:token`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it allows.
    pub role: Role,
    /// The actor that the log names; for the role `node` the node's name.
    pub name: String,
    /// What the caller shows.
    pub token: Secret,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reading everything but Secrets.
    ReadOnly,
    /// Its own node, the pods on it and what they mount.
    Node,
}

/// Shorter tokens can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

impl Token {
    /// Parses `role:name:token`; the token may contain colons.
    ///
    /// # Errors
    /// A sentence that never contains the token itself.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut parts = line.trim().splitn(3, ':');
        let (Some(role), Some(name), Some(token)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("a token is written role:name:token".to_owned());
        };
        let role = match role {
            "admin" => Role::Admin,
            "read-only" => Role::ReadOnly,
            "node" => Role::Node,
            _ => return Err(format!("unknown role {role:?}: admin, read-only or node")),
        };
        let token = Token { role, name: name.to_owned(), token: Secret::new(token) };
        token.check().map(|()| token)
    }

    /// Whether it can be used at all.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("a token without a name".to_owned());
        }
        let token = self.token.reveal();
        if token.len() < TOKEN_BYTES_MIN {
            let name = &self.name;
            return Err(format!("the token of {name:?} has fewer than {TOKEN_BYTES_MIN} bytes"));
        }
        let splits = |text: &str| text.contains(|c: char| c == ',' || c.is_whitespace());
        if splits(&self.name) || splits(token) {
            return Err(format!("blanks and commas in the name or the token of {:?}", self.name));
        }
        if self.role == Role::Node {
            NodeName::parse(&self.name).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
