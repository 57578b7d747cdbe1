//! Drawing: the one source of chance of a simulation.
//!
//! Guarantee: the same seed draws the same for ever, whatever versions of libraries do.

/// A stream of numbers from a seed. Source: SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Draw(seed)
    }

    /// A stream of its own, so that drawing more here changes nothing there.
    #[must_use]
    pub fn fork(&mut self) -> Draw {
        Draw(self.number())
    }

    /// The next number, any of 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end` - 1; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let number = self.number();
        usize::try_from(number % (end.max(1) as u64)).expect("a remainder of a usize is one")
    }

    /// From `from` to `to`, both included.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let span = usize::try_from(to - from + 1).expect("from is not above to");
        from + i64::try_from(self.below(span)).expect("below the span")
    }

    /// True this many times in a thousand.
    pub fn chance(&mut self, in_thousand: usize) -> bool {
        self.below(1_000) < in_thousand
    }

    /// One of these.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
