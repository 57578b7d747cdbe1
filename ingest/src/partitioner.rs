//! Which partition a record goes to: Kafka's default partitioner, so that any Kafka client that
//! writes with the same key meets the same partition.
//!
//! Source: `org.apache.kafka.common.utils.Utils.murmur2` and `toPositive`.

/// The partition of a key among this many; 0 when there is one partition or none is known.
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    if partitions <= 1 {
        return 0;
    }
    let positive = murmur2(key) & 0x7fff_ffff;
    i32::try_from(positive).expect("the sign bit is masked") % partitions
}

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

fn murmur2(data: &[u8]) -> u32 {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut words = data.chunks_exact(4);
    let mut hash = SEED ^ length;
    for word in &mut words {
        let mut word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        word = word.wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ word.wrapping_mul(MULTIPLIER);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own test of its `murmur2`.
    #[test]
    fn the_hash_is_kafkas() {
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, hash) in cases {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn a_partition_is_always_one_of_those_there_are() {
        for partitions in 1..9 {
            for key in ["", "a", "node-1", "node-2"] {
                assert!((0..partitions).contains(&partition_of(key.as_bytes(), partitions)));
            }
        }
        assert_eq!(partition_of(b"node-1", 1), 0);
    }
}
