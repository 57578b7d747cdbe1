//! What an observation says beside what decides, borrowed from its bytes.

use std::iter::FusedIterator;

use super::cursor::Cursor;
use crate::{ContainerEnd, ContainerObserved, ContainerState, PodPhase};

/// The phases in the order of the schema.
pub(super) const PHASES: [PodPhase; 6] = [
    PodPhase::Pending,
    PodPhase::Running,
    PodPhase::Succeeded,
    PodPhase::Failed,
    PodPhase::Unknown,
    PodPhase::Gone,
];
/// The states of a container in the order of the schema.
const STATES: [ContainerState; 3] =
    [ContainerState::Waiting, ContainerState::Running, ContainerState::Terminated];

/// The fields of [`crate::PodObserved`] that nobody decides by.
#[derive(Debug, Clone, Copy)]
pub struct Details<'a> {
    /// The restart generation that runs.
    pub generation: i64,
    /// A sentence; empty when there is nothing to say.
    pub message: &'a str,
    /// The pod's address; empty when it has none.
    pub address: &'a str,
    /// When its first container started, milliseconds since 1970; 0 before that.
    pub started_ms: i64,
    /// Its containers, in the order of the spec.
    pub containers: Containers<'a>,
}

/// The containers of an observation, read one after another.
#[derive(Debug, Clone, Copy)]
pub struct Containers<'a> {
    from: Cursor<'a>,
    /// How many of the present block are yet to be read.
    left: u64,
}

impl Containers<'_> {
    /// How often they were restarted, all together.
    #[must_use]
    pub fn restarts(self) -> i32 {
        self.fold(0, |all, container| all.saturating_add(container.restarts))
    }
}

/// What [`ContainerObserved`] says, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of `ContainerObserved`")]
pub struct ContainerDetails<'a> {
    pub name: &'a str,
    pub id: &'a str,
    pub image: &'a str,
    pub state: ContainerState,
    pub ready: bool,
    pub restarts: i32,
    pub exit_code: Option<i32>,
    pub reason: &'a str,
    pub message: &'a str,
    pub started_ms: i64,
    pub finished_ms: i64,
    pub started: bool,
    pub last: Option<EndDetails<'a>>,
}

/// What [`ContainerEnd`] says, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of `ContainerEnd`")]
pub struct EndDetails<'a> {
    pub id: &'a str,
    pub exit_code: i32,
    pub reason: &'a str,
    pub message: &'a str,
    pub started_ms: i64,
    pub finished_ms: i64,
}

/// The details that stand in these bytes, from the generation on: they were read before.
pub(super) fn of(bytes: &[u8]) -> Details<'_> {
    read(Cursor(bytes)).unwrap_or(Details {
        generation: 0,
        message: "",
        address: "",
        started_ms: 0,
        containers: Containers { from: Cursor(&[]), left: 0 },
    })
}

fn read(mut from: Cursor<'_>) -> Option<Details<'_>> {
    let generation = from.long()?;
    let (_phase, _ready, _reason) = (from.symbol(&PHASES)?, from.boolean()?, from.text()?);
    let (message, address, started_ms) = (from.text()?, from.text()?, from.long()?);
    let containers = Containers { from, left: 0 };
    Some(Details { generation, message, address, started_ms, containers })
}

/// Reads one container; `None` when there is none.
pub(super) fn container<'a>(from: &mut Cursor<'a>) -> Option<ContainerDetails<'a>> {
    Some(ContainerDetails {
        name: from.text()?,
        id: from.text()?,
        image: from.text()?,
        state: from.symbol(&STATES)?,
        ready: from.boolean()?,
        restarts: from.int()?,
        exit_code: match from.long()? {
            0 => None,
            1 => Some(from.int()?),
            _ => return None,
        },
        reason: from.text()?,
        message: from.text()?,
        started_ms: from.long()?,
        finished_ms: from.long()?,
        started: from.boolean()?,
        last: match from.long()? {
            0 => None,
            1 => Some(end(from)?),
            _ => return None,
        },
    })
}

fn end<'a>(from: &mut Cursor<'a>) -> Option<EndDetails<'a>> {
    Some(EndDetails {
        id: from.text()?,
        exit_code: from.int()?,
        reason: from.text()?,
        message: from.text()?,
        started_ms: from.long()?,
        finished_ms: from.long()?,
    })
}

impl<'a> Iterator for Containers<'a> {
    type Item = ContainerDetails<'a>;

    fn next(&mut self) -> Option<ContainerDetails<'a>> {
        if self.left == 0 {
            self.left = self.from.block()?;
        }
        // Behind the last block there is none, and nothing is left to be read.
        self.left = self.left.checked_sub(1)?;
        container(&mut self.from)
    }
}

impl FusedIterator for Containers<'_> {}

impl ContainerDetails<'_> {
    /// With fields of its own.
    #[must_use]
    pub fn whole(&self) -> ContainerObserved {
        ContainerObserved {
            name: self.name.to_owned(),
            id: self.id.to_owned(),
            image: self.image.to_owned(),
            state: self.state,
            ready: self.ready,
            restarts: self.restarts,
            exit_code: self.exit_code,
            reason: self.reason.to_owned(),
            message: self.message.to_owned(),
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
            started: self.started,
            last: self.last.map(EndDetails::whole),
        }
    }
}

impl EndDetails<'_> {
    /// With fields of its own.
    #[must_use]
    pub fn whole(self) -> ContainerEnd {
        ContainerEnd {
            id: self.id.to_owned(),
            exit_code: self.exit_code,
            reason: self.reason.to_owned(),
            message: self.message.to_owned(),
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
        }
    }
}
