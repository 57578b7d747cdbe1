//! One probe of one life of a container: when it is asked next, and when its answers count. Pure.
//!
//! Source: `worker.doProbe` of the kubelet's prober.

use std::time::Duration;

use setpoint_schemas::Probe;

/// When a probe is asked, and how many answers in a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    /// After the container's start, milliseconds.
    pub(super) delay_ms: i64,
    /// From one question to the next, milliseconds.
    pub(super) period_ms: i64,
    successes: u32,
    failures: u32,
}

/// What the answers say so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Too few answers.
    Open,
    Passes,
    Fails,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    timing: Timing,
    verdict: Verdict,
    /// The last answer, and how many of the same there were in a row.
    last: Option<bool>,
    row: u32,
    due_ms: Option<i64>,
    asked_ms: i64,
    /// The first pause is longer by this: so those that began together do not stay together.
    shift_ms: i64,
}

impl Timing {
    pub(super) fn of(probe: &Probe) -> Self {
        Timing {
            delay_ms: ms(probe.initial_delay()),
            period_ms: ms(probe.period()),
            successes: probe.successes(),
            failures: probe.failures(),
        }
    }
}

impl Machine {
    /// A probe that nobody asks yet, and about which this is known.
    pub(super) fn new(timing: Timing, verdict: Verdict) -> Self {
        let (last, row, due_ms, asked_ms, shift_ms) = (None, 0, None, 0, 0);
        Machine { timing, verdict, last, row, due_ms, asked_ms, shift_ms }
    }

    /// It is asked from this time on.
    pub(super) fn begin(&mut self, at_ms: i64, shift_ms: i64) {
        (self.due_ms, self.shift_ms) = (Some(at_ms), shift_ms);
    }

    /// It is asked no more.
    pub(super) fn hold(&mut self) {
        self.due_ms = None;
    }

    /// When it is to be asked; `None` while it is in flight or not to be asked.
    pub(super) fn due_ms(&self) -> Option<i64> {
        self.due_ms
    }

    pub(super) fn timing(&self) -> Timing {
        self.timing
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether it is to be asked now; it is in flight then, until it answers.
    pub(super) fn ask(&mut self, now_ms: i64) -> bool {
        let is_due = self.due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        if is_due {
            self.asked_ms = self.due_ms.take().unwrap_or(now_ms);
        }
        is_due
    }

    /// Takes an answer in; `None` is none, and counts for nothing. What it says now.
    pub(super) fn answered(&mut self, passed: Option<bool>, now_ms: i64) -> Verdict {
        let pause_ms = self.timing.period_ms.saturating_add(std::mem::take(&mut self.shift_ms));
        // What took longer than a period is asked again at once.
        self.due_ms = Some(self.asked_ms.saturating_add(pause_ms).max(now_ms));
        let Some(passed) = passed else { return self.verdict };
        self.row = if self.last == Some(passed) { self.row.saturating_add(1) } else { 1 };
        self.last = Some(passed);
        let (enough, verdict) = match passed {
            true => (self.timing.successes, Verdict::Passes),
            false => (self.timing.failures, Verdict::Fails),
        };
        if self.row >= enough {
            self.verdict = verdict;
        }
        self.verdict
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(successes: i32, failures: i32, verdict: Verdict) -> Machine {
        let probe = Probe {
            success_threshold: Some(successes),
            failure_threshold: Some(failures),
            ..Probe::default()
        };
        Machine::new(Timing::of(&probe), verdict)
    }

    #[test]
    fn so_many_answers_in_a_row_count() {
        use Verdict::{Fails, Open, Passes};
        // `+` passes, `-` fails, `?` is no answer.
        let table = [
            (1, 3, Open, "+", Passes),
            (1, 3, Open, "--", Open),
            (1, 3, Open, "---", Fails),
            (1, 3, Passes, "--", Passes),
            (1, 3, Passes, "--+--", Passes),
            (1, 3, Passes, "--+---", Fails),
            (2, 1, Fails, "+", Fails),
            (2, 1, Fails, "+-+", Fails),
            (2, 1, Fails, "++", Passes),
            (1, 3, Passes, "-?-?-", Fails),
            (1, 1, Passes, "?", Passes),
        ];
        for (successes, failures, begins, answers, expected) in table {
            let mut machine = machine(successes, failures, begins);
            for answer in answers.chars() {
                machine.answered(Some(answer == '+').filter(|_| answer != '?'), 0);
            }
            assert_eq!(machine.verdict(), expected, "{successes} {failures} {begins:?} {answers}");
        }
    }

    #[test]
    fn it_is_asked_once_a_period_and_never_twice_at_once() {
        let mut machine = machine(1, 3, Verdict::Open);
        assert!(!machine.ask(0), "not begun");
        machine.begin(1_000, 0);
        assert!(!machine.ask(999) && machine.ask(1_007), "late by a little");
        assert!(!machine.ask(60_000) && machine.due_ms().is_none(), "in flight");
        machine.answered(Some(true), 1_500);
        assert_eq!(machine.due_ms(), Some(11_000), "the delay does not add up");
        assert!(machine.ask(11_000));
        machine.answered(Some(true), 34_000);
        assert_eq!(machine.due_ms(), Some(34_000), "it took longer than a period");
        machine.hold();
        assert!(!machine.ask(i64::MAX));
    }

    #[test]
    fn the_first_pause_alone_is_longer() {
        let mut machine = machine(1, 3, Verdict::Open);
        machine.begin(0, 300);
        for (asked_ms, next_ms) in [(0, 10_300), (10_300, 20_300), (20_300, 30_300)] {
            assert!(machine.ask(asked_ms));
            machine.answered(Some(true), asked_ms);
            assert_eq!(machine.due_ms(), Some(next_ms));
        }
    }
}
