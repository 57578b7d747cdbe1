//! The cold step: what the cold views tell, taken in and told on.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_placement::NodeId;
use setpoint_schemas::ResourceKey;

use crate::decide::Turn;
use crate::views::{ColdChanges, NodeRollup, Views};

/// Workloads that the cold views take in at one step: below a millisecond of it. Nothing that is
/// decided or told of one of them waits for that: they are in the sums of the overview by then, and
/// are audited.
const WORKLOADS_MAX: usize = 512;

impl<V: Views> Turn<'_, V> {
    /// Brings the cold views up to date, and tells statuses, orphans and the overview.
    pub(crate) fn cold_step(&mut self) {
        self.redesire_daemons();
        let (changes, is_left) = self.views.settle_cold_some(WORKLOADS_MAX);
        self.state.cold_dirty = is_left;
        self.take_cold(&changes);
        self.tell_statuses();
        self.tell_budgets();
        self.tell_quotas();
        self.tell_orphans();
        self.out.overview = Some(self.state.overview.clone());
    }

    /// Takes the changes of the cold views into the state.
    pub(crate) fn take_cold(&mut self, changes: &ColdChanges) {
        for (id, status) in &changes.statuses {
            self.audit_tallies(*id, &status.unwrap_or_default());
        }
        for (sighting, is_one) in &changes.orphans {
            let shown = &mut self.state.orphans.shown;
            if *is_one {
                shown.insert(*sighting)
            } else {
                shown.remove(sighting)
            };
            self.nodes_touched.insert(sighting.0);
        }
        for (node, row) in &changes.nodes {
            self.audit(*node, &row.unwrap_or_default());
        }
        let outdated = self.outdated(changes);
        let overview = Arc::make_mut(&mut self.state.overview);
        for (key, pods) in outdated {
            if pods > 0 {
                overview.outdated.insert(key, pods)
            } else {
                overview.outdated.remove(&key)
            };
        }
        overview.fleet = changes.fleet.unwrap_or(overview.fleet);
        for (id, row) in &changes.namespaces {
            let Some(name) = self.state.namespace_names.get(id) else { continue };
            match row {
                Some(row) => overview.namespaces.insert(name.clone(), *row),
                None => overview.namespaces.remove(name),
            };
        }
    }

    /// The live pods of earlier revisions of each workload of which they changed.
    fn outdated(&mut self, changes: &ColdChanges) -> BTreeMap<ResourceKey, i64> {
        let stale = &mut self.state.stale;
        for (revision, pods) in &changes.stale {
            match pods {
                Some(pods) => stale.insert(*revision, *pods),
                None => stale.remove(revision),
            };
        }
        let mut outdated = BTreeMap::new();
        for ((id, _), _) in &changes.stale {
            if let Some(workload) = self.state.workload.get(id) {
                let pods = stale.range((*id, 0)..=(*id, u32::MAX)).map(|(_, pods)| pods).sum();
                outdated.insert(workload.key.clone(), pods);
            }
        }
        outdated
    }

    /// A DaemonSet wants as many pods as the nodes that it is to run on; the views learn it here.
    fn redesire_daemons(&mut self) {
        for id in std::mem::take(&mut self.state.daemons_dirty) {
            self.state.status_changed(id);
            let Some(workload) = self.state.workload.get(&id) else { continue };
            let wanted = if workload.deleted { 0 } else { self.daemon_desired(workload) };
            self.redesire_to(id, wanted);
        }
    }

    /// The views' reservations audit the placer's. They are counted from the same facts in two ways:
    /// a difference is a mistake of ours, and placing goes on by the placer's.
    fn audit(&self, node: u32, row: &NodeRollup) {
        let placer = self.fleet.allocated(NodeId(node));
        let (by_placer, by_views) = (
            (placer.cpu_milli, placer.memory_bytes, placer.pods),
            (row.requested.cpu_milli, row.requested.memory_bytes, row.requested.pods),
        );
        debug_assert_eq!(by_placer, by_views, "reservations of node {node} are counted otherwise");
        if by_placer != by_views {
            let name = self.state.node.get(&node).map(|node| node.row.record.node.to_string());
            tracing::error!(
                node = name,
                ?by_placer,
                ?by_views,
                "reservations are counted otherwise"
            );
        }
    }
}
