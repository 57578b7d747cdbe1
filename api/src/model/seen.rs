//! What was observed of a pod, in few bytes.
//!
//! Guarantee: opened again it is what was observed; what many observations say alike is kept once. Absent:
//! what its pod says already; whoever opens it has that.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{
    ContainerDetails, ContainerEnd, ContainerObserved, ContainerState, Containers, EndDetails,
    NodeName, Observation, PodObserved, PodPhase, PodUid, SessionId,
};

use super::shared::Shared;

/// An observation. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    by: Arc<By>,
    images: Arc<Images>,
    bytes: Arc<[u8]>,
    pub(crate) phase: PodPhase,
    pub(crate) ready: bool,
    restarts: i32,
}

/// How far a pod had come when it was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Its phase.
    pub phase: PodPhase,
    /// How often its containers were restarted, all together.
    pub restarts: i32,
}

/// What many observations have in common, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Common {
    by: Shared<By>,
    images: Shared<Images>,
}

/// The session of a node that observed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct By {
    node: NodeName,
    session: SessionId,
}

/// The names and images of a pod's containers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Images(Vec<(String, String)>);

/// The parts of an observation that neither its pod says nor others have in common with it.
#[derive(Serialize, Deserialize)]
struct Parts<'a> {
    sequence: i64,
    time_ms: i64,
    generation: i64,
    reason: Cow<'a, str>,
    message: Cow<'a, str>,
    address: Cow<'a, str>,
    started_ms: i64,
    /// Since when it is as ready as it is, by the node's clock, as far as that was seen.
    ready_since_ms: i64,
    containers: Vec<Container<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Container<'a> {
    id: Id<'a>,
    state: ContainerState,
    ready: bool,
    restarts: i32,
    exit_code: Option<i32>,
    reason: Cow<'a, str>,
    message: Cow<'a, str>,
    started_ms: i64,
    finished_ms: i64,
    started: bool,
    /// Of most containers there is none.
    last: Option<Box<ContainerEnd>>,
}

/// A container's id: runtimes give them in hexadecimal digits, which take half as many bytes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Id<'a> {
    Hexadecimal(Vec<u8>),
    Text(Cow<'a, str>),
}

impl Seen {
    /// Keeps an observation after the one before it; of a pod that is ready, since this engine time where
    /// that is known from elsewhere.
    pub(crate) fn of(
        observed: &Observation,
        (before, known_ms): (Option<&Seen>, Option<i64>),
        common: &mut Common,
    ) -> Seen {
        let details = observed.details();
        let alike = before.filter(|before| before.ready == observed.is_ready());
        // The engine heard of it a little later than its node saw it.
        let known_ms = known_ms.filter(|_| observed.is_ready());
        let first_ms = known_ms.map_or(observed.time_ms(), |ms| ms.min(observed.time_ms()));
        let ready_since_ms = alike.and_then(Seen::ready_since_ms).unwrap_or(first_ms);
        let parts = Parts {
            sequence: observed.sequence(),
            time_ms: observed.time_ms(),
            generation: details.generation,
            reason: Cow::Borrowed(observed.reason()),
            message: Cow::Borrowed(details.message),
            address: Cow::Borrowed(details.address),
            started_ms: details.started_ms,
            ready_since_ms,
            containers: details.containers.map(Container::of).collect(),
        };
        let bytes = postcard::to_stdvec(&parts).expect("texts and numbers are always written");
        Seen {
            by: common.by(observed),
            images: common.images(details.containers),
            bytes: Arc::from(bytes),
            phase: observed.phase(),
            ready: observed.is_ready(),
            restarts: details.containers.restarts(),
        }
    }

    /// How far it had come; what else was observed stays closed.
    pub(crate) fn progress(&self) -> Progress {
        Progress { phase: self.phase, restarts: self.restarts }
    }

    /// Since when it is ready, or is not, milliseconds: when that was first said of those observations
    /// that were taken in one after the other. `None` never: the bytes are our own.
    pub(crate) fn ready_since_ms(&self) -> Option<i64> {
        let parts: Parts<'_> = postcard::from_bytes(&self.bytes).ok()?;
        Some(parts.ready_since_ms)
    }

    /// The node that observed.
    pub(super) fn node(&self) -> &NodeName {
        &self.by.node
    }

    /// The bytes that it has for itself.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The observation of the pod with this uid and this name. `None` never: the bytes are our own.
    pub(crate) fn open(
        &self,
        uid: &PodUid,
        (namespace, name): (&str, &str),
    ) -> Option<PodObserved> {
        let parts: Parts<'_> = postcard::from_bytes(&self.bytes).ok()?;
        let containers = parts.containers.into_iter().zip(&self.images.0);
        Some(PodObserved {
            uid: uid.clone(),
            node: self.by.node.clone(),
            session: self.by.session.clone(),
            sequence: parts.sequence,
            time_ms: parts.time_ms,
            namespace: namespace.parse().ok()?,
            name: name.parse().ok()?,
            generation: parts.generation,
            phase: self.phase,
            ready: self.ready,
            reason: parts.reason.into_owned(),
            message: parts.message.into_owned(),
            address: parts.address.into_owned(),
            started_ms: parts.started_ms,
            containers: containers.map(|(kept, image)| kept.opened(image)).collect(),
        })
    }
}

