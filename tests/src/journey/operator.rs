//! The people: they apply, scale, update, delete, cordon, restart, and get things wrong.

use serde_json::{Value, json};
use setpoint_schemas::{Input, Request, RequestItem, Verb};

use super::{
    Plan, bounded, choosy, claiming, depending, drained, owning, ranked, reverting, served,
    stateful, tainted, working,
};
use crate::committed::Committed;
use crate::draw::Draw;
use crate::manifests::{
    apart, bare_pod, daemon_set, deployment, even, item, namespace, near, patch, request, rolling,
};
use crate::plant::Plant;

/// Few names, so that requests meet.
const DEPLOYMENTS: [&str; 3] = ["web", "api", "db"];
/// Two namespaces: one that is always there and one that comes and goes.
const NAMESPACES: [&str; 2] = ["default", "team"];

/// Draws what people ask for.
pub struct Operator {
    draw: Draw,
    asked: usize,
    last: Option<Request>,
    is_choosy: bool,
    is_ranked: bool,
    is_tainted: bool,
    is_working: bool,
    is_claiming: bool,
    is_stateful: bool,
    is_drained: bool,
    is_reverting: bool,
    is_depending: bool,
    is_bounded: bool,
    is_owning: bool,
}

impl Operator {
    /// An operator of this stream.
    #[must_use]
    pub fn new(draw: Draw, plan: &Plan) -> Self {
        let Plan { choosy: is_choosy, ranked: is_ranked, tainted: is_tainted, .. } = *plan;
        let (is_working, is_claiming) = (plan.working, plan.claiming);
        Operator {
            draw,
            asked: 0,
            last: None,
            is_choosy,
            is_ranked,
            is_tainted,
            is_working,
            is_claiming,
            is_stateful: plan.stateful,
            is_drained: plan.drained,
            is_reverting: plan.reverting,
            is_depending: plan.depending,
            is_bounded: plan.bounded,
            is_owning: plan.owning,
        }
    }

    /// Takes all taints from all nodes. Of one that was deleted and has not returned it is refused.
    pub fn last_words(plant: &Plant) -> impl Iterator<Item = Input> {
        plant.nodes.iter().map(|node| {
            let id = format!("last-{}", node.name);
            Input::Request(Box::new(request(&id, vec![tainted::untaint(node.name.as_str())])))
        })
    }

    /// Lets all Jobs come to their ends. What is not there any more is not asked for.
    pub fn last_work() -> Vec<Input> {
        let asks = working::last_words().into_iter().enumerate();
        let ask = |(number, item)| {
            let id = format!("last-work-{number}");
            Input::Request(Box::new(request(&id, vec![item])))
        };
        asks.map(ask).collect()
    }

    /// Takes away all that people hold back.
    pub fn last_holds() -> Vec<Input> {
        let asks = owning::last_words().into_iter().enumerate();
        let ask = |(number, item)| {
            let id = format!("last-hold-{number}");
            Input::Request(Box::new(request(&id, vec![item])))
        };
        asks.map(ask).collect()
    }

    /// Asks for something.
    pub fn ask(&mut self, plant: &Plant, committed: &Committed) -> Input {
        if let Some(last) = self.last.clone().filter(|_| self.draw.chance(30)) {
            // A producer that does not know whether its record was taken.
            return Input::Request(Box::new(last));
        }
        let items = self.items(plant, committed);
        self.asked += 1;
        let mut request: Request = request(&format!("r{}", self.asked), items);
        request.force &= request.items.iter().all(|item| item.verb != Verb::ConfirmLost);
        self.last = Some(request.clone());
        Input::Request(Box::new(request))
    }

