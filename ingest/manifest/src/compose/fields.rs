//! The field table of Compose: for every field of the specification its shape, and whether we act
//! upon it, whether it is without effect on what runs, or whether it changes what runs and we do
//! not act upon it.
//!
//! Guarantee: a field that is not here is unknown and refused; a test holds the table against the
//! specification's own schema.

use serde_json::Value;

use crate::typed::effect::Effect::{self, Acted, Changes, Harmless};
use crate::typed::effect::When::{Filled, Not, Unlike};
use crate::typed::sort_of;

/// The shape of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Number,
    Truth,
    List,
    Map,
    TextOrList,
    MapOrList,
    TextOrMap,
    Any,
}

impl Shape {
    /// What is wrong with a value's shape. No value is always allowed, and text may stand for a
    /// number or a truth value, for variables give text.
    pub(crate) fn broken(self, value: &Value) -> Option<String> {
        let scalar = value.is_string() || value.is_number() || value.is_boolean();
        let (fits, words) = match self {
            Shape::Text => (scalar, "a string"),
            Shape::Number => (
                value.is_number() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok()),
                "a number",
            ),
            Shape::Truth => (super::units::truth(value).is_some(), "true or false"),
            Shape::List => (value.is_array(), "a list"),
            Shape::Map => (value.is_object(), "a map"),
            Shape::TextOrList => (scalar || value.is_array(), "a string or a list"),
            Shape::MapOrList => (value.is_object() || value.is_array(), "a map or a list"),
            Shape::TextOrMap => (scalar || value.is_object(), "a string or a map"),
            Shape::Any => (true, "anything"),
        };
        (!fits && !value.is_null()).then(|| format!("expected {words}, found {}", sort_of(value)))
    }
}

/// Rows: names of fields, their shape, what they do.
pub(crate) type Rows = &'static [(&'static str, Shape, Effect)];

/// The row of a field.
pub(crate) fn row(rows: Rows, field: &str) -> Option<(Shape, Effect)> {
    let found = rows.iter().find(|(names, ..)| names.split(' ').any(|name| name == field));
    found.map(|(_, shape, effect)| (*shape, *effect))
}

const HARDWARE: &str = "it is not applied";
const NETWORK: &str = "all containers have the same network, whose addresses are its own to give";
const SECURITY: &str = "security settings are not applied";
const STORAGE: &str = "only volumes and tmpfs are mounted";
const HOOK: &str = "a hook runs as its container does";

/// The whole file.
pub(crate) const PROJECT: Rows = &[
    ("services configs secrets", Shape::Map, Acted),
    ("name", Shape::Text, Acted),
    ("volumes", Shape::Map, Acted),
    // Networks and models mean something only where a service uses them.
    ("networks models", Shape::Map, Harmless),
    ("version", Shape::Any, Harmless),
    ("include", Shape::Any, Acted),
];

