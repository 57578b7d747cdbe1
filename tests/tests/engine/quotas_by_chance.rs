//! Quotas in histories drawn by chance: what is used is counted anew after every epoch, by hand and from
//! what readers are told. That engines from the checkpoint agree every story holds itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use setpoint_dataflow::{Epoch, Outcome, Served};
use setpoint_schemas::{Action, Input, PodPhase, PodUid, RequestItem, ResourceKey, Verb};
use setpoint_tests::draw::Draw;
use setpoint_tests::manifests::{self, cpu_of, deployment, item, quota};

use crate::story::{Story, node, observed, session};

/// Histories: together some thousand epochs, each decided twice.
const SEEDS: u64 = 24;
/// Epochs of each.
const STEPS: usize = 80;
/// Longer than a renewal takes, and so that a node that is silent is lost within some steps.
const STEP_MS: i64 = 4_000;
const NODES: [&str; 3] = ["a", "b", "c"];
const APPS: [&str; 3] = ["web", "api", "db"];

/// A pod of which something may be left: where, and what it asks for.
struct Known {
    node: String,
    cpu: i64,
    stops: bool,
}

struct History {
    story: Story,
    draw: Draw,
    seed: u64,
    ms: i64,
    asked: usize,
    is_silent: bool,
    pods: BTreeMap<PodUid, Known>,
    lost: BTreeSet<String>,
}

impl History {
    fn new(seed: u64) -> History {
        History {
            story: Story::with_nodes(&NODES),
            draw: Draw::new(seed),
            seed,
            ms: 0,
            asked: 0,
            is_silent: false,
            pods: BTreeMap::new(),
            lost: BTreeSet::new(),
        }
    }

    fn step(&mut self) {
        self.ms += STEP_MS;
        if self.draw.chance(80) {
            self.is_silent = !self.is_silent;
        }
        let living = if self.is_silent { &NODES[..2] } else { &NODES[..] };
        let lease =
            |name: &&str| Input::Lease(manifests::lease(&node(name), &session(name), self.ms + 1));
        let mut inputs: Vec<Input> = living.iter().map(lease).collect();
        match self.draw.below(4) {
            0 => inputs.extend(self.some_are_gone(3)),
            _ => {
                let items = self.ask();
                inputs.push(self.request(items));
            }
        }
        self.decide(inputs);
    }

    fn request(&mut self, items: Vec<RequestItem>) -> Input {
        self.asked += 1;
        Input::Request(Box::new(manifests::request(&format!("r{}", self.asked), items)))
    }

