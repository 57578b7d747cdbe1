//! Two timely workers beside one: a place for their rows until the engine has a second one.

use crate::measurement::Measurement;

/// Rows that say what is lacking.
pub(crate) fn measure() -> Vec<Measurement> {
    let rows =
        ["batch throughput, dataflow only", "batch throughput, end to end", "p99 of a decision"];
    let row = |what| Measurement::not_run(format!("two workers/{what}"), "a second timely worker");
    rows.map(row).to_vec()
}
