//! How a pod is called and how its containers find others by name: host name, hosts file, resolver.
//!
//! These belong to whoever has the pod's network: its only container, or its sandbox.
//! Source: the kubelet's DNS configurer and its `GeneratePodHostNameAndDomain`.

use std::fs;

use bollard::models::{ContainerCreateBody, HostConfig};
use setpoint_actuators::{ActuatorError, PodToRun, annotations};
use setpoint_schemas::{DnsConfig, DnsOption, PodSpec};

/// The kernel's limit for host names.
const HOSTNAME_CHARS_MAX: usize = 63;
/// The kernel's limit for a host name with its domain.
const FQDN_CHARS_MAX: usize = 64;
/// What resolvers take no notice of beyond this; the kubelet leaves it out too.
const SERVERS_MAX: usize = 3;
/// Kubernetes' default domain of a fleet.
const FLEET_DOMAIN: &str = "svc.cluster.local";
/// Where the machine says who answers names.
const RESOLVER: &str = "/etc/resolv.conf";
/// Where it says so when it answers itself, on its loopback. Docker looks there too.
const RESOLVER_BEHIND: &str = "/run/systemd/resolve/resolv.conf";
/// By Docker's word, no domain is looked in.
const NO_SEARCH: &str = ".";

/// Says who the pod is: not where it shares the node's network and so its name.
pub(crate) fn call(pod: &PodToRun, body: &mut ContainerCreateBody) {
    let (name, domain) = (hostname(pod), domain(pod));
    body.hostname = Some(match domain {
        Some(ref domain) if is_whole(pod) => format!("{name}.{domain}"),
        _ => name,
    });
    body.domainname = domain.filter(|_| !is_whole(pod));
}

/// Says whom its containers find.
pub(crate) fn find(spec: &PodSpec, host: &mut HostConfig) {
    let aliases = spec.host_aliases.iter();
    let lines = aliases.flat_map(|a| a.hostnames.iter().map(|name| format!("{name}:{}", a.ip)));
    host.extra_hosts = Some(lines.collect()).filter(|lines: &Vec<_>| !lines.is_empty());
    let Some(dns) = dns(spec, machine) else { return };
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    host.dns = some(dns.nameservers);
    host.dns_search = some(dns.searches);
    host.dns_options = some(dns.options.iter().map(option).collect());
}

/// What the machine says of who answers names.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let own = read(RESOLVER);
    if self::read(&own).nameservers.is_empty() { read(RESOLVER_BEHIND) } else { own }
}

/// Whether the pod can be called so.
///
/// # Errors
/// Permanent when the kernel has no room for the whole name.
pub(crate) fn check(pod: &PodToRun) -> Result<(), ActuatorError> {
    let mut body = ContainerCreateBody::default();
    call(pod, &mut body);
    let whole = body.hostname.unwrap_or_default();
    if whole.len() <= FQDN_CHARS_MAX || pod.spec.host_network == Some(true) {
        return Ok(());
    }
    let message = format!(
        "setHostnameAsFQDN: {whole} has more than {FQDN_CHARS_MAX} characters, which no host name \
         may have"
    );
    Err(ActuatorError::permanent("FailedCreatePodSandBox", message))
}

fn is_whole(pod: &PodToRun) -> bool {
    pod.spec.set_hostname_as_fqdn == Some(true)
}

fn hostname(pod: &PodToRun) -> String {
    let name = pod.spec.hostname.as_deref().unwrap_or(pod.placement.name.as_str());
    let short: String = name.chars().take(HOSTNAME_CHARS_MAX).collect();
    short.trim_end_matches(['-', '.']).to_owned()
}

fn domain(pod: &PodToRun) -> Option<String> {
    let pattern = &pod.placement.pattern;
    let within = pod.spec.subdomain.as_deref().filter(|domain| !domain.is_empty());
    let whole = || pattern.annotations.get(annotations::DOMAIN).cloned();
    within.map(|domain| format!("{domain}.{}.{FLEET_DOMAIN}", pattern.namespace)).or_else(whole)
}

