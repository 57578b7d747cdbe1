//! Two timely workers beside one: the views alone, and a whole engine from bytes on.

mod counting;
mod flood;

use crate::measurement::Measurement;
use crate::sizes::Sizes;

/// What a second worker is to gain in batches of the views, and of the whole.
const GAINS: (f64, f64) = (1.8, 1.3);
/// What it may cost a single event.
const COST: f64 = 2.0;

/// Both.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let mut rows = counting::measure(sizes)?;
    rows.extend(flood::measure(sizes)?);
    Ok(rows)
}