    fn items(&mut self, plant: &Plant, committed: &Committed) -> Vec<RequestItem> {
        if self.is_choosy && self.draw.chance(150) {
            let number = self.draw.below(plant.nodes.len());
            return vec![choosy::mark(&mut self.draw, plant.nodes[number].name.as_str())];
        }
        if self.is_tainted && self.draw.chance(150) {
            let number = self.draw.below(plant.nodes.len());
            return vec![tainted::taint(&mut self.draw, plant.nodes[number].name.as_str())];
        }
        if self.is_claiming && self.draw.chance(200) {
            return vec![claiming::keep(&mut self.draw, committed)];
        }
        if self.is_drained && self.draw.chance(300) {
            return vec![drained::evict(&mut self.draw, committed)];
        }
        if self.is_depending && self.draw.chance(300) {
            return vec![depending::say(&mut self.draw, committed)];
        }
        if self.is_owning && self.draw.chance(600) {
            return vec![owning::ask(&mut self.draw, committed)];
        }
        if self.is_ranked && self.draw.chance(100) {
            return vec![ranked::keep(&mut self.draw)];
        }
        if self.is_bounded && self.draw.chance(250) {
            return bounded::bound(&mut self.draw);
        }
        if self.is_bounded && self.draw.chance(400) {
            return bounded::ask(&mut self.draw);
        }
        if self.is_working && self.draw.chance(500) {
            return vec![working::ask(&mut self.draw)];
        }
        if self.is_stateful && self.draw.chance(500) {
            let mut set = stateful::ask(&mut self.draw, self.is_claiming);
            if self.is_reverting && set.verb == Verb::Apply {
                set.body = reverting::watched(&mut self.draw, &set.body);
            }
            return vec![set];
        }
        match self.draw.below(20) {
            0..=4 => vec![item(Verb::Apply, &self.workload())],
            5..=8 => vec![self.scale()],
            9 => vec![
                item(Verb::Apply, &namespace("team")),
                item(Verb::Apply, &self.workload()),
                served::serve(self.asked),
            ],
            10 => vec![self.cordon(plant)],
            11 => vec![item(Verb::Delete, &self.workload())],
            12 => vec![self.bare()],
            13 => vec![self.undo()],
            14 => vec![item(Verb::Apply, &self.daemon()), served::serve(3 * self.asked + 1)],
            15 => vec![self.pod_of(committed, Verb::RestartPod)],
            16 => vec![self.pod_of(committed, Verb::Delete)],
            17 => vec![item(Verb::Apply, &self.workload()), self.wrong()],
            18 if self.draw.chance(300) => vec![item(Verb::Delete, &namespace("team"))],
            // Who deletes a node says that nothing runs there, which is a word too late where it returned.
            18 if self.draw.chance(300) && !self.has_identities() => vec![self.forget(plant)],
            18 => vec![self.confirm(plant)],
            _ => (0..3).map(|_| item(Verb::Apply, &self.workload())).collect(),
        }
    }

    /// Whether people have StatefulSets.
    fn has_identities(&self) -> bool {
        self.is_stateful || self.is_bounded
    }

    fn workload(&mut self) -> Value {
        let name = *self.draw.pick(&DEPLOYMENTS);
        let place = *self.draw.pick(&NAMESPACES);
        let (replicas, cpu) = (self.draw.between(0, 7), *self.draw.pick(&[50, 200, 400, 900]));
        let image = format!("app:{}", self.draw.below(4));
        let mut workload = deployment(place, name, replicas, cpu, &image);
        if self.is_choosy {
            choosy::choose(&mut self.draw, &mut workload["spec"]["template"]["spec"]);
        }
        if self.is_ranked {
            ranked::rank(&mut self.draw, &mut workload["spec"]["template"]["spec"]);
        }
        if self.is_tainted {
            tainted::bear(&mut self.draw, &mut workload["spec"]["template"]["spec"]);
        }
        if self.is_claiming {
            claiming::claim(&mut self.draw, &mut workload["spec"]["template"]["spec"]);
        }
        if self.is_drained {
            drained::wait(&mut self.draw, &mut workload);
        }
        if self.is_bounded && place == bounded::BOUNDED {
            bounded::say_less(&mut self.draw, &mut workload["spec"]["template"]["spec"]);
        }
        let mut workload = match self.draw.below(9) {
            0 => rolling(workload, 2, 0),
            1 => rolling(workload, 0, 2),
            2 => apart(workload),
            3 => {
                let mut workload = workload;
                workload["spec"]["strategy"] = json!({"type": "Recreate"});
                workload
            }
            4 => {
                let mut workload = workload;
                workload["spec"]["minReadySeconds"] = json!(self.draw.between(0, 3));
                workload
            }
            5 => {
                let beside = self.draw.pick::<&str>(&DEPLOYMENTS);
                near(workload, beside)
            }
            6 => even(workload),
            7 => {
                let mut workload = rolling(workload, 0, 2);
                let delay_ms = self.draw.between(1, 9_000).to_string();
                workload["metadata"]["annotations"]["setpoint.dev/update-delay-ms"] =
                    json!(delay_ms);
                workload
            }
            _ => workload,
        };
        if self.is_reverting {
            reverting::watch(&mut self.draw, &mut workload);
        }
        if self.is_depending {
            depending::depend(&mut self.draw, &mut workload);
        }
        workload
    }

