//! What a journey came to: how much happened in it, for proofs that it does happen.

use std::ops::AddAssign;

/// What a journey came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trace {
    /// A hash over all epochs and their outcomes.
    pub hash: u64,
    /// Epochs committed.
    pub epochs: usize,
    /// Times that a leader crashed.
    pub crashes: usize,
    /// Times that a leader was rebuilt from the compacted topics.
    pub rebuilds: usize,
    /// Times that an engine took over which had followed under other rules.
    pub takeovers: usize,
    /// Decisions that this engine would have made otherwise.
    pub differences: usize,
    /// Pods that had to go for others of higher priority.
    pub preempted: usize,
    /// Pods that left a node for a taint, or were evicted.
    pub evicted: usize,
    /// Jobs that came to an end.
    pub ended: usize,
    /// Jobs that a schedule started.
    pub scheduled: usize,
    /// Updates that failed and went back.
    pub reverted: usize,
    /// How many of these were of other kinds than Deployments.
    pub reverted_sets: usize,
    /// Times that it was said that a workload waits for another.
    pub held: usize,
    /// Times that it was said why no pod is made, beyond a quota or outside a LimitRange.
    pub refused: usize,
    /// How many of these were of other kinds than Deployments.
    pub refused_sets: usize,
    /// Objects that went because nobody owned them any more, or before their owners.
    pub collected: usize,
}

impl AddAssign for Trace {
    /// Adds the counts up; the hash of one journey says nothing of several and stays as it is.
    fn add_assign(&mut self, other: Self) {
        let Self {
            hash: _,
            epochs,
            crashes,
            rebuilds,
            takeovers,
            differences,
            preempted,
            evicted,
            ended,
            scheduled,
            reverted,
            reverted_sets,
            held,
            refused,
            refused_sets,
            collected,
        } = other;
        self.epochs += epochs;
        self.crashes += crashes;
        self.rebuilds += rebuilds;
        self.takeovers += takeovers;
        self.differences += differences;
        self.preempted += preempted;
        self.evicted += evicted;
        self.ended += ended;
        self.scheduled += scheduled;
        self.reverted += reverted;
        self.reverted_sets += reverted_sets;
        self.held += held;
        self.refused += refused;
        self.refused_sets += refused_sets;
        self.collected += collected;
    }
}
