//! What was gone back to is pinned: a manifest that still states the template which was left does not
//! bring it back.
//!
//! Guarantee: of such a manifest all else is taken, and who applied it is told what is not. It ends when
//! another template is asked for, when the manifest states the one that was gone back to, or when somebody
//! goes to the barred revision by its number. Absent: other ways to insist; who syncs forces always.

use serde_json::Value;
use setpoint_rules::admission::Owned;
use setpoint_rules::ownership;
use setpoint_rules::revision::{self, Revision, Way};
use setpoint_schemas::{RequestItem, Resource, ResourceKey, Verb};

use super::judge::Judge;

impl Judge<'_> {
    /// How the template of a resource that is put comes to be its current one, and what is told of that;
    /// one that is barred is taken out of it again.
    pub(super) fn pinned(
        &self,
        item: &RequestItem,
        (key, manager): (&ResourceKey, &str),
        present: Option<&Resource>,
        put: &mut Owned,
    ) -> (Way, String) {
        if item.verb == Verb::RolloutUndo {
            return (Way::Returned, String::new());
        }
        let Some((barred, current)) = self.barred(key, present) else {
            return (Way::Asked, String::new());
        };
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let stands = present.map(|resource| read(&resource.body)).unwrap_or_default();
        let stands = &stands["spec"]["template"];
        let wanted = revision::essence(&put.object["spec"]["template"]);
        if wanted == revision::essence(&read(&barred.template)) {
            put.object["spec"]["template"] = stands.clone();
            let managers = std::mem::take(&mut put.managers);
            put.managers = ownership::restored(&put.object, managers, manager);
            return (Way::Asked, stays(barred, current));
        }
        if states_template(item) && wanted == revision::essence(stands) {
            let told = format!(
                "spec.template is that of revision {} again, which is not pinned any more",
                current.number
            );
            return (Way::CaughtUp, told);
        }
        (Way::Asked, String::new())
    }

    /// The revision of a resource that is barred, and the current one.
    fn barred(
        &self,
        key: &ResourceKey,
        present: Option<&Resource>,
    ) -> Option<(&Revision, &Revision)> {
        let id = self.state.workloads.get(key)?;
        let workload = self.state.workload.get(id)?;
        let history = &workload.memo.history;
        let is_it = present.is_some_and(|resource| resource.uid == workload.uid);
        revision::barred(history).zip(history.last()).filter(|_| is_it)
    }
}

/// Whether an item is a manifest with a template, and not a change of something else.
fn states_template(item: &RequestItem) -> bool {
    if item.verb != Verb::Apply {
        return false;
    }
    let body: Value = serde_json::from_str(&item.body).unwrap_or_default();
    body["spec"]["template"]["spec"]["containers"].is_array()
}

/// What who applies the template of the barred revision is told.
fn stays(barred: &Revision, current: &Revision) -> String {
    let (left, stands) = (barred.number, current.number);
    let why = match barred.failed.as_str() {
        "" => format!("revision {left} was undone"),
        why => format!("revision {left} failed: {why}"),
    };
    format!(
        "spec.template stays at revision {stands}: {why}; apply another template, or `rollout undo --to-revision {left}`"
    )
}