    fn named(&mut self, verb: Verb, body: &Value) -> RequestItem {
        let name = *self.draw.pick(&DEPLOYMENTS);
        let place = *self.draw.pick(&NAMESPACES);
        patch(verb, ("apps/v1", "Deployment"), place, name, body)
    }

    fn scale(&mut self) -> RequestItem {
        let replicas = self.draw.between(0, 8);
        self.named(Verb::MergePatch, &json!({"spec": {"replicas": replicas}}))
    }

    fn undo(&mut self) -> RequestItem {
        self.named(Verb::RolloutUndo, &json!({"toRevision": 0}))
    }

    fn wrong(&mut self) -> RequestItem {
        match self.draw.below(3) {
            0 => self.named(Verb::MergePatch, &json!({"spec": {"replicas": -1}})),
            1 => {
                let selector = json!({"matchLabels": {"app": "other"}});
                self.named(Verb::MergePatch, &json!({"spec": {"selector": selector}}))
            }
            _ => item(Verb::Apply, &deployment("nowhere", "x", 1, 50, "app:0")),
        }
    }

    fn bare(&mut self) -> RequestItem {
        let name = *self.draw.pick(&["tool", "probe"]);
        let verb = *self.draw.pick(&[Verb::Apply, Verb::Apply, Verb::Delete]);
        // Another image is refused while the pod is there; another label is taken where it runs.
        let (image, tier) =
            *self.draw.pick(&[("tool:1", "front"), ("tool:1", "back"), ("tool:2", "front")]);
        let mut pod = bare_pod("default", name, 150, image);
        pod["metadata"]["labels"] = json!({"tier": tier});
        if self.is_ranked {
            ranked::rank(&mut self.draw, &mut pod["spec"]);
        }
        if self.is_claiming {
            claiming::claim(&mut self.draw, &mut pod["spec"]);
        }
        item(verb, &pod)
    }

    fn daemon(&mut self) -> Value {
        let image = format!("log:{}", self.draw.below(3));
        let mut daemon = daemon_set("default", "logger", 100, &image);
        if self.is_choosy && self.draw.chance(500) {
            choosy::choose(&mut self.draw, &mut daemon["spec"]["template"]["spec"]);
        }
        if self.is_ranked && self.draw.chance(500) {
            ranked::rank(&mut self.draw, &mut daemon["spec"]["template"]["spec"]);
        }
        if self.is_tainted {
            tainted::bear(&mut self.draw, &mut daemon["spec"]["template"]["spec"]);
        }
        if self.is_reverting {
            reverting::watch(&mut self.draw, &mut daemon);
        }
        daemon
    }

    fn cordon(&mut self, plant: &Plant) -> RequestItem {
        let node = self.draw.below(plant.nodes.len());
        let name = plant.nodes[node].name.to_string();
        let body = json!({"spec": {"unschedulable": self.draw.chance(300)}});
        patch(Verb::MergePatch, ("v1", "Node"), "", &name, &body)
    }

    /// Deletes a node whose machine is down; it comes back as a new one.
    fn forget(&mut self, plant: &Plant) -> RequestItem {
        let down = plant.nodes.iter().find(|node| !node.machine_up);
        let name = down.map_or("n99", |node| node.name.as_str()).to_owned();
        patch(Verb::Delete, ("v1", "Node"), "", &name, &json!({}))
    }

    fn pod_of(&mut self, committed: &Committed, verb: Verb) -> RequestItem {
        let placed: Vec<_> = committed.placements.values().collect();
        let (place, name) = match placed.is_empty() {
            true => ("default".to_owned(), "nobody".to_owned()),
            false => {
                let chosen = self.draw.pick(&placed);
                (chosen.pattern.namespace.to_string(), chosen.name.to_string())
            }
        };
        patch(verb, ("v1", "Pod"), &place, &name, &json!({}))
    }

    /// Confirms a loss of machines that are down, and of one that nobody knows; without force, so
    /// that it is refused where it is not overdue.
    fn confirm(&mut self, plant: &Plant) -> RequestItem {
        let down = plant.nodes.iter().find(|node| !node.machine_up);
        let name = down.map_or("n99", |node| node.name.as_str()).to_owned();
        patch(Verb::ConfirmLost, ("v1", "Node"), "", &name, &json!({}))
    }
}