/// A service.
pub(crate) const SERVICE: Rows = &[
    ("image container_name working_dir hostname restart pull_policy", Shape::Text, Acted),
    ("user domainname shm_size pid ipc", Shape::Text, Acted),
    ("command entrypoint env_file dns dns_search tmpfs", Shape::TextOrList, Acted),
    ("environment depends_on extra_hosts sysctls", Shape::MapOrList, Acted),
    ("expose ports configs secrets profiles volumes dns_opt", Shape::List, Acted),
    ("cap_add cap_drop group_add security_opt", Shape::List, Acted),
    ("privileged read_only stdin_open tty init", Shape::Truth, Acted),
    ("deploy healthcheck", Shape::Map, Acted),
    ("scale", Shape::Number, Acted),
    ("cpus mem_limit mem_reservation stop_grace_period network_mode", Shape::Text, Acted),
    ("extends", Shape::TextOrMap, Acted),
    // They name, describe or develop; nothing of them runs.
    ("labels annotations", Shape::MapOrList, Harmless),
    ("label_file", Shape::TextOrList, Harmless),
    ("attach", Shape::Truth, Harmless),
    ("develop", Shape::Map, Harmless),
    ("build", Shape::TextOrMap, Changes(Filled, "images are not built")),
    ("volumes_from devices", Shape::List, Changes(Filled, STORAGE)),
    ("storage_opt", Shape::Map, Changes(Filled, STORAGE)),
    ("networks", Shape::MapOrList, Acted),
    ("links", Shape::List, Acted),
    ("external_links", Shape::List, Changes(Filled, "containers of others have other names")),
    ("mac_address", Shape::Text, Changes(Filled, NETWORK)),
    ("userns_mode", Shape::Text, Changes(Filled, SECURITY)),
    ("credential_spec", Shape::Map, Changes(Filled, SECURITY)),
    ("use_api_socket", Shape::Truth, Changes(Filled, SECURITY)),
    ("uts cgroup cgroup_parent isolation runtime", Shape::Text, Changes(Filled, HARDWARE)),
    ("platform", Shape::Text, Changes(Filled, "the platform is not looked at; use placement")),
    ("stop_signal", Shape::Text, Changes(Not("SIGTERM"), "containers are stopped by SIGTERM")),
    ("logging", Shape::Map, Changes(Filled, "logs stay with the runtime")),
    ("ulimits blkio_config", Shape::Map, Changes(Filled, HARDWARE)),
    ("post_start pre_stop", Shape::List, Acted),
    ("device_cgroup_rules", Shape::List, Changes(Filled, HARDWARE)),
    ("gpus", Shape::Any, Changes(Filled, HARDWARE)),
    ("models", Shape::MapOrList, Changes(Filled, HARDWARE)),
    ("provider", Shape::Map, Changes(Filled, "it runs no container")),
    (
        "cpu_count cpu_percent cpu_shares cpu_quota cpu_period cpu_rt_period cpu_rt_runtime cpuset \
         mem_swappiness memswap_limit oom_score_adj pids_limit pull_refresh_after",
        Shape::Text,
        Changes(Filled, HARDWARE),
    ),
    ("oom_kill_disable", Shape::Truth, Changes(Filled, HARDWARE)),
];

/// A service that another one waits for, in its long form.
pub(crate) const DEPENDENCY: Rows =
    &[("condition", Shape::Text, Acted), ("required restart", Shape::Truth, Acted)];

/// `healthcheck`.
pub(crate) const HEALTHCHECK: Rows = &[
    ("test", Shape::TextOrList, Acted),
    ("disable", Shape::Truth, Acted),
    ("interval timeout start_period start_interval", Shape::Text, Acted),
    ("retries", Shape::Number, Acted),
];

/// `deploy`.
pub(crate) const DEPLOY: Rows = &[
    ("mode", Shape::Text, Acted),
    ("replicas", Shape::Number, Acted),
    ("resources placement update_config rollback_config restart_policy", Shape::Map, Acted),
    ("labels", Shape::MapOrList, Harmless),
    ("endpoint_mode", Shape::Text, Acted),
];

/// `deploy.update_config` and `deploy.rollback_config`.
pub(crate) const UPDATE_CONFIG: Rows = &[
    ("parallelism", Shape::Number, Acted),
    ("order", Shape::Text, Acted),
    ("failure_action delay monitor", Shape::Text, Acted),
    ("max_failure_ratio", Shape::Number, Acted),
];

/// `deploy.restart_policy`.
pub(crate) const RESTART_POLICY: Rows =
    &[("condition delay window", Shape::Text, Acted), ("max_attempts", Shape::Number, Acted)];

/// `deploy.placement`.
pub(crate) const PLACEMENT: Rows = &[
    ("constraints preferences", Shape::List, Acted),
    ("max_replicas_per_node", Shape::Number, Acted),
];

/// `deploy.resources`.
pub(crate) const RESOURCES: Rows = &[("limits reservations", Shape::Map, Acted)];

/// `deploy.resources.limits`.
pub(crate) const AMOUNTS: Rows = &[
    ("cpus memory", Shape::Text, Acted),
    ("pids", Shape::Number, Changes(Filled, HARDWARE)),
    ("generic_resources devices", Shape::List, Changes(Filled, HARDWARE)),
];

