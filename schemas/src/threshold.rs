//! How little of something may be left, as Kubernetes writes it: an amount, `100Mi`, or a part, `10%`.
//!
//! Source: the kubelet's `--eviction-hard`,
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/>.

use std::fmt;
use std::str::FromStr;

use crate::Quantity;

/// How little may be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    text: String,
    least: Least,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Least {
    /// So much.
    Amount(i64),
    /// So many thousandths of all that there is.
    Permille(i64),
}

/// What is neither an amount nor a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither an amount such as 100Mi nor a part from 0% to 100%")]
pub struct InvalidThreshold {
    /// What was found.
    pub text: String,
}

impl Threshold {
    /// Whether so much of all that there is is less than may be left.
    #[must_use]
    pub fn is_missed(&self, available: i64, all: i64) -> bool {
        available < self.of(all)
    }

    /// How much must be left of all that there is, at least.
    #[must_use]
    pub fn of(&self, all: i64) -> i64 {
        match self.least {
            Least::Amount(amount) => amount,
            Least::Permille(part) => {
                let whole = i128::from(all) * i128::from(part) / 1_000;
                i64::try_from(whole).unwrap_or(i64::MAX)
            }
        }
    }
}

impl FromStr for Threshold {
    type Err = InvalidThreshold;

    fn from_str(text: &str) -> Result<Self, InvalidThreshold> {
        let invalid = || InvalidThreshold { text: text.chars().take(80).collect() };
        let least = match text.strip_suffix('%') {
            Some(part) => {
                // Of a hundredth the thousandths, a hundred of which are one of the whole.
                let permille = Quantity::parse(part).map_err(|_| invalid())?.milli() / 100;
                (0..=1_000).contains(&permille).then_some(Least::Permille(permille))
            }
            None => {
                let amount = Quantity::parse(text).map_err(|_| invalid())?;
                (!amount.is_negative()).then(|| Least::Amount(amount.units()))
            }
        };
        let least = least.ok_or_else(invalid)?;
        Ok(Threshold { text: text.to_owned(), least })
    }
}

impl fmt::Display for Threshold {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_an_amount_or_a_part() {
        let table = [
            ("100Mi", 1 << 40, 100 << 20),
            ("0", 1_000, 0),
            ("10%", 1_000, 100),
            ("0.5%", 1_000, 5),
            ("100%", i64::MAX, i64::MAX),
        ];
        for (text, all, least) in table {
            let threshold: Threshold = text.parse().expect(text);
            assert_eq!((threshold.of(all), &*threshold.to_string()), (least, text));
            assert!(!threshold.is_missed(least, all), "{text}");
            assert!(least == 0 || threshold.is_missed(least - 1, all), "{text}");
        }
        for text in ["", "%", "101%", "-1%", "-1", "ten", "1Mi%"] {
            let found = text.parse::<Threshold>();
            assert!(found.is_err(), "{text}: {found:?}");
        }
    }
}
