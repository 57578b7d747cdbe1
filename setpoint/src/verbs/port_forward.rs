//! `port-forward`: ports of this machine whose connections end at a port of a pod.
//!
//! Each connection is a call of its own, which the pod's node carries on; the pod is chosen once. It goes on
//! until it is interrupted, whatever becomes of single connections.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use setpoint_schemas::call::{CLOSE, CallEnd, STATUS, STDIN, STDOUT, frame, parted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Line, escape};
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{list, name, number, text};
use crate::verbs::object::one;
use crate::verbs::subject::{self, Pods};

/// What is read of a connection in one go, as `exec` does.
const PIECE_BYTES_MAX: usize = 32 << 10;
/// Until files are closed again, when too many are open.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that were accepted and wait to be told of.
const ACCEPTED_MAX: usize = 16;

/// Forward ports of this machine to a pod
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint port-forward web-1 8080:80
  setpoint port-forward deploy/web 8080:80 8443:443
  setpoint port-forward svc/web :http
  setpoint port-forward --address 0.0.0.0 pod/web-1 80

A port alone is the same on both sides; `:80` takes any that is free here. Of a Service its port is
named, and the pod is one that it selects. The program must listen on its pod's address.")]
pub(crate) struct PortForward {
    /// A pod, or KIND/NAME of a workload or Service for the first of its pods that runs
    #[arg(value_name = "POD|KIND/NAME")]
    subject: String,
    /// Port here and port there
    #[arg(required = true, value_name = "[LOCAL:]REMOTE")]
    ports: Vec<String>,
    /// Addresses of this machine to listen on, separated by commas
    #[arg(long, default_value = "localhost", value_delimiter = ',', value_name = "ADDRESS")]
    address: Vec<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// A port here, and the one of the pod that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way<'a> {
    /// 0 for any that is free.
    local: u16,
    /// A number or a name.
    remote: &'a str,
}

/// What connections are carried by.
#[derive(Clone)]
struct Pod {
    client: Client,
    /// The path of its ports.
    path: String,
}

pub(crate) async fn run(verb: PortForward, cx: &mut Context) -> Result<Ended, Failure> {
    let home = cx.namespace(verb.namespace.as_deref());
    let what = format!("failed to forward ports to {}", verb.subject);
    let wrong = |why: String| Failure::usage(what.clone()).because(why);
    let ways = verb.ports.iter().map(|text| way(text)).collect::<Result<Vec<Way<'_>>, String>>();
    let ways = ways.map_err(wrong)?;
    let (pod, service) = chosen(&verb.subject, &home, cx, &what).await?;
    let path =
        format!("/api/v1/namespaces/{}/pods/{}/portforward", escape(&home), escape(name(&pod)));
    let carried = Pod { client: cx.client.clone(), path };
    let (tell, mut hear) = mpsc::channel(ACCEPTED_MAX);
    for way in &ways {
        let port = port_of(way.remote, &pod, service.as_ref()).map_err(wrong)?;
        for address in verb.address.iter().flat_map(|text| addresses(text)) {
            let address = address.map_err(wrong)?;
            let listener = TcpListener::bind((address, way.local)).await;
            let listener =
                listener.map_err(|error| wrong(format!("{address}:{}: {error}", way.local)))?;
            let local = listener.local_addr()?;
            cx.out.line(format!("Forwarding from {local} -> {port}"))?;
            tokio::spawn(listen(listener, port, carried.clone(), tell.clone()));
        }
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            Some(port) = hear.recv() => cx.out.line(format!("Handling connection for {port}"))?,
            _ = interrupt.recv() => return Ok(Ended::Well),
            _ = terminate.recv() => return Ok(Ended::Well),
        }
    }
}