/// `deploy.resources.reservations`.
pub(crate) const RESERVATIONS: Rows = &[
    ("cpus memory", Shape::Text, Acted),
    ("pids", Shape::Number, Changes(Filled, HARDWARE)),
    ("generic_resources", Shape::List, Changes(Filled, HARDWARE)),
    ("devices", Shape::List, Acted),
];

/// An entry of `deploy.resources.reservations.devices`.
pub(crate) const DEVICE: Rows = &[
    ("capabilities device_ids", Shape::List, Acted),
    ("driver count", Shape::Text, Acted),
    ("options", Shape::MapOrList, Changes(Filled, HARDWARE)),
];

/// A config or secret of the project.
pub(crate) const FILE: Rows = &[
    ("file environment content name", Shape::Text, Acted),
    ("external", Shape::Any, Acted),
    ("labels", Shape::MapOrList, Harmless),
    ("driver template_driver", Shape::Text, Changes(Filled, "drivers are not supported")),
    ("driver_opts", Shape::Map, Changes(Filled, "drivers are not supported")),
];

/// A named volume of the project.
pub(crate) const VOLUME: Rows = &[
    ("name driver", Shape::Text, Acted),
    ("external", Shape::Any, Acted),
    ("labels", Shape::MapOrList, Acted),
    ("driver_opts", Shape::Map, Changes(Filled, "a volume is a plain folder of a node")),
];

/// `volume` of a volume.
pub(crate) const VOLUME_OPTIONS: Rows = &[
    ("subpath", Shape::Text, Acted),
    // A volume begins empty, and is labelled where it is made.
    ("nocopy", Shape::Truth, Harmless),
    ("labels", Shape::MapOrList, Harmless),
];

/// A service's use of a config or secret.
pub(crate) const FILE_USE: Rows = &[
    ("source target", Shape::Text, Acted),
    ("mode", Shape::Text, Acted),
    ("uid gid", Shape::Text, Acted),
];

/// A volume in its long form.
pub(crate) const VOLUME_USE: Rows = &[
    ("type source target", Shape::Text, Acted),
    ("read_only", Shape::Truth, Acted),
    ("bind tmpfs volume", Shape::Map, Acted),
    // They say something of volumes that are not mounted anyway, and of the asker's machine.
    ("image", Shape::Map, Harmless),
    ("consistency", Shape::Text, Harmless),
];

/// `bind` of a volume.
pub(crate) const BIND: Rows = &[
    ("propagation", Shape::Text, Acted),
    ("create_host_path", Shape::Truth, Acted),
    ("recursive", Shape::Text, Changes(Not("enabled"), "what is mounted below comes along")),
    ("selinux", Shape::Text, Changes(Filled, "files are not relabelled for SELinux")),
];

/// `tmpfs` of a volume.
pub(crate) const TMPFS: Rows = &[("size mode", Shape::Text, Acted)];

/// A hook of a service. Its command runs as its container does.
pub(crate) const SERVICE_HOOK: Rows = &[
    ("command", Shape::TextOrList, Acted),
    ("user working_dir", Shape::Text, Changes(Filled, HOOK)),
    ("privileged", Shape::Truth, Changes(Unlike("false"), HOOK)),
    ("environment", Shape::MapOrList, Changes(Filled, HOOK)),
];

/// A port in its long form.
pub(crate) const PORT: Rows = &[
    ("name target published protocol host_ip mode", Shape::Text, Acted),
    ("app_protocol", Shape::Text, Harmless),
];

/// A network of the project.
pub(crate) const NETWORK_OF_PROJECT: Rows = &[
    // It has no name of its own; services of other projects are found by theirs.
    ("name external labels attachable", Shape::Any, Harmless),
    // All are one, whatever makes them elsewhere.
    ("driver", Shape::Text, Harmless),
    ("enable_ipv4", Shape::Truth, Changes(Unlike("true"), NETWORK)),
    ("enable_ipv6", Shape::Truth, Changes(Filled, NETWORK)),
    ("internal", Shape::Truth, Changes(Filled, "a network is not cut off from others")),
    ("driver_opts ipam", Shape::Map, Changes(Filled, NETWORK)),
];

