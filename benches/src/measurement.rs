//! A measured number, beside its yardstick.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One row of the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured, as a path: what, of which size, which figure.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its unit, such as `µs`, `1/s` or `bytes`.
    pub unit: String,
    /// The row of the same run that this one is held against.
    pub yardstick: Option<String>,
    /// This value over the yardstick's.
    pub ratio: Option<f64>,
    /// What must be known to read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The unit of what was not run.
pub const NOT_RUN: &str = "not run";

impl Measurement {
    /// A number that stands alone.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Measurement {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            yardstick: None,
            ratio: None,
            note: None,
        }
    }

    /// What stands in the results without a number, for want of a feature.
    #[must_use]
    pub fn not_run(name: impl Into<String>, feature: &str) -> Self {
        Measurement::new(name, 0.0, NOT_RUN).noted(format!("not run: {feature}"))
    }

    /// The same, with what must be known to read it.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The same, held against another row.
    #[must_use]
    pub fn beside(mut self, yardstick: impl Into<String>) -> Self {
        self.yardstick = Some(yardstick.into());
        self
    }
}

/// Fills in the ratios.
///
/// # Errors
/// A sentence that names a row whose yardstick was not measured in the same run in the same unit,
/// or a row that is not a positive number.
pub fn with_ratios(mut rows: Vec<Measurement>) -> anyhow::Result<Vec<Measurement>> {
    let known: BTreeMap<String, (f64, String)> =
        rows.iter().map(|row| (row.name.clone(), (row.value, row.unit.clone()))).collect();
    for row in &mut rows {
        anyhow::ensure!(
            row.value.is_finite() && (row.value > 0.0 || row.unit == NOT_RUN),
            "{}: {} was measured",
            row.name,
            row.value
        );
        let Some(yardstick) = &row.yardstick else { continue };
        match known.get(yardstick) {
            Some((value, unit)) if *unit == row.unit => row.ratio = Some(row.value / value),
            _ => anyhow::bail!(
                "{}: its yardstick {yardstick} was not measured in {}",
                row.name,
                row.unit
            ),
        }
    }
    Ok(rows)
}

/// The rows as a markdown table.
#[must_use]
pub fn table(rows: &[Measurement]) -> String {
    let mut out = String::from(
        "| measurement | value | unit | yardstick | ratio |\n|---|---:|---|---|---:|\n",
    );
    for row in rows {
        let yardstick = row.yardstick.as_deref().unwrap_or("");
        let ratio = row.ratio.map(short).unwrap_or_default();
        out += &format!(
            "| {} | {} | {} | {yardstick} | {ratio} |\n",
            row.name,
            short(row.value),
            row.unit
        );
    }
    out
}

/// Three digits that count, thousands apart.
fn short(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.prec$}", prec = if value < 10.0 { 2 } else { 1 });
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_value_over_the_yardsticks() {
        let rows =
            vec![Measurement::new("a", 30.0, "µs").beside("b"), Measurement::new("b", 10.0, "µs")];
        let rows = with_ratios(rows).unwrap();
        assert_eq!((rows[0].ratio, rows[1].ratio), (Some(3.0), None));
    }

    #[test]
    fn a_yardstick_that_was_not_measured_or_in_another_unit_is_refused() {
        let alone = vec![Measurement::new("a", 30.0, "µs").beside("b")];
        assert!(with_ratios(alone).is_err());
        let apart =
            vec![Measurement::new("a", 30.0, "µs").beside("b"), Measurement::new("b", 10.0, "s")];
        assert!(with_ratios(apart).is_err());
        assert!(with_ratios(vec![Measurement::new("a", 0.0, "µs")]).is_err());
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [short(1_234_567.4), short(999.6), short(12.34), short(0.5)],
            ["1,234,567", "1,000", "12.3", "0.50"]
        );
    }
}
