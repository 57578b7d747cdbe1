//! Kubernetes quantities: `100m`, `1.5`, `64Mi`, `1e3`.
//!
//! Source: the serialization format of `k8s.io/apimachinery/pkg/api/resource.Quantity`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A quantity, exact to a thousand-millionth, with its text as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    text: String,
    nano: i128,
}

/// A quantity that does not follow the grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid quantity {text:?}: {why}")]
pub struct InvalidQuantity {
    /// What was found.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

const NANO: i128 = 1_000_000_000;
/// Longest accepted text; a 64-bit number with sign, point and suffix needs fewer.
const QUANTITY_BYTES_MAX: usize = 64;
/// Largest decimal exponent: an exa (10^18), as Kubernetes' largest suffix.
const EXPONENT_MAX: u32 = 18;

impl Quantity {
    /// Parses a quantity.
    ///
    /// # Errors
    /// [`InvalidQuantity`] when the text breaks the grammar or exceeds 64-bit range.
    pub fn parse(text: &str) -> Result<Self, InvalidQuantity> {
        nano_of(text)
            .map(|nano| Quantity { text: text.to_owned(), nano })
            .map_err(|why| InvalidQuantity { text: text.chars().take(80).collect(), why })
    }

    /// In thousandths, rounded up: millicores for cpu.
    #[must_use]
    pub fn milli(&self) -> i64 {
        clamp(ceil_div(self.nano, NANO / 1_000))
    }

    /// In whole units, rounded up: bytes for memory.
    #[must_use]
    pub fn units(&self) -> i64 {
        clamp(ceil_div(self.nano, NANO))
    }

    /// Whether the quantity is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nano < 0
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn nano_of(text: &str) -> Result<i128, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > QUANTITY_BYTES_MAX {
        return Err("it is too long");
    }
    let (negative, rest) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest.bytes().position(|b| !b.is_ascii_digit() && b != b'.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (numerator, denominator) = suffix_of(suffix)?;
    let nano = scale(number, numerator, denominator)?;
    if nano > i128::from(i64::MAX) * NANO {
        return Err("it is out of range");
    }
    Ok(if negative { -nano } else { nano })
}

/// The decimal `number` times `numerator` over `denominator`, in nano, rounded up.
fn scale(number: &str, numerator: i128, denominator: i128) -> Result<i128, &'static str> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err("it has no digits");
    }
    if fraction.contains('.') {
        return Err("it has two decimal points");
    }
    let digits: i128 = match format!("{whole}{fraction}").trim_start_matches('0') {
        "" => 0,
        digits => digits.parse().map_err(|_| "it is out of range")?,
    };
    let exponent = u32::try_from(fraction.len()).map_err(|_| "it is too long")?;
    let below = 10i128.checked_pow(exponent).ok_or("it has too many digits")?;
    let above = digits.checked_mul(numerator).and_then(|n| n.checked_mul(NANO));
    let below = below.checked_mul(denominator);
    match (above, below) {
        (Some(above), Some(below)) => Ok(ceil_div(above, below)),
        _ => Err("it is out of range"),
    }
}

fn suffix_of(suffix: &str) -> Result<(i128, i128), &'static str> {
    let power = |base: i128, exponent: u32| (base.pow(exponent), 1);
    Ok(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => power(1000, 1),
        "M" => power(1000, 2),
        "G" => power(1000, 3),
        "T" => power(1000, 4),
        "P" => power(1000, 5),
        "E" => power(1000, 6),
        "Ki" => power(1024, 1),
        "Mi" => power(1024, 2),
        "Gi" => power(1024, 3),
        "Ti" => power(1024, 4),
        "Pi" => power(1024, 5),
        "Ei" => power(1024, 6),
        other => return exponent_of(other),
    })
}

fn exponent_of(suffix: &str) -> Result<(i128, i128), &'static str> {
    const UNKNOWN: &str =
        "its suffix is none of n u m k M G T P E Ki Mi Gi Ti Pi Ei nor an exponent";
    let digits = suffix.strip_prefix(['e', 'E']).ok_or(UNKNOWN)?;
    let exponent: i32 = digits.parse().map_err(|_| UNKNOWN)?;
    if exponent.unsigned_abs() > EXPONENT_MAX {
        return Err("its exponent is out of range");
    }
    let power = 10i128.pow(exponent.unsigned_abs());
    Ok(if exponent < 0 { (1, power) } else { (power, 1) })
}

fn ceil_div(above: i128, below: i128) -> i128 {
    above.div_euclid(below) + i128::from(above.rem_euclid(below) != 0)
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    /// Kubernetes accepts a quantity as text or as a bare number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as \"100m\", \"64Mi\" or 2")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Quantity, E> {
                self.visit_str(&value.to_string())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milli(text: &str) -> i64 {
        Quantity::parse(text).expect(text).milli()
    }

    #[test]
    fn quantities_read_as_kubernetes_reads_them() {
        assert_eq!(milli("100m"), 100);
        assert_eq!(milli("1.5"), 1500);
        assert_eq!(milli(".5"), 500);
        assert_eq!(milli("2e3"), 2_000_000);
        assert_eq!(Quantity::parse("64Mi").expect("64Mi").units(), 64 << 20);
        assert_eq!(Quantity::parse("1.5Gi").expect("1.5Gi").units(), 3 << 29);
        assert_eq!(Quantity::parse("1n").expect("1n").units(), 1);
    }

    #[test]
    fn broken_quantities_are_refused_with_the_reason() {
        for text in ["", "m", "1.2.3", "10Q", "1e99", "99999999999999999999E", "--1", "1 Mi"] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
        assert!(Quantity::parse("-1").expect("-1").is_negative());
    }
}
