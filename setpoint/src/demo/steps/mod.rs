//! The steps, in the order in which they are told. A step does something and then sees it happen.

use futures::future::LocalBoxFuture;

use crate::demo::stage::Stage;
use crate::failure::Failure;

mod begin;
mod heal;
mod update;
mod recover;
mod tell;
mod end;

/// What a step saw, or why it did not.
pub(crate) type Seen<'a> = LocalBoxFuture<'a, Result<String, Failure>>;

/// A step of the story.
pub(crate) struct Step {
    /// Its name, for machines.
    pub(crate) name: &'static str,
    /// What happens, for people.
    pub(crate) story: &'static str,
    /// Does it and sees it.
    pub(crate) act: fn(&mut Stage) -> Seen<'_>,
}

/// The story. Each step relies on the ones before it.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "start",
        story: "An engine with an embedded log and three agents start.",
        act: begin::start,
    },
    Step {
        name: "apply",
        story: "A Kubernetes manifest and a Compose file are applied.",
        act: begin::apply,
    },
    Step {
        name: "converge",
        story: "Every pod that was asked for runs, as a process of this machine.",
        act: begin::converge,
    },
    Step {
        name: "replace-process",
        story: "A pod's process is killed with -9 and replaced.",
        act: heal::process,
    },
    Step {
        name: "move-pods",
        story: "An agent is killed; its node is lost and its pods move.",
        act: heal::agent,
    },
    Step {
        name: "rolling-update",
        story: "A second release rolls out, a pod at a time.",
        act: update::roll,
    },
    Step {
        name: "engine-crash",
        story: "The engine is killed with -9 right after a change, and started again.",
        act: recover::engine,
    },
    Step {
        name: "refuse-mistake",
        story: "A manifest with a mistake is refused.",
        act: tell::refuse,
    },
    Step { name: "explain", story: "Why is that pod where it is?", act: tell::explain },
    Step { name: "nodes", story: "What is requested of each node?", act: tell::nodes },
    Step {
        name: "stop",
        story: "The lost agent returns, everything is deleted, all stop.",
        act: end::stop,
    },
];
