//! Names and uids of pods, derived: deciding twice from the same state names the same pod.
//!
//! Guarantee: distinct (resource uid, counter) pairs have distinct uids but for a 128-bit
//! collision. Absent: randomness.

use std::fmt;
use std::ops::Deref;

use setpoint_schemas::{PodUid, ResourceName};
use xxhash_rust::xxh3::xxh3_128;

/// Letters and digits without vowels and lookalikes, as Kubernetes' random suffixes have them.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// As many as Kubernetes appends to a generated name.
const SUFFIX_CHARS: usize = 5;
/// Kubernetes truncates a generated name's base so that the whole stays a DNS label.
const BASE_BYTES_MAX: usize = 57;
/// A whole name: base, hyphen, suffix.
const NAME_BYTES_MAX: usize = BASE_BYTES_MAX + 1 + SUFFIX_CHARS;
/// As many endings of names as the suffix can tell apart.
const SUFFIXES: u128 = (ALPHABET.len() as u128).pow(SUFFIX_CHARS as u32);

/// A name that follows from a stem and a uid. It needs no memory beside its own: most are only looked
/// at.
#[derive(Debug, Clone, Copy)]
pub struct Derived {
    bytes: [u8; NAME_BYTES_MAX],
    len: usize,
}

/// The uid of the `counter`-th pod of the workload with this uid, in the form of a UUID.
#[must_use]
pub fn pod_uid(workload_uid: &str, counter: u64) -> PodUid {
    PodUid::of_uuid(uuid_of(&format!("pod/{workload_uid}/{counter}")))
}

/// The uid of a resource that is created in this epoch under this key.
#[must_use]
pub fn resource_uid(key: &str, epoch: i64) -> String {
    PodUid::of_uuid(uuid_of(&format!("resource/{key}/{epoch}"))).to_string()
}

/// Version 8 of RFC 9562: a UUID of one's own making.
fn uuid_of(text: &str) -> [u8; 16] {
    let mut bytes = xxh3_128(text.as_bytes()).to_be_bytes();
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0xa0 | bytes[8] & 0x0f;
    bytes
}

/// The name of a pod: `web-6d4cf56db6-x7k2p` with a revision, `web-x7k2p` without.
#[must_use]
pub fn pod_name(workload: &str, revision: Option<&str>, uid: &PodUid) -> ResourceName {
    let base = name_stem(workload, revision);
    ResourceName::parse(&with_suffix(&base, uid))
        .expect("a name and a suffix of letters are a name")
}

/// The name of a pod, of a stem that it shares with others: `web-6d4cf56db6`.
#[must_use]
pub fn with_suffix(stem: &str, uid: &PodUid) -> Derived {
    let stem = stem[..floor_boundary(stem)].trim_end_matches(['-', '.']);
    let len = stem.len() + 1 + SUFFIX_CHARS;
    let mut bytes = [b'-'; NAME_BYTES_MAX];
    bytes[..stem.len()].copy_from_slice(stem.as_bytes());
    bytes[stem.len() + 1..len].copy_from_slice(&suffix(uid));
    Derived { bytes, len }
}

/// What the names of all pods of a workload and revision begin with.
#[must_use]
pub fn name_stem(workload: &str, revision: Option<&str>) -> String {
    match revision {
        Some(revision) => format!("{workload}-{revision}"),
        None => workload.to_owned(),
    }
}

fn floor_boundary(text: &str) -> usize {
    let mut end = text.len().min(BASE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// The number that stands for the ending of the pod's name: of pods with one stem, those with the same
/// number have the same name.
#[must_use]
pub fn ending(uid: &PodUid) -> u32 {
    (xxh3_128(uid.text().as_bytes()) % SUFFIXES) as u32
}

/// As [`encode`] has it.
fn suffix(uid: &PodUid) -> [u8; SUFFIX_CHARS] {
    let mut rest = ending(uid) as usize;
    let mut chars = [0; SUFFIX_CHARS];
    for char in &mut chars {
        *char = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    chars
}

/// `chars` characters of the alphabet that stand for the hash.
pub(crate) fn encode(mut hash: u128, chars: usize) -> String {
    let mut text = String::with_capacity(chars);
    for _ in 0..chars {
        text.push(char::from(ALPHABET[(hash % 27) as usize]));
        hash /= 27;
    }
    text
}

impl Deref for Derived {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl fmt::Display for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_the_digits_of_the_hash_but_for_version_and_variant() {
        let h = format!("{:032x}", xxh3_128(b"pod/u/7"));
        let (time, version) = (&h[13..16], &h[17..20]);
        let text = format!("{}-{}-8{time}-a{version}-{}", &h[..8], &h[8..12], &h[20..]);
        assert_eq!(pod_uid("u", 7), text.as_str());
    }

    #[test]
    fn a_name_ends_with_what_the_hash_of_its_uid_encodes() {
        for counter in 0..100 {
            let uid = pod_uid("u", counter);
            let suffix = encode(xxh3_128(uid.text().as_bytes()), SUFFIX_CHARS);
            assert_eq!(*with_suffix("web-6d4cf56db6", &uid), format!("web-6d4cf56db6-{suffix}"));
        }
    }

    #[test]
    fn a_long_stem_is_cut_between_characters_and_has_no_hyphen_at_its_end() {
        let uid = pod_uid("u", 1);
        let end = |stem: &str| with_suffix(stem, &uid).rsplit_once('-').map(|(s, _)| s.to_owned());
        assert_eq!(end(&"ß".repeat(40)), Some("ß".repeat(28)));
        assert_eq!(end("web-."), Some("web".to_owned()));
    }

    #[test]
    fn the_same_counter_names_the_same_pod_and_another_another() {
        assert_eq!(pod_uid("u", 1), pod_uid("u", 1));
        assert_ne!(pod_uid("u", 1), pod_uid("u", 2));
        assert_eq!(pod_uid("u", 1).text().len(), 36);
    }

    #[test]
    fn a_long_workload_name_still_gives_a_dns_label() {
        let name = pod_name(&"a".repeat(200), Some("abc"), &pod_uid("u", 1));
        assert_eq!(name.as_str().len(), 63);
    }
}
