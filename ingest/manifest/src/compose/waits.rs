//! What services say in `depends_on`: who waits for whom, and for what.

use std::collections::BTreeSet;

use setpoint_schemas::DependsCondition;

use crate::gate::cursor::Cursor;

/// Who takes part in waiting.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// Services that are made.
    active: BTreeSet<String>,
    /// Services that others wait for to complete, with one of those.
    awaited: Vec<(String, String)>,
}

impl Waits {
    /// Of these services, those that are made.
    pub(crate) fn of(services: &Cursor<'_>, active: &BTreeSet<&str>) -> Waits {
        let mut waits = Waits::default();
        for (name, service) in services.entries() {
            if !active.contains(name) {
                continue;
            }
            waits.active.insert(name.to_owned());
            for (dependency, at) in dependencies(&service) {
                if condition(&at) == Ok(DependsCondition::Completed) {
                    waits.awaited.push((dependency, name.to_owned()));
                }
            }
        }
        waits
    }

    /// Whether this service is made.
    pub(crate) fn is_made(&self, service: &str) -> bool {
        self.active.contains(service)
    }

    /// Who waits for a service to complete.
    pub(crate) fn waiter_for(&self, service: &str) -> Option<&str> {
        let awaited = self.awaited.iter().find(|(awaited, _)| awaited == service);
        awaited.map(|(_, waiter)| waiter.as_str())
    }
}

/// The services that a service waits for, by name, each with where it says so.
pub(crate) fn dependencies<'v>(service: &Cursor<'v>) -> Vec<(String, Cursor<'v>)> {
    let at = service.field("depends_on");
    let named = at.items().into_iter().map(|item| (item.text().to_owned(), item));
    let mapped = at.entries().into_iter().map(|(name, entry)| (name.to_owned(), entry));
    named.chain(mapped).collect()
}

/// Without a condition it is enough that the other has started.
pub(crate) fn condition(at: &Cursor<'_>) -> Result<DependsCondition, &'static str> {
    match at.field("condition").text() {
        "" | "service_started" => Ok(DependsCondition::Started),
        "service_healthy" => Ok(DependsCondition::Healthy),
        "service_completed_successfully" => Ok(DependsCondition::Completed),
        _ => Err("is no condition"),
    }
}
