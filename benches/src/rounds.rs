//! Repeats of a measurement: the median and the worst of each row.

use crate::measurement::Measurement;

/// Measures so many times, one round after the other: what a round measures in turns meets the same
/// disturbances of the machine.
///
/// # Errors
/// Whatever a round fails with, and when a row is missing in a round.
pub fn measured(
    rounds: usize,
    mut round: impl FnMut(usize) -> anyhow::Result<Vec<Measurement>>,
) -> anyhow::Result<Vec<Measurement>> {
    let rounds: anyhow::Result<Vec<_>> = (0..rounds.max(1)).map(&mut round).collect();
    merged(rounds?)
}

/// The rows of all rounds as one: the median, the worst, and else what the first round says.
///
/// # Errors
/// When a row is missing in a round.
pub fn merged(rounds: Vec<Vec<Measurement>>) -> anyhow::Result<Vec<Measurement>> {
    let Some(first) = rounds.first().filter(|_| rounds.len() > 1) else {
        return Ok(rounds.into_iter().flatten().collect());
    };
    first.iter().map(|row| one(row, &rounds)).collect()
}

fn one(row: &Measurement, rounds: &[Vec<Measurement>]) -> anyhow::Result<Measurement> {
    let mut found = Vec::with_capacity(rounds.len());
    for round in rounds {
        let same = round.iter().find(|other| other.name == row.name);
        found.push(same.ok_or_else(|| anyhow::anyhow!("{} is missing in a round", row.name))?);
    }
    let mut values: Vec<f64> = found.iter().map(|row| row.value).collect();
    values.sort_by(f64::total_cmp);
    // A round may have been of repeats itself.
    let worsts = found.iter().map(|row| row.worst.unwrap_or(row.value));
    let worst = match row.is_more_better() {
        true => worsts.fold(f64::INFINITY, f64::min),
        false => worsts.fold(f64::NEG_INFINITY, f64::max),
    };
    Ok(Measurement { value: median(&values), worst: Some(worst), ..row.clone() })
}

/// Of an even number the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len().is_multiple_of(2) {
        true => f64::midpoint(sorted[middle - 1], sorted[middle]),
        false => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Aim;

    #[test]
    fn of_repeats_the_median_counts_and_the_worst_is_told() {
        let times = [3.0, 9.0, 1.0];
        let rates = [300.0, 900.0, 100.0];
        let rows = measured(3, |round| {
            Ok(vec![
                Measurement::new("time", times[round], "µs"),
                Measurement::new("rate", rates[round], "1/s"),
                Measurement::new("share", times[round], "%").aiming(Aim::ValueAtMost, 2.0),
            ])
        });
        let rows = rows.unwrap();
        let told: Vec<_> = rows.iter().map(|row| (row.value, row.worst)).collect();
        assert_eq!(told, [(3.0, Some(9.0)), (300.0, Some(100.0)), (3.0, Some(9.0))]);
        assert_eq!(rows[2].goal, Some(2.0));
    }

    #[test]
    fn of_an_even_number_of_repeats_the_middle_two_count() {
        let rows = measured(2, |round| Ok(vec![Measurement::new("a", 2.0 + round as f64, "s")]));
        assert_eq!(rows.unwrap()[0].value, 2.5);
    }

    #[test]
    fn what_was_measured_once_has_no_worst() {
        let rows = measured(1, |_| Ok(vec![Measurement::new("a", 2.0, "s")])).unwrap();
        assert_eq!(rows, [Measurement::new("a", 2.0, "s")]);
    }

    #[test]
    fn a_row_that_one_round_lacks_is_refused() {
        let rows = measured(2, |round| Ok(vec![Measurement::new(format!("a{round}"), 2.0, "s")]));
        assert!(rows.unwrap_err().to_string().contains("a0"));
    }
}
