//! The list of processes: a file with one address a line, process 0 first.

use std::path::Path;

use anyhow::{Context as _, bail};

/// Processes of one cluster: each is connected with each.
const PROCESSES_MAX: usize = 64;

/// The addresses in this file. What follows a `#` is a remark, and empty lines are passed over.
///
/// # Errors
/// When the file cannot be read, is too short or too long, or an address has no port.
pub(super) fn read(path: &Path, own: usize) -> anyhow::Result<Vec<String>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read the list of processes {shown}"))?;
    parsed(&text, own).with_context(|| format!("failed to use the list of processes {shown}"))
}

fn parsed(text: &str, own: usize) -> anyhow::Result<Vec<String>> {
    let without_remark = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    let hosts: Vec<String> =
        text.lines().map(without_remark).filter(|line| !line.is_empty()).collect();
    let has_port = |host: &str| {
        host.rsplit_once(':').is_some_and(|(name, port)| {
            !name.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if let Some(host) = hosts.iter().find(|host| !has_port(host)) {
        bail!("{host:?} is no address such as 10.0.0.1:7000");
    }
    if hosts.len() > PROCESSES_MAX {
        bail!("it has {} processes, more than {PROCESSES_MAX}", hosts.len());
    }
    if own >= hosts.len() {
        bail!("it has {} processes, and this one is number {own}, from 0 on", hosts.len());
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::parsed;

    #[test]
    fn a_list_has_an_address_a_line() {
        let hosts = parsed("# ours\n10.0.0.1:7000\n\nb.example:7000 # the second\n", 1);
        assert_eq!(hosts.expect("a list"), ["10.0.0.1:7000", "b.example:7000"]);
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_reason() {
        let refused = |text, own| format!("{:#}", parsed(text, own).expect_err("refused"));
        assert_eq!(refused("a:1\nb\n", 0), "\"b\" is no address such as 10.0.0.1:7000");
        assert_eq!(refused("a:1\n", 1), "it has 1 processes, and this one is number 1, from 0 on");
        assert_eq!(refused("a:1\n".repeat(65).as_str(), 0), "it has 65 processes, more than 64");
    }
}
