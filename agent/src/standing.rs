//! Whose node this is, as the lists of placements say: the agent that registered last has it.
//!
//! Guarantee: an agent gives way only to a session that took the node after its own had it, by the
//! log's order. A list older than one that named it proves nothing.
//! Absent: clocks. Which of two sessions is the later one is the log's to say.

use setpoint_schemas::{PlacementList, SessionId};

/// What a list says of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Ours.
    Ours,
    /// Nobody's, or a former agent's: we are not registered yet, or no more.
    NotOurs(Option<Holder>),
    /// Another agent's, that took it after us.
    Taken(Holder),
}

/// The agent that has the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its life.
    pub(crate) session: SessionId,
    /// The number of that life among the node's; 0 when it does not say.
    pub(crate) started_ms: i64,
    /// The runtime that it works on; empty when it does not say.
    pub(crate) runtime_id: String,
}

impl Whose {
    pub(crate) fn is_not_ours(&self) -> bool {
        matches!(self, Whose::NotOurs(_))
    }
}

impl Holder {
    fn of(list: &PlacementList) -> Option<Holder> {
        let session = list.session.clone()?;
        let (started_ms, runtime_id) = (list.session_started_ms, list.runtime_id.clone());
        Some(Holder { session, started_ms, runtime_id })
    }
}

/// Whether and since when the node is ours.
#[derive(Debug)]
pub(crate) struct Standing {
    session: SessionId,
    /// The latest (term, epoch) as of which a list named us.
    ours_as_of: Option<(i64, i64)>,
}

impl Standing {
    pub(crate) fn new(session: SessionId) -> Self {
        Standing { session, ours_as_of: None }
    }

    /// Whether the list itself names this life as the one that has the node.
    pub(crate) fn names(&self, list: &PlacementList) -> bool {
        list.session.as_ref() == Some(&self.session)
    }

    /// Whose the node is by this list.
    pub(crate) fn judge(&mut self, list: &PlacementList) -> Whose {
        let as_of = (list.term, list.epoch);
        match Holder::of(list) {
            Some(holder) if holder.session == self.session => {
                self.ours_as_of = self.ours_as_of.max(Some(as_of));
                Whose::Ours
            }
            _ if self.ours_as_of.is_some_and(|known| as_of < known) => Whose::Ours,
            Some(other) if self.ours_as_of.is_some() => Whose::Taken(other),
            holder => Whose::NotOurs(holder),
        }
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::{FleetId, NodeName};

    use super::*;

    fn session(name: &str) -> SessionId {
        SessionId::parse(name).expect("a valid session")
    }

    fn list(term: i64, epoch: i64, of: Option<&str>) -> PlacementList {
        PlacementList {
            fleet: FleetId::parse("f").expect("a valid fleet"),
            node: NodeName::parse("n").expect("a valid name"),
            term,
            epoch,
            complete: true,
            session: of.map(session),
            session_started_ms: 7,
            runtime_id: "r".into(),
            lease: None,
            placements: Vec::new(),
            ended: Vec::new(),
            volumes_leaving: Vec::new(),
        }
    }

    #[test]
    fn the_node_is_the_last_registered_agents() {
        let mut standing = Standing::new(session("we"));
        let they =
            || Holder { session: session("they"), started_ms: 7, runtime_id: "r".to_owned() };
        let table = [
            ((1, 1), None, Whose::NotOurs(None)),
            ((1, 2), Some("they"), Whose::NotOurs(Some(they()))),
            ((1, 3), Some("we"), Whose::Ours),
            ((1, 2), Some("they"), Whose::Ours),
            ((1, 4), None, Whose::NotOurs(None)),
            ((1, 5), Some("we"), Whose::Ours),
            ((2, 4), Some("they"), Whose::Taken(they())),
        ];
        for ((term, epoch), of, expected) in table {
            let whose = standing.judge(&list(term, epoch, of));
            assert_eq!(whose, expected, "term {term} epoch {epoch} of {of:?}");
        }
    }
}
