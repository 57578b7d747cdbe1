//! A journey: a plant, a log, leaders and people, from a seed, through faults to rest.
//!
//! Guarantee: the same seed gives the same trace.

mod bounded;
mod choosy;
mod claiming;
mod depending;
mod drained;
mod owning;
mod plan;
mod ranked;
mod reverting;
mod same;
mod served;
mod stateful;
mod tainted;
mod trace;
mod working;
mod leader;
mod operator;
mod stranger;
mod weather;

pub use leader::Leader;
pub use operator::Operator;
pub use plan::Plan;
use same::same;
use stranger::Stranger;
pub use trace::Trace;

use std::collections::VecDeque;

use setpoint_dataflow::{Engine, Epoch, Outcome, Remains};
use setpoint_schemas::{Action, Cut, Decision, NodeName, Policy, ResourceKey};

use crate::committed::{Checkpoint, Committed};
use crate::draw::Draw;
use crate::invariants::{Auditor, GRACE_MS};
use crate::memory_log::MemoryLog;
use crate::plant::{Plant, SimNode};
use crate::recount::Recount;
use crate::watched::Watched;
use weather::Weather;

/// One look at the world.
pub(crate) const TICK_MS: i64 = 200;
/// True time when a journey begins, milliseconds since 1970: 2026-01-01.
const BEGIN_MS: i64 = 1_767_225_600_000;
/// Time for a fleet to come to rest after the last fault: the longest backoff and some more.
const REST_MS_MAX: i64 = 400_000;

