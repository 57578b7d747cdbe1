//! Uids as numbers. Their digits are those of a hash already: hashing them again would be waste.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Pods by uid.
pub(super) type Ids = HashMap<u128, u32, BuildHasherDefault<AsItIs>>;

/// The number itself, its halves folded.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = (number as u64) ^ ((number >> 64) as u64);
    }
}

/// The number whose hexadecimal digits these are, hyphens left out; `None` for any other text.
pub(super) fn number(uuid: &[u8]) -> Option<u128> {
    /// Digits and hyphens of a UUID.
    const CHARS: usize = 36;
    if uuid.len() != CHARS {
        return None;
    }
    let mut number = 0;
    for byte in uuid {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'-' => continue,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_its_digits() {
        let uuid = "00000000-0000-8000-a000-0000000000ff";
        assert_eq!(number(uuid.as_bytes()), Some(0x8000_a000_0000_0000_00ff));
        assert_eq!(number(b"web-1"), None);
    }
}
