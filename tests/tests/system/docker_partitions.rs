//! A StatefulSet on three real Docker Engines under partitions: no identity ever runs twice, measured by a lock
//! that its pods hold on shared storage; a node that is cut off ends its own pods; their replacement waits for
//! the node's return or an operator's word; and after each return every identity runs exactly once.
//!
//! `SETPOINT_SEED` repeats which node is cut off, how, for how long and at which moment;
//! `SETPOINT_TEST_LONG=1` plays thirty partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use setpoint_test_support::is_long;
use tokio::time::sleep;

use crate::docker_locks::{Locks, SET};
use crate::docker_networked::{Cluster, NODES, Told, all_ready, ready_condition};
use crate::house::{LOOK_EVERY, alone};
use crate::ledger;
use crate::load::seeded;
use crate::networks::Cut;

/// Renewed every second, lost after three; asked to end there after two thirds of what is left of nine.
const SETTINGS: [(&str, &str); 4] = [
    ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
    ("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "3000"),
    ("SETPOINT_AGENT__FENCE_MS", "9000"),
    ("SETPOINT_AGENT__SERVICES__ENABLED", "false"),
];
/// Each course twice, while something else goes on: a minute and a half, two on a busy machine.
const ROUNDS: usize = 10;
/// Each course twice during each of the activities.
const ROUNDS_LONG: usize = 30;
/// A set of a few pods, started one by one on a busy machine.
const RESTS_WITHIN: Duration = Duration::from_secs(120);
/// A lease of three seconds, on a busy machine.
const LOST_WITHIN: Duration = Duration::from_secs(30);
/// What the agent promises itself is nine seconds; Docker takes its time on a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(40);
/// By an operator's word: as soon as a pod starts.
const MOVES_WITHIN: Duration = Duration::from_secs(60);
/// With fewer pods there would be nothing to go one by one.
const REPLICAS_MIN: u32 = 2;
/// One more than there are nodes: some node has two.
const REPLICAS_MAX: u32 = 4;

/// What becomes of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It lasts until the node has ended its pods, and an operator says that it is lost: they run elsewhere
    /// before it returns.
    Said,
    /// It is over before anybody notices.
    Blip,
    /// It lasts until the node has ended its pods, and nobody says anything.
    Ended,
    /// It lasts until the leader holds the node for lost.
    Lost,
    /// The agent dies with its line; the next one, that reaches nobody, ends the pods.
    NewLife,
}

const COURSES: [Course; 5] =
    [Course::Said, Course::Blip, Course::Ended, Course::Lost, Course::NewLife];

/// What goes on while the line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Rest,
    Update,
    Scale,
}

const ACTIVITIES: [Activity; 3] = [Activity::Update, Activity::Rest, Activity::Scale];

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_under_partitions_never_runs_one_identity_twice() {
    let _alone = alone();
    let told = Told { fleet: "partitions-test", pods_join: "none", settings: &SETTINGS };
    let Some(mut cluster) = Cluster::start(&told).await else { return };
    let Some(locks) = Locks::lay(cluster.shared()) else { return };
    locks.see_a_twin(&mut cluster.house, &cluster.nodes).await;
    let mut beside = Vec::new();
    for node in cluster.nodes.iter() {
        beside.push(node.run_beside("beside", &[]).await);
    }
    let mut random = seeded();
    let mut story = Story { cluster, locks, replicas: 3, revision: 1 };
    story.apply().await;
    story.rests().await;
    let rounds = if is_long() { ROUNDS_LONG } else { ROUNDS };
    // Which of them go together differs from seed to seed.
    let shift = random.random_range(0..ACTIVITIES.len());
    for round in 0..rounds {
        let (course, activity) = (COURSES[round % 5], ACTIVITIES[(round + shift) % 3]);
        // Each has its own: how often one had to be drawn does not change the next ones.
        let mut own = StdRng::seed_from_u64(random.random());
        story.partition(course, activity, &mut own).await;
    }
    for (node, id) in story.cluster.nodes.iter().zip(&beside) {
        assert!(node.started(id).await.1, "what is nobody's ran on through all");
    }
    ledger::audit(&story.cluster.api).await;
    println!("{rounds} partitions, {} lives, no identity twice", story.lives());
}

