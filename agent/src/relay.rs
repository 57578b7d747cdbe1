//! A node that is only watched: what somebody else observes of an engine that Setpoint does not
//! manage is told to the API as a node and its pods. Nothing is ever started or stopped here.
//!
//! Registration, lease, reports and their repeats are those of any agent, and so is the end when
//! another agent takes the node's name.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use setpoint_actuators::{Desired, PodStatus};
use setpoint_schemas::{Input, NodeRecord, PodObserved, PodPhase, PodUid, SessionId};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch as latest;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::agent::{LAST_WORDS_MAX, broken, taken};
use crate::client::Api;
use crate::clock::now_ms;
use crate::error::PodsLeft;
use crate::guard::Guard;
use crate::outbox::Outbox;
use crate::registration::{Told, announce};
use crate::reports::Reports;
use crate::session::Session;
use crate::standing::{Standing, Whose};
use crate::watch::Hearers;
use crate::{AgentError, AgentOptions, files, lease, reports, watch};

/// Tells the API what `inputs` say of the options' node until `shutdown`: its record and its pods
/// as they change, and snapshots. Each batch must be of this session. A pod is told under its own
/// name with the node's behind it, as Kubernetes does for pods that it only mirrors: two engines may
/// each have a container of one name.
///
/// # Errors
/// [`AgentError`] when the state folder cannot be used, the client not be made, or another agent
/// took the node.
pub async fn relay(
    options: AgentOptions,
    session: Session,
    mut inputs: Receiver<Vec<Input>>,
    shutdown: CancellationToken,
) -> Result<(), AgentError> {
    let _lock = files::occupy(&options.state)?;
    let guard = Guard::open(&options.state, &options.fleet, &options.node)?;
    let api = Arc::new(Api::new(&options)?);
    let outbox = Outbox::new(options.node.clone(), session.id.clone());
    let reports = Arc::new(Reports::new(outbox));
    let record = latest::channel(None);
    let whose = latest::channel(Whose::Ours);
    let lists = (guard, Standing::new(session.id.clone()), whose.0);
    let heard = (record.1, whose.1.clone());
    info!(node = %options.node, session = %session.id, "the engine is watched, and nothing else");
    let started_ms = session.started_ms;
    let mut tasks = spawn(&options, &api, session.id, reports.clone(), lists, heard);

    let mut seen = Seen { node: record.0, started_ms, pods: BTreeMap::new(), has_listed: false };
    let by = tokio::select! {
        () = shutdown.cancelled() => None,
        by = taken(whose.1) => Some(by),
        () = seen.follow(&mut inputs, &reports, &options) => None,
        why = broken(&mut tasks) => return Err(AgentError::Broken { why }),
    };
    drop(tasks);
    if let Some(by) = by {
        let (node, by) = (options.node.clone(), by.session);
        return Err(AgentError::Superseded { node, by, pods: PodsLeft::Running });
    }
    let last_words = reports::flush(&api, &options.node, &reports, LAST_WORDS_MAX);
    let _ = tokio::time::timeout(LAST_WORDS_MAX, last_words).await;
    Ok(())
}

fn spawn(
    options: &AgentOptions,
    api: &Arc<Api>,
    session: SessionId,
    reports: Arc<Reports>,
    (guard, standing, whose): (Guard, Standing, latest::Sender<Whose>),
    (record, heard): (latest::Receiver<Option<NodeRecord>>, latest::Receiver<Whose>),
) -> JoinSet<()> {
    let (node, every) = (options.node.clone(), options.intervals);
    let (registrations, registered) = latest::channel(0);
    let expected = lease::Expected::new();
    let told = Told { registrations, expected: expected.clone() };
    // What should run here is nothing, and nobody asks.
    let desired = latest::channel(Arc::new(Desired::unknown())).0;
    let lists = (guard, standing, Hearers { desired, whose, fence: None });
    let tasks: [BoxFuture<'static, ()>; 4] = [
        lease::renew(api.clone(), node.clone(), session, every.lease, expected, None).boxed(),
        watch::watch(api.clone(), node.clone(), lists, every.retry_max).boxed(),
        reports::send(api.clone(), node, reports, registered, every).boxed(),
        announce(api.clone(), record, heard, told, every.retry_max).boxed(),
    ];
    let mut set = JoinSet::new();
    for task in tasks {
        let api = api.clone();
        set.spawn(async move {
            api.greeted().await;
            task.await;
        });
    }
    set
}

/// What was seen so far.
struct Seen {
    node: latest::Sender<Option<NodeRecord>>,
    started_ms: i64,
    pods: BTreeMap<PodUid, PodStatus>,
    /// Before the first list a snapshot would say that there is nothing.
    has_listed: bool,
}

impl Seen {
    /// Takes in what comes, until nobody observes any more.
    async fn follow(
        &mut self,
        inputs: &mut Receiver<Vec<Input>>,
        reports: &Reports,
        options: &AgentOptions,
    ) {
        while let Some(batch) = inputs.recv().await {
            batch.into_iter().for_each(|input| self.take(input, options));
            if self.has_listed {
                let pods = self.pods.clone();
                reports.change(|outbox| outbox.see(pods, now_ms()));
            }
        }
    }

    fn take(&mut self, input: Input, options: &AgentOptions) {
        match input {
            Input::Node(mut record) => {
                record.started_ms = self.started_ms;
                record.address.clone_from(&options.address);
                record.labels.extend(options.labels.clone());
                self.node.send_replace(Some(*record));
            }
            Input::Pod(pod) if pod.phase() == PodPhase::Gone => {
                self.pods.remove(pod.uid());
            }
            Input::Pod(pod) => {
                self.pods.insert(pod.uid().clone(), status(pod.whole()));
            }
            Input::Snapshot(snapshot) => {
                self.has_listed = true;
                self.pods.retain(|uid, _| snapshot.uids.contains(uid));
            }
            // An engine says nothing else.
            _ => {}
        }
    }
}

fn status(pod: PodObserved) -> PodStatus {
    let mirrored = setpoint_schemas::ResourceName::parse(&format!("{}-{}", pod.name, pod.node));
    PodStatus {
        namespace: pod.namespace,
        name: mirrored.unwrap_or(pod.name),
        generation: pod.generation,
        phase: pod.phase,
        ready: pod.ready,
        reason: pod.reason,
        message: pod.message,
        address: pod.address,
        started_ms: pod.started_ms,
        containers: pod.containers,
    }
}
