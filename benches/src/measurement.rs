//! A measured number, beside its yardstick.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One row of the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured, as a path: what, of which size, which figure.
    pub name: String,
    /// The number: of repeats, their median.
    pub value: f64,
    /// Its unit, such as `µs`, `1/s` or `bytes`.
    pub unit: String,
    /// The worst of its repeats, where there were several.
    #[serde(default)]
    pub worst: Option<f64>,
    /// The row of the same run that this one is held against.
    pub yardstick: Option<String>,
    /// This value over the yardstick's.
    pub ratio: Option<f64>,
    /// What must be known to read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What was aimed at.
    pub goal: Option<f64>,
    /// How the goal is meant; there when the goal is.
    pub aim: Option<Aim>,
    /// Whether the goal was met in this run.
    pub met: Option<bool>,
}

/// What a goal is a bound of, and from which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aim {
    /// The value is to be this much or more.
    #[serde(rename = "value at least")]
    ValueAtLeast,
    /// The value is to be this much or less.
    #[serde(rename = "value at most")]
    ValueAtMost,
    /// The ratio is to be this much or more.
    #[serde(rename = "ratio at least")]
    RatioAtLeast,
    /// The ratio is to be this much or less.
    #[serde(rename = "ratio at most")]
    RatioAtMost,
}

impl Aim {
    /// Whether a row of this value and ratio meets the goal; a ratio that is not there does not.
    fn is_met(self, goal: f64, value: f64, ratio: Option<f64>) -> bool {
        match self {
            Aim::ValueAtLeast => value >= goal,
            Aim::ValueAtMost => value <= goal,
            Aim::RatioAtLeast => ratio.is_some_and(|ratio| ratio >= goal),
            Aim::RatioAtMost => ratio.is_some_and(|ratio| ratio <= goal),
        }
    }
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
            worst: None,
            yardstick: None,
            ratio: None,
            note: None,
            goal: None,
            aim: None,
            met: None,
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

    /// The same, with a goal.
    #[must_use]
    pub fn aiming(mut self, aim: Aim, goal: f64) -> Self {
        self.goal = Some(tidy(goal));
        self.aim = Some(aim);
        self
    }

    /// Whether a higher number of this row is the better one: as its goal says, and without one of
    /// rates only.
    #[must_use]
    pub fn is_more_better(&self) -> bool {
        match self.aim {
            Some(aim) => matches!(aim, Aim::ValueAtLeast | Aim::RatioAtLeast),
            None => self.unit == RATE,
        }
    }

    /// Whether it may be nothing, or less: what is counted or grows may, a time or a rate may not.
    fn may_be_nothing(&self) -> bool {
        [NOT_RUN, "%", "count"].contains(&self.unit.as_str())
    }
}

/// So many of something a second.
pub const RATE: &str = "1/s";

/// A goal as people mean it: what its arithmetic left behind the sixth decimal is not meant.
fn tidy(goal: f64) -> f64 {
    const DECIMALS: f64 = 1e6;
    (goal * DECIMALS).round() / DECIMALS
}

/// Fills in the ratios, and whether the goals were met. One that was not is a row like any other.
///
/// # Errors
/// A sentence that names a row whose yardstick was not measured in the same run in the same unit,
/// or a row that is not a positive number.
pub fn with_ratios(mut rows: Vec<Measurement>) -> anyhow::Result<Vec<Measurement>> {
    let known: BTreeMap<String, (f64, String)> =
        rows.iter().map(|row| (row.name.clone(), (row.value, row.unit.clone()))).collect();
    for row in &mut rows {
        anyhow::ensure!(
            row.value.is_finite() && (row.value > 0.0 || row.may_be_nothing()),
            "{}: {} was measured",
            row.name,
            row.value
        );
        if let Some(yardstick) = &row.yardstick {
            row.ratio = Some(ratio(row, yardstick, &known)?);
        }
        let aim = row.aim.zip(row.goal);
        row.met = aim.map(|(aim, goal)| aim.is_met(goal, row.value, row.ratio));
    }
    Ok(rows)
}

/// A row's value over its yardstick's.
fn ratio(
    row: &Measurement,
    yardstick: &str,
    known: &BTreeMap<String, (f64, String)>,
) -> anyhow::Result<f64> {
    match known.get(yardstick) {
        Some((value, unit)) if *unit == row.unit => Ok(row.value / value),
        _ => anyhow::bail!(
            "{}: its yardstick {yardstick} was not measured in {}",
            row.name,
            row.unit
        ),
    }
}

