//! Where the agents of this program listen: of several on one machine, as `up` starts them, one listens for
//! all.
//!
//! Guarantee: a place is held by one of them at most, and free when that one lets go of it or ends.
//! Absent: agents that are programs of their own; the machine says of those that an address is taken.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::objects::Protocol;

/// Where somebody listens.
pub(super) type Place = (SocketAddr, Protocol);

/// Who holds which place: what is served there, not by which agent.
static HELD: Mutex<BTreeMap<Place, String>> = Mutex::new(BTreeMap::new());

/// A place that is this agent's while it has this.
pub(super) struct Held(Place);

impl Held {
    /// The place, to serve this there.
    ///
    /// # Errors
    /// What is served there already, by this agent or another one of this program.
    pub(super) fn take(place: Place, what: &str) -> Result<Held, String> {
        // Any port that is free is nobody's place.
        if place.0.port() == 0 {
            return Ok(Held(place));
        }
        match held().entry(place) {
            Entry::Occupied(other) => Err(other.get().clone()),
            Entry::Vacant(free) => {
                free.insert(what.to_owned());
                Ok(Held(place))
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        held().remove(&self.0);
    }
}

fn held() -> MutexGuard<'static, BTreeMap<Place, String>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_agents_one_holds_a_place_and_the_other_when_that_one_has_gone() {
        let at = |port| (SocketAddr::from(([127, 98, 53, 21], port)), Protocol::Tcp);
        let first = Held::take(at(80), "d/web").expect("it is free");
        assert_eq!(Held::take(at(80), "d/web").err().as_deref(), Some("d/web"));
        let _another = Held::take(at(81), "d/web").expect("it is another place");
        drop(first);
        assert!(Held::take(at(80), "d/shop").is_ok());
        let _any = Held::take(at(0), "d/web").expect("any port is nobody's");
        assert!(Held::take(at(0), "d/web").is_ok(), "any port is nobody's");
    }
}