/// `8080:80`, `80`, `:80`, and with names for the one there.
fn way(text: &str) -> Result<Way<'_>, String> {
    let wrong = || format!("{text:?} is not [LOCAL:]REMOTE");
    let (local, remote) = text.split_once(':').unwrap_or((text, text));
    let is_pair = text.contains(':');
    let local = match local {
        "" if is_pair => 0,
        number => match number.parse() {
            Ok(port @ 1..) => port,
            // A name has no port here, so any will do.
            Err(_) if !is_pair && !number.is_empty() => 0,
            _ => return Err(wrong()),
        },
    };
    let is_port = remote.parse::<u16>().map_or(!remote.is_empty(), |port| port > 0);
    let is_number = remote.bytes().all(|byte| byte.is_ascii_digit());
    if !is_port || (is_number && remote.parse::<u16>().is_err()) {
        return Err(wrong());
    }
    Ok(Way { local, remote })
}

/// The addresses of a word; `localhost` is kubectl's word for the loopback.
fn addresses(word: &str) -> Vec<Result<IpAddr, String>> {
    match word {
        "localhost" => vec![Ok(IpAddr::from([127, 0, 0, 1]))],
        word => vec![word.parse().map_err(|_| format!("--address: {word:?} is no address"))],
    }
}

/// The pod that is meant, and the Service that it was found by.
async fn chosen(
    subject: &str,
    home: &str,
    cx: &Context,
    what: &str,
) -> Result<(Value, Option<Value>), Failure> {
    let runs = |pod: &Value| text(pod, "/status/phase") == "Running";
    let none = || Failure::new(what).because(format!("no pod of {subject} runs"));
    if let Some(service) = service(subject, home, cx, what).await? {
        let pods = subject::selected(cx, home, &service, what).await?;
        let pod = pods.into_iter().find(runs);
        return pod.map(|pod| (pod, Some(service))).ok_or_else(none);
    }
    let found = match subject::pods(cx, home, subject, what).await? {
        Pods::One(pod) => Some(pod),
        Pods::Of(pods) => pods.into_iter().find(runs),
    };
    found.map(|pod| (pod, None)).ok_or_else(none)
}

/// The Service that is meant, when one is.
async fn service(
    subject: &str,
    home: &str,
    cx: &Context,
    what: &str,
) -> Result<Option<Value>, Failure> {
    if !subject.contains('/') {
        return Ok(None);
    }
    let (kind, named) = one(cx, &[subject.to_owned()]).await?;
    if kind.kind != "Service" {
        return Ok(None);
    }
    let path = format!("/api/v1/namespaces/{}/services/{}", escape(home), escape(&named));
    let found = cx.client.get(&path, &[]).await;
    found.map(Some).map_err(|error| error.during(what))
}

/// The number of a pod's port: as it is said, by its name, or what a Service's port leads to.
fn port_of(said: &str, pod: &Value, service: Option<&Value>) -> Result<u16, String> {
    let Some(service) = service else { return of_pod(said, pod) };
    let said_number = said.parse::<i64>().ok();
    let is_it = |port: &&Value| match said_number {
        Some(said) => number(port, "/port") == said,
        None => text(port, "/name") == said,
    };
    let ports = list(service, "/spec/ports");
    let Some(port) = ports.iter().find(is_it) else {
        return Err(format!("Service {} does not have a service port {said}", name(service)));
    };
    let target = port.get("targetPort").filter(|_| text(service, "/spec/clusterIP") != "None");
    match target {
        Some(Value::String(named)) => of_pod(named, pod),
        Some(Value::Number(target)) if target.as_i64() != Some(0) => {
            of_pod(&target.to_string(), pod)
        }
        _ => of_pod(&number(port, "/port").to_string(), pod),
    }
}

fn of_pod(said: &str, pod: &Value) -> Result<u16, String> {
    if let Ok(port) = said.parse() {
        return Ok(port);
    }
    let containers = ["/spec/containers", "/spec/initContainers"];
    let mut ports = containers.iter().flat_map(|at| list(pod, at)).flat_map(|c| list(c, "/ports"));
    let port = ports.find(|port| text(port, "/name") == said).map(|p| number(p, "/containerPort"));
    port.and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| format!("pod {} does not have a named port {said:?}", name(pod)))
}

