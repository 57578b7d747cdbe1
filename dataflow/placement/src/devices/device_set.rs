//! Which devices of a node: their numbers, as bits.

/// As many devices of a node are looked at, one bit each; machines have up to 16.
pub const DEVICES_MAX: usize = 64;

/// Some devices of one node, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DeviceSet(u64);

impl DeviceSet {
    /// No device.
    pub const NONE: DeviceSet = DeviceSet(0);

    /// The same and this device; one beyond [`DEVICES_MAX`] is never in.
    #[must_use]
    pub fn with(self, device: usize) -> DeviceSet {
        DeviceSet(self.0 | bit(device))
    }

    /// Whether the device is in.
    #[must_use]
    pub fn contains(self, device: usize) -> bool {
        self.0 & bit(device) != 0
    }

    /// The numbers, from the lowest.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..DEVICES_MAX).filter(move |device| self.contains(*device))
    }
}

fn bit(device: usize) -> u64 {
    if device < DEVICES_MAX { 1 << device } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_beyond_its_bound() {
        let set = DeviceSet::NONE.with(63).with(0).with(5).with(64);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 5, 63]);
        assert!(!set.contains(64) && !set.contains(1));
    }
}
