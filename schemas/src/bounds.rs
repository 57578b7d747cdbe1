//! How large what is decided may become, so that each record of it fits into the log.

/// The largest record of a topic but the dead letters', in bytes of key, value and headers
/// together: four of the largest requests.
pub const RECORD_BYTES_MAX: usize = 4 << 20;
/// The body and the field managers of a resource together, in bytes of their JSON: patches can make
/// a body larger than any request. More is refused.
pub const RESOURCE_BYTES_MAX: usize = 3 << 20;
/// The earlier templates of a workload, in bytes of their JSON within JSON: beyond this the oldest
/// are forgotten, whatever the limit of revisions is. Ten templates of usual size are a tenth of it.
pub const HISTORY_BYTES_MAX: usize = 3 << 18;
/// A reason in the ledger, in bytes: who is refused a thousand items is told all of it in the
/// answer, and whoever reads the ledger is told enough.
pub const REASON_BYTES_MAX: usize = 16 << 10;
/// The rendering of a cause, or what is said of an alternative, in bytes: a few lines. Names in it
/// come from nodes and manifests.
pub const CAUSE_BYTES_MAX: usize = 2 << 10;

/// What a resource's record has beside: its status, its names, its headers.
const REST_BYTES: usize = 1 << 18;
const _: () = assert!(RESOURCE_BYTES_MAX + HISTORY_BYTES_MAX + REST_BYTES <= RECORD_BYTES_MAX);

/// The text, or its beginning within so many bytes and how long it was.
#[must_use]
pub fn cut(text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    let bytes = text.len();
    let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({bytes} bytes)", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters_and_says_so() {
        assert_eq!(cut("short".into(), 5), "short");
        assert_eq!(cut("aßc".into(), 2), "a… (4 bytes)");
    }
}
