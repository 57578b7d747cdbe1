//! One life of a container: from a start to its end.

use serde::{Deserialize, Serialize};
use setpoint_schemas::ContainerObserved;

/// One life of a container: from a start to its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Life {
    /// The runtime's id, which some keep over several lives.
    pub id: String,
    /// When it began, milliseconds.
    pub started_ms: i64,
}

impl Life {
    /// The life that this container is in, or was in last.
    #[must_use]
    pub fn of(container: &ContainerObserved) -> Self {
        Life { id: container.id.clone(), started_ms: container.started_ms }
    }

    /// Whether this container is in it, or was in it last.
    #[must_use]
    pub fn is_of(&self, container: &ContainerObserved) -> bool {
        self.started_ms == container.started_ms && self.id == container.id
    }
}
