//! Which endpoint a new connection goes to.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use setpoint_schemas::{NodeName, PodUid};

use super::known::Cell;
use super::objects::{Endpoint, Protocol};

/// Where a connection comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// At the Service's own address.
    Inside,
    /// At a port of the node.
    Outside,
}

/// What is asked for: a port of a Service, and whence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) port: String,
    pub(super) protocol: Protocol,
    pub(super) side: Side,
}

/// An endpoint and the port that leads there.
pub(super) type Chosen = (Arc<Endpoint>, u16);

/// An endpoint for this client, none of those that were tried. `turn` goes round among them.
///
/// Those that are ready come first; where there are none, as in Kubernetes, those that still serve while
/// they stop.
pub(super) fn choose(
    cell: &Cell,
    (wanted, node): (&Wanted, &NodeName),
    (client, now): (IpAddr, Instant),
    turn: usize,
    tried: &BTreeSet<PodUid>,
) -> Option<Chosen> {
    let known = cell.now();
    let service = known.service.as_ref()?;
    let is_local = match wanted.side {
        Side::Inside => service.inner_is_local,
        Side::Outside => service.outer_is_local,
    };
    let leads = |endpoint: &Arc<Endpoint>| {
        let port = endpoint.port(&wanted.port, wanted.protocol)?;
        Some((endpoint.clone(), port))
    };
    let reachable = |(endpoint, _): &Chosen| {
        (!is_local || endpoint.node == node.as_str()) && !tried.contains(&endpoint.uid)
    };
    let all: Vec<Chosen> = known.endpoints.iter().filter_map(leads).filter(reachable).collect();
    let ready = |is: fn(&Endpoint) -> bool| -> Vec<&Chosen> {
        all.iter().filter(|(endpoint, _)| is(endpoint)).collect()
    };
    let mut candidates = ready(|endpoint| endpoint.ready);
    if candidates.is_empty() {
        candidates = ready(|endpoint| endpoint.serving && endpoint.terminating);
    }
    let chosen = service
        .affinity
        .and_then(|within| cell.affinities.of(client, within, now))
        .and_then(|uid| candidates.iter().copied().find(|(endpoint, _)| endpoint.uid == uid))
        .or_else(|| candidates.get(turn % candidates.len().max(1)).copied())?;
    if service.affinity.is_some() {
        cell.affinities.note(client, &chosen.0.uid, now);
    }
    Some(chosen.clone())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::{Value, json};

    use super::super::known::Known;
    use super::super::objects::{Service, Slice};
    use super::*;

    fn cell(spec: &Value, endpoints: &[(&str, &str, &str)]) -> Arc<Cell> {
        let metadata = json!({"namespace": "d", "name": "web"});
        let mut spec = spec.clone();
        spec["ports"] = json!([{"port": 80}]);
        let known = Known::new(NodeName::parse("n1").expect("a name"));
        known.set_service(Service::of(&json!({"metadata": metadata, "spec": spec})));
        let endpoint = |(uid, node, flags): &(&str, &str, &str)| {
            json!({"addresses": ["127.0.0.1"], "nodeName": node, "targetRef": {"uid": uid},
                "conditions": {"ready": flags.contains('r'), "serving": flags.contains('s'),
                    "terminating": flags.contains('t')}})
        };
        let endpoints: Vec<Value> = endpoints.iter().map(endpoint).collect();
        let slice = json!({
            "metadata": {"namespace": "d", "name": "web-x",
                "labels": {"kubernetes.io/service-name": "web"}},
            "ports": [{"name": "", "protocol": "TCP", "port": 8080}], "endpoints": endpoints,
        });
        known.set_slice(Slice::of(&slice).expect("a slice"));
        known.cell(&("d".to_owned(), "web".to_owned())).expect("it is known")
    }

    /// Who is chosen in so many turns.
    fn chosen(cell: &Cell, side: Side, turns: usize, tried: &[&str]) -> String {
        let node = NodeName::parse("n1").expect("a name");
        let wanted = Wanted { port: String::new(), protocol: Protocol::Tcp, side };
        let tried = tried.iter().map(|uid| PodUid::parse(uid).expect("a uid")).collect();
        let client = (IpAddr::from(Ipv4Addr::LOCALHOST), Instant::now());
        let one = |turn| choose(cell, (&wanted, &node), client, turn, &tried);
        let uids = (0..turns).filter_map(one).map(|(endpoint, _)| endpoint.uid.to_string());
        uids.collect::<Vec<_>>().join("")
    }

    #[test]
    fn ready_endpoints_take_turns_and_stopping_ones_only_where_there_are_no_others() {
        let none = json!({});
        let three = [("a", "n1", "rs"), ("b", "n2", "rs"), ("c", "n2", "")];
        assert_eq!(chosen(&cell(&none, &three), Side::Inside, 4, &[]), "abab");
        assert_eq!(chosen(&cell(&none, &three), Side::Inside, 2, &["a"]), "bb");
        assert_eq!(chosen(&cell(&none, &three), Side::Inside, 2, &["a", "b"]), "");
        let stopping = [("a", "n1", "st"), ("b", "n2", "t")];
        assert_eq!(chosen(&cell(&none, &stopping), Side::Inside, 2, &[]), "aa");
    }

    #[test]
    fn a_local_policy_keeps_to_the_node_and_affinity_to_the_endpoint() {
        let two = [("a", "n2", "rs"), ("b", "n1", "rs")];
        let local = cell(&json!({"externalTrafficPolicy": "Local"}), &two);
        assert_eq!(chosen(&local, Side::Outside, 2, &[]), "bb");
        assert_eq!(chosen(&local, Side::Inside, 2, &[]), "ab");
        let affine = cell(&json!({"sessionAffinity": "ClientIP"}), &two);
        assert_eq!(chosen(&affine, Side::Inside, 3, &[]), "aaa");
        assert_eq!(chosen(&affine, Side::Inside, 3, &["a"]), "bbb", "it does not answer");
    }
}