struct Story {
    cluster: Cluster,
    locks: Locks,
    replicas: u32,
    revision: u32,
}

/// A node whose line is cut, and what ran there then.
struct Away {
    node: usize,
    since: Instant,
    /// The identities and the uids of their pods.
    had: BTreeMap<String, String>,
}

impl Story {
    /// One partition, from its cut to the set at rest.
    async fn partition(&mut self, course: Course, activity: Activity, random: &mut StdRng) {
        let how = if random.random() { Cut::Unplugged } else { Cut::Silent };
        self.begin(activity, random).await;
        let away = self.cut_off(how, random).await;
        let node = away.node;
        if course == Course::NewLife {
            self.cluster.house.kill(NODES[node]);
        }
        let mut ended = None;
        match course {
            Course::Blip => self.stays(&away, some_ms(random, 300, 2_000)).await,
            Course::Lost => {
                self.is_lost(&away).await;
                self.stays(&away, some_ms(random, 0, 1_500)).await;
            }
            Course::Ended | Course::Said => ended = Some(self.ends_there(&away).await),
            Course::NewLife => {
                self.stays(&away, some_ms(random, 500, 4_000)).await;
                self.cluster.start_agent(node);
                ended = Some(self.ends_there(&away).await);
            }
        }
        if ended.is_some() {
            self.stays(&away, some_ms(random, 0, 3_000)).await;
        }
        if course == Course::Said {
            self.runs_elsewhere_by_word(&away).await;
        }
        self.cluster.mend(node, how);
        let (cut, mended) = (away.since.elapsed(), Instant::now());
        self.rests().await;
        println!(
            "{course:?} during {activity:?}, {} {how:?} for {cut:.1?} with {:?}: ended there after \
             {ended:.1?}, at rest {:.1?} after the return",
            NODES[node],
            away.had.keys().collect::<Vec<_>>(),
            mended.elapsed(),
        );
    }

    /// Begins what is to go on, and lets it come so far.
    async fn begin(&mut self, activity: Activity, random: &mut StdRng) {
        match activity {
            Activity::Rest => return,
            Activity::Update => self.revision += 1,
            Activity::Scale => {
                let step = random.random_range(1..=REPLICAS_MAX - REPLICAS_MIN);
                let numbers = REPLICAS_MAX - REPLICAS_MIN + 1;
                self.replicas = REPLICAS_MIN + (self.replicas - REPLICAS_MIN + step) % numbers;
            }
        }
        self.apply().await;
        sleep(some_ms(random, 0, 3_000)).await;
    }

    /// Cuts off a node on which pods of the set run: without any it would show nothing.
    async fn cut_off(&self, how: Cut, random: &mut StdRng) -> Away {
        let began = Instant::now();
        loop {
            let node = random.random_range(0..NODES.len());
            self.cluster.cut(node, how);
            let since = Instant::now();
            let had = self.cluster.running(node).await.expect("the engine answers");
            if !had.is_empty() {
                return Away { node, since, had };
            }
            self.cluster.mend(node, how);
            assert!(began.elapsed() < RESTS_WITHIN, "no pod of the set runs anywhere");
            sleep(LOOK_EVERY).await;
        }
    }

    async fn apply(&self) {
        let set = self.locks.set(self.replicas, &self.revision.to_string());
        self.cluster.api.apply(&[set]).await.expect("it is applied");
    }

