//! Whom a pod's containers ask for names, as Kubernetes' DNS policies say.
//!
//! Source: the kubelet's `getPodDNSType` and `generateSearchesForDNSClusterFirst`.

use std::collections::BTreeMap;

use setpoint_schemas::{DnsConfig, DnsOption, PodSpec};

use super::objects::PROJECT;
use crate::ServicesOptions;

/// A name with fewer dots is looked for in the search domains first; Kubernetes' number.
const DOTS: &str = "5";
/// What resolvers take no notice of beyond this; the kubelet leaves it out too.
const SERVERS_MAX: usize = 3;

/// Points a pod of this namespace to the node's answerer, where its policy says so. A runtime that knows
/// no better is told all of it.
pub(crate) fn name(
    spec: &mut PodSpec,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    how: &ServicesOptions,
) {
    let Some(resolver) = how.resolver else { return };
    let is_first = match spec.dns_policy.as_deref() {
        None | Some("" | "ClusterFirst") => spec.host_network != Some(true),
        Some("ClusterFirstWithHostNet") => true,
        Some(_) => false,
    };
    if !is_first {
        return;
    }
    let own = spec.dns_config.take().unwrap_or_default();
    let domain = &how.domain;
    // The services of a Compose project find each other by their bare names, before all others.
    let project = labels.get(PROJECT);
    let project = project.map(|project| format!("{project}.{namespace}.project.{domain}"));
    let mut searches: Vec<String> = project.into_iter().collect();
    searches.extend([format!("{namespace}.svc.{domain}"), format!("svc.{domain}")]);
    searches.push(domain.clone());
    add(&mut searches, how.searches.iter().chain(&own.searches));
    let mut nameservers = vec![resolver.to_string()];
    add(&mut nameservers, &own.nameservers);
    nameservers.truncate(SERVERS_MAX);
    let mut options = own.options;
    if options.iter().all(|option| option.name != "ndots") {
        options.insert(0, DnsOption { name: "ndots".to_owned(), value: Some(DOTS.to_owned()) });
    }
    spec.dns_policy = Some("None".to_owned());
    spec.dns_config = Some(DnsConfig { nameservers, searches, options });
}

fn add<'a>(all: &mut Vec<String>, more: impl IntoIterator<Item = &'a String>) {
    for one in more {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn the_policy_says_who_is_asked() {
        let how = ServicesOptions {
            ferry_port: 0,
            publish: IpAddr::V4(Ipv4Addr::LOCALHOST),
            names: None,
            domain: "cluster.local".to_owned(),
            upstreams: Vec::new(),
            resolver: Some(IpAddr::from([10, 96, 0, 10])),
            searches: vec!["corp.example".to_owned()],
        };
        let whole = "10.96.0.10 | shop.svc.cluster.local svc.cluster.local cluster.local \
                     corp.example | ndots:5";
        let table = [
            ("{}", whole),
            (r#"{"dnsPolicy": "ClusterFirst"}"#, whole),
            (r#"{"hostNetwork": true}"#, "as it was"),
            (r#"{"hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet"}"#, whole),
            (r#"{"dnsPolicy": "Default"}"#, "as it was"),
            (r#"{"dnsPolicy": "None"}"#, "as it was"),
            (
                r#"{"dnsConfig": {"nameservers": ["9.9.9.9"], "searches": ["a"],
                    "options": [{"name": "ndots", "value": "2"}]}}"#,
                "10.96.0.10 9.9.9.9 | shop.svc.cluster.local svc.cluster.local cluster.local \
                 corp.example a | ndots:2",
            ),
        ];
        for (spec, expected) in table {
            let before: PodSpec = serde_json::from_str(spec).expect("a spec");
            let mut after = before.clone();
            name(&mut after, "shop", &BTreeMap::new(), &how);
            let told = if after == before {
                "as it was".to_owned()
            } else {
                let dns = after.dns_config.expect("it is pointed somewhere");
                let options = dns.options.iter();
                let options =
                    options.map(|o| format!("{}:{}", o.name, o.value.clone().expect("it")));
                let options = options.collect::<Vec<_>>().join(" ");
                format!("{} | {} | {options}", dns.nameservers.join(" "), dns.searches.join(" "))
            };
            assert_eq!(told, expected, "{spec}");
        }
        let mut spec = PodSpec::default();
        let labels = BTreeMap::from([(PROJECT.to_owned(), "p".to_owned())]);
        name(&mut spec, "shop", &labels, &how);
        let searches = spec.dns_config.expect("it is pointed somewhere").searches;
        assert_eq!(searches[0], "p.shop.project.cluster.local");
    }
}
