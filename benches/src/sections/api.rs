//! The API: statuses accepted a second by a server on one core, beside a bare axum echo of the same
//! bodies; and how long a placement takes to the agent that waits for it, among a thousand.
//!
//! The client is in this process, and has the other cores; what it needs of them is the same for both.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;
use setpoint_dataflow::views::Differential;
use setpoint_schemas::{NodeReport, PlacementList, PodPhase};
use tokio::task::JoinSet;

use crate::clock::{Latencies, per_second};
use crate::http::served::{ECHO, ENGINE, Served};
use crate::http::{Call, Client, raise_files};
use crate::measurement::{Aim, Measurement, RATE};
use crate::plant::{Placed, Plant, node_record, pod_spec};
use crate::rounds;
use crate::sizes::Sizes;

/// Statuses accepted a second.
const PATCHES: f64 = 10_000.0;
/// The share of the echo's rate.
const ECHO_SHARE: f64 = 0.3;
/// What the slowest hundredth of placements may take to its agent, µs.
const AGENT_MICROS: f64 = 20_000.0;
/// Callers at once.
const CALLERS: usize = 64;
/// For a long poll and what comes before it.
const PATIENCE: Duration = Duration::from_secs(60);

const JSON: &str = "application/json";

/// Both, against the same server.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let engine = Served::start(ENGINE, sizes)?;
    let echo = Served::start(ECHO, sizes)?;
    raise_files()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let fleet = Fleet::of(engine.address, sizes.agents).await?;
        let mut rows = patches(&fleet, (&engine, &echo), sizes).await?;
        rows.extend(agents(&fleet, sizes).await?);
        Ok(rows)
    })
}

/// Nodes that registered, and pods that each of the callers speaks of.
struct Fleet {
    address: SocketAddr,
    nodes: usize,
    pods: Vec<Placed>,
}

impl Fleet {
    async fn of(address: SocketAddr, nodes: usize) -> anyhow::Result<Fleet> {
        let mut client = Client::connect(address).await?;
        for node in 0..nodes {
            let body = serde_json::to_vec(&node_record(node)?)?;
            let path = format!("/setpoint/v1/nodes/node-{node}");
            call(&mut client, "PUT", &path, JSON, &body).await?;
        }
        let mut pods = Vec::new();
        for number in 0..CALLERS {
            apply(&mut client, &format!("patched-{number}"), 1).await?;
        }
        for node in 0..nodes {
            let list = placements(&mut client, node, (0, -1)).await?;
            pods.extend(list.placements.into_iter().map(|one| Placed(one.into())));
        }
        anyhow::ensure!(pods.len() == CALLERS, "{} of {CALLERS} pods have a place", pods.len());
        Ok(Fleet { address, nodes, pods })
    }
}

/// The same bodies to either server, in turns.
async fn patches(
    fleet: &Fleet,
    (engine, echo): (&Served, &Served),
    sizes: &Sizes,
) -> anyhow::Result<Vec<Measurement>> {
    let name = |which: &str| format!("api/status patches accepted, {CALLERS} callers/{which}");
    let each = (sizes.patches / sizes.rounds / CALLERS).max(1);
    let mut plant = Plant::with_nodes(Differential::new(), 1)?;
    let mut rounds = Vec::new();
    for _ in 0..sizes.rounds {
        let bodies = bodies(fleet, &mut plant, each)?;
        let ours = rate(engine.address, fleet, &bodies, 204).await?;
        let bare = rate(echo.address, fleet, &bodies, 200).await?;
        let note =
            if engine.is_pinned { "the server on one core" } else { "the server not pinned" };
        rounds.push(vec![
            Measurement::new(name("setpoint"), ours, RATE)
                .noted(note)
                .aiming(Aim::ValueAtLeast, PATCHES),
            Measurement::new(name("setpoint beside the echo"), ours, RATE)
                .beside(name("bare axum echo"))
                .aiming(Aim::RatioAtLeast, ECHO_SHARE),
            Measurement::new(name("bare axum echo"), bare, RATE),
        ]);
    }
    rounds::merged(rounds)
}

