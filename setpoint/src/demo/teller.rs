//! What the demo prints.

use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::context::{Printer, note};
use crate::failure::Failure;

/// Prints the story, for people or for machines.
pub(crate) struct Teller {
    json: bool,
    out: Printer,
    began: Instant,
    steps: usize,
}

impl Teller {
    /// Tells on standard output.
    pub(crate) fn new(json: bool) -> Self {
        let out = Printer(Box::new(io::stdout()));
        Teller { json, out, began: Instant::now(), steps: 0 }
    }

    /// A step begins.
    pub(crate) fn begin(&mut self, number: usize, story: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { self.out.line(format!("{number:>2}. {story}")) }
    }

    /// A step ended.
    pub(crate) fn finish(
        &mut self,
        name: &str,
        took: Duration,
        told: &Result<String, Failure>,
    ) -> io::Result<()> {
        self.steps += 1;
        let (ok, detail) = match told {
            Ok(detail) => (true, detail.clone()),
            Err(failure) => (false, failure.to_string()),
        };
        if self.json {
            let line = json!({"step": name, "ok": ok, "seconds": seconds(took), "detail": detail});
            return self.out.line(line.to_string());
        }
        let word = if ok { "ok" } else { "NOT OBSERVED" };
        let detail = detail.trim_end().replace('\n', "\n      ");
        self.out.line(format!("    {word} in {:.1} s\n      {detail}", took.as_secs_f64()))
    }

    /// The story ended well.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let took = self.began.elapsed().as_secs_f64();
        self.out.line(format!("Every one of {} steps was observed, in {took:.1} s.", self.steps))
    }

    /// The ends of the logs, after a failure.
    pub(crate) fn logs(&self, ends: &[(String, String)]) {
        for (name, end) in ends {
            note(format!("--- the end of {name} ---\n{}", end.trim_end()));
        }
    }

    /// Where the demo's folder stays.
    pub(crate) fn kept(&self, folder: &str) {
        note(format!("the demo's folder is kept: {folder}"));
    }
}

/// Seconds with three decimals.
fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}
