//! The node's placements, as the API tells them: asked for again and again, accepted by the guard.

use std::sync::Arc;
use std::time::Duration;

use setpoint_actuators::{Authority, Desired};
use setpoint_schemas::{NodeName, PlacementList};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::client::{Api, Backoff};
use crate::fence::NodeFence;
use crate::guard::Guard;
use crate::standing::{Standing, Whose};

/// Who hears of what lists say.
pub(crate) struct Hearers {
    /// What should run.
    pub(crate) desired: watch::Sender<Arc<Desired>>,
    /// Whose the node is, each time anew.
    pub(crate) whose: watch::Sender<Whose>,
    /// Which renewal of the lease counts; `None` where nothing depends on it.
    pub(crate) fence: Option<Arc<NodeFence>>,
}

/// Asks for placements and passes on those that the guard accepts, until another agent has the
/// node: what it is told from then on is not ours to act upon.
pub(crate) async fn watch(
    api: Arc<Api>,
    node: NodeName,
    (mut guard, mut standing, hearers): (Guard, Standing, Hearers),
    retry_max: Duration,
) {
    // Below every list: the first answer of this life, and after an outage, comes at once and
    // whole.
    let (mut term, mut epoch) = (-1, -1);
    let mut backoff = Backoff::new(retry_max);
    let mut refused = None;
    loop {
        let path = format!("/setpoint/v1/nodes/{node}/placements?after={epoch}&term={term}");
        match api.poll::<PlacementList>(&path).await {
            Ok(list) => match guard.accept(&list) {
                Ok(()) => {
                    backoff.reset();
                    refused = None;
                    let whose = standing.judge(&list);
                    let is_taken = matches!(whose, Whose::Taken(_));
                    hearers.whose.send_replace(whose);
                    if is_taken {
                        return;
                    }
                    pass_on(&list, &hearers.desired);
                    // After the list is passed on: nothing starts by an older one that this one opens to.
                    if let Some(fence) = hearers.fence.as_ref().filter(|_| standing.names(&list)) {
                        fence.hear(&list);
                    }
                    (term, epoch) = (list.term, list.epoch);
                    continue;
                }
                // A disk without room refuses for hours; once is enough.
                Err(refusal) if refused.as_ref() == Some(&refusal) => {}
                Err(refusal) => {
                    warn!(%refusal, "a list of placements is refused");
                    refused = Some(refusal);
                }
            },
            Err(error) => {
                api.tell("no list of placements", &error);
                (term, epoch) = (-1, -1);
            }
        }
        backoff.wait().await;
    }
}

/// A list that says what the last one said wakes nobody.
fn pass_on(list: &PlacementList, desired: &watch::Sender<Arc<Desired>>) {
    let desired_now = Desired::of(Authority::Full, &list.placements).with_ended(&list.ended);
    let next = Desired {
        epoch: list.epoch,
        volumes_leaving: list.volumes_leaving.iter().cloned().collect(),
        ..desired_now
    };
    desired.send_if_modified(|current| {
        let is_same = current.authority == next.authority
            && current.volumes_leaving == next.volumes_leaving
            && same_pods(current, &next);
        if !is_same {
            info!(term = list.term, epoch = list.epoch, pods = next.pods.len(), "placements");
            *current = Arc::new(next);
        } else {
            // What is absent is absent as of this list.
            Arc::make_mut(current).epoch = list.epoch;
        }
        !is_same
    });
}

fn same_pods(one: &Desired, other: &Desired) -> bool {
    let placements =
        |d: &Desired| d.pods.values().map(|p| (p.placement.clone(), p.ended)).collect::<Vec<_>>();
    placements(one) == placements(other)
}
