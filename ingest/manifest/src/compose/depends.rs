//! `depends_on`: which services start only when others are so far.
//!
//! A service that another one waits for to complete is one that ends: without a `restart` of its own it is
//! not started again, as Compose has it of every service. Absent: waiting itself, which is the engine's; and
//! services that are left out or not there, for which nobody waits.

use serde_json::json;
use setpoint_schemas::{DEPENDENCIES_MAX, Dependency};

use super::deploy::{self, Restart};
use super::fields;
use super::making::Making;
use super::units;
use super::waits::{condition, dependencies};
use crate::gate::cursor::Cursor;

/// How a service ends: one that others wait for to complete does.
pub(crate) fn restart(making: &mut Making<'_>, name: &str, service: &Cursor<'_>) -> Restart {
    let restart = deploy::restart(making, service);
    let Some(waiter) = making.waits.waiter_for(name).map(str::to_owned) else { return restart };
    if restart != Restart::Always {
        return restart;
    }
    let policy = service.field("deploy").field("restart_policy").field("condition");
    let said = [policy, service.field("restart")].into_iter().find(|at| !at.value.is_null());
    if let Some(at) = said {
        let why =
            format!("starts it again whenever it ends, and {waiter} waits until it has ended");
        making.refuse(&at, why);
    }
    Restart::Never
}

/// What the workload of a service depends on, for its annotation; nothing where it waits for nobody.
pub(crate) fn annotation(making: &mut Making<'_>, service: &Cursor<'_>) -> Option<String> {
    let mut all = Vec::new();
    for (name, at) in dependencies(service) {
        making.check(&at, fields::DEPENDENCY);
        let condition = match condition(&at) {
            Ok(condition) => condition,
            Err(why) => {
                making.refuse(&at.field("condition"), why);
                continue;
            }
        };
        if !making.waits.is_made(&name) {
            continue;
        }
        let kind = kind_of(&making.section("services").field(&name));
        let (required, restart) = (truth(&at, "required", true), truth(&at, "restart", false));
        let name = making.object_name(&name);
        let dependency = Dependency { kind: kind.to_owned(), name, condition, required, restart };
        if !all.contains(&dependency) {
            all.push(dependency);
        }
    }
    if all.len() > DEPENDENCIES_MAX {
        let why = format!("names more than {DEPENDENCIES_MAX} services");
        making.refuse(&service.field("depends_on"), why);
    }
    (!all.is_empty()).then(|| json!(all).to_string())
}

/// The kind of the workload that a service becomes.
fn kind_of(service: &Cursor<'_>) -> &'static str {
    match service.field("deploy").field("mode").text() {
        "global" => "DaemonSet",
        _ => "Deployment",
    }
}

fn truth(at: &Cursor<'_>, field: &str, default: bool) -> bool {
    units::truth(at.field(field).value).unwrap_or(default)
}
