//! Numbers of 48 bits, for what a fleet has a million of.

use serde::{Deserialize, Serialize};

/// Bytes of a packed number.
const BYTES: usize = 6;
/// The largest: milliseconds until the year 10889, or 281 million million records of a partition.
const LARGEST: i64 = (1 << (8 * BYTES)) - 1;

/// A number from 0 to 2^48 - 1; what is given beyond is the nearest of these. Engine times and offsets
/// are never beyond; what a node says of its clock may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub(crate) struct Packed([u8; BYTES]);

impl From<i64> for Packed {
    fn from(number: i64) -> Packed {
        let [bytes @ .., _, _] = number.clamp(0, LARGEST).to_le_bytes();
        Packed(bytes)
    }
}

impl From<Packed> for i64 {
    fn from(Packed([a, b, c, d, e, f]): Packed) -> i64 {
        i64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

impl Packed {
    /// The lowest 48 bits of a hash.
    pub(crate) fn lowest_of(hash: u64) -> Packed {
        let [bytes @ .., _, _] = hash.to_le_bytes();
        Packed(bytes)
    }

    pub(crate) fn get(self) -> i64 {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_or_the_nearest_that_there_is() {
        for number in [0, 1, 255, 256, 1_763_768_608_123, LARGEST] {
            assert_eq!(Packed::from(number).get(), number);
        }
        assert_eq!(Packed::from(-5).get(), 0);
        assert_eq!(Packed::from(i64::MAX).get(), LARGEST);
    }
}