/// A service's use of a network.
pub(crate) const NETWORK_USE: Rows = &[
    ("aliases", Shape::List, Acted),
    // Which of several networks comes first: there is one.
    ("priority gw_priority", Shape::Number, Harmless),
    ("ipv4_address ipv6_address mac_address interface_name", Shape::Text, Changes(Filled, NETWORK)),
    ("link_local_ips", Shape::List, Changes(Filled, NETWORK)),
    ("driver_opts", Shape::Map, Changes(Filled, NETWORK)),
];

/// An `env_file` in its long form.
pub(crate) const ENV_FILE: Rows =
    &[("path format", Shape::Text, Acted), ("required", Shape::Truth, Acted)];

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Option<Value> {
        let file = setpoint_test_support::data("compose/compose-spec.schema.json")?;
        let text = std::fs::read_to_string(file).expect("the schema is text");
        Some(serde_json::from_str(&text).expect("the schema's JSON"))
    }

    /// The fields of the schema's part must be the table's, no more and no fewer.
    fn check(schema: &Value, pointer: &str, rows: Rows) {
        let properties = schema.pointer(pointer).and_then(Value::as_object).expect(pointer);
        let without: Vec<_> = properties.keys().filter(|name| row(rows, name).is_none()).collect();
        assert!(without.is_empty(), "{pointer}: fields without a row: {without:?}");
        let named = rows.iter().flat_map(|(names, ..)| names.split_whitespace());
        let absent: Vec<_> = named.filter(|name| !properties.contains_key(*name)).collect();
        assert!(absent.is_empty(), "{pointer}: rows without a field: {absent:?}");
    }

    #[test]
    fn every_field_of_the_specification_has_a_row() {
        let Some(schema) = schema() else { return };
        let deploy = "/definitions/deployment/properties";
        check(&schema, "/properties", PROJECT);
        check(&schema, "/definitions/service/properties", SERVICE);
        check(&schema, "/definitions/healthcheck/properties", HEALTHCHECK);
        check(&schema, deploy, DEPLOY);
        check(&schema, &format!("{deploy}/update_config/properties"), UPDATE_CONFIG);
        check(&schema, &format!("{deploy}/rollback_config/properties"), UPDATE_CONFIG);
        check(&schema, &format!("{deploy}/restart_policy/properties"), RESTART_POLICY);
        let depends = "/definitions/service/properties/depends_on/oneOf/1/patternProperties";
        let dependency = format!("{depends}/^[a-zA-Z0-9._-]+$/properties");
        check(&schema, &dependency, DEPENDENCY);
        check(&schema, &format!("{deploy}/placement/properties"), PLACEMENT);
        check(&schema, &format!("{deploy}/resources/properties"), RESOURCES);
        let uses = "/definitions/service_config_or_secret/items/oneOf/1/properties";
        check(&schema, uses, FILE_USE);
        check(&schema, "/definitions/service/properties/ports/items/oneOf/2/properties", PORT);
        check(&schema, "/definitions/service_hook/properties", SERVICE_HOOK);
        let volume = "/definitions/service/properties/volumes/items/oneOf/1/properties";
        check(&schema, volume, VOLUME_USE);
        check(&schema, &format!("{volume}/bind/properties"), BIND);
        check(&schema, &format!("{volume}/volume/properties"), VOLUME_OPTIONS);
        check(&schema, "/definitions/volume/properties", VOLUME);
        check(&schema, &format!("{volume}/tmpfs/properties"), TMPFS);
        check(&schema, "/definitions/network/properties", NETWORK_OF_PROJECT);
        let networks = "/definitions/service/properties/networks/oneOf/1/patternProperties";
        let usage = format!("{networks}/^[a-zA-Z0-9._-]+$/oneOf/0/properties");
        check(&schema, &usage, NETWORK_USE);
        check(&schema, "/definitions/env_file/oneOf/1/items/oneOf/1/properties", ENV_FILE);
    }
}