/// Takes connections for ever, and has each carried to the pod.
async fn listen(listener: TcpListener, port: u16, pod: Pod, tell: mpsc::Sender<u16>) {
    let local = listener.local_addr().map_or(port, |local| local.port());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = tell.send(local).await;
                let pod = pod.clone();
                tokio::spawn(async move {
                    if let Some(why) = carry(stream, port, &pod).await {
                        note(format!("failed to forward a connection of {local} to {port}: {why}"));
                    }
                });
            }
            // Too many files are open; some of them will be closed.
            Err(error) => {
                note(format!("failed to take a connection of {local}: {error}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Carries one connection to its end; why it did not come so far, when it did not.
async fn carry(stream: TcpStream, port: u16, pod: &Pod) -> Option<String> {
    let _ = stream.set_nodelay(true);
    let line = match pod.client.speak(&pod.path, &[("port", port.to_string())]).await {
        Ok(line) => line,
        Err(error) => return Some(error.to_string()),
    };
    let (told, heard) = line.split();
    let (from, to) = stream.into_split();
    tokio::select! {
        ended = hear(heard, to) => match ended {
            Some(CallEnd::Failed(_, _, message)) => Some(message),
            Some(CallEnd::Code(_)) => None,
            None => Some("the server ended it without a word".to_owned()),
        },
        () = tell(from, told) => None,
    }
}

/// Passes on what the pod says, until its end is told.
async fn hear(mut heard: SplitStream<Line>, mut to: OwnedWriteHalf) -> Option<CallEnd> {
    while let Some(Ok(message)) = heard.next().await {
        let Message::Binary(bytes) = message else { continue };
        match parted(&bytes) {
            Some((STDOUT, bytes)) => {
                if to.write_all(bytes).await.is_err() {
                    // Who asked has gone.
                    return Some(CallEnd::Code(0));
                }
            }
            Some((STATUS, bytes)) => return Some(CallEnd::parse(bytes)),
            _ => {}
        }
    }
    None
}

/// Passes on what is said here, and that nothing more comes; ends when nobody takes it.
async fn tell(mut from: OwnedReadHalf, mut told: SplitSink<Line, Message>) {
    let mut piece = vec![0; PIECE_BYTES_MAX];
    loop {
        let (said, is_last) = match from.read(&mut piece).await {
            Ok(bytes @ 1..) => (frame(STDIN, &piece[..bytes]), false),
            // It may still wait for an answer.
            Ok(0) => (vec![CLOSE, STDIN], true),
            Err(_) => return,
        };
        if told.send(Message::Binary(said.into())).await.is_err() || is_last {
            return std::future::pending().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_are_said_as_to_kubectl() {
        let to = |local, remote| Ok(Way { local, remote });
        for (text, expected) in [
            ("80", to(80, "80")),
            ("8080:80", to(8_080, "80")),
            (":80", to(0, "80")),
            ("8080:http", to(8_080, "http")),
            (":http", to(0, "http")),
            ("http", to(0, "http")),
        ] {
            assert_eq!(way(text), expected, "{text}");
        }
        for text in ["", ":", "0", "80:0", "80:", "70000", "80:70000", "x:80", "-1:80"] {
            assert!(way(text).is_err(), "{text}: {:?}", way(text));
        }
    }

    #[test]
    fn a_services_port_leads_to_its_pods() {
        let pod = json!({"metadata": {"name": "web-1"}, "spec": {"containers": [
            {"ports": [{"name": "http", "containerPort": 8080}]}]}});
        let ports = json!([{"name": "web", "port": 80, "targetPort": "http"},
            {"name": "admin", "port": 81, "targetPort": 9000}, {"port": 82}]);
        let service = json!({"metadata": {"name": "web"}, "spec": {"ports": ports}});
        let headless =
            json!({"spec": {"clusterIP": "None", "ports": [{"port": 80, "targetPort": 1}]}});
        for (said, by, expected) in [
            ("8080", None, Some(8_080)),
            ("http", None, Some(8_080)),
            ("other", None, None),
            ("80", Some(&service), Some(8_080)),
            ("web", Some(&service), Some(8_080)),
            ("81", Some(&service), Some(9_000)),
            ("82", Some(&service), Some(82)),
            ("8080", Some(&service), None),
            ("80", Some(&headless), Some(80)),
        ] {
            assert_eq!(port_of(said, &pod, by).ok(), expected, "{said}");
        }
    }
}
