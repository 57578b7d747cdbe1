//! How much of what was decided is kept.

/// Decisions kept for `decisions` and events; older ones are on the log. About 20 MB.
pub const DECISIONS_KEPT_MAX: usize = 20_000;
