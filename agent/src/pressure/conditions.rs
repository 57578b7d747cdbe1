//! What a node says of what it is short of, in Kubernetes' shape: whoever places takes it for taints.

use setpoint_schemas::{Condition, ConditionStatus, DISK_PRESSURE, MEMORY_PRESSURE, PID_PRESSURE};

use super::Pressures;
use crate::room::Room;

/// The conditions as they are now; those whose status is as before hold since then.
pub(crate) fn conditions(
    room: &Room,
    pressures: &Pressures,
    now_ms: i64,
    before: &[Condition],
) -> Vec<Condition> {
    let since = |mut now: Condition| {
        let former = before.iter().find(|c| c.kind == now.kind && c.status == now.status);
        now.transition_ms = former.map_or(now_ms, |former| former.transition_ms);
        now
    };
    let memory = pressures.memory.map(|is_short| match is_short {
        true => (true, "AgentHasInsufficientMemory", "the node has insufficient memory available"),
        false => (false, "AgentHasSufficientMemory", "the node has sufficient memory available"),
    });
    let pids = pressures.pids.map(|is_short| match is_short {
        true => (true, "AgentHasInsufficientPID", "the node has insufficient PID available"),
        false => (false, "AgentHasSufficientPID", "the node has sufficient PID available"),
    });
    let others = [(MEMORY_PRESSURE, memory), (PID_PRESSURE, pids)];
    let others = others.into_iter().filter_map(|(kind, found)| Some((kind, found?)));
    let others = others
        .map(|(kind, (is_so, reason, message))| condition(kind, is_so, reason, message.to_owned()));
    std::iter::once(of_disk(room, pressures)).chain(others).map(since).collect()
}

fn of_disk(room: &Room, pressures: &Pressures) -> Condition {
    let short = match room {
        Room::Short(why) => Some(why),
        Room::Enough => pressures.disk.as_ref(),
    };
    match short {
        Some(why) => condition(DISK_PRESSURE, true, "AgentHasDiskPressure", why.clone()),
        None => {
            let message = "there is room on the disk".to_owned();
            condition(DISK_PRESSURE, false, "AgentHasNoDiskPressure", message)
        }
    }
}

fn condition(kind: &str, is_so: bool, reason: &str, message: String) -> Condition {
    let status = if is_so { ConditionStatus::True } else { ConditionStatus::False };
    Condition {
        kind: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        transition_ms: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(conditions: &[Condition]) -> Vec<String> {
        let told = |c: &Condition| format!("{} {:?} {}", c.kind, c.status, c.transition_ms);
        conditions.iter().map(told).collect()
    }

    #[test]
    fn what_is_not_looked_at_is_not_claimed_and_what_stays_so_is_so_since_then() {
        let nothing = Pressures::default();
        let first = conditions(&Room::Enough, &nothing, 1, &[]);
        assert_eq!(told(&first), ["DiskPressure False 1"]);
        let short =
            Pressures { memory: Some(true), pids: Some(false), disk: Some("the disk".to_owned()) };
        let second = conditions(&Room::Enough, &short, 2, &first);
        let expected = ["DiskPressure True 2", "MemoryPressure True 2", "PIDPressure False 2"];
        assert_eq!(told(&second), expected);
        assert_eq!(second[0].message, "the disk");
        let better = Pressures { memory: Some(false), ..short };
        let third = conditions(&Room::Short("full".to_owned()), &better, 3, &second);
        let expected = ["DiskPressure True 2", "MemoryPressure False 3", "PIDPressure False 2"];
        assert_eq!(told(&third), expected);
        assert_eq!(third[0].message, "full");
    }
}
