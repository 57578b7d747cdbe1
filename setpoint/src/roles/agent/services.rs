//! How a node serves Services, from its settings and from what its machine says of resolvers.

use std::net::{IpAddr, SocketAddr};

use setpoint_agent::ServicesOptions;
use setpoint_settings::{AgentSettings, Runtime};

/// Where a machine says who answers names.
const RESOLVER: &str = "/etc/resolv.conf";
/// The port that resolvers ask; no file of theirs says another.
const NAMES_PORT: u16 = 53;
/// Kubernetes' default domain of a fleet.
const DOMAIN: &str = "cluster.local";

/// How this node serves Services; `None` for not at all.
pub(super) fn options(agent: &AgentSettings) -> Option<ServicesOptions> {
    let how = &agent.services;
    if !how.enabled {
        return None;
    }
    let names: Option<SocketAddr> = how.names.parse().ok();
    let (found, searches) = read(&std::fs::read_to_string(RESOLVER).unwrap_or_default());
    let upstreams = if how.upstreams.is_empty() { found } else { how.upstreams.clone() };
    let is_seen_by_pods =
        |names: &SocketAddr| names.port() == NAMES_PORT && !names.ip().is_loopback();
    Some(ServicesOptions {
        ferry_port: how.ferry_port,
        publish: how.publish,
        names,
        domain: DOMAIN.to_owned(),
        // Who asks itself waits for itself.
        upstreams: upstreams.into_iter().filter(|upstream| Some(*upstream) != names).collect(),
        resolver: names
            .filter(|names| agent.runtime == Runtime::Docker && is_seen_by_pods(names))
            .map(|names| names.ip()),
        searches,
    })
}

/// The servers and the domains of a machine's file.
fn read(text: &str) -> (Vec<SocketAddr>, Vec<String>) {
    let (mut servers, mut searches) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                servers.extend(address.map(|address| SocketAddr::new(address, NAMES_PORT)));
            }
            Some("search" | "domain") => searches = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    (servers, searches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_says_who_answers_and_containers_are_pointed_where_they_can_reach() {
        let (servers, searches) = read("nameserver 10.0.0.2\nnameserver x\nsearch a b\n");
        assert_eq!(servers, [SocketAddr::from(([10, 0, 0, 2], 53))]);
        assert_eq!(searches, ["a", "b"]);
        for (runtime, names, expected) in [
            (Runtime::Docker, "10.96.0.10:53", Some("10.96.0.10")),
            (Runtime::Docker, "10.96.0.10:5353", None),
            (Runtime::Docker, "127.96.0.10:53", None),
            (Runtime::Process, "10.96.0.10:53", None),
        ] {
            let mut agent = AgentSettings { runtime, ..AgentSettings::default() };
            agent.services.names = names.to_owned();
            let resolver = options(&agent).and_then(|options| options.resolver);
            assert_eq!(resolver.map(|ip| ip.to_string()).as_deref(), expected, "{names}");
        }
    }
}
