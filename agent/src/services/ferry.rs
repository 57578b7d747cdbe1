//! The port of this node by which other nodes reach the pods of it.
//!
//! Guarantee: it leads to endpoints of Services that are on this node, and nowhere else. A pod's own
//! address need not mean anything elsewhere: a process listens on its node, a container on a bridge of it.
//! Absent: encryption and names of callers; as in a network of pods, who reaches a node reaches its pods.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use setpoint_schemas::NodeName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::dial::{CONNECT_MAX, CROSSED, FERRY, line_of};
use super::known::Known;
use super::objects::Protocol;
use super::tcp::splice;
use super::udp::{IDLE_MAX, PACKET_BYTES_MAX};

/// Who connects says at once what is wanted.
const GREETING_MAX: Duration = Duration::from_secs(5);
/// A machine without room for another socket has some later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until the task ends.
pub(super) async fn serve(
    listener: TcpListener,
    node: NodeName,
    known: Arc<Known>,
    room: Arc<Semaphore>,
) {
    let mut crossings = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "the ferry takes no connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let (node, known) = (node.clone(), known.clone());
        crossings.spawn(async move {
            if let Err(error) = carry(stream, &node, &known).await {
                debug!(%error, "a crossing ended");
            }
            drop(permit);
        });
        while crossings.try_join_next().is_some() {}
    }
}

async fn carry(mut stream: TcpStream, node: &NodeName, known: &Known) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let line = timeout(GREETING_MAX, line_of(&mut stream)).await.map_err(late)??;
    let Some((protocol, address, port)) = meant(&line, node, known) else {
        return refuse(stream, "no such endpoint on this node").await;
    };
    match protocol {
        Protocol::Tcp => {
            let dial = timeout(CONNECT_MAX, TcpStream::connect((address.as_str(), port)));
            let mut inner = match dial.await {
                Ok(Ok(inner)) => inner,
                Ok(Err(error)) => return refuse(stream, &error.to_string()).await,
                Err(_) => return refuse(stream, "it does not take the connection in time").await,
            };
            inner.set_nodelay(true)?;
            stream.write_all(format!("{CROSSED}\n").as_bytes()).await?;
            splice(&mut stream, &mut inner).await
        }
        Protocol::Udp => {
            let inner = UdpSocket::bind(("0.0.0.0", 0)).await?;
            inner.connect((address.as_str(), port)).await?;
            stream.write_all(format!("{CROSSED}\n").as_bytes()).await?;
            packets(&mut stream, &inner).await
        }
    }
}

async fn refuse(mut stream: TcpStream, why: &str) -> io::Result<()> {
    stream.write_all(format!("{}\n", why.replace('\n', " ")).as_bytes()).await?;
    stream.shutdown().await
}

/// The protocol, address and port of the endpoint that a line asks for, if it is one of this node.
fn meant(line: &str, node: &NodeName, known: &Known) -> Option<(Protocol, String, u16)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [FERRY, protocol, service, uid, port] = words.as_slice() else { return None };
    let protocol = match *protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (namespace, name) = service.split_once('/')?;
    let port: u16 = port.parse().ok()?;
    let now = known.now(&(namespace.to_owned(), name.to_owned()))?;
    let is_it = |endpoint: &&Arc<super::objects::Endpoint>| {
        endpoint.uid == **uid
            && endpoint.node == node.as_str()
            && endpoint.ports.iter().any(|(_, of, to)| *of == protocol && *to == port)
    };
    let endpoint = now.endpoints.iter().find(is_it)?;
    Some((protocol, endpoint.address.clone(), port))
}

/// Packets over a connection: each with its length in two bytes before it.
async fn packets(stream: &mut TcpStream, socket: &UdpSocket) -> io::Result<()> {
    let (mut from, mut to) = stream.split();
    let inward = async {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        loop {
            let length = usize::from(from.read_u16().await?);
            from.read_exact(&mut packet[..length]).await?;
            let _ = socket.send(&packet[..length]).await;
        }
    };
    let outward = async {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        loop {
            let received = timeout(IDLE_MAX, socket.recv(&mut packet)).await;
            let length = received.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            to.write_u16(u16::try_from(length).unwrap_or(u16::MAX)).await?;
            to.write_all(&packet[..length]).await?;
        }
    };
    tokio::select! {
        ended = inward => ended,
        ended = outward => ended,
    }
}
