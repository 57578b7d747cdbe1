//! A pod's unique id: sixteen bytes where it is a UUID, as all that we derive are.
//!
//! Guarantee: as text, in order and in equality it is what was parsed. Absent: making one, which is
//! the rules'.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::InvalidId;
use crate::id::{parsed_when_read, token};

/// Characters of a UUID as text.
const UUID_CHARS: usize = 36;
/// Where a UUID's text has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// Where the two digits of each byte begin in it.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
/// The digits, in lower case.
const SPELT: &[u8; 16] = b"0123456789abcdef";
/// What each byte is worth as a digit; no digit: all bits.
const DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut digit = 0;
    while digit < SPELT.len() {
        digits[SPELT[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};

/// A pod's unique id. Derived from its workload, its slot and its attempt, so that deciding twice
/// from the same state names the same pod. A fleet has a million of them, in several maps: as a UUID
/// it needs no memory beside its own.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PodUid(Kept);

/// A UUID in lower case is never kept as text: so equal texts are equal ids.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Kept {
    Uuid([u8; 16]),
    Text(Arc<str>),
}

/// The text of a [`PodUid`].
#[derive(Debug, Clone, Copy)]
pub struct UidText<'a>(Spelt<'a>);

#[derive(Debug, Clone, Copy)]
enum Spelt<'a> {
    Uuid([u8; UUID_CHARS]),
    Text(&'a str),
}

impl PodUid {
    /// Parses the text.
    ///
    /// # Errors
    /// [`InvalidId`] when the text breaks the grammar of this id.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if let Some(bytes) = uuid_of(text) {
            return Ok(PodUid::of_uuid(bytes));
        }
        token(text).map_err(|why| InvalidId::of("pod uid", text, why))?;
        Ok(PodUid(Kept::Text(Arc::from(text))))
    }

    /// The uid with these bytes, as RFC 9562 orders them.
    #[must_use]
    pub fn of_uuid(bytes: [u8; 16]) -> Self {
        PodUid(Kept::Uuid(bytes))
    }

    /// Bytes that no other id has: a UUID's sixteen, or those of the text.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::Uuid(bytes) => bytes,
            Kept::Text(text) => text.as_bytes(),
        }
    }

    /// The text of the id.
    #[must_use]
    pub fn text(&self) -> UidText<'_> {
        UidText(match &self.0 {
            Kept::Uuid(bytes) => Spelt::Uuid(spelt(bytes)),
            Kept::Text(text) => Spelt::Text(text),
        })
    }
}

/// The bytes of a UUID in lower case; `None` for any other text.
fn uuid_of(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; UUID_CHARS] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    // What is no digit has bits that no digit has: asked once, at the end.
    let mut bits = 0;
    for (byte, at) in bytes.iter_mut().zip(PAIRS) {
        let (high, low) = (DIGITS[usize::from(text[at])], DIGITS[usize::from(text[at + 1])]);
        bits |= high | low;
        *byte = high << 4 | low;
    }
    (bits < 16 && HYPHENS.iter().all(|at| text[*at] == b'-')).then_some(bytes)
}

fn spelt(bytes: &[u8; 16]) -> [u8; UUID_CHARS] {
    let mut text = [b'-'; UUID_CHARS];
    for (byte, at) in bytes.iter().zip(PAIRS) {
        text[at] = SPELT[usize::from(byte >> 4)];
        text[at + 1] = SPELT[usize::from(byte & 0xf)];
    }
    text
}

impl Deref for UidText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Spelt::Uuid(text) => std::str::from_utf8(text).unwrap_or_default(),
            Spelt::Text(text) => text,
        }
    }
}

/// By text. Of two UUIDs the bytes stand in the same order.
impl Ord for PodUid {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Kept::Uuid(this), Kept::Uuid(other)) => this.cmp(other),
            _ => self.text().cmp(&other.text()),
        }
    }
}

impl PartialOrd for PodUid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq<str> for PodUid {
    fn eq(&self, other: &str) -> bool {
        *self.text() == *other
    }
}

impl PartialEq<&str> for PodUid {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl std::str::FromStr for PodUid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        PodUid::parse(text)
    }
}

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl fmt::Debug for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text(), f)
    }
}

impl Serialize for PodUid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for PodUid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed_when_read(deserializer, "a pod uid", PodUid::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "2b929272-cac9-8a43-a3ec-128db062edc2";

    #[test]
    fn what_was_parsed_is_the_text_again() {
        for text in [UUID, "2B929272-cac9-8a43-a3ec-128db062edc2", "docker-4f1c", "u1"] {
            let uid = PodUid::parse(text).expect("valid");
            assert_eq!((&*uid.text(), uid.to_string().as_str()), (text, text));
            assert_eq!(uid, text);
        }
        assert!(PodUid::parse("a/b").is_err());
        assert!(PodUid::parse("").is_err());
    }

    #[test]
    fn their_order_is_that_of_their_texts() {
        let texts = ["0", "2b929272", UUID, "2b929272-cac9-8a43-a3ec-128db062edc2x", "3", "ff"];
        let uids = texts.map(|text| PodUid::parse(text).expect("valid"));
        assert!(uids.is_sorted());
        let other = PodUid::parse("2b929272-cac9-8a43-a3ec-128db062edc1").expect("valid");
        assert!(other < uids[2]);
    }

    #[test]
    fn it_is_small_and_reads_back_from_json() {
        assert!(size_of::<PodUid>() <= 24);
        let uid = PodUid::parse(UUID).expect("valid");
        let json = serde_json::to_string(&uid).expect("writes");
        assert_eq!(json, format!("\"{UUID}\""));
        assert_eq!(serde_json::from_str::<PodUid>(&json).expect("reads"), uid);
    }
}
