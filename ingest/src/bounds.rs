//! How large a record may be.

use setpoint_schemas::Topic;

/// Four of the largest requests: an accepted resource carries its body, its status and its field
/// managers, each of which may be as large as the request that made it.
const RECORD_BYTES_MAX: usize = 4 << 20;
/// A dead letter carries the bytes of any other record, its key and the reason.
const DEAD_LETTER_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;

/// Records of one read together: beyond this whoever reads should take what there is before more
/// comes, or a thousand large records would be held at once. Two of the largest, and more than
/// thousands of usual ones.
pub const READ_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;

/// The largest record of a topic, in bytes of key, value and headers together.
#[must_use]
pub const fn record_bytes_max(topic: Topic) -> usize {
    match topic {
        Topic::DeadLetter => DEAD_LETTER_BYTES_MAX,
        _ => RECORD_BYTES_MAX,
    }
}
