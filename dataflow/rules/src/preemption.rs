//! The words of preemption: who goes for whom, and what a pod waits for meanwhile.

/// A victim, as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim {
    /// Namespace and name.
    pub name: String,
    /// Its priority.
    pub priority: i32,
}

/// Victims named one by one; the others are counted. A sentence names as many as a person reads.
const NAMED_MAX: usize = 8;

/// What the preemptor waits for: the victims by name, on which node, and in spite of which budgets.
#[must_use]
pub fn awaits(node: &str, victims: &[Victim], violations: usize) -> String {
    if victims.is_empty() {
        return format!("room on {node} is kept for it until pods that stop there are gone");
    }
    let named = victims.iter().take(NAMED_MAX);
    let mut named: Vec<String> =
        named.map(|victim| format!("{} (priority {})", victim.name, victim.priority)).collect();
    if victims.len() > NAMED_MAX {
        named.push(format!("{} more", victims.len() - NAMED_MAX));
    }
    let beyond = match violations {
        0 => String::new(),
        1 => ", 1 of them beyond its disruption budget: no other choice was within all".to_owned(),
        some => {
            format!(
                ", {some} of them beyond their disruption budgets: no other choice was within all"
            )
        }
    };
    format!("preempts {} on {node} and waits for them to stop{beyond}", named.join(", "))
}

/// Why a victim stops.
#[must_use]
pub fn preempted(preemptor: &str, priority: i32, node: &str) -> String {
    format!("preempted by {preemptor} (priority {priority}), which gets its room on {node}")
}

/// Why a promise ends before it is kept.
#[must_use]
pub fn outbid(preemptor: &str, priority: i32, node: &str) -> String {
    format!("the room on {node} that was kept for it goes to {preemptor} (priority {priority})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn victims_are_named_and_many_are_counted() {
        let victim = |n: i32| Victim { name: format!("shop/web-{n}"), priority: n };
        assert_eq!(
            awaits("node-1", &[victim(3), victim(0)], 1),
            "preempts shop/web-3 (priority 3), shop/web-0 (priority 0) on node-1 and waits for them to \
             stop, 1 of them beyond its disruption budget: no other choice was within all"
        );
        let many: Vec<Victim> = (0..11).map(victim).collect();
        assert!(awaits("n", &many, 0).contains("shop/web-7 (priority 7), 3 more on n"));
        assert!(awaits("n", &[], 0).contains("is kept for it"));
    }
}
