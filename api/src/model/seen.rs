//! What was observed of a pod, in few bytes.
//!
//! Guarantee: opened again it is what was observed. Absent: what its pod says already; whoever opens
//! it has that.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{
    ContainerDetails, ContainerObserved, ContainerState, Observation, PodObserved, PodPhase, PodUid,
};

/// An observation. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    bytes: Arc<[u8]>,
    pub(crate) phase: PodPhase,
    pub(crate) ready: bool,
}

/// The parts of an observation that its pod does not say.
#[derive(Serialize, Deserialize)]
struct Parts<'a> {
    node: Cow<'a, str>,
    session: Cow<'a, str>,
    sequence: i64,
    time_ms: i64,
    generation: i64,
    reason: Cow<'a, str>,
    message: Cow<'a, str>,
    address: Cow<'a, str>,
    started_ms: i64,
    containers: Vec<Container<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Container<'a> {
    name: Cow<'a, str>,
    id: Id<'a>,
    image: Cow<'a, str>,
    state: ContainerState,
    ready: bool,
    restarts: i32,
    exit_code: Option<i32>,
    reason: Cow<'a, str>,
    message: Cow<'a, str>,
    started_ms: i64,
    finished_ms: i64,
}

/// A container's id: runtimes give them in hexadecimal digits, which take half as many bytes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Id<'a> {
    Hexadecimal(Vec<u8>),
    Text(Cow<'a, str>),
}

impl Seen {
    /// Keeps an observation.
    pub(crate) fn of(observed: &Observation) -> Seen {
        let details = observed.details();
        let parts = Parts {
            node: Cow::Borrowed(observed.node()),
            session: Cow::Borrowed(observed.session()),
            sequence: observed.sequence(),
            time_ms: observed.time_ms(),
            generation: details.generation,
            reason: Cow::Borrowed(observed.reason()),
            message: Cow::Borrowed(details.message),
            address: Cow::Borrowed(details.address),
            started_ms: details.started_ms,
            containers: details.containers.map(Container::of).collect(),
        };
        let bytes = postcard::to_stdvec(&parts).expect("texts and numbers are always written");
        Seen { bytes: Arc::from(bytes), phase: observed.phase(), ready: observed.is_ready() }
    }

    /// The observation of the pod with this uid and this name. `None` never: the bytes are our own.
    pub(crate) fn open(
        &self,
        uid: &PodUid,
        (namespace, name): (&str, &str),
    ) -> Option<PodObserved> {
        let parts: Parts<'_> = postcard::from_bytes(&self.bytes).ok()?;
        Some(PodObserved {
            uid: uid.clone(),
            node: parts.node.parse().ok()?,
            session: parts.session.parse().ok()?,
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
            containers: parts.containers.into_iter().map(Container::opened).collect(),
        })
    }
}

impl<'a> Container<'a> {
    fn of(observed: ContainerDetails<'a>) -> Container<'a> {
        Container {
            name: Cow::Borrowed(observed.name),
            id: Id::of(observed.id),
            image: Cow::Borrowed(observed.image),
            state: observed.state,
            ready: observed.ready,
            restarts: observed.restarts,
            exit_code: observed.exit_code,
            reason: Cow::Borrowed(observed.reason),
            message: Cow::Borrowed(observed.message),
            started_ms: observed.started_ms,
            finished_ms: observed.finished_ms,
        }
    }

    fn opened(self) -> ContainerObserved {
        ContainerObserved {
            name: self.name.into_owned(),
            id: self.id.text(),
            image: self.image.into_owned(),
            state: self.state,
            ready: self.ready,
            restarts: self.restarts,
            exit_code: self.exit_code,
            reason: self.reason.into_owned(),
            message: self.message.into_owned(),
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
        }
    }
}

impl<'a> Id<'a> {
    fn of(text: &'a str) -> Id<'a> {
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
        match digits.filter(|digits| digits.len().is_multiple_of(2)) {
            Some(digits) => {
                Id::Hexadecimal(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
            }
            None => Id::Text(Cow::Borrowed(text)),
        }
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
            let opened = Seen::of(&Observation::of(&observed)).open(&observed.uid, name);
            assert_eq!(opened.as_ref(), Some(&observed), "{id:?}");
        }
    }

    #[test]
    fn a_runtimes_id_takes_half_its_text() {
        assert_eq!(Id::of("4f1c"), Id::Hexadecimal(vec![0x4f, 0x1c]));
    }
}
