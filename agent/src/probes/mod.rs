//! Probes: asks the containers of this node whether they have started, live and are ready.
//!
//! Guarantee: at most one question a probe is in flight, and a bounded number a node; a word about one
//! life of a container is never one about the next; an agent that restarts goes on from what it said
//! last. What follows from an answer is `setpoint_actuators`' to say: who is ready, who is ended.
//! Source: the kubelet's prober, `pkg/kubelet/prober` and `pkg/probe` of Kubernetes.

mod machine;
mod checkup;
mod subject;
mod memory;
mod ask;
mod prober;

pub(crate) use ask::Caller;
pub(crate) use prober::Prober;
pub(crate) use subject::{Subject, subjects};
