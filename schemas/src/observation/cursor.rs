//! Avro's values, read one after another where they stand.
//!
//! Source: the Avro specification, "Binary encoding".

/// The most bytes of a number: ten times seven bits hold its sixty-four.
const LONG_BYTES_MAX: usize = 10;
/// Of the tenth byte only the lowest bit is left for a number.
const LONG_LAST_MAX: u8 = 1;

/// The bytes that are yet to be read. Each method reads one value, or says `None` where there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    /// Seven bits a byte, the lowest first, zigzag.
    #[inline]
    pub(super) fn long(&mut self) -> Option<i64> {
        let (first, rest) = self.0.split_first()?;
        if *first < 0x80 {
            self.0 = rest;
            return Some(unfolded(u64::from(*first)));
        }
        self.long_of_many()
    }

    fn long_of_many(&mut self) -> Option<i64> {
        let mut value = 0;
        for (index, byte) in self.0.iter().take(LONG_BYTES_MAX).enumerate() {
            if index + 1 == LONG_BYTES_MAX && *byte > LONG_LAST_MAX {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Some(unfolded(value));
            }
        }
        None
    }

    pub(super) fn int(&mut self) -> Option<i32> {
        i32::try_from(self.long()?).ok()
    }

    pub(super) fn boolean(&mut self) -> Option<bool> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        match byte {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// One of these, by its number.
    pub(super) fn symbol<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::try_from(self.long()?).ok()?).copied()
    }

    #[inline]
    pub(super) fn text(&mut self) -> Option<&'a str> {
        match self.bytes()? {
            // Most of what may be said is not.
            [] => Some(""),
            text => std::str::from_utf8(text).ok(),
        }
    }

    /// So many bytes as stand before them.
    #[inline]
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let bytes = usize::try_from(self.long()?).ok()?;
        let (found, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(found)
    }

    /// How many items the next block of a list has; 0 behind the last one. A block may say how many
    /// bytes it has, too, and nobody needs it.
    pub(super) fn block(&mut self) -> Option<u64> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        Some(count.unsigned_abs())
    }
}

/// Zigzag: the lowest bit is the sign.
fn unfolded(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