    /// For so long nothing that the node had runs elsewhere.
    async fn stays(&self, away: &Away, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.nothing_runs_elsewhere(away).await;
            sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now()))).await;
        }
        self.locks.judge();
    }

    /// The leader holds the node for lost; all the same nothing of it runs elsewhere.
    async fn is_lost(&self, away: &Away) {
        let began = Instant::now();
        loop {
            self.nothing_runs_elsewhere(away).await;
            let condition = ready_condition(&self.cluster.api, NODES[away.node]).await;
            if condition.as_ref().is_ok_and(|ready| ready["status"] == "Unknown") {
                return;
            }
            assert!(began.elapsed() < LOST_WITHIN, "it is not held for lost: {condition:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// The node, to which nobody speaks, ends the set's pods by itself; how long that took from the cut on.
    async fn ends_there(&self, away: &Away) -> Duration {
        loop {
            self.nothing_runs_elsewhere(away).await;
            let left = self.cluster.running(away.node).await.expect("the engine answers");
            let took = away.since.elapsed();
            if left.is_empty() {
                self.is_lost(away).await;
                return took;
            }
            assert!(took < ENDS_WITHIN, "{left:?} run on {} since {took:?}", NODES[away.node]);
            sleep(LOOK_EVERY).await;
        }
    }

    async fn nothing_runs_elsewhere(&self, away: &Away) {
        for node in (0..NODES.len()).filter(|node| *node != away.node) {
            let running = self.cluster.running(node).await.expect("the engine answers");
            let twin = away.had.iter().find(|(identity, uid)| {
                running.get(*identity).is_some_and(|elsewhere| elsewhere != *uid)
            });
            assert_eq!(twin, None, "nobody proved that it ended, and {running:?} run");
        }
    }

    /// An operator who has seen that nothing runs there says so: what is wanted of it runs elsewhere, while
    /// the node is still away.
    async fn runs_elsewhere_by_word(&mut self, away: &Away) {
        self.cluster.verb(&format!("node confirm-lost {}", NODES[away.node]));
        let wanted = identities(self.replicas);
        let Cluster { house, api, .. } = &mut self.cluster;
        let moved = async || {
            let pods = api.pods().await?;
            let elsewhere = pods.values().filter(|pod| pod.ready && pod.node != NODES[away.node]);
            let elsewhere: BTreeSet<&str> = elsewhere.map(|pod| pod.name.as_str()).collect();
            let left = away.had.keys().filter(|identity| wanted.contains(*identity));
            let left: Vec<&String> = left.filter(|one| !elsewhere.contains(one.as_str())).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?} do not run elsewhere")) }
        };
        house.until("they run elsewhere by an operator's word", MOVES_WITHIN, moved).await;
        self.locks.judge();
    }

    /// Waits until all is over: each identity that is wanted runs exactly once, at the last revision.
    async fn rests(&self) {
        let began = Instant::now();
        loop {
            self.locks.judge();
            let is = self.is_at_rest().await;
            match is {
                Ok(()) => return,
                Err(is) => assert!(began.elapsed() < RESTS_WITHIN, "not at rest: {is}"),
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn is_at_rest(&self) -> Result<(), String> {
        let api = &self.cluster.api;
        all_ready(api).await?;
        let pods = api.pods().await?;
        let ready = pods.values().filter(|pod| pod.ready).map(|pod| pod.name.clone());
        let (ready, wanted) = (ready.collect::<Vec<_>>(), identities(self.replicas));
        let is_each = ready.len() == wanted.len() && pods.len() == wanted.len();
        if !is_each || ready.into_iter().collect::<BTreeSet<_>>() != wanted {
            return Err(format!("{pods:?}"));
        }
        let path = format!("/apis/apps/v1/namespaces/default/statefulsets/{SET}");
        let status = api.get(&path).await?["status"].clone();
        let count = Value::from(self.replicas);
        let is_over = status["currentRevision"] == status["updateRevision"]
            && [&status["replicas"], &status["readyReplicas"]].iter().all(|n| **n == count);
        if !is_over {
            return Err(status.to_string());
        }
        self.cluster.exactly_the_placed_run().await?;
        let latest = self.locks.latest();
        let revision = self.revision.to_string();
        for (uid, pod) in &pods {
            let began = latest.get(&pod.name);
            if began != Some(&(uid.clone(), revision.clone())) {
                return Err(format!("{uid} {pod:?} at revision {revision}, but {began:?} began"));
            }
        }
        Ok(())
    }

    fn lives(&self) -> usize {
        self.locks.lines().iter().filter(|line| line.begins).count()
    }
}

fn identities(replicas: u32) -> BTreeSet<String> {
    (0..replicas).map(|ordinal| format!("{SET}-{ordinal}")).collect()
}

fn some_ms(random: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.random_range(from..=to))
}