impl Common {
    fn by(&mut self, observed: &Observation) -> Arc<By> {
        let (node, session) = (observed.node(), observed.session());
        let is_it = |by: &By| by.node.as_str() == node && by.session.as_str() == session;
        let by = || By { node: observed.node_name(), session: observed.session_id() };
        self.by.find_or_add([node, session].into_iter(), is_it, by)
    }

    fn images(&mut self, containers: Containers<'_>) -> Arc<Images> {
        let named = || containers.map(|one| (one.name, one.image));
        let is_it = |images: &Images| {
            let mut said = named();
            images.0.iter().all(|(name, image)| said.next() == Some((name, image)))
                && said.next().is_none()
        };
        let owned = |(name, image): (&str, &str)| (name.to_owned(), image.to_owned());
        let images = || Images(named().map(owned).collect());
        self.images.find_or_add(named().flat_map(|(name, image)| [name, image]), is_it, images)
    }
}

impl<'a> Container<'a> {
    fn of(observed: ContainerDetails<'a>) -> Container<'a> {
        Container {
            id: Id::of(observed.id),
            state: observed.state,
            ready: observed.ready,
            restarts: observed.restarts,
            exit_code: observed.exit_code,
            reason: Cow::Borrowed(observed.reason),
            message: Cow::Borrowed(observed.message),
            started_ms: observed.started_ms,
            finished_ms: observed.finished_ms,
            started: observed.started,
            last: observed.last.map(EndDetails::whole).map(Box::new),
        }
    }

    fn opened(self, (name, image): &(String, String)) -> ContainerObserved {
        ContainerObserved {
            name: name.clone(),
            id: self.id.text(),
            image: image.clone(),
            state: self.state,
            ready: self.ready,
            restarts: self.restarts,
            exit_code: self.exit_code,
            reason: self.reason.into_owned(),
            message: self.message.into_owned(),
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
            started: self.started,
            last: self.last.map(|last| *last),
        }
    }
}

impl<'a> Id<'a> {
    fn of(text: &'a str) -> Id<'a> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digit = |byte: u8| if byte <= b'9' { byte - b'0' } else { byte - b'a' + 10 };
        let bytes = text.as_bytes();
        if !bytes.len().is_multiple_of(2) || !bytes.iter().all(is_digit) {
            return Id::Text(Cow::Borrowed(text));
        }
        let pairs = bytes.chunks_exact(2);
        Id::Hexadecimal(pairs.map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect())
    }

    fn text(self) -> String {
        match self {
            Id::Text(text) => text.into_owned(),
            Id::Hexadecimal(bytes) => {
                let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
                digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::*;

    #[test]
    fn what_was_observed_is_opened_again() {
        let mut observed = samples::pod_observed();
        let (namespace, name) = (observed.namespace.clone(), observed.name.clone());
        let name = (namespace.as_str(), name.as_str());
        let ids = ["", "4f1c2d3e5a6b", "4f1c2d3e5a6", "4F1C", "web.1"];
        for id in ids {
            observed.containers.iter_mut().for_each(|container| container.id = id.to_owned());
            let opened =
                Seen::of(&Observation::of(&observed), (None, None), &mut Common::default())
                    .open(&observed.uid, name);
            assert_eq!(opened.as_ref(), Some(&observed), "{id:?}");
        }
    }

    #[test]
    fn it_is_remembered_since_when_a_pod_is_as_ready_as_it_is() {
        let mut common = Common::default();
        let mut seen: Option<Seen> = None;
        let told =
            [(10, false, 10), (20, false, 10), (30, true, 30), (40, true, 30), (50, false, 50)];
        for (time_ms, ready, since_ms) in told {
            let observed = PodObserved { time_ms, ready, ..samples::pod_observed() };
            let before = (seen.as_ref(), None);
            seen = Some(Seen::of(&Observation::of(&observed), before, &mut common));
            assert_eq!(seen.as_ref().and_then(Seen::ready_since_ms), Some(since_ms), "{time_ms}");
        }
    }

    #[test]
    fn the_engine_may_know_since_when_a_pod_is_ready() {
        // (whether it is ready, what the engine knows, since when it is so; seen at 40)
        let table =
            [(true, Some(30), 30), (true, Some(50), 40), (true, None, 40), (false, Some(30), 40)];
        for (ready, known_ms, since_ms) in table {
            let observed = PodObserved { time_ms: 40, ready, ..samples::pod_observed() };
            let observed = Observation::of(&observed);
            let seen = Seen::of(&observed, (None, known_ms), &mut Common::default());
            assert_eq!(seen.ready_since_ms(), Some(since_ms), "{ready} {known_ms:?}");
        }
    }

    #[test]
    fn a_runtimes_id_takes_half_its_text() {
        assert_eq!(Id::of("4f1c"), Id::Hexadecimal(vec![0x4f, 0x1c]));
    }
}
