//! Whoever can say which schema stands behind an id: a schema registry's client.

/// A source of schemas. Blocking; it bounds its own time.
pub trait SchemaSource: Send + Sync {
    /// The schema of this id as JSON; `None` when there is none.
    ///
    /// # Errors
    /// [`Unanswered`] when it cannot be told now.
    fn schema_of(&self, id: u32) -> Result<Option<String>, Unanswered>;
}

/// It cannot be told now; later it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unanswered {
    /// Why not.
    pub why: String,
}
