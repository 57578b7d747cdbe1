//! Faults, drawn from the seed and from what they befall, never from the order of calls.

/// What goes wrong, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Of a thousand starts of a container so many fail, and may be tried again.
    pub starts_fail_permille: u64,
    /// A start takes up to this long, milliseconds.
    pub start_slow_ms_max: u64,
    /// Of a thousand started containers so many end by themselves.
    pub exits_permille: u64,
    /// One that ends by itself does so within this, milliseconds.
    pub exit_within_ms: u64,
}

/// What one start of one container meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) fails: bool,
    pub(crate) takes_ms: i64,
    /// Exit code and milliseconds after the start.
    pub(crate) exits: Option<(i32, i64)>,
}

impl Faults {
    /// The fate of the `attempt`-th start of a container.
    pub(crate) fn fate(
        &self,
        seed: u64,
        node: &str,
        uid: &str,
        container: &str,
        attempt: u64,
    ) -> Fate {
        let key = [node, uid, container].iter().fold(seed, |hash, part| absorb(hash, part));
        let draw = |what: u64| mix(key ^ mix(attempt) ^ mix(what << 32));
        let is_hit = |what, permille| draw(what) % 1_000 < permille;
        let below = |what, max: u64| if max == 0 { 0 } else { draw(what) % max };
        let exits = is_hit(3, self.exits_permille).then(|| {
            let code = i32::try_from(draw(4) % 3).unwrap_or(0);
            (code, ms(below(5, self.exit_within_ms)))
        });
        Fate {
            fails: is_hit(1, self.starts_fail_permille),
            takes_ms: ms(below(2, self.start_slow_ms_max)),
            exits,
        }
    }
}

fn ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// FNV-1a, with a mark after each part so that parts do not run together.
fn absorb(hash: u64, part: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    part.bytes().chain([0xff]).fold(hash, step)
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFTEN: Faults = Faults {
        starts_fail_permille: 100,
        start_slow_ms_max: 500,
        exits_permille: 300,
        exit_within_ms: 1_000,
    };

    #[test]
    fn the_same_start_has_the_same_fate_and_another_seed_another_one() {
        let fates = |seed| -> Vec<Fate> {
            (0..100).map(|attempt| OFTEN.fate(seed, "n", "u", "c", attempt)).collect()
        };
        assert_eq!(fates(1), fates(1));
        assert_ne!(fates(1), fates(2));
    }

    #[test]
    fn faults_are_about_as_frequent_as_asked_for() {
        let fates: Vec<Fate> = (0..10_000).map(|n| OFTEN.fate(7, "n", "u", "c", n)).collect();
        let fails = fates.iter().filter(|fate| fate.fails).count();
        let exits = fates.iter().filter(|fate| fate.exits.is_some()).count();
        assert!((800..1_200).contains(&fails), "{fails} of 10000 fail");
        assert!((2_700..3_300).contains(&exits), "{exits} of 10000 end");
        assert!(fates.iter().all(|fate| (0..500).contains(&fate.takes_ms)));
    }

    #[test]
    fn without_faults_nothing_goes_wrong() {
        let fate = Faults::default().fate(1, "n", "u", "c", 1);
        assert_eq!(fate, Fate { fails: false, takes_ms: 0, exits: None });
    }
}
