//! What many have in common: each kept once, as long as somebody has it.
//!
//! Guarantee: of what nobody has any more there is at most as much as there once was at a time, and a
//! thousand. Absent: giving it back at once.

use std::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Fewer than these are not worth looking for those that nobody has.
const SWEPT_MIN: usize = 1_024;

/// Values that are kept once.
#[derive(Debug)]
pub(super) struct Shared<T> {
    all: HashTable<One<T>>,
    /// So many, and those that nobody has are forgotten.
    sweep_at: usize,
}

#[derive(Debug)]
struct One<T> {
    hash: u64,
    value: Arc<T>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared { all: HashTable::new(), sweep_at: SWEPT_MIN }
    }
}

impl<T> Shared<T> {
    /// The value that is made of these texts, which is made if it is not there.
    pub(super) fn find_or_add<'a>(
        &mut self,
        texts: impl Iterator<Item = &'a str>,
        is_it: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let hash = hash_of(texts);
        let is_it = |one: &One<T>| one.hash == hash && is_it(&one.value);
        if let Some(one) = self.all.find(hash, is_it) {
            return one.value.clone();
        }
        if self.all.len() >= self.sweep_at {
            self.all.retain(|one| Arc::strong_count(&one.value) > 1);
            self.sweep_at = SWEPT_MIN.max(2 * self.all.len());
        }
        let value = Arc::new(make());
        let one = One { hash, value: value.clone() };
        self.all.insert_unique(hash, one, |one| one.hash);
        value
    }
}

fn hash_of<'a>(texts: impl Iterator<Item = &'a str>) -> u64 {
    texts.fold(0, |hash: u64, text| hash.rotate_left(1) ^ xxh3_64(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(shared: &mut Shared<String>, text: &str) -> Arc<String> {
        shared.find_or_add([text].into_iter(), |kept| kept == text, || text.to_owned())
    }

    #[test]
    fn equal_values_are_one() {
        let mut shared = Shared::default();
        let (first, second) = (text(&mut shared, "a"), text(&mut shared, "a"));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*text(&mut shared, "b"), "b");
    }

    #[test]
    fn what_nobody_has_is_forgotten() {
        let mut shared = Shared::default();
        let kept = text(&mut shared, "kept");
        for number in 0..10 * SWEPT_MIN {
            text(&mut shared, &number.to_string());
        }
        assert!(shared.all.len() <= SWEPT_MIN, "{} are kept", shared.all.len());
        assert!(Arc::ptr_eq(&kept, &text(&mut shared, "kept")));
    }
}
