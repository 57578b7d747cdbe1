//! Which lists of placements an agent accepts: complete, of its own fleet and node, and never of a
//! lower (term, epoch) than one that it accepted before.
//!
//! Guarantee: what was accepted is on disk before it is acted upon.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use setpoint_schemas::{FleetId, NodeName, PlacementList};

use crate::{AgentError, files};

/// How far an agent has accepted lists.
#[derive(Debug)]
pub(crate) struct Guard {
    folder: PathBuf,
    mark: Mark,
}

/// What is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    fleet: FleetId,
    node: NodeName,
    term: i64,
    epoch: i64,
}

/// Why a list is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the list is of fleet {0}, not of ours")]
    Fleet(FleetId),
    #[error("the list is of node {0}, not of this one")]
    Node(NodeName),
    #[error("the list is incomplete")]
    Incomplete,
    #[error("the list is of term {term} epoch {epoch}, below one that was accepted")]
    Old { term: i64, epoch: i64 },
    #[error("failed to write down the list: {0}")]
    Disk(String),
}

impl Guard {
    /// Reads the mark in this folder; a new one lies below every list.
    pub(crate) fn open(
        folder: &Path,
        fleet: &FleetId,
        node: &NodeName,
    ) -> Result<Self, AgentError> {
        let fresh = Mark { fleet: fleet.clone(), node: node.clone(), term: -1, epoch: -1 };
        let mark = files::read::<Mark>(&mark_path(folder))?.unwrap_or(fresh);
        if mark.fleet != *fleet || mark.node != *node {
            return Err(AgentError::Foreign {
                path: folder.to_owned(),
                fleet: mark.fleet.to_string(),
                node: mark.node.to_string(),
            });
        }
        Ok(Guard { folder: folder.to_owned(), mark })
    }

    /// The list that was accepted last, in this life or a former one.
    pub(crate) fn remembered(&self) -> Result<Option<PlacementList>, AgentError> {
        files::read(&list_path(&self.folder))
    }

    /// Accepts the list, or says why not. Accepted means written down.
    pub(crate) fn accept(&mut self, list: &PlacementList) -> Result<(), Refusal> {
        if list.fleet != self.mark.fleet {
            return Err(Refusal::Fleet(list.fleet.clone()));
        }
        if list.node != self.mark.node {
            return Err(Refusal::Node(list.node.clone()));
        }
        if !list.complete {
            return Err(Refusal::Incomplete);
        }
        let (term, epoch) = (list.term, list.epoch);
        if (term, epoch) < (self.mark.term, self.mark.epoch) {
            return Err(Refusal::Old { term, epoch });
        }
        let mark = Mark { term, epoch, ..self.mark.clone() };
        let written = files::write(&mark_path(&self.folder), &mark)
            .and_then(|()| files::write(&list_path(&self.folder), list));
        written.map_err(|error| Refusal::Disk(error.to_string()))?;
        self.mark = mark;
        Ok(())
    }
}

fn mark_path(folder: &Path) -> PathBuf {
    folder.join("guard.json")
}

fn list_path(folder: &Path) -> PathBuf {
    folder.join("placements.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(term: i64, epoch: i64) -> PlacementList {
        PlacementList {
            fleet: fleet("ours"),
            node: node("n1"),
            term,
            epoch,
            complete: true,
            session: None,
            session_started_ms: 0,
            runtime_id: String::new(),
            lease: None,
            placements: Vec::new(),
            ended: Vec::new(),
            volumes_leaving: Vec::new(),
        }
    }

    fn fleet(name: &str) -> FleetId {
        FleetId::parse(name).expect("a valid fleet")
    }

    fn node(name: &str) -> NodeName {
        NodeName::parse(name).expect("a valid name")
    }

    fn open(folder: &Path) -> Guard {
        Guard::open(folder, &fleet("ours"), &node("n1")).expect("it opens")
    }

    #[test]
    fn a_list_is_accepted_up_to_its_term_and_epoch_and_never_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut guard = open(dir.path());
        let table = [
            ((1, 5), true),
            ((1, 5), true),
            ((1, 4), false),
            ((1, 9), true),
            ((2, 3), true),
            ((1, 99), false),
            ((2, 2), false),
        ];
        for ((term, epoch), accepted) in table {
            let verdict = guard.accept(&list(term, epoch));
            assert_eq!(verdict.is_ok(), accepted, "term {term} epoch {epoch}: {verdict:?}");
        }
    }

    #[test]
    fn what_was_accepted_outlives_the_agent() {
        let dir = tempfile::tempdir().expect("a folder");
        open(dir.path()).accept(&list(3, 7)).expect("it is accepted");
        let mut guard = open(dir.path());
        assert_eq!(guard.remembered().expect("it is read"), Some(list(3, 7)));
        assert_eq!(guard.accept(&list(3, 6)), Err(Refusal::Old { term: 3, epoch: 6 }));
        assert_eq!(guard.accept(&list(3, 7)), Ok(()));
    }

    #[test]
    fn a_list_of_others_or_a_part_of_one_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut guard = open(dir.path());
        let theirs = PlacementList { fleet: fleet("theirs"), ..list(9, 9) };
        assert_eq!(guard.accept(&theirs), Err(Refusal::Fleet(fleet("theirs"))));
        let other = PlacementList { node: node("n2"), ..list(9, 9) };
        assert_eq!(guard.accept(&other), Err(Refusal::Node(node("n2"))));
        let part = PlacementList { complete: false, ..list(9, 9) };
        assert_eq!(guard.accept(&part), Err(Refusal::Incomplete));
        assert_eq!(guard.accept(&list(0, 0)), Ok(()), "a refused list leaves no mark");
    }

    #[test]
    fn a_folder_of_another_fleet_is_not_used() {
        let dir = tempfile::tempdir().expect("a folder");
        open(dir.path()).accept(&list(1, 1)).expect("it is accepted");
        let error = Guard::open(dir.path(), &fleet("theirs"), &node("n1"));
        assert!(matches!(error, Err(AgentError::Foreign { .. })), "{error:?}");
    }
}
