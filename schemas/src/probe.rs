//! A probe of a container, in Kubernetes' own JSON shape: what is asked, when, and how many answers
//! count.
//!
//! Guarantee: the times and thresholds that its functions tell are within bounds, whatever stands in
//! the fields. Absent: asking, and counting; both are the agent's.
//! Source: <https://kubernetes.io/docs/concepts/workloads/pods/probes/>.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Kubernetes' defaults of `periodSeconds`, `timeoutSeconds`, `successThreshold` and
/// `failureThreshold`; a 0 stands for them too.
const PERIOD_SECONDS: i32 = 10;
const TIMEOUT_SECONDS: i32 = 1;
const SUCCESSES: i32 = 1;
const FAILURES: i32 = 3;

/// The annotation of a pod that says what becomes of the check that its image brings along.
pub const IMAGE_CHECK: &str = "setpoint.dev/image-healthcheck";
/// The annotation's value by which that check is not made; without it the runtime makes it where the
/// container has no probes.
pub const IMAGE_CHECK_OFF: &str = "none";

/// How a container is asked whether it has started, lives, or is ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// A command that ends with 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecAction>,
    /// A request that is answered with a status from 200 to 399.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGetAction>,
    /// A connection that opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpSocketAction>,
    /// A service of gRPC that says `SERVING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcAction>,
    /// Seconds after the container's start before it is asked first; 0 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds within which it must answer; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i32>,
    /// Seconds from one question to the next; 10 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_seconds: Option<i32>,
    /// So many successes in a row count; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_threshold: Option<i32>,
    /// So many failures in a row count; 3 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_threshold: Option<i32>,
    /// Seconds between the stop signal and the kill of a container that it ends; the pod's when
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<i64>,
}

/// A command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecAction {
    /// The program and its arguments; no shell.
    pub command: Vec<String>,
}

/// A request of HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpGetAction {
    /// The path with its query; `/` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The port.
    pub port: ProbePort,
    /// The host; the pod's address when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `HTTP` (default) or `HTTPS`, whose certificate nobody verifies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Headers; one named `Host` replaces the request's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http_headers: Vec<HttpHeader>,
}

/// A header of HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A connection of TCP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpSocketAction {
    /// The port.
    pub port: ProbePort,
    /// The host; the pod's address when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A question to `grpc.health.v1.Health/Check`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GrpcAction {
    /// The port.
    pub port: i32,
    /// The service that is asked about; the whole server when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A port by its number, or by the name that the container gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProbePort {
    /// The number.
    Number(i32),
    /// The name.
    Name(String),
}

impl Default for ProbePort {
    /// No port at all.
    fn default() -> Self {
        ProbePort::Number(0)
    }
}

impl Probe {
    /// The time after the container's start before it is asked first.
    #[must_use]
    pub fn initial_delay(&self) -> Duration {
        seconds(self.initial_delay_seconds.unwrap_or(0))
    }

    /// The time within which it must answer; never none.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        seconds(or(self.timeout_seconds, TIMEOUT_SECONDS))
    }

    /// The time from one question to the next; never none.
    #[must_use]
    pub fn period(&self) -> Duration {
        seconds(or(self.period_seconds, PERIOD_SECONDS))
    }

    /// So many successes in a row count; at least one.
    #[must_use]
    pub fn successes(&self) -> u32 {
        or(self.success_threshold, SUCCESSES).unsigned_abs()
    }

    /// So many failures in a row count; at least one.
    #[must_use]
    pub fn failures(&self) -> u32 {
        or(self.failure_threshold, FAILURES).unsigned_abs()
    }

    /// The grace of a container that it ends, where it has one of its own.
    #[must_use]
    pub fn grace(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.termination_grace_period_seconds?).ok()?;
        Some(Duration::from_secs(seconds))
    }
}

fn or(value: Option<i32>, default: i32) -> i32 {
    value.filter(|value| *value > 0).unwrap_or(default)
}

fn seconds(value: i32) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_or_zero_is_kubernetes_default() {
        let zero = r#"{"periodSeconds": 0, "timeoutSeconds": 0, "successThreshold": 0,
            "failureThreshold": 0, "initialDelaySeconds": 0}"#;
        for text in ["{}", zero, &zero.replace('0', "-7")] {
            let probe: Probe = serde_json::from_str(text).expect("a probe");
            let times = [probe.initial_delay(), probe.timeout(), probe.period()];
            assert_eq!(times.map(|time| time.as_secs()), [0, 1, 10], "{text}");
            assert_eq!((probe.successes(), probe.failures(), probe.grace()), (1, 3, None));
        }
    }

    #[test]
    fn it_reads_and_writes_kubernetes_json() {
        let text = r#"{"httpGet":{"path":"/a?b","port":"web","scheme":"HTTPS","httpHeaders":[{"name":"Host","value":"c"}]},"initialDelaySeconds":3,"timeoutSeconds":2,"periodSeconds":5,"successThreshold":2,"failureThreshold":4,"terminationGracePeriodSeconds":6}"#;
        let probe: Probe = serde_json::from_str(text).expect("a probe");
        assert_eq!(serde_json::to_string(&probe).expect("it is written"), text);
        assert_eq!((probe.successes(), probe.failures()), (2, 4));
        assert_eq!(probe.grace(), Some(Duration::from_secs(6)));
        for text in [
            r#"{"exec":{"command":["a","b"]}}"#,
            r#"{"tcpSocket":{"port":80,"host":"h"}}"#,
            r#"{"grpc":{"port":80,"service":"s"}}"#,
        ] {
            let probe: Probe = serde_json::from_str(text).expect("a probe");
            assert_eq!(serde_json::to_string(&probe).expect("it is written"), text);
        }
    }
}