/// The whole system.
pub struct Journey {
    plan: Plan,
    policy: Policy,
    now_ms: i64,
    log: MemoryLog,
    plant: Plant,
    operator: Operator,
    weather: Weather,
    committed: Committed,
    leader: Option<Leader>,
    shadows: Vec<(&'static str, Engine<Watched>)>,
    stranger: Option<Stranger>,
    auditor: Auditor,
    recount: Recount,
    rows: Checkpoint,
    draw: Draw,
    trace: Trace,
    events: VecDeque<String>,
    /// What the leader is still to write tombstones of.
    remains: Vec<Remains>,
    /// Whether the next leader is the one that followed under other rules.
    takes_over: bool,
    /// Whether all that is decided is counted anew: as long as no leader was rebuilt. From there on
    /// what can be counted without its memory.
    is_counted: bool,
}

impl Journey {
    /// A journey of this plan, at its beginning.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let mut draw = Draw::new(plan.seed);
        let nodes = 1 + draw.below(7);
        let policy = Policy {
            lease_renew_ms: SimNode::RENEW_MS,
            lease_grace_ms: GRACE_MS,
            starts_per_second: *draw.pick(&[1, 3, 10_000]),
            starts_burst: *draw.pick(&[2, 100_000]),
            ..Policy::default()
        };
        let stranger = plan.stranger.then(|| Stranger::new(&policy));
        Journey {
            plan,
            recount: Recount::new(policy.clone()),
            policy,
            now_ms: BEGIN_MS,
            log: MemoryLog::default(),
            plant: Plant::new(nodes, draw.fork()).fenced(plan.fenced, plan.trims),
            operator: Operator::new(draw.fork(), &plan),
            weather: Weather::new(draw.fork()),
            committed: Committed::default(),
            leader: None,
            shadows: Vec::new(),
            stranger,
            auditor: Auditor::default(),
            rows: Checkpoint::default(),
            draw,
            trace: Trace::default(),
            events: VecDeque::new(),
            remains: Vec::new(),
            takes_over: false,
            is_counted: true,
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// What did not hold, with the last events.
    pub fn run(mut self) -> Result<Trace, String> {
        for tick in 0..self.plan.ticks {
            self.weather.change(self.now_ms, &mut self.plant, &mut self.events);
            if tick == 5 || self.draw.chance(100) {
                let asked = self.operator.ask(&self.plant, &self.committed);
                self.tell(format!("asked: {asked:?}"));
                self.log.append(asked);
            }
            self.tick(true).map_err(|broken| self.failed(&broken))?;
        }
        self.rest().map_err(|broken| self.failed(&broken))?;
        Ok(self.trace)
    }

    /// After the last fault: until all is as it should be.
    fn rest(&mut self) -> Result<(), String> {
        self.plant.heal(self.now_ms);
        self.weather = Weather::calm(&self.weather);
        self.tell("the last fault is over".to_owned());
        if self.plan.tainted {
            // A pod that bears a taint for some seconds comes and goes as long as that is there.
            for asked in Operator::last_words(&self.plant) {
                self.log.append(asked);
            }
        }
        if self.plan.working {
            for asked in Operator::last_work() {
                self.log.append(asked);
            }
        }
        if self.plan.owning {
            for asked in Operator::last_holds() {
                self.log.append(asked);
            }
        }
        let end_ms = self.now_ms + REST_MS_MAX;
        loop {
            if self.plan.depending {
                for asked in depending::open_all(&self.committed) {
                    self.log.append(asked);
                }
            }
            for _ in 0..10 {
                self.tick(false)?;
            }
            let fits = |key: &ResourceKey, node: &NodeName| self.recount.fits(key, node);
            match self.auditor.at_rest(&self.plant, &self.committed, &self.log, &fits) {
                Ok(()) => return Ok(()),
                Err(unrest) if self.now_ms > end_ms => {
                    return Err(format!("the fleet does not come to rest: {unrest}"));
                }
                Err(_) => {}
            }
        }
    }

    fn tick(&mut self, stormy: bool) -> Result<(), String> {
        self.now_ms += TICK_MS;
        let as_of = self.committed.as_of();
        self.plant.step(self.now_ms, as_of, &self.committed, &mut self.log);
        if let Some(twice) = self.plant.run_twice() {
            return Err(format!("an identity runs twice: {twice}"));
        }
        if self.weather.engine_is_out {
            return Ok(());
        }
        if self.leader.is_none() {
            self.recover();
        }
        if stormy && self.draw.chance(6) {
            return self.crash();
        }
        self.decide()?;
        // The tombstones are written beside the epochs, by and by.
        if self.draw.chance(500) {
            self.remains.drain(..).for_each(|remains| self.log.bury(&remains));
        }
        Ok(())
    }

    fn clock_ms(&self) -> i64 {
        self.now_ms + self.weather.skew_ms
    }

    fn recover(&mut self) {
        if let Some(stranger) = self.stranger.take_if(|_| self.takes_over) {
            return self.take_over(stranger);
        }
        let clock_ms = self.clock_ms();
        let (views, kept) = (Watched::by_hand(), self.draw.chance(500));
        let (committed, log, policy) = (&self.committed, &self.log, &self.policy);
        let mut leader = Leader::recover(committed, log, policy, views, clock_ms, kept);
        let is_rebuilt = committed.is_trimmed && committed.checkpoint.number == 0;
        self.trace.rebuilds += usize::from(is_rebuilt);
        self.tell(format!(
            "a leader of term {} from the checkpoint of epoch {}, rebuilt {is_rebuilt}",
            leader.term, self.committed.checkpoint.number
        ));
        self.auditor.reads_from(&leader.engine.everything());
        if leader.is_marked {
            // Of pods that stop, which no placement names any more, it may know others; and what it
            // was told late or not at all it cannot be held to.
            let known = leader.engine.everything();
            self.is_counted = false;
            self.recount.begin_anew(&known, if is_rebuilt { 0 } else { self.policy.starts_burst });
            self.auditor.shown(&known);
            self.committed.shown(&known);
        }
        self.rows = self.committed.checkpoint.clone();
        let (number, cut) = (leader.engine.number(), self.committed.cut());
        self.rows.write(leader.engine.take_rows(), number, &cut);
        if self.plan.all_views {
            let mut others = vec![
                ("the engine over the dataflow", Watched::by_dataflow()),
                ("the engine over views from scratch", Watched::from_scratch()),
            ];
            if let Some(workers) = self.plan.workers {
                others.push(("the engine over several workers", Watched::by_workers(workers)));
            }
            let (committed, log, policy) = (&self.committed, &self.log, &self.policy);
            let recover = |(who, views)| {
                (who, Leader::recover(committed, log, policy, views, clock_ms, kept).engine)
            };
            self.shadows = others.into_iter().map(recover).collect();
        }
        self.remains = leader.engine.remains();
        self.leader = Some(leader);
    }

    /// The engine of other rules leads: with the rules of the house from now on, and a state that
    /// it made by following.
    fn take_over(&mut self, stranger: Stranger) {
        self.tell("an engine that followed under other rules takes over".to_owned());
        self.trace.takeovers += 1;
        self.is_counted = false;
        let (term, looked_ms) = (self.committed.as_of().0 + 1, self.clock_ms());
        let mut leader = stranger.lead(term, looked_ms);
        let known = leader.engine.everything();
        self.recount.begin_anew(&known, self.policy.starts_burst);
        self.auditor.shown(&known);
        self.committed.shown(&known);
        self.rows = Checkpoint::default();
        let (number, cut) = (leader.engine.number(), self.committed.cut());
        self.rows.write(leader.engine.take_rows(), number, &cut);
        if self.plan.all_views {
            let dataflow = self.rows.restore(Watched::by_dataflow());
            self.shadows = vec![("the engine over the dataflow", dataflow)];
        }
        self.remains = leader.engine.remains();
        self.leader = Some(leader);
    }

    /// The leader dies: with an epoch decided and not committed, or between two epochs.
    fn crash(&mut self) -> Result<(), String> {
        self.trace.crashes += 1;
        if self.draw.chance(500) {
            self.decide()?;
            self.tell("the leader dies after its commit".to_owned());
        } else if let Some((epoch, _)) = self.cut() {
            let leader = self.leader.as_mut().ok_or("a leader leads")?;
            leader.engine.step(epoch);
            self.tell("the leader dies before its commit".to_owned());
        }
        (self.leader, self.shadows) = (None, Vec::new());
        self.remains.clear();
        self.takes_over = self.draw.chance(500);
        if self.plan.trims && self.draw.chance(250) {
            self.tell("the log is trimmed, and the checkpoint is lost".to_owned());
            (self.committed.is_trimmed, self.committed.checkpoint) = (true, Checkpoint::default());
        }
        Ok(())
    }

    /// What the leader reads next, if there is a reason to.
    fn cut(&mut self) -> Option<(Epoch, Cut)> {
        let clock_ms = self.clock_ms();
        let ends = self.log.ends();
        let before = self.committed.cut();
        let cut = self.weather.cut(&before, &ends, &mut self.draw);
        let leader = self.leader.as_mut()?;
        let is_due = leader.due_ms.is_some_and(|due| due <= clock_ms);
        if cut == before && !is_due && !leader.wants_cold && !leader.is_first {
            // A leader that waits is not paused: it looks at the log all the time.
            leader.looked_ms = clock_ms.max(leader.looked_ms);
            return None;
        }
        let time_ms = clock_ms.max(leader.engine.time_ms());
        let stalled = time_ms - leader.looked_ms > self.policy.lease_grace_ms / 2;
        leader.looked_ms = time_ms;
        let is_marked = leader.is_first && leader.is_marked;
        let is_new = is_marked || (leader.is_first && leader.engine.number() == 0);
        let epoch = Epoch {
            number: leader.engine.number() + 1,
            term: leader.term,
            time_ms,
            cold: leader.wants_cold && self.draw.chance(500),
            complete: cut == ends,
            renew_leases: leader.is_first || stalled,
            policy: is_new.then(|| self.policy.clone()),
            rebuilt: is_marked,
            behind: cut != ends,
            inputs: self.log.between(&before, &cut),
        };
        Some((epoch, cut))
    }

    fn decide(&mut self) -> Result<Option<Outcome>, String> {
        let Some((epoch, cut)) = self.cut() else { return Ok(None) };
        let is_watched = self.draw.chance(self.plan.rebuilt_in_thousand);
        let rebuilt =
            (is_watched && self.rows.number > 0).then(|| self.rows.restore(Watched::by_hand()));
        let Some(leader) = self.leader.as_mut() else { return Ok(None) };
        let recorded = Epoch { inputs: Vec::new(), ..epoch.clone() };
        let outcome = leader.engine.step(epoch.clone());
        leader.is_first = false;
        (leader.due_ms, leader.wants_cold) = (outcome.due_ms, outcome.wants_cold);
        self.rows.write(leader.engine.take_rows(), outcome.number, &cut);
        let window = leader.window.clone();

        for decision in outcome.ledger() {
            self.tell(format!(
                "{:?} {} {} {} {}: {}",
                decision.action,
                decision.resource,
                decision.pod,
                decision.node,
                decision.rule,
                decision.reason
            ));
        }
        self.tell(format!(
            "epoch {} at {} complete {} renew {}: {} inputs",
            outcome.number,
            outcome.time_ms - BEGIN_MS,
            epoch.complete,
            epoch.renew_leases,
            epoch.inputs.len()
        ));
        if let Some(mut rebuilt) = rebuilt {
            same("an engine rebuilt from its rows", &rebuilt.step(epoch.clone()), &outcome)?;
        }
        for (who, shadow) in &mut self.shadows {
            let other = shadow.step(epoch.clone());
            same(who, &other, &outcome)?;
            if other != outcome {
                return Err(format!("{who} serves otherwise: {other:#?}\nnot {outcome:#?}"));
            }
        }
        self.remains.extend(outcome.remains.iter().cloned());
        let hash = outcome.hash;
        self.committed.commit(recorded, cut.clone(), &outcome, &mut self.log);
        self.auditor.committed(&epoch, &outcome, &cut, &self.log, &self.plant, self.now_ms)?;
        // Looked into or not, the engine goes on the same.
        if self.draw.chance(500) {
            let known = self.known();
            self.auditor.allocations(&window.allocations(), &known)?;
        }
        if epoch.cold {
            self.auditor.told(&self.known())?;
        }
        match self.is_counted {
            true => self.recount.committed(&epoch, &outcome)?,
            false => self.recount.committed_anew(&epoch, &outcome)?,
        }
        if let Some(stranger) = &mut self.stranger {
            self.trace.differences += stranger.follow(epoch, &self.committed)?;
        }
        if self.draw.chance(40) {
            self.committed.checkpoint = self.rows.clone();
        }
        self.trace.epochs += 1;
        let ledger = outcome.ledger();
        let stopped_by = |rule: &str| {
            let stops = ledger.iter().filter(|decision| decision.action == Action::Stop);
            stops.filter(|decision| decision.rule == rule).count()
        };
        self.trace.preempted += stopped_by("preemption");
        self.trace.evicted += stopped_by("taint") + stopped_by("eviction");
        let rolled_by = |rule: &str| ledger.iter().filter(|d| d.rule == rule).count();
        self.trace.scheduled += rolled_by("cron");
        self.trace.reverted += rolled_by("auto_revert");
        let of_a_set = |d: &&Decision| !d.resource.contains("/Deployment/");
        let reverts = ledger.iter().filter(|d| d.rule == "auto_revert");
        self.trace.reverted_sets += reverts.filter(of_a_set).count();
        let is_held = |d: &&Decision| d.rule == "depends_on" && d.action == Action::Wait;
        self.trace.held += ledger.iter().filter(is_held).count();
        self.trace.refused += rolled_by("quota") + rolled_by("limit_range");
        let refusals = ledger.iter().filter(|d| d.rule == "quota" || d.rule == "limit_range");
        self.trace.refused_sets += refusals.filter(of_a_set).count();
        self.trace.collected += rolled_by("garbage");
        let ended = |d: &&Decision| d.rule == "job" && d.action == Action::Rollout;
        self.trace.ended += ledger.iter().filter(ended).count();
        self.trace.hash = self.trace.hash.rotate_left(7) ^ u64::from_ne_bytes(hash.to_ne_bytes());
        self.trace.hash =
            self.trace.hash.wrapping_mul(31).wrapping_add(outcome.time_ms.unsigned_abs());
        Ok(Some(outcome))
    }

    /// All that the leader would tell a new reader.
    fn known(&self) -> Outcome {
        self.leader.as_ref().map(|leader| leader.engine.everything()).unwrap_or_default()
    }

    fn tell(&mut self, event: String) {
        if self.events.len() >= self.plan.events_told {
            self.events.pop_front();
        }
        let cut: String = event.chars().take(400).collect();
        self.events.push_back(format!("{:>7} {cut}", self.now_ms - BEGIN_MS));
    }

    fn failed(&self, broken: &str) -> String {
        let events: Vec<&str> = self.events.iter().map(String::as_str).collect();
        format!(
            "{}\n{broken}\nsimulation failed: make simulate SEED={}",
            events.join("\n"),
            self.plan.seed
        )
    }
}
