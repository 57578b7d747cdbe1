//! What must hold between settings. Each rule says what is wrong and what would be right.

use base64::Engine as _;
use setpoint_schemas::{Device, NodeName, Quantity, Threshold, check_devices};

use crate::{LogKind, NO_DEVICES, Runtime, Settings};

/// A key, and why its value does not hold.
type Broken = (&'static str, String);

/// One rule.
type Rule = fn(&Settings) -> Option<Broken>;

/// The rules, from the outermost setting to the innermost.
const RULES: &[Rule] = &[
    kafka_has_servers,
    partitions_are_positive,
    replication_is_positive,
    registry_is_url,
    tls_is_whole,
    off_loopback_is_guarded,
    tokens_are_usable,
    sealing_key_is_whole,
    workers_are_some,
    process_is_of_several,
    grace_exceeds_renewal,
    renewal_is_positive,
    pacing_is_positive,
    fence_leaves_time,
    only_docker_is_watched,
    node_name_is_one,
    names_are_answered_somewhere,
    server_is_url,
    servers_are_urls,
    devices_are_devices,
    capacities_are_quantities,
    reserved_are_quantities,
    pressures_are_thresholds,
];

/// Workers of one process: as many as a large machine has cores.
const WORKERS_MAX: u32 = 256;

/// The shortest time in which pods are asked to end, end and are killed, milliseconds.
const FENCE_MS_MIN: u64 = 4_000;

/// The length of the key that seals Secrets, in bytes: ChaCha20-Poly1305's.
const SEALING_KEY_BYTES: usize = 32;

/// All that does not hold.
pub(crate) fn check(settings: &Settings) -> Vec<Broken> {
    RULES.iter().filter_map(|rule| rule(settings)).collect()
}

fn kafka_has_servers(s: &Settings) -> Option<Broken> {
    let missing = s.log.kind == LogKind::Kafka && s.log.kafka.get("bootstrap.servers").is_none();
    missing.then(|| ("log.kind", "kafka needs log.kafka.bootstrap.servers".to_owned()))
}

fn partitions_are_positive(s: &Settings) -> Option<Broken> {
    positive("log.partitions", i64::from(s.log.partitions))
}

fn replication_is_positive(s: &Settings) -> Option<Broken> {
    positive("log.replication", i64::from(s.log.replication))
}

fn registry_is_url(s: &Settings) -> Option<Broken> {
    let registry = &s.log.schema_registry;
    if registry.url.is_empty() {
        return None;
    }
    // An address is told in log lines and errors: no password may stand in it.
    let credentials = registry.url.contains('@');
    let why = match (credentials, is_url(&registry.url)) {
        (true, _) => "credentials in the address; they belong in username and password".to_owned(),
        (false, false) => not_url(&registry.url),
        (false, true) if registry.timeout_ms == 0 => {
            return Some(("log.schema_registry.timeout_ms", "0 is below 1".to_owned()));
        }
        (false, true) => return None,
    };
    Some(("log.schema_registry.url", why))
}

fn tls_is_whole(s: &Settings) -> Option<Broken> {
    match (s.api.tls_cert.is_empty(), s.api.tls_key.is_empty()) {
        (false, true) => Some(("api.tls_cert", "it is set and api.tls_key is not".to_owned())),
        (true, false) => Some(("api.tls_key", "it is set and api.tls_cert is not".to_owned())),
        _ => None,
    }
}

fn off_loopback_is_guarded(s: &Settings) -> Option<Broken> {
    let guarded = !s.api.tls_cert.is_empty() && !s.api.tokens.is_empty();
    let open = !s.api.address.ip().is_loopback() && !guarded;
    open.then(|| {
        let why = "an address off loopback needs api.tls_cert, api.tls_key and api.tokens";
        ("api.address", why.to_owned())
    })
}

fn tokens_are_usable(s: &Settings) -> Option<Broken> {
    let why = s.api.tokens.iter().find_map(|token| token.check().err());
    why.map(|why| ("api.tokens", why))
}

fn sealing_key_is_whole(s: &Settings) -> Option<Broken> {
    if !s.api.sealing_key.is_set() {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(s.api.sealing_key.reveal());
    let whole = bytes.is_ok_and(|bytes| bytes.len() == SEALING_KEY_BYTES);
    (!whole).then(|| ("api.sealing_key", "it is not 32 bytes in base64".to_owned()))
}

fn workers_are_some(s: &Settings) -> Option<Broken> {
    let workers = s.engine.workers;
    let why = || ("engine.workers", format!("{workers} is not between 1 and {WORKERS_MAX}"));
    (!(1..=WORKERS_MAX).contains(&workers)).then(why)
}

fn process_is_of_several(s: &Settings) -> Option<Broken> {
    let is_alone = s.engine.process > 0 && s.engine.processes.is_empty();
    is_alone.then(|| {
        let why = "it has a number, and engine.processes names no list of processes";
        ("engine.process", why.to_owned())
    })
}

fn grace_exceeds_renewal(s: &Settings) -> Option<Broken> {
    let policy = &s.engine.policy;
    (policy.lease_grace_ms <= policy.lease_renew_ms).then(|| {
        let why = format!(
            "{} ms is not above engine.policy.lease_renew_ms, {} ms: every node would be lost",
            policy.lease_grace_ms, policy.lease_renew_ms
        );
        ("engine.policy.lease_grace_ms", why)
    })
}

fn renewal_is_positive(s: &Settings) -> Option<Broken> {
    positive("engine.policy.lease_renew_ms", s.engine.policy.lease_renew_ms)
}

fn pacing_is_positive(s: &Settings) -> Option<Broken> {
    let pace = &s.agent.pace;
    positive("engine.policy.starts_per_second", s.engine.policy.starts_per_second)
        .or_else(|| positive("engine.policy.starts_burst", s.engine.policy.starts_burst))
        .or_else(|| positive("agent.pace.starts_per_second", i64::from(pace.starts_per_second)))
        .or_else(|| positive("agent.pace.starts_burst", i64::from(pace.starts_burst)))
        .or_else(|| positive("agent.pace.in_flight", i64::from(pace.in_flight)))
}

fn fence_leaves_time(s: &Settings) -> Option<Broken> {
    let fence_ms = s.agent.fence_ms;
    let is_short = (1..FENCE_MS_MIN).contains(&fence_ms);
    is_short.then(|| {
        let why = format!("{fence_ms} is below {FENCE_MS_MIN}, and not 0: pods need time to end");
        ("agent.fence_ms", why)
    })
}

fn only_docker_is_watched(s: &Settings) -> Option<Broken> {
    let broken = s.agent.docker.watch && s.agent.runtime != Runtime::Docker;
    broken.then(|| ("agent.docker.watch", "only the docker runtime can be watched".to_owned()))
}

fn node_name_is_one(s: &Settings) -> Option<Broken> {
    if s.agent.name.is_empty() {
        return None;
    }
    NodeName::parse(&s.agent.name).err().map(|error| ("agent.name", error.to_string()))
}

fn names_are_answered_somewhere(s: &Settings) -> Option<Broken> {
    let names = &s.agent.services.names;
    let broken = !names.is_empty() && names.parse::<std::net::SocketAddr>().is_err();
    broken.then(|| ("agent.services.names", format!("{names:?} is no address with a port")))
}

fn servers_are_urls(s: &Settings) -> Option<Broken> {
    if s.agent.servers.is_empty() {
        return Some(("agent.servers", "it is empty".to_owned()));
    }
    let broken = s.agent.servers.iter().find(|server| !is_url(server));
    broken.map(|server| ("agent.servers", not_url(server)))
}

fn server_is_url(s: &Settings) -> Option<Broken> {
    let broken = !is_url(&s.client.server);
    broken.then(|| ("client.server", not_url(&s.client.server)))
}

fn capacities_are_quantities(s: &Settings) -> Option<Broken> {
    let broken = s.agent.capacity.values().find_map(|text| Quantity::parse(text).err());
    broken.map(|error| ("agent.capacity", error.to_string()))
}

fn devices_are_devices(s: &Settings) -> Option<Broken> {
    if s.agent.devices == [NO_DEVICES] {
        return None;
    }
    let read: Result<Vec<Device>, _> = s.agent.devices.iter().map(|text| text.parse()).collect();
    let broken = match read {
        Ok(devices) => check_devices(&devices).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    broken.map(|why| ("agent.devices", why))
}

fn reserved_are_quantities(s: &Settings) -> Option<Broken> {
    let broken = s.agent.reserved.values().find_map(|text| Quantity::parse(text).err());
    broken.map(|error| ("agent.reserved", error.to_string()))
}

fn pressures_are_thresholds(s: &Settings) -> Option<Broken> {
    let set = s.agent.pressure.all().into_iter().filter(|(_, text)| !text.is_empty());
    let mut broken = set.filter_map(|(key, text)| Some((key, text.parse::<Threshold>().err()?)));
    broken.next().map(|(key, error)| (key, error.to_string()))
}

fn positive(key: &'static str, value: i64) -> Option<Broken> {
    (value < 1).then(|| (key, format!("{value} is below 1")))
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

fn not_url(text: &str) -> String {
    format!("{text:?} is not an address such as http://127.0.0.1:6440")
}
