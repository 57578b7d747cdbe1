//! That a pod is about to leave, as its placement says.
//!
//! Guarantee: whoever knows a pod's placement knows until when its eviction waits: an engine that was
//! rebuilt goes on waiting.

use crate::Placement;

/// The annotation of a placement with the engine time, in milliseconds since 1970, until which the pod's
/// eviction waits for another in its place. The leader's to write.
pub const LEAVING: &str = "setpoint.dev/leaving-until-ms";

impl Placement {
    /// Until when its pod's eviction waits, engine time in milliseconds; 0 where nobody evicts it.
    #[must_use]
    pub fn leaving_ms(&self) -> i64 {
        let until = self.pattern.annotations.get(LEAVING).and_then(|until| until.parse().ok());
        until.map_or(0, |until_ms: i64| until_ms.max(0))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn until_when_an_eviction_waits_is_read_from_the_placement() {
        let mut placement = crate::samples::placement();
        assert_eq!(placement.leaving_ms(), 0);
        for (text, expected) in [("1500", 1_500), ("-3", 0), ("soon", 0)] {
            let pattern = Arc::make_mut(&mut placement.pattern);
            pattern.annotations.insert(LEAVING.to_owned(), text.to_owned());
            assert_eq!(placement.leaving_ms(), expected, "{text}");
        }
    }
}
