//! The way to an endpoint: straight where it is on this node, by its node's ferry where it is not.

use std::io;
use std::time::Duration;

use setpoint_schemas::NodeName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::objects::{Endpoint, Name, Protocol};

/// A program that does not take a connection within this does not take it; the next endpoint may.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(3);
/// A ferry's answer is one line.
pub(super) const LINE_BYTES_MAX: usize = 1_024;

/// What the first line for a ferry begins with.
pub(super) const FERRY: &str = "setpoint-ferry/1";
/// What its answer begins with where the connection stands.
pub(super) const CROSSED: &str = "crossed";

/// How this node reaches others.
pub(super) struct Way {
    pub(super) node: NodeName,
}

impl Way {
    /// A connection to this port of an endpoint. Nothing was sent on it yet.
    ///
    /// # Errors
    /// What the machine or the ferry said; the endpoint has seen no byte.
    pub(super) async fn connect(
        &self,
        service: &Name,
        endpoint: &Endpoint,
        port: u16,
    ) -> io::Result<TcpStream> {
        let dial = async {
            match self.to(endpoint)? {
                To::Ferry(ferry) => cross(ferry, service, endpoint, (Protocol::Tcp, port)).await,
                To::Here(address) => TcpStream::connect((address, port)).await,
            }
        };
        let stream = timeout(CONNECT_MAX, dial).await.map_err(|_| io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// The way to an endpoint.
    ///
    /// # Errors
    /// On a node without a ferry: the address of a pod there may be another pod's here.
    pub(super) fn to<'e>(&self, endpoint: &'e Endpoint) -> io::Result<To<'e>> {
        if endpoint.node == self.node.as_str() {
            return Ok(To::Here(&endpoint.address));
        }
        let none = || io::Error::other("its node has no ferry");
        endpoint.ferry.as_deref().map(To::Ferry).ok_or_else(none)
    }
}

/// How an endpoint is reached.
pub(super) enum To<'e> {
    /// At its address.
    Here(&'e str),
    /// By the ferry at this address.
    Ferry(&'e str),
}

/// A connection over a ferry.
pub(super) async fn cross(
    ferry: &str,
    (namespace, service): &Name,
    endpoint: &Endpoint,
    (protocol, port): (Protocol, u16),
) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(ferry).await?;
    let protocol = protocol.word();
    let line = format!("{FERRY} {protocol} {namespace}/{service} {} {port}\n", endpoint.uid);
    stream.write_all(line.as_bytes()).await?;
    let answer = line_of(&mut stream).await?;
    if answer == CROSSED { Ok(stream) } else { Err(io::Error::other(answer)) }
}

/// One line, read byte by byte: what follows it is not ours.
pub(super) async fn line_of(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => return String::from_utf8(line).map_err(io::Error::other),
            byte if line.len() < LINE_BYTES_MAX => line.push(byte),
            _ => return Err(io::Error::other("the line has no end")),
        }
    }
}