/// Who answers, where it is not left to the engine, which takes the machine's own. What a pod adds
/// comes behind the machine's, unless its policy is to have nothing of the machine's.
fn dns(spec: &PodSpec, machine: impl Fn() -> String) -> Option<DnsConfig> {
    let wanted = spec.dns_config.as_ref();
    if spec.dns_policy.as_deref() == Some("None") {
        let mut alone = wanted.cloned().unwrap_or_default();
        if alone.searches.is_empty() {
            alone.searches.push(NO_SEARCH.to_owned());
        }
        return Some(alone);
    }
    let wanted = wanted.filter(|wanted| **wanted != DnsConfig::default())?;
    let own = read(&machine());
    let options = own.options.into_iter();
    let others = options.filter(|own| wanted.options.iter().all(|w| w.name != own.name));
    Some(DnsConfig {
        nameservers: joined(own.nameservers, &wanted.nameservers, SERVERS_MAX),
        searches: joined(own.searches, &wanted.searches, usize::MAX),
        options: if wanted.options.is_empty() {
            Vec::new()
        } else {
            others.chain(wanted.options.iter().cloned()).collect()
        },
    })
}

/// Nothing where nothing is added: then the engine knows best.
fn joined(own: Vec<String>, added: &[String], count_max: usize) -> Vec<String> {
    if added.is_empty() {
        return Vec::new();
    }
    let mut all = own;
    for one in added {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
    all.truncate(count_max);
    all
}

/// The machine's own. A server on its loopback cannot be reached from a pod.
fn read(text: &str) -> DnsConfig {
    let mut found = DnsConfig::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let owned = |word: &str| word.to_owned();
        match words.next() {
            Some("nameserver") => {
                let reached =
                    words.filter(|server| !server.starts_with("127.") && *server != "::1");
                found.nameservers.extend(reached.map(owned));
            }
            Some("search" | "domain") => found.searches = words.map(owned).collect(),
            Some("options") => found.options.extend(words.map(parsed)),
            _ => {}
        }
    }
    found
}

fn parsed(word: &str) -> DnsOption {
    match word.split_once(':') {
        Some((name, value)) => DnsOption { name: name.into(), value: Some(value.into()) },
        None => DnsOption { name: word.into(), value: None },
    }
}

fn option(option: &DnsOption) -> String {
    let value = option.value.as_ref().map(|value| format!(":{value}")).unwrap_or_default();
    format!("{}{value}", option.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "# x\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch corp.example\n\
                           options edns0 ndots:1\n";

    #[test]
    fn what_a_pod_adds_comes_behind_the_machines_own_unless_it_wants_nothing_of_it() {
        // (spec, servers, searches, options); nothing is left to the engine
        let table = [
            ("{}", None),
            (r#"{"dnsPolicy": "Default"}"#, None),
            (r#"{"dnsConfig": {}}"#, None),
            (
                r#"{"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"]}}"#,
                Some(("9.9.9.9", ".", "")),
            ),
            (
                r#"{"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"],
                    "searches": ["a", "b"], "options": [{"name": "ndots", "value": "2"}]}}"#,
                Some(("9.9.9.9", "a b", "ndots:2")),
            ),
            (
                r#"{"dnsConfig": {"options": [{"name": "ndots", "value": "5"}, {"name": "x"}]}}"#,
                Some(("", "", "edns0 ndots:5 x")),
            ),
            (
                r#"{"dnsConfig": {"nameservers": ["9.9.9.9", "10.0.0.2"], "searches": ["a"]}}"#,
                Some(("10.0.0.2 9.9.9.9", "corp.example a", "")),
            ),
        ];
        for (spec, expected) in table {
            let spec: PodSpec = serde_json::from_str(spec).expect("a spec");
            let found = dns(&spec, || MACHINE.to_owned()).map(|dns| {
                let options = dns.options.iter().map(option).collect::<Vec<_>>();
                (dns.nameservers.join(" "), dns.searches.join(" "), options.join(" "))
            });
            let found = found.as_ref().map(|(a, b, c)| (&**a, &**b, &**c));
            assert_eq!(found, expected);
        }
    }
}
