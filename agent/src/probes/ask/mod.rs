//! How a container is asked: a command, a request of HTTP, a connection, a question of gRPC.
//!
//! Guarantee: an answer comes within the probe's time, and what was begun for it is ended by then.
//! Words are the kubelet's, as far as they are known from its events.

mod call;
mod dial;
mod exec;
mod grpc;
mod http;
mod message;
mod tcp;

use std::sync::{Arc, OnceLock};

use setpoint_actuators::Actuator;
use setpoint_schemas::{Probe, ProbePort};

use super::checkup::Answer;
use super::subject::Subject;
pub(crate) use call::Caller;

/// Asks containers.
pub(super) struct Asker {
    actuator: Arc<dyn Actuator>,
    /// Made when it is needed first: most of the agents of a plant never do.
    http: OnceLock<Result<reqwest::Client, String>>,
}

impl Asker {
    pub(super) fn new(actuator: Arc<dyn Actuator>) -> Self {
        Asker { actuator, http: OnceLock::new() }
    }

    /// Asks a container by this probe of it.
    pub(super) async fn ask(&self, subject: &Subject, probe: &Probe) -> Answer {
        let within = probe.timeout();
        if let Some(action) = &probe.exec {
            return exec::ask(&*self.actuator, subject, &action.command, within).await;
        }
        let (host, port) = match place(subject, probe) {
            Ok(place) => place,
            Err(why) => return Answer::Unknown(why),
        };
        if let Some(action) = &probe.http_get {
            return match self.http.get_or_init(http::client) {
                Ok(client) => http::ask(client, action, (&host, port), within).await,
                Err(why) => Answer::Unknown(why.clone()),
            };
        }
        if let Some(action) = &probe.grpc {
            let service = action.service.as_deref().unwrap_or_default();
            return grpc::ask((&host, port), service, within).await;
        }
        tcp::ask((&host, port), within).await
    }
}

/// Where a probe asks: the host that it names or the pod's address, and the port.
fn place(subject: &Subject, probe: &Probe) -> Result<(String, u16), String> {
    let (port, host) = match (&probe.http_get, &probe.tcp_socket, &probe.grpc) {
        (Some(http), _, _) => (http.port.clone(), http.host.as_deref()),
        (_, Some(tcp), _) => (tcp.port.clone(), tcp.host.as_deref()),
        (_, _, Some(grpc)) => (ProbePort::Number(grpc.port), None),
        (None, None, None) => return Err("missing probe handler".to_owned()),
    };
    let number = subject.container().port(&port).ok_or_else(|| match port {
        ProbePort::Name(name) => format!("the container has no port {name:?}"),
        ProbePort::Number(number) => format!("invalid port number: {number}"),
    })?;
    let host = host.filter(|host| !host.is_empty()).unwrap_or(&subject.address);
    if host.is_empty() {
        return Err("the pod has no address".to_owned());
    }
    Ok((host.to_owned(), number))
}
