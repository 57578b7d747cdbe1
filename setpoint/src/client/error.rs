//! A call that did not succeed.

use std::error::Error;

use serde_json::Value;

use crate::failure::Failure;
use crate::output::field::{number, text};

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nobody answers there.
    #[error("failed to reach {server}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The API answered with a refusal.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// One word, such as `NotFound`.
        reason: String,
        /// A sentence.
        message: String,
        /// Field and message of each cause.
        causes: Vec<(String, String)>,
    },
    /// The answer makes no sense.
    #[error("{server} answered what is not JSON")]
    Broken {
        /// The server's address.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

impl ApiError {
    /// From an HTTP status and its body: a Kubernetes `Status`, or any text.
    pub(crate) fn refused(code: u16, body: &str) -> Self {
        let status: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let message = match text(&status, "/message") {
            "" if body.trim().is_empty() => format!("the server answered {code}"),
            "" => body.trim().chars().take(MESSAGE_CHARS_MAX).collect(),
            message => message.to_owned(),
        };
        let causes = status.pointer("/details/causes").and_then(Value::as_array);
        let cause = |c: &Value| (text(c, "/field").to_owned(), text(c, "/message").to_owned());
        ApiError::Refused {
            code: u16::try_from(number(&status, "/code")).ok().filter(|c| *c > 0).unwrap_or(code),
            reason: text(&status, "/reason").to_owned(),
            message,
            causes: causes.map(|all| all.iter().map(cause).collect()).unwrap_or_default(),
        }
    }

    /// Whether what was asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, ApiError::Refused { code: 404, .. })
    }

    /// Whether another one was faster.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, ApiError::Refused { code: 409, .. })
    }

    /// Whether what was sent is wrong, and may be corrected.
    pub(crate) fn is_invalid(&self) -> bool {
        matches!(self, ApiError::Refused { code: 400 | 422, .. })
    }

    /// Whether it is certain that nothing was done: it was refused, or nobody was reached. Else it may have been
    /// done, and only its answer is missing.
    pub(crate) fn is_undone(&self) -> bool {
        match self {
            ApiError::Unreachable { source, .. } => source.is_connect(),
            ApiError::Refused { code, .. } => *code < 500,
            ApiError::Broken { .. } => false,
        }
    }

    /// Whether the server has not what was asked for from this version on: no longer, or it is
    /// another one that is not so far. What there is now is asked for then.
    pub(crate) fn is_expired(&self) -> bool {
        let is_too_new = |causes: &[(String, String)]| {
            causes.iter().any(|(_, message)| message == "Too large resource version")
        };
        match self {
            ApiError::Refused { code: 410, .. } => true,
            ApiError::Refused { code: 504, causes, .. } => is_too_new(causes),
            _ => false,
        }
    }

    /// Whether the server cannot serve now, and may later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            ApiError::Unreachable { .. } => true,
            ApiError::Refused { code, .. } => *code == 429 || *code >= 500,
            ApiError::Broken { .. } => false,
        }
    }

    /// As a failure of this attempt.
    pub(crate) fn during(self, what: impl Into<String>) -> Failure {
        let failure = Failure::new(what);
        match &self {
            ApiError::Unreachable { server, source } => failure
                .at(server.as_str(), innermost(source))
                .remedy(remedy(server, &innermost(source))),
            ApiError::Refused { code, message, causes, .. } => {
                let failure = failure.because(message);
                let failure = causes
                    .iter()
                    .filter(|(_, why)| !message.contains(why.as_str()))
                    .fold(failure, |failure, (field, why)| match field.as_str() {
                        "" => failure.because(why),
                        field => failure.at(field, why),
                    });
                match code {
                    401 => failure.remedy("show a token: SETPOINT_CLIENT__TOKEN or --token-file"),
                    // Other things are forbidden to everyone, such as deleting the namespace `default`.
                    403 if message.contains(" role ") => {
                        failure.remedy("use a token whose role allows this")
                    }
                    _ => failure,
                }
            }
            ApiError::Broken { server, source } => failure.at(server.as_str(), innermost(source)),
        }
    }
}

/// Longest message taken from an answer that is not a `Status`; more would be a page of HTML.
const MESSAGE_CHARS_MAX: usize = 500;

/// What to do when nobody was reached.
fn remedy(server: &str, why: &str) -> String {
    let why = why.to_lowercase();
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    let fits = |words: &&[&str]| words.iter().any(|word| why.contains(word));
    let found = REMEDIES.iter().find(|(words, _)| fits(words));
    found.map_or(NOBODY, |(_, remedy)| remedy).replace("HOST", host)
}

/// What no word below fits is most often an engine that does not run.
const NOBODY: &str = "start an engine with `setpoint up`, or name another with --server";

/// What the innermost cause says (the words are rustls', hyper's and the resolver's), and what helps;
/// the first that fits, so the narrower before the wider.
const REMEDIES: &[(&[&str], &str)] = &[
    (
        &["notvalidforname", "not valid for name"],
        "the certificate is of another name: call the server by a name that stands in it, or make \
         one with this name as its subjectAltName (docs/operations.md, Access)",
    ),
    (
        &["causedasendentity"],
        "the certificate is an authority's own: give the engine a leaf with \
         basicConstraints=CA:FALSE (docs/operations.md, Access)",
    ),
    (
        &["expired", "not valid yet", "notvalidyet"],
        "renew the server's certificate, or set the clocks right",
    ),
    (
        &["certificate", "unknownissuer"],
        "trust it: name the certificate of who signed it with --ca FILE",
    ),
    (
        &["corrupt message", "invalidcontenttype", "invalidmessage"],
        "nothing there speaks TLS: try http://HOST",
    ),
    (
        &["invalid http version", "incomplete message", "connection closed before"],
        "what answers there does not speak plain HTTP: try https://HOST",
    ),
    (
        &["failed to lookup", "name or service not known"],
        "no machine has this name: correct --server, or client.server in the settings",
    ),
];

fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_not_to_reach_a_server_has_its_remedy() {
        for (why, begins) in [
            ("Connection refused (os error 111)", "start an engine"),
            ("failed to lookup address information: Name or service not known", "no machine"),
            ("invalid peer certificate: UnknownIssuer", "trust it"),
            (
                "invalid peer certificate: certificate not valid for name \"a\"",
                "the certificate is of",
            ),
            (
                "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
                "the certificate is an",
            ),
            ("invalid peer certificate: certificate expired: verification time", "renew"),
            ("received corrupt message of type InvalidContentType", "nothing there speaks TLS"),
            ("invalid HTTP version parsed", "what answers there"),
        ] {
            let told = remedy("https://a:6440", why);
            assert!(told.starts_with(begins), "{why}: {told}");
        }
    }
}