    fn ask(&mut self) -> Vec<RequestItem> {
        let verb = if self.draw.chance(800) { Verb::Apply } else { Verb::Delete };
        let object = match self.draw.below(4) {
            0 => {
                let pods = self.draw.between(0, 7).to_string();
                let cpu = *self.draw.pick(&["500m", "1", "2"]);
                quota(&json!({"pods": pods, "requests.cpu": cpu, "configmaps": "2"}))
            }
            1 => json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {},
                "metadata": {"name": *self.draw.pick(&APPS), "namespace": "default"}}),
            _ => {
                let (replicas, cpu) = (self.draw.between(0, 5), *self.draw.pick(&[100, 300]));
                deployment("default", *self.draw.pick(&APPS), replicas, cpu, "v1")
            }
        };
        vec![item(verb, &object)]
    }

    /// Of some that stop nothing is left.
    fn some_are_gone(&mut self, most: usize) -> Vec<Input> {
        let is_heard = |pod: &Known| pod.stops && !self.lost.contains(&pod.node);
        let stopping = self.pods.iter().filter(|(_, pod)| is_heard(pod)).take(most);
        let stopping: Vec<(PodUid, String)> =
            stopping.map(|(uid, pod)| (uid.clone(), pod.node.clone())).collect();
        let gone = stopping.iter().map(|(uid, at)| {
            let sequence = self.story.next_sequence();
            observed(uid, at, sequence, PodPhase::Gone)
        });
        gone.collect()
    }

    fn decide(&mut self, inputs: Vec<Input>) {
        let epoch = Epoch { cold: true, ..self.story.epoch(self.ms, inputs) };
        let outcome = self.story.decide(epoch);
        let has_new = self.take(&outcome);
        let resources = self.story.engine.everything().resources;
        let of_kind = |kind: &str| {
            let is_it = |key: &ResourceKey| &*key.kind.kind == kind;
            resources.iter().filter(|(key, _)| is_it(key)).filter_map(|(_, r)| r.clone()).collect()
        };
        let quotas: Vec<_> = of_kind("ResourceQuota");
        let configs: Vec<_> = of_kind("ConfigMap");
        let Some(quota) = quotas.first() else { return };
        let status: Value = serde_json::from_str(&quota.status).expect("JSON");
        let at = format!("seed {} at {} ms", self.seed, self.ms);
        assert_eq!(status["used"], self.used(configs.len()), "{at}");
        let live = self.pods.values().filter(|pod| !pod.stops).count();
        let most: usize =
            status["hard"]["pods"].as_str().expect("a text").parse().expect("a number");
        assert!(!has_new || live <= most, "{live} pods of at most {most}, {at}");
    }

    /// Takes in what was decided; whether pods are new.
    fn take(&mut self, outcome: &Outcome) -> bool {
        let mut has_new = false;
        for change in &outcome.placements {
            match &change.placement {
                Some(placement) => {
                    has_new = true;
                    let cpu = cpu_of(&placement.pattern.spec);
                    let known = Known { node: change.node.to_string(), cpu, stops: false };
                    self.pods.insert(change.uid.clone(), known);
                }
                None => {
                    if let Some(known) = self.pods.get_mut(&change.uid) {
                        known.stops = true;
                    }
                }
            }
        }
        for decision in outcome.ledger() {
            match decision.action {
                Action::NodeLost => drop(self.lost.insert(decision.node)),
                Action::NodeReturned => drop(self.lost.remove(&decision.node)),
                _ => {}
            }
        }
        for served in &outcome.served {
            if let Served::PodGone(uid) = served {
                self.pods.remove(uid);
            }
        }
        has_new
    }

    /// What is used, counted anew: pods that stop on a lost node are not.
    fn used(&self, configs: usize) -> Value {
        let counts = |pod: &&Known| !(pod.stops && self.lost.contains(&pod.node));
        let (mut pods, mut cpu) = (0, 0);
        for pod in self.pods.values().filter(counts) {
            (pods, cpu) = (pods + 1, cpu + pod.cpu);
        }
        let cpu = if cpu % 1_000 == 0 { (cpu / 1_000).to_string() } else { format!("{cpu}m") };
        json!({"pods": pods.to_string(), "requests.cpu": cpu, "configmaps": configs.to_string()})
    }

    /// Without the quota everybody has what it asks for, as far as there is room.
    fn ends(&mut self) {
        self.is_silent = false;
        let gone = self.request(vec![item(Verb::Delete, &quota(&json!({})))]);
        let small = |name: &&str| item(Verb::Apply, &deployment("default", name, 2, 100, "v1"));
        let asks = self.request(APPS.iter().map(small).collect());
        self.ms += STEP_MS;
        self.decide(vec![gone, asks]);
        for _ in 0..40 {
            self.ms += STEP_MS;
            let leases = NODES.map(|name| {
                Input::Lease(manifests::lease(&node(name), &session(name), self.ms + 1))
            });
            let gone = self.some_are_gone(usize::MAX);
            self.decide(leases.into_iter().chain(gone).collect());
            let placed: Vec<(PodUid, String)> =
                self.story.placed.iter().map(|(uid, at)| (uid.clone(), at.clone())).collect();
            let run = placed
                .iter()
                .map(|(uid, at)| observed(uid, at, self.story.next_sequence(), PodPhase::Running));
            let run = run.collect();
            self.decide(run);
        }
        assert_eq!(self.story.placed.len(), 2 * APPS.len(), "seed {}", self.seed);
    }
}

#[test]
fn what_is_used_is_what_counting_anew_gives_whatever_happens() {
    for seed in 1..=SEEDS {
        let mut history = History::new(seed);
        (0..STEPS).for_each(|_| history.step());
        history.ends();
    }
}
