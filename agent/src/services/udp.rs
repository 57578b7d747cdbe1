//! Packets to a Service: each client has an endpoint as long as it speaks.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use super::choose::{Wanted, choose};
use super::dial::{CONNECT_MAX, To, Way, cross};
use super::known::Cell;
use super::objects::{Endpoint, Name, Protocol};

/// A client that was silent for this long may get another endpoint; longer than resolvers ask again.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(60);
/// The largest packet that there is.
pub(super) const PACKET_BYTES_MAX: usize = 65_535;
/// Packets of a client that wait for its endpoint; more are lost, as packets are.
const PACKETS_WAITING_MAX: usize = 64;

/// What is needed to pass packets on.
pub(super) struct Passing {
    pub(super) cell: Arc<Cell>,
    pub(super) name: Arc<Name>,
    pub(super) wanted: Arc<Wanted>,
    pub(super) way: Arc<Way>,
    pub(super) room: Arc<Semaphore>,
}

type Sessions = Arc<Mutex<HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>>>;

/// Passes packets on until the task ends.
pub(super) async fn pass(socket: UdpSocket, passing: Passing) -> io::Result<()> {
    let (socket, passing) = (Arc::new(socket), Arc::new(passing));
    let sessions = Sessions::default();
    let mut tasks = JoinSet::new();
    let mut packet = vec![0; PACKET_BYTES_MAX];
    for turn in 0.. {
        let (length, client) = socket.recv_from(&mut packet).await?;
        let packet = packet[..length].to_vec();
        let known = lock(&sessions).get(&client).cloned();
        let unsent = match known {
            Some(session) => match session.try_send(packet) {
                Err(mpsc::error::TrySendError::Closed(packet)) => Some(packet),
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => None,
            },
            None => Some(packet),
        };
        let Some(packet) = unsent else { continue };
        // Where there is no room the packet is lost, and its sender asks again.
        let Ok(permit) = passing.room.clone().try_acquire_owned() else { continue };
        let (send, packets) = mpsc::channel(PACKETS_WAITING_MAX);
        let _ = send.try_send(packet);
        lock(&sessions).insert(client, send);
        let (socket, passing, sessions) = (socket.clone(), passing.clone(), sessions.clone());
        tasks.spawn(async move {
            if let Err(error) = session(&socket, client, &passing, packets, turn).await {
                debug!(service = %passing.name.1, %client, %error, "a session ended");
            }
            lock(&sessions).remove(&client);
            drop(permit);
        });
        while tasks.try_join_next().is_some() {}
    }
    Ok(())
}

fn lock(
    sessions: &Sessions,
) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One client's packets, until it is silent.
async fn session(
    socket: &UdpSocket,
    client: SocketAddr,
    passing: &Passing,
    packets: mpsc::Receiver<Vec<u8>>,
    turn: usize,
) -> io::Result<()> {
    let Passing { cell, name, wanted, way, .. } = passing;
    let about = (client.ip(), Instant::now());
    let chosen = choose(cell, (wanted, &way.node), about, turn, &BTreeSet::new());
    let (endpoint, port) = chosen.ok_or_else(|| io::Error::other("no endpoint is ready"))?;
    match way.to(&endpoint)? {
        To::Ferry(ferry) => ferried(socket, client, (ferry, name, &endpoint, port), packets).await,
        To::Here(address) => straight(socket, client, (address, port), packets).await,
    }
}

async fn straight(
    socket: &UdpSocket,
    client: SocketAddr,
    to: (&str, u16),
    mut packets: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let inner = UdpSocket::bind(("0.0.0.0", 0)).await?;
    inner.connect(to).await?;
    let mut answer = vec![0; PACKET_BYTES_MAX];
    loop {
        tokio::select! {
            packet = timeout(IDLE_MAX, packets.recv()) => {
                let Ok(Some(packet)) = packet else { return Ok(()) };
                inner.send(&packet).await?;
            }
            length = inner.recv(&mut answer) => {
                socket.send_to(&answer[..length?], client).await?;
            }
        }
    }
}

async fn ferried(
    socket: &UdpSocket,
    client: SocketAddr,
    (ferry, name, endpoint, port): (&str, &Name, &Endpoint, u16),
    mut packets: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let crossing = cross(ferry, name, endpoint, (Protocol::Udp, port));
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let mut stream: TcpStream = timeout(CONNECT_MAX, crossing).await.map_err(late)??;
    let (mut from, mut to) = stream.split();
    let outward = async {
        while let Ok(Some(packet)) = timeout(IDLE_MAX, packets.recv()).await {
            to.write_u16(u16::try_from(packet.len()).unwrap_or(u16::MAX)).await?;
            to.write_all(&packet).await?;
        }
        Ok(())
    };
    let inward = async {
        let mut answer = vec![0; PACKET_BYTES_MAX];
        loop {
            let length = usize::from(from.read_u16().await?);
            from.read_exact(&mut answer[..length]).await?;
            socket.send_to(&answer[..length], client).await?;
        }
    };
    tokio::select! {
        ended = outward => ended,
        ended = inward => ended,
    }
}
