//! The weather: what goes wrong, and when it is mended.

use std::collections::VecDeque;

use setpoint_schemas::Cut;

use crate::draw::Draw;
use crate::plant::Plant;

/// Jumps of our clock and outages of our API come at least this long after each other: a leader
/// whose clock jumps all the time cannot tell time from silence.
const JUMP_PAUSE_MS: i64 = 10_000;

/// What is wrong at present.
pub(super) struct Weather {
    /// How far the leader's clock is from true time.
    pub(super) skew_ms: i64,
    /// Whether an outage of our API is one of the leader as well: the whole machine stands still.
    pub(super) engine_is_out: bool,
    backlog_until_ms: i64,
    outage_until_ms: i64,
    jumped_ms: i64,
    is_calm: bool,
    now_ms: i64,
    draw: Draw,
}

impl Weather {
    /// Weather of this stream.
    #[must_use]
    pub(super) fn new(draw: Draw) -> Self {
        let (backlog_until_ms, outage_until_ms, jumped_ms) = (0, 0, 0);
        Weather {
            skew_ms: 0,
            engine_is_out: false,
            backlog_until_ms,
            outage_until_ms,
            jumped_ms,
            is_calm: false,
            now_ms: 0,
            draw,
        }
    }

    /// The same clock, and nothing wrong any more.
    #[must_use]
    pub(super) fn calm(before: &Weather) -> Self {
        let new = Weather::new(Draw::new(0));
        Weather { skew_ms: before.skew_ms, is_calm: true, ..new }
    }

    /// Goes on to `now_ms`: something may break, something may be mended.
    pub(super) fn change(&mut self, now_ms: i64, plant: &mut Plant, events: &mut VecDeque<String>) {
        self.now_ms = now_ms;
        if !plant.api_up && self.outage_until_ms <= now_ms {
            (plant.api_up, self.engine_is_out) = (true, false);
            events.push_back("our API answers again".to_owned());
        }
        let what = match self.draw.below(1_000) {
            0..=2 if plant.api_up && self.jumped_ms + JUMP_PAUSE_MS < now_ms => {
                plant.api_up = false;
                self.engine_is_out = self.draw.chance(500);
                self.outage_until_ms = now_ms + self.draw.between(400, 15_000);
                self.jumped_ms = self.outage_until_ms;
                let with = if self.engine_is_out { "with the leader" } else { "alone" };
                format!("our API is out, {with}")
            }
            3..=6 => {
                self.backlog_until_ms = now_ms + self.draw.between(1_000, 8_000);
                "a backlog begins".to_owned()
            }
            7..=9 if self.jumped_ms + JUMP_PAUSE_MS < now_ms => {
                self.jumped_ms = now_ms;
                let by = self.draw.between(-4_000, 20_000);
                self.skew_ms += by;
                format!("the leader's clock jumps by {by} ms")
            }
            10 if plant.nodes.len() < 10 => {
                plant.join();
                "a node joins".to_owned()
            }
            11..=30 => self.hurt_or_mend(plant),
            31 => self.hurt_many(plant),
            _ => return,
        };
        events.push_back(format!("weather: {what}"));
    }

    fn hurt_or_mend(&mut self, plant: &mut Plant) -> String {
        let number = self.draw.below(plant.nodes.len());
        let node = &mut plant.nodes[number];
        let name = node.name.clone();
        if !node.hears() {
            node.partitioned = false;
            node.start_agent();
            return format!("{name} is mended");
        }
        match self.draw.below(3) {
            0 => node.kill_machine(),
            1 => node.kill_agent(),
            _ => node.partitioned = true,
        }
        format!(
            "{name}: machine {} agent {} partitioned {}",
            node.machine_up, node.agent_up, node.partitioned
        )
    }

    /// A switch breaks: most nodes fall silent at once.
    fn hurt_many(&mut self, plant: &mut Plant) -> String {
        for node in &mut plant.nodes {
            if self.draw.chance(700) {
                node.partitioned = true;
            }
        }
        "a switch breaks".to_owned()
    }

    /// How far the leader reads: to the end, or in a backlog a part of each partition.
    pub(super) fn cut(&self, before: &Cut, ends: &Cut, draw: &mut Draw) -> Cut {
        if self.is_calm || self.backlog_until_ms <= self.now_ms {
            return ends.clone();
        }
        let part = |(topic, partition, end): (_, i32, i64)| {
            let from = before.next(topic, partition);
            (topic, partition, from + draw.between(0, (end - from).min(2)))
        };
        ends.iter().map(part).collect()
    }
}
