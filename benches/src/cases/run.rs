//! Runs a case: from the first pod offered to the last node chosen, reservation included.

use std::time::Duration;

use setpoint_placement::{Fleet, NodeId, NodeInfo, Placing, SAMPLES_DEFAULT};

use crate::cases::case::{Case, During};
use crate::cases::end;
use crate::cases::guests::Guests;
use crate::cases::stage::{self, Offer, Offers};
use crate::clock::{per_second, timed};

/// What the runs of a case gave.
pub(crate) struct Outcome {
    /// Decisions a second, of each run, slowest first.
    pub(crate) rates: Vec<f64>,
    /// Nodes that the case has.
    pub(crate) nodes: usize,
    /// Nodes that were asked for each measured pod, in the mean of the last run.
    pub(crate) asked: f64,
    /// Pods that had to go for each measured pod, in the mean of the last run.
    pub(crate) evicted: f64,
}

/// Runs of each case: the median counts.
const RUNS: usize = 5;

/// Runs a case at a size and looks at how each run ended before its time counts.
pub(crate) fn run(case: &Case, size: usize) -> anyhow::Result<Outcome> {
    let manifests = stage::nodes(case, size);
    let infos: Vec<NodeInfo> =
        manifests.iter().map(stage::node_info).collect::<anyhow::Result<_>>()?;
    let offers = stage::offers(case, size)?;
    let mut rates = Vec::with_capacity(RUNS);
    let (mut asked, mut evicted) = (0.0, 0.0);
    for _ in 0..RUNS {
        let (mut fleet, mut places) = stage::fleet(case, &infos, &offers)?;
        let guests = case.preempts().then(|| Guests::of(&offers, &places, infos.len()));
        let mut run = Run { fleet: &mut fleet, offers: &offers, guests, ticks: 0, deleted: 0 };
        let before = run.fleet.nodes_asked();
        let (chosen, took) = run.timed(case)?;
        asked = (run.fleet.nodes_asked() - before) as f64 / chosen.len() as f64;
        let deleted = run.deleted;
        let guests = run.guests.take();
        places.extend(offers.backlog.iter().map(|o| o.id).zip(chosen.iter().copied()));
        leaving(case, &offers)[..deleted].iter().for_each(|offer| {
            places.remove(&offer.id);
        });
        let measured = &chosen[offers.backlog.len()..];
        places.extend(offers.measured.iter().map(|offer| offer.id).zip(measured.iter().copied()));
        if let Some(guests) = guests {
            places.extend(guests.placed_beside);
            guests.gone.iter().for_each(|pod| {
                places.remove(pod);
            });
            evicted = guests.gone.len() as f64 / offers.measured.len() as f64;
        }
        end::check(case, &manifests, &offers, &places)?;
        rates.push(per_second(offers.measured.len(), took));
    }
    rates.sort_by(f64::total_cmp);
    Ok(Outcome { rates, nodes: manifests.len(), asked, evicted })
}

/// The pods of which one after the other is deleted.
fn leaving<'a>(case: &Case, offers: &'a Offers) -> &'a [Offer] {
    match case.during {
        During::DeletePlacedEach(_) => &offers.before,
        _ => &offers.backlog,
    }
}

struct Run<'a> {
    fleet: &'a mut Fleet,
    offers: &'a Offers,
    /// Who is where, where some pods look for others to go.
    guests: Option<Guests<'a>>,
    /// How often something happened beside the measured pods.
    ticks: usize,
    /// Of those that leave, in order.
    deleted: usize,
}

impl Run<'_> {
    /// The node of each pod of the backlog and each measured one, in order, and the time.
    fn timed(&mut self, case: &Case) -> anyhow::Result<(Vec<NodeId>, Duration)> {
        let (chosen, took) = timed(|| self.decide_all(case));
        Ok((chosen?, took))
    }

    fn decide_all(&mut self, case: &Case) -> anyhow::Result<Vec<NodeId>> {
        let offers = self.offers;
        let mut chosen = Vec::with_capacity(offers.backlog.len() + offers.measured.len());
        for offer in &offers.backlog {
            chosen.push(self.decide(offer)?);
        }
        for (number, offer) in offers.measured.iter().enumerate() {
            self.meanwhile(case, number)?;
            chosen.push(self.decide(offer)?);
        }
        Ok(chosen)
    }

    fn decide(&mut self, offer: &'_ Offer) -> anyhow::Result<NodeId> {
        match &mut self.guests {
            Some(guests) => guests.decide(self.fleet, offer),
            None => stage::decide(self.fleet, offer),
        }
    }

    fn meanwhile(&mut self, case: &Case, number: usize) -> anyhow::Result<()> {
        match case.during {
            During::HighEach(pods) if number.is_multiple_of(pods) => {
                let Some(offer) = self.offers.high.get(number / pods) else { return Ok(()) };
                let Some(guests) = &mut self.guests else { return Ok(()) };
                let node = guests.decide(self.fleet, offer)?;
                guests.placed_beside.push((offer.id, node));
                Ok(())
            }
            During::NineCpuEach(pods) if number.is_multiple_of(pods) => self.nine_cpu(),
            During::NodeAndPodEach(pods) if number.is_multiple_of(pods) => {
                self.node_comes_or_goes()?;
                self.nine_cpu()
            }
            During::DeleteEach(pods) | During::DeletePlacedEach(pods)
                if number.is_multiple_of(pods) =>
            {
                if let Some(offer) = leaving(case, self.offers).get(self.deleted) {
                    self.fleet.release(offer.id);
                    self.deleted += 1;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn nine_cpu(&mut self) -> anyhow::Result<()> {
        let offer: &Offer = &self.offers.nine_cpu[self.ticks % self.offers.nine_cpu.len()];
        self.ticks += 1;
        let placing = self.fleet.place(&offer.uid, &offer.shape, 1, SAMPLES_DEFAULT);
        anyhow::ensure!(matches!(placing, Placing::Unplaceable(_)), "a pod of nine cpu was placed");
        let Some(guests) = &self.guests else { return Ok(()) };
        let found = self.fleet.preempt(&offer.uid, &offer.shape, 1, guests);
        anyhow::ensure!(found.is_none(), "others go in vain for a pod of nine cpu");
        Ok(())
    }

    /// A node on which nothing has room, at every other time.
    fn node_comes_or_goes(&mut self) -> anyhow::Result<()> {
        let id = NodeId(u32::MAX);
        if !self.ticks.is_multiple_of(2) {
            self.fleet.remove_node(id);
            return Ok(());
        }
        let manifest = serde_json::json!({ "name": "churn", "taints": [], "allocatable": { "pods": "0" },
            "labels": { "kubernetes.io/hostname": "churn" } });
        self.fleet.upsert_node(id, stage::node_info(&manifest)?);
        Ok(())
    }
}