/// The rows as a markdown table.
#[must_use]
pub fn table(rows: &[Measurement]) -> String {
    let mut out = String::from(
        "| measurement | value | worst | unit | yardstick | ratio | goal | met |\n\
         |---|---:|---:|---|---|---:|---|---|\n",
    );
    for row in rows {
        let yardstick = row.yardstick.as_deref().unwrap_or("");
        let ratio = row.ratio.map(short).unwrap_or_default();
        let met = row.met.map(|met| if met { "yes" } else { "no" }).unwrap_or_default();
        out += &format!(
            "| {} | {} | {} | {} | {yardstick} | {ratio} | {} | {met} |\n",
            row.name,
            in_unit(row.value, &row.unit),
            row.worst.map(|worst| in_unit(worst, &row.unit)).unwrap_or_default(),
            row.unit,
            goal(row)
        );
    }
    out
}

/// The goal as people write it: `≥ 96.14`, or `≤ 4.00×` of the yardstick.
fn goal(row: &Measurement) -> String {
    let Some((aim, goal)) = row.aim.zip(row.goal) else { return String::new() };
    match aim {
        Aim::ValueAtLeast => format!("≥ {}", in_unit(goal, &row.unit)),
        Aim::ValueAtMost => format!("≤ {}", in_unit(goal, &row.unit)),
        Aim::RatioAtLeast => format!("≥ {}×", short(goal)),
        Aim::RatioAtMost => format!("≤ {}×", short(goal)),
    }
}

/// Percentages are compared by their hundredths.
fn in_unit(value: f64, unit: &str) -> String {
    if unit == "%" { format!("{value:.2}") } else { short(value) }
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
    fn a_goal_is_met_from_its_side_and_one_that_is_not_stays_in_the_results() {
        let row =
            |value, aim, goal| Measurement::new("a", value, "%").beside("b").aiming(aim, goal);
        let cases = [
            (Aim::ValueAtLeast, 30.0, true),
            (Aim::ValueAtLeast, 30.01, false),
            (Aim::ValueAtMost, 30.0, true),
            (Aim::ValueAtMost, 29.99, false),
            (Aim::RatioAtLeast, 3.0, true),
            (Aim::RatioAtLeast, 3.1, false),
            (Aim::RatioAtMost, 3.0, true),
            (Aim::RatioAtMost, 2.9, false),
        ];
        for (aim, goal, met) in cases {
            let rows = vec![row(30.0, aim, goal), Measurement::new("b", 10.0, "%")];
            let rows = with_ratios(rows).unwrap();
            assert_eq!((rows[0].met, rows[1].met), (Some(met), None), "{aim:?} {goal}");
        }
    }

    #[test]
    fn a_goal_of_a_ratio_without_a_yardstick_is_not_met() {
        let row = Measurement::new("a", 30.0, "µs").aiming(Aim::RatioAtMost, 4.0);
        assert_eq!(with_ratios(vec![row]).unwrap()[0].met, Some(false));
    }

    #[test]
    fn a_goal_stands_in_the_results_and_in_the_table() {
        let rows = vec![
            Measurement::new("a", 96.371, "%").aiming(Aim::ValueAtLeast, 96.14),
            Measurement::new("b", 9.0, "µs").beside("c").aiming(Aim::RatioAtMost, 4.0),
            Measurement::new("c", 2.0, "µs"),
        ];
        let rows = with_ratios(rows).unwrap();
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(json[0]["goal"], 96.14);
        assert_eq!(json[0]["aim"], "value at least");
        assert_eq!(json[0]["met"], true);
        assert!(json[2]["goal"].is_null() && json[2]["met"].is_null());
        let table = table(&rows);
        assert!(table.contains("| a | 96.37 |  | % |  |  | ≥ 96.14 | yes |\n"), "{table}");
        assert!(table.contains("| b | 9.00 |  | µs | c | 4.50 | ≤ 4.00× | no |\n"), "{table}");
        assert!(table.contains("| c | 2.00 |  | µs |  |  |  |  |\n"), "{table}");
    }

    #[test]
    fn a_goal_has_no_noise_of_its_arithmetic() {
        let row = Measurement::new("a", 1.0, "%").aiming(Aim::ValueAtLeast, 96.34 - 0.2);
        assert_eq!(row.goal, Some(96.14));
    }

    #[test]
    fn rows_of_an_earlier_run_without_goals_are_read() {
        let json = r#"{"name":"a","value":1.0,"unit":"µs","yardstick":null,"ratio":null}"#;
        let row: Measurement = serde_json::from_str(json).unwrap();
        assert_eq!(row, Measurement::new("a", 1.0, "µs"));
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [short(1_234_567.4), short(999.6), short(12.34), short(0.5)],
            ["1,234,567", "1,000", "12.3", "0.50"]
        );
    }
}
