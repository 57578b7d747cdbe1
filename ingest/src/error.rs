//! Why the log cannot answer, and why an append was not acknowledged; each error may pass, or needs
//! a human.

use std::path::PathBuf;

use setpoint_schemas::Topic;

/// Why the log cannot answer. Transient errors may pass by themselves; the caller waits and tries
/// again. Permanent ones need a human.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log did not answer, or not in time.
    #[error("failed to {attempt}")]
    Transient {
        /// What was tried, in words.
        attempt: String,
        /// What the log's own library says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The log is damaged, misconfigured or refuses us.
    #[error("failed to {attempt}")]
    Permanent {
        /// What was tried, in words.
        attempt: String,
        /// What the log's own library says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no room for what was to be written; nothing of it is on the log. Passes when somebody
    /// makes room.
    #[error("failed to {attempt}: the disk is full")]
    Full {
        /// What was tried, in words.
        attempt: String,
        /// What the log's own library says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its files contradict each other, or some are missing.
    #[error("failed to {attempt}: it is damaged")]
    Damaged {
        /// What was tried, in words.
        attempt: String,
        /// What the log's own library says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its files were deleted or replaced while it was open: what is written now is lost when the
    /// process ends, so nothing more is acknowledged.
    #[error("the log's folder {} was deleted or replaced while it was in use: {what}", path.display())]
    Gone {
        /// The folder.
        path: PathBuf,
        /// What is not as it was.
        what: String,
    },
    /// The records asked for are no longer there: cleanup took them.
    #[error("{topic}/{partition} begins at offset {start}, and offset {wanted} was asked for")]
    Forgotten {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: i32,
        /// The first offset still there.
        start: i64,
        /// The offset asked for.
        wanted: i64,
    },
    /// There is no such partition.
    #[error("{topic} has no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: Topic,
        /// The partition asked for.
        partition: i32,
    },
}

impl LogError {
    /// An error that may pass by itself.
    pub fn transient(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        LogError::Transient { attempt: attempt.into(), source: source.into() }
    }

    /// An error that needs a human.
    pub fn permanent(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        LogError::Permanent { attempt: attempt.into(), source: source.into() }
    }

    /// There is no room for it.
    pub fn full(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        LogError::Full { attempt: attempt.into(), source: source.into() }
    }

    /// Its files contradict each other.
    pub fn damaged(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        LogError::Damaged { attempt: attempt.into(), source: source.into() }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, LogError::Transient { .. } | LogError::Full { .. })
    }

    /// Whether there is no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, LogError::Full { .. })
    }

    /// What a human can do about it, in a sentence; `None` where the error says all that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            LogError::Full { .. } => Some("make room on the disk of the data folder"),
            LogError::Damaged { .. } => Some(
                "copy the folder before anything else; then put back a backup of it, or move it \
                 away and apply the manifests anew: agents keep their pods running meanwhile",
            ),
            LogError::Gone { .. } => Some(
                "put the data folder back as it was, or apply the manifests anew, and start again; \
                 stop the engine before its folder is moved, restored or deleted",
            ),
            _ => None,
        }
    }
}

/// Why an append was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A later leader's appender exists: nothing of this append is on the log, and nothing of any
    /// later one of this appender will be.
    #[error("a later leader has fenced this appender")]
    Fenced,
    /// An entry is larger than the log takes; nothing of this append is on the log.
    #[error("an entry for {topic} has {bytes} bytes, more than the {bytes_max} that the log takes")]
    TooLarge {
        /// The entry's topic.
        topic: Topic,
        /// Its bytes.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The log failed. A leader's entries are not on the log, unless the outcome is unknown: then
    /// the appender is spent, and the caller reads the log's end before it appends by a new one.
    #[error("failed to append")]
    Log(#[from] LogError),
}

impl AppendError {
    /// Whether there is no room for it; nothing of it is on the log.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, AppendError::Log(error) if error.is_full())
    }

    /// Whether following the log anew, or another try, may help. What is too large stays so, and a
    /// log that is damaged or refuses us needs a human.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            AppendError::Fenced => true,
            AppendError::TooLarge { .. } => false,
            AppendError::Log(error) => error.is_transient(),
        }
    }
}
