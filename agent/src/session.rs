//! A life of the agent: its id, and the number that orders it among the node's lives.
//!
//! Guarantee: a later life of the same state folder has a higher number, whatever the clock says.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use setpoint_schemas::SessionId;

use crate::clock::now_ms;
use crate::{AgentError, files};

/// A life of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Unlike every other.
    pub id: SessionId,
    /// Higher than that of every life before, milliseconds since 1970 where the clock allows.
    pub started_ms: i64,
}

impl Session {
    /// Begins a life: its number is on disk before anyone hears of it.
    ///
    /// # Errors
    /// [`AgentError`] when the folder cannot be read or written.
    pub fn begin(folder: &Path) -> Result<Session, AgentError> {
        let path = folder.join("session.json");
        let before: i64 = files::read(&path)?.unwrap_or(0);
        let started_ms = now_ms().max(before.saturating_add(1));
        files::write(&path, &started_ms).map_err(|source| AgentError::State { path, source })?;
        Ok(Session { id: new_id(started_ms), started_ms })
    }
}

/// A new id for each start. The hasher's keys are the standard library's own random numbers.
fn new_id(started_ms: i64) -> SessionId {
    let random = RandomState::new().build_hasher().finish();
    let text = format!("{started_ms:x}-{random:016x}");
    SessionId::parse(&text).expect("hexadecimal digits and a dash are a valid session id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_life_has_a_higher_number_even_when_the_clock_was_set_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = Session::begin(dir.path()).expect("it begins");
        assert!(first.started_ms > 1_700_000_000_000, "about the time of the start");
        let future = first.started_ms + 1_000_000;
        files::write(&dir.path().join("session.json"), &future).expect("it is written");
        let second = Session::begin(dir.path()).expect("it begins");
        assert_eq!(second.started_ms, future + 1);
        assert_ne!(second.id, first.id);
    }
}
