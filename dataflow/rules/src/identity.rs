//! Names and uids of pods, derived: deciding twice from the same state names the same pod.
//!
//! Guarantee: distinct (resource uid, counter) pairs have distinct uids but for a 128-bit
//! collision. Absent: randomness.

use setpoint_schemas::{PodUid, ResourceName};
use xxhash_rust::xxh3::xxh3_128;

/// Letters and digits without vowels and lookalikes, as Kubernetes' random suffixes have them.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// As many as Kubernetes appends to a generated name.
const SUFFIX_CHARS: usize = 5;
/// Kubernetes truncates a generated name's base so that the whole stays a DNS label.
const BASE_BYTES_MAX: usize = 57;

/// The uid of the `counter`-th pod of the workload with this uid, in the form of a UUID.
#[must_use]
pub fn pod_uid(workload_uid: &str, counter: u64) -> PodUid {
    PodUid::parse(&uuid_of(&format!("pod/{workload_uid}/{counter}"))).expect("a UUID is a uid")
}

/// The uid of a resource that is created in this epoch under this key.
#[must_use]
pub fn resource_uid(key: &str, epoch: i64) -> String {
    uuid_of(&format!("resource/{key}/{epoch}"))
}

fn uuid_of(text: &str) -> String {
    let h = format!("{:032x}", xxh3_128(text.as_bytes()));
    // Version 8 of RFC 9562: a UUID of one's own making.
    format!("{}-{}-8{}-a{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
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
pub fn with_suffix(stem: &str, uid: &PodUid) -> String {
    let stem = &stem[..floor_boundary(stem)];
    format!("{}-{}", stem.trim_end_matches(['-', '.']), suffix(&uid.text()))
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

fn suffix(uid: &str) -> String {
    encode(xxh3_128(uid.as_bytes()), SUFFIX_CHARS)
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

#[cfg(test)]
mod tests {
    use super::*;

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
