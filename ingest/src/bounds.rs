//! How large a record may be.

use setpoint_schemas::{RECORD_BYTES_MAX, Topic};

/// A dead letter carries the bytes of any other record, its key and the reason.
const DEAD_LETTER_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;

/// What a dead letter adds to the key and the bytes of its record: its own key, its reason, headers.
const LETTER_BYTES: usize = 64 << 10;
/// The key and the bytes of a record that a dead letter carries; of a larger one it says how large
/// it was.
pub(crate) const LETTER_KEPT_BYTES_MAX: usize = DEAD_LETTER_BYTES_MAX - LETTER_BYTES;
/// The reason of a dead letter, in bytes; half of what a letter adds.
pub(crate) const LETTER_REASON_BYTES_MAX: usize = LETTER_BYTES / 2;

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
