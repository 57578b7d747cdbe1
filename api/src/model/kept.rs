//! A decision as the model keeps it: who made it writes its words when someone reads them.

use std::fmt::Debug;

use setpoint_schemas::{Decision, PodUid};

/// A decision that was committed.
pub trait Kept: Debug + Send + Sync {
    /// The epoch that made it.
    fn epoch(&self) -> i64;

    /// What it is about.
    fn about(&self) -> About<'_>;

    /// In words.
    fn record(&self) -> Decision;
}

/// What a decision is about; what is `None` or empty is not meant.
#[derive(Debug)]
pub struct About<'a> {
    /// The pod.
    pub pod: Option<PodUid>,
    /// The key of the workload or resource.
    pub resource: &'a str,
    /// The node.
    pub node: &'a str,
}

/// As it was read back from the log.
impl Kept for Decision {
    fn epoch(&self) -> i64 {
        self.epoch
    }

    fn about(&self) -> About<'_> {
        let pod = PodUid::parse(&self.pod).ok();
        About { pod, resource: &self.resource, node: &self.node }
    }

    fn record(&self) -> Decision {
        self.clone()
    }
}
