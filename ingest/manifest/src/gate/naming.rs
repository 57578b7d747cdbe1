//! How a pod's containers find names.
//!
//! Source: Kubernetes' `validatePodDNSConfig` and `ValidateHostAliases`.

use std::net::IpAddr;

use super::cursor::{Checker, Cursor};
use super::names;

/// Kubernetes' bound for servers that answer names; resolvers look at no more.
const SERVERS_MAX: usize = 3;
/// Kubernetes' bound for domains that are searched.
const SEARCHES_MAX: usize = 32;
/// Kubernetes' bound for their characters together.
const SEARCH_CHARS_MAX: usize = 2_048;

/// Whose answers a pod takes, and its own lines of the hosts file.
pub(crate) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    let (policy, config) = (spec.field("dnsPolicy"), spec.field("dnsConfig"));
    checker.one_of(&policy, &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]);
    let servers = config.field("nameservers");
    if policy.text() == "None" && servers.items().is_empty() {
        checker.refuse(&servers, "needs at least one server with dnsPolicy None");
    }
    if servers.items().len() > SERVERS_MAX {
        checker.refuse(&servers, format!("must have at most {SERVERS_MAX} servers"));
    }
    servers.items().iter().for_each(|server| address(checker, server));
    searches(checker, &config.field("searches"));
    for option in config.field("options").items() {
        checker.required(&option.field("name"));
    }
    for alias in spec.field("hostAliases").items() {
        address(checker, &alias.field("ip"));
        for name in alias.field("hostnames").items() {
            if let Err(reason) = names::subdomain(name.text()) {
                checker.refuse(&name, reason);
            }
        }
    }
}

fn searches(checker: &mut Checker, at: &Cursor<'_>) {
    let items = at.items();
    let chars: usize = items.iter().map(|domain| domain.text().len() + 1).sum();
    if items.len() > SEARCHES_MAX || chars > SEARCH_CHARS_MAX {
        let most = format!("{SEARCHES_MAX} domains of {SEARCH_CHARS_MAX} characters in all");
        checker.refuse(at, format!("must have at most {most}"));
    }
    for domain in items {
        // A point alone is the root, and one at the end says that the name is whole.
        let text = domain.text();
        let name = if text == "." { "a" } else { text.strip_suffix('.').unwrap_or(text) };
        // Domains of services begin with an underscore.
        if let Err(reason) = names::subdomain(&name.replace('_', "a")) {
            checker.refuse(&domain, reason);
        }
    }
}

fn address(checker: &mut Checker, at: &Cursor<'_>) {
    if at.text().parse::<IpAddr>().is_err() {
        let shown = crate::problem::shortened(at.text());
        checker.refuse(at, format!("{shown:?} is no address such as 10.0.0.1"));
    }
}
