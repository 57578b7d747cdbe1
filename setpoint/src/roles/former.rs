//! Agents that `up` ran in a folder before and does not run now.
//!
//! Absent: agents that were started by themselves, which have names of their own.

use std::path::Path;

use setpoint_settings::Settings;

use crate::context::warn;

/// Warns of them: what they run goes on, and nobody looks after it.
pub(crate) fn tell(settings: &Settings) {
    let left = left_out(&settings.data_dir.join("agents"), settings.up.agents);
    if left.is_empty() {
        return;
    }
    let most = left.last().copied().unwrap_or_default();
    let names: Vec<String> = left.iter().map(|number| format!("node-{number}")).collect();
    warn(format!(
        "{} ran here before and will not now: they are lost in a while and their pods replaced, while what they \
         run goes on unwatched; start with --agents {most} and drain them first",
        names.join(", ")
    ));
}

/// The numbers of the nodes that have a folder here beyond as many agents, in order.
fn left_out(agents: &Path, count: u32) -> Vec<u32> {
    let entries = std::fs::read_dir(agents).into_iter().flatten().flatten();
    let number = |entry: std::fs::DirEntry| {
        entry.file_name().to_str()?.strip_prefix("node-")?.parse::<u32>().ok()
    };
    let mut numbers: Vec<u32> = entries.filter_map(number).filter(|n| *n > count).collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_beyond_the_number_of_agents_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["node-1", "node-2", "node-10", "other", "node-x"] {
            std::fs::create_dir(folder.path().join(name)).expect("it is made");
        }
        assert_eq!(left_out(folder.path(), 1), [2, 10]);
        assert!(left_out(folder.path(), 10).is_empty());
        assert!(left_out(&folder.path().join("none"), 1).is_empty());
    }
}
