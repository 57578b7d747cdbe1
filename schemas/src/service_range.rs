//! The addresses that Services are given.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A range with a longer prefix has no room: the first and the last address are nobody's.
const PREFIX_MAX: u32 = 30;
/// A larger range is a mistake: there are not that many Services.
const PREFIX_MIN: u32 = 8;
/// Kubernetes leaves between these many of the first addresses to who asks for one of them, a sixteenth of
/// the range at most, and none of a small one.
const ASKED_FOR_MIN: u32 = 16;
/// The most of them.
const ASKED_FOR_MAX: u32 = 256;

/// A range of addresses, such as `127.96.0.0/12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceRange {
    first: u32,
    prefix: u32,
}

/// A text that is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no range of addresses: expected such as 127.96.0.0/12, with a prefix from 8 to 30"
)]
pub struct InvalidServiceRange(String);

impl FromStr for ServiceRange {
    type Err = InvalidServiceRange;

    fn from_str(text: &str) -> Result<Self, InvalidServiceRange> {
        let wrong = || InvalidServiceRange(text.chars().take(80).collect());
        let (base, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let base: Ipv4Addr = base.parse().map_err(|_| wrong())?;
        let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
        if !(PREFIX_MIN..=PREFIX_MAX).contains(&prefix) {
            return Err(wrong());
        }
        Ok(ServiceRange { first: base.to_bits() & (u32::MAX << (u32::BITS - prefix)), prefix })
    }
}

impl ServiceRange {
    /// Whether a Service may have this address.
    #[must_use]
    pub fn has(&self, address: Ipv4Addr) -> bool {
        let place = address.to_bits().wrapping_sub(self.first);
        (1..self.addresses() - 1).contains(&place)
    }

    /// How many addresses there are for Services that ask for none.
    #[must_use]
    pub fn given(&self) -> u32 {
        self.addresses() - 1 - self.asked_for()
    }

    /// One of them, by its place; behind the last comes the first again.
    #[must_use]
    pub fn at(&self, place: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first + self.asked_for() + place % self.given())
    }

    fn addresses(&self) -> u32 {
        1 << (u32::BITS - self.prefix)
    }

    /// The first address that is given.
    fn asked_for(&self) -> u32 {
        let addresses = self.addresses();
        let few = (addresses / 16).clamp(ASKED_FOR_MIN, ASKED_FOR_MAX);
        if addresses > ASKED_FOR_MIN { few.min(addresses / 2) } else { 1 }
    }
}

impl TryFrom<String> for ServiceRange {
    type Error = InvalidServiceRange;

    fn try_from(text: String) -> Result<Self, InvalidServiceRange> {
        text.parse()
    }
}

impl From<ServiceRange> for String {
    fn from(range: ServiceRange) -> String {
        range.to_string()
    }
}

impl fmt::Display for ServiceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> ServiceRange {
        text.parse().expect("a range")
    }

    #[test]
    fn a_range_is_read_and_its_first_and_last_address_are_nobodys() {
        let small = range("127.96.0.5/29");
        assert_eq!(small.to_string(), "127.96.0.0/29");
        let has = |address: &str| small.has(address.parse().expect("an address"));
        assert!(has("127.96.0.1") && has("127.96.0.6"));
        assert!(!has("127.96.0.0") && !has("127.96.0.7") && !has("127.95.255.255"));
        for text in ["127.96.0.0", "127.96.0.0/31", "127.96.0.0/7", "x/12", "::1/16"] {
            assert!(text.parse::<ServiceRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_of_a_large_range_are_for_who_asks_and_every_given_one_is_in_it() {
        for (text, first, given) in [
            ("127.96.0.0/29", "127.96.0.1", 6),
            ("10.0.0.0/24", "10.0.0.16", 239),
            ("127.96.0.0/12", "127.96.1.0", (1 << 20) - 257),
        ] {
            let range = range(text);
            assert_eq!((range.at(0).to_string(), range.given()), (first.to_owned(), given));
            assert!(range.has(range.at(0)) && range.has(range.at(given - 1)));
            assert_eq!(range.at(given), range.at(0));
        }
    }
}
