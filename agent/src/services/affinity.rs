//! Which endpoint a client was given last, where a Service wants it to stay there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use setpoint_schemas::PodUid;

/// Clients of a Service that are remembered on a node; beyond it those that were away longest are
/// forgotten. Each takes about a hundred bytes.
const CLIENTS_MAX: usize = 16_384;

/// The clients of one Service.
#[derive(Default)]
pub(super) struct Affinities(Mutex<HashMap<IpAddr, (PodUid, Instant)>>);

impl Affinities {
    /// The endpoint that a client was given within this time.
    pub(super) fn of(&self, client: IpAddr, within: Duration, now: Instant) -> Option<PodUid> {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (uid, seen) = clients.get(&client)?;
        (now.duration_since(*seen) <= within).then(|| uid.clone())
    }

    /// A client was given this endpoint.
    pub(super) fn note(&self, client: IpAddr, uid: &PodUid, now: Instant) {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&client) {
            let mut seen: Vec<Instant> = clients.values().map(|(_, seen)| *seen).collect();
            // Half at once, so that not every new client costs a look at all.
            let middle = seen.len() / 2;
            let (_, middle, _) = seen.select_nth_unstable(middle);
            let middle = *middle;
            clients.retain(|_, (_, seen)| *seen > middle);
        }
        clients.insert(client, (uid.clone(), now));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_client_is_remembered_for_its_time_and_few_for_ever() {
        let (affinities, now) = (Affinities::default(), Instant::now());
        let client = |n: u32| IpAddr::from(Ipv4Addr::from_bits(n));
        let uid = PodUid::parse("a").expect("a uid");
        let within = Duration::from_secs(10);
        affinities.note(client(0), &uid, now);
        assert_eq!(affinities.of(client(0), within, now + within), Some(uid.clone()));
        assert_eq!(affinities.of(client(0), within, now + 2 * within), None);
        assert_eq!(affinities.of(client(1), within, now), None);
        for n in 0..2 * CLIENTS_MAX as u32 {
            affinities.note(client(n), &uid, now + Duration::from_millis(u64::from(n)));
        }
        assert!(affinities.0.lock().expect("whole").len() <= CLIENTS_MAX);
    }
}
