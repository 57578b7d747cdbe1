//! Variables that look like ours and are none: most often a slip of the pen, such as one underscore
//! where two stand.

use figment::value::Value;

use crate::source::PREFIX;

/// Variables of this prefix that are no settings: the file's name, what tests and scripts are steered
/// by, and what containers are told.
const OTHERS: &[&str] = &[
    "CONFIG",
    "DATA",
    "KAFKA_LIBS",
    "KAFKA_VERSION",
    "NAMESPACE",
    "POD_NAME",
    "POD_UID",
    "REQUIRE_REAL",
    "BLESS",
    "SEED",
    "SEEDS",
];
/// What begins the names of whole families of such variables.
const OTHER_FAMILIES: &[&str] = &["MOUNT_", "TEST_"];

/// A variable that no one reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its name; the value may be a secret.
    pub name: String,
    /// The variable that was probably meant.
    pub nearest: String,
}

/// Those among these variables, in their order.
pub(crate) fn unknown(shape: &Value, variables: &[(String, String)]) -> Vec<Unknown> {
    let mut known = Vec::new();
    names(shape, "", &mut known);
    let is_other = |short: &str| {
        OTHERS.contains(&short) || OTHER_FAMILIES.iter().any(|family| short.starts_with(family))
    };
    let strays = variables.iter().filter_map(|(name, _)| {
        let short = name.strip_prefix(PREFIX)?;
        let is_read = short.contains("__") || known.iter().any(|k| k.eq_ignore_ascii_case(short));
        (!is_read && !is_other(short)).then_some((name, short))
    });
    let nearest = |short: &str| {
        let best = known.iter().min_by_key(|known| distance(short, known));
        best.map(|known| format!("{PREFIX}{known}")).unwrap_or_default()
    };
    strays.map(|(name, short)| Unknown { name: name.clone(), nearest: nearest(short) }).collect()
}

/// The names of all settings behind the prefix: `API__ADDRESS`.
fn names(shape: &Value, above: &str, found: &mut Vec<String>) {
    match shape.as_dict().filter(|inner| !inner.is_empty()) {
        None => found.push(above.to_owned()),
        Some(inner) => {
            for (key, value) in inner {
                let key = key.to_ascii_uppercase();
                let name = if above.is_empty() { key } else { format!("{above}__{key}") };
                names(value, &name, found);
            }
        }
    }
}

/// How many letters must be put in, left out or changed to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.to_ascii_uppercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, known) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *known);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