/// For each caller what it says, one status a call.
fn bodies(
    fleet: &Fleet,
    plant: &mut Plant<Differential>,
    each: usize,
) -> anyhow::Result<Vec<Vec<Vec<u8>>>> {
    let mut all = Vec::new();
    for pod in &fleet.pods {
        let mut bodies = Vec::with_capacity(each);
        for number in 0..each {
            let status = match number % 2 {
                0 => plant.ready(pod)?,
                _ => plant.in_phase(pod, PodPhase::Running)?,
            };
            let report = NodeReport { observed: vec![status], snapshot: None };
            bodies.push(serde_json::to_vec(&report)?);
        }
        all.push(bodies);
    }
    Ok(all)
}

async fn rate(
    address: SocketAddr,
    fleet: &Fleet,
    bodies: &[Vec<Vec<u8>>],
    expected: u16,
) -> anyhow::Result<f64> {
    let mut clients = Vec::new();
    for (pod, bodies) in fleet.pods.iter().zip(bodies) {
        let path = match expected {
            204 => format!("/setpoint/v1/nodes/{}/pods", pod.0.node),
            _ => "/echo".to_owned(),
        };
        clients.push((Client::connect(address).await?, path, bodies.clone()));
    }
    let count: usize = bodies.iter().map(Vec::len).sum();
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for (mut client, path, bodies) in clients {
        callers.spawn(async move {
            for body in &bodies {
                let one = Call { method: "POST", path: &path, content_type: JSON, body };
                let (status, answer) = client.call(&one).await?;
                let text = String::from_utf8_lossy(&answer);
                anyhow::ensure!(status == expected, "{path}: {status} {text}");
            }
            Ok(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(per_second(count, start.elapsed()))
}

/// Every node has a poll that waits; Deployments of one pod come one after the other.
async fn agents(fleet: &Fleet, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let (send, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut polls = JoinSet::new();
    for node in 0..fleet.nodes {
        let (address, send) = (fleet.address, send.clone());
        polls.spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut seen = (0, -1);
            loop {
                let list = placements(&mut client, node, seen).await?;
                let at = Instant::now();
                seen = (list.term, list.epoch);
                for placement in list.placements {
                    let told = (placement.pattern.workload.clone(), at);
                    if send.send(told).is_err() {
                        return anyhow::Ok(());
                    }
                }
            }
        });
    }
    let mut client = Client::connect(fleet.address).await?;
    let mut number = 0;
    let mut rounds = Vec::new();
    for _ in 0..sizes.rounds {
        let mut latencies = Latencies::new()?;
        for _ in 0..(sizes.watched / sizes.rounds).max(1) {
            number += 1;
            let start = Instant::now();
            let name = format!("watched-{number}");
            let (applied, at) = tokio::join!(
                apply(&mut client, &name, 1),
                tokio::time::timeout(PATIENCE, async {
                    loop {
                        let (workload, at) = heard.recv().await.context("no agent polls")?;
                        if workload.ends_with(&format!("/{name}")) {
                            return anyhow::Ok(at);
                        }
                    }
                })
            );
            applied?;
            latencies.record(at.context("no agent was told")?? - start);
        }
        let name = format!("api/{} agents watching: apply sent to agent told", fleet.nodes);
        let aim = |row: Measurement| match row.name.ends_with("/p99") {
            true => row.aiming(Aim::ValueAtMost, AGENT_MICROS),
            false => row,
        };
        rounds.push(latencies.rows(&name, None).into_iter().map(aim).collect());
    }
    polls.abort_all();
    rounds::merged(rounds)
}

async fn apply(client: &mut Client, name: &str, replicas: usize) -> anyhow::Result<()> {
    let labels = json!({ "app": name });
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": { "replicas": replicas, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod_spec() } },
    });
    let path = format!("/apis/apps/v1/namespaces/default/deployments/{name}?fieldManager=bench");
    let kind = "application/apply-patch+yaml";
    call(client, "PATCH", &path, kind, body.to_string().as_bytes()).await?;
    Ok(())
}

async fn placements(
    client: &mut Client,
    node: usize,
    (term, after): (i64, i64),
) -> anyhow::Result<PlacementList> {
    let path = format!("/setpoint/v1/nodes/node-{node}/placements?after={after}&term={term}");
    Ok(serde_json::from_slice(&call(client, "GET", &path, JSON, &[]).await?)?)
}

/// The body of an answer that is a success.
async fn call(
    client: &mut Client,
    method: &str,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> anyhow::Result<Vec<u8>> {
    let (status, answer) = client.call(&Call { method, path, content_type, body }).await?;
    let text = String::from_utf8_lossy(&answer);
    anyhow::ensure!((200..300).contains(&status), "{method} {path}: {status} {text}");
    Ok(answer)
}
