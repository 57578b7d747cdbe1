//! From bytes to effect, many at once: our engine beside the one by hand on the same fleet.
//!
//! *Effect*: statuses kept, tallies and views settled, and for those that ended the decisions: one pod
//! stops and another has its place. Ours takes each batch as one epoch, with the cold steps that fall
//! due while it works; the rows of the checkpoint are not in it.

use std::time::Duration;

use crate::clock::per_second;
use crate::duel::Duel;
use crate::measurement::{Aim, Measurement, RATE};
use crate::rounds;
use crate::sizes::Sizes;

/// What the engine by hand must do on statuses for the comparison to mean something.
const BY_HAND_MIN: f64 = 2_000_000.0;
/// The share of its rate that ours is to reach, by the smallest batch from which on it holds.
const STATUS_SHARES: [(usize, f64); 2] = [(100_000, 0.5), (1, 0.35)];
/// The same for moves.
const MOVE_SHARES: [(usize, f64); 2] = [(100_000, 0.4), (1, 0.3)];
/// Turns whose time does not count, while maps grow to their size.
const WARM_UPS: usize = 2;
/// One move is as much work as so many statuses: so many fewer are timed.
const MOVE_STATUSES: usize = 8;

/// Measures both engines in turns, batch by batch.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods = sizes.pods_max();
    let mut duel = Duel::new(pods)?;
    let each = sizes.changes / sizes.rounds;
    let mut rows = Vec::new();
    for batch in sizes.effect_batches.iter().filter(|batch| **batch <= pods) {
        let kinds: [(&str, Take, usize, _); 2] = [
            ("status events", Duel::statuses, each, STATUS_SHARES),
            ("moves", Duel::moves, each / MOVE_STATUSES, MOVE_SHARES),
        ];
        for (what, take, each, shares) in kinds {
            let turns = each.div_ceil(*batch);
            for _ in 0..WARM_UPS.min(turns) {
                take(&mut duel, *batch)?;
            }
            let name = |which: &str| {
                format!("{what} to effect, {pods} pods, in batches of {batch}/{which}")
            };
            let share = shares.iter().find(|(from, _)| batch >= from).map(|(_, share)| *share);
            let measured =
                rounds::measured(sizes.rounds, |_| turn(&mut duel, take, *batch, turns, &name))?;
            rows.extend(aimed(measured, share, what == "moves"));
        }
        duel.check()?;
    }
    Ok(rows)
}

type Take = fn(&mut Duel, usize) -> anyhow::Result<(Duration, Duration)>;

fn turn(
    duel: &mut Duel,
    take: Take,
    batch: usize,
    turns: usize,
    name: &impl Fn(&str) -> String,
) -> anyhow::Result<Vec<Measurement>> {
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..turns {
        let (our_time, their_time) = take(duel, batch)?;
        ours += our_time;
        theirs += their_time;
    }
    let rate = |took| per_second(batch * turns, took);
    Ok(vec![
        Measurement::new(name("setpoint"), rate(ours), RATE).beside(name("by hand")),
        Measurement::new(name("by hand"), rate(theirs), RATE),
    ])
}

/// The goal of ours, unless the engine by hand is too slow to be one.
fn aimed(rows: Vec<Measurement>, share: Option<f64>, is_moves: bool) -> Vec<Measurement> {
    let by_hand = rows.iter().find(|row| row.yardstick.is_none()).map_or(0.0, |row| row.value);
    let is_void = !is_moves && by_hand < BY_HAND_MIN;
    let aim = |row: Measurement| match (row.yardstick.is_some(), share) {
        (true, Some(share)) if !is_void => row.aiming(Aim::RatioAtLeast, share),
        (true, Some(_)) => row.noted("void: the engine by hand did under 2,000,000 a second"),
        _ => row,
    };
    rows.into_iter().map(aim).collect()
}
