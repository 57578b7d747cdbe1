//! Who asks, and what they may do.
//!
//! Three roles: an admin may do everything, a read-only caller may read everything but Secrets,
//! a node may read and write its own node, its pods and what they mount.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header};
use setpoint_schemas::{InvalidId, NodeName};
use sha2::{Digest, Sha256};

/// Who asks, as authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name, as it stands in requests and decisions.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// Read everything but Secrets.
    ReadOnly,
    /// Read and write this node, its pods and what they mount.
    Node(NodeName),
}

/// The tokens that are known. Only their hashes are kept.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    by_hash: HashMap<[u8; 32], Actor>,
}

/// A token file that cannot be used. No token is quoted.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("failed to read the token file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not `token,name,role[,node]`.
    #[error("failed to read line {line} of the token file: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// A line names a node that is not a name.
    #[error("failed to read line {line} of the token file")]
    Node {
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: InvalidId,
    },
}

/// Shorter tokens can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

impl Tokens {
    /// Reads a token file: lines `token,name,role[,node]`, role one of `admin`, `read-only`,
    /// `node`; empty lines and lines that begin with `#` are left out.
    ///
    /// # Errors
    /// [`TokenFileError`] naming the line.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| TokenFileError::Read { path: path.to_owned(), source })?;
        Tokens::parse(&text)
    }

    /// Parses the text of a token file.
    ///
    /// # Errors
    /// [`TokenFileError`] naming the line.
    pub fn parse(text: &str) -> Result<Self, TokenFileError> {
        let mut tokens = Tokens::default();
        for (index, line) in text.lines().enumerate() {
            let line_text = line.trim();
            if !line_text.is_empty() && !line_text.starts_with('#') {
                let (hash, actor) = parse_line(line_text, index + 1)?;
                tokens.by_hash.insert(hash, actor);
            }
        }
        Ok(tokens)
    }

    /// Who a request's bearer token belongs to. Compared by hash, so that the time taken says
    /// nothing about how much of a token is right.
    pub(crate) fn actor(&self, headers: &HeaderMap) -> Option<&Actor> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        bearer.then(|| self.by_hash.get(&hash_of(token.trim())))?
    }
}

impl Actor {
    /// The one at the loopback interface, when no tokens are configured.
    pub(crate) fn local() -> Self {
        Actor { name: "local".to_owned(), role: Role::Admin }
    }
}

fn parse_line(text: &str, line: usize) -> Result<([u8; 32], Actor), TokenFileError> {
    let wrong = |why| TokenFileError::Line { line, why };
    let mut parts = text.split(',').map(str::trim);
    let token = parts.next().unwrap_or_default();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(wrong("the token is shorter than 16 bytes"));
    }
    let name = parts.next().filter(|name| !name.is_empty()).ok_or(wrong("it has no name"))?;
    let role = match (parts.next(), parts.next()) {
        (Some("admin"), None) => Role::Admin,
        (Some("read-only"), None) => Role::ReadOnly,
        (Some("node"), Some(node)) => {
            let node = NodeName::parse(node);
            Role::Node(node.map_err(|source| TokenFileError::Node { line, source })?)
        }
        (Some("node"), None) => return Err(wrong("the role node needs the node's name")),
        _ => return Err(wrong("its role is none of admin, read-only, node")),
    };
    if parts.next().is_some() {
        return Err(wrong("it has too many parts"));
    }
    Ok((hash_of(token), Actor { name: name.to_owned(), role }))
}

fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_reads_as_documented_and_its_mistakes_name_the_line() {
        let text = "# people\n0123456789abcdef,ada,admin\n\nfedcba9876543210,n1,node,node-1\n";
        let tokens = Tokens::parse(text).unwrap();
        let mut headers = HeaderMap::new();
        assert!(tokens.actor(&headers).is_none());
        headers.insert("authorization", "Bearer fedcba9876543210".parse().unwrap());
        let node = NodeName::parse("node-1").unwrap();
        assert_eq!(tokens.actor(&headers).unwrap().role, Role::Node(node));
        headers.insert("authorization", "Bearer fedcba9876543211".parse().unwrap());
        assert!(tokens.actor(&headers).is_none());
        for (text, why) in [
            ("short,ada,admin", "shorter"),
            ("0123456789abcdef", "no name"),
            ("0123456789abcdef,ada,root", "role"),
            ("0123456789abcdef,ada,node", "node's name"),
            ("0123456789abcdef,ada,admin,x", "role"),
        ] {
            let error = Tokens::parse(text).unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains(why), "{error}");
            assert!(!error.contains("0123456789abcdef"), "{error}");
        }
    }
}
