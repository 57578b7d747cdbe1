//! Who listens where, for which Service: as the Services are now.
//!
//! Guarantee: an address that somebody else has is tried again until it is free; of two agents of one
//! machine one listens, and the other takes over when it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{info, warn};

use super::choose::{Side, Wanted};
use super::clashes::{Clash, Clashes};
use super::dial::Way;
use super::held::{Held, Place};
use super::known::{Cell, Known, Now};
use super::objects::{Name, Port, Protocol, Service};
use super::own::{self, Listens};
use super::{tcp, udp};

/// How soon an address that is taken is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(1);

/// All listeners of a node.
pub(super) struct Listeners {
    pub(super) publish: IpAddr,
    /// The node's own address, which pods have that share its network.
    pub(super) machine: Option<IpAddr>,
    pub(super) known: Arc<Known>,
    pub(super) way: Arc<Way>,
    pub(super) room: Arc<Semaphore>,
}

/// What a listener is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Task {
    wanted: Wanted,
    /// The pod of this machine that has the same port, and may be heard by itself.
    pod: Option<SocketAddr>,
}

/// A listener that was started.
struct Listening {
    asked: Task,
    cell: Arc<Cell>,
    task: AbortHandle,
}

impl Listeners {
    /// Keeps listeners as the Services are, until the task ends.
    pub(super) async fn keep(self) {
        let Some(mut news) = self.known.news() else { return };
        let mut of: BTreeMap<Name, BTreeMap<Place, Listening>> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        let mut clashes = Clashes::default();
        while let Some(name) = news.recv().await {
            let cell = self.known.cell(&name);
            let now = cell.as_ref().map(|cell| cell.now());
            let wanted = now.as_ref().map_or_else(BTreeMap::new, |now| self.needed(now));
            let awaited = now.map_or_else(BTreeSet::new, |now| own::awaited(self.machine, &now));
            let heard = wanted.keys().map(|(address, protocol)| (address.port(), *protocol));
            clashes.note(&name, awaited, heard.collect()).iter().for_each(tell);
            let listening = of.entry(name.clone()).or_default();
            listening.retain(|place, now| {
                // A Service that was made anew has another cell.
                let same = cell.as_ref().is_some_and(|cell| Arc::ptr_eq(cell, &now.cell));
                let stays = same && wanted.get(place) == Some(&now.asked);
                if !stays {
                    now.task.abort();
                }
                stays
            });
            for (place, asked) in wanted {
                let Some(cell) = cell.clone().filter(|_| !listening.contains_key(&place)) else {
                    continue;
                };
                let listener = Listener {
                    place,
                    cell: cell.clone(),
                    name: Arc::new(name.clone()),
                    wanted: Arc::new(asked.wanted.clone()),
                    pod: asked.pod,
                    way: self.way.clone(),
                    room: self.room.clone(),
                };
                let task = tasks.spawn(listener.listen());
                listening.insert(place, Listening { asked, cell, task });
            }
            if listening.is_empty() {
                of.remove(&name);
            }
            while tasks.try_join_next().is_some() {}
        }
    }

    /// Where this node has to listen for a Service as it is now.
    fn needed(&self, now: &Now) -> BTreeMap<Place, Task> {
        let Some(service) = &now.service else { return BTreeMap::new() };
        let task = |(place, wanted): (Place, Wanted)| {
            let is_of = |port: &&Port| port.name == wanted.port && port.protocol == wanted.protocol;
            let port = service.ports.iter().find(is_of)?;
            let pod = match own::listens(self.machine, port, now, place.0.port()) {
                Listens::Agent => None,
                Listens::Nobody => return None,
                Listens::Pod(at) => Some(at),
            };
            Some((place, Task { wanted, pod }))
        };
        self.places(service).into_iter().filter_map(task).collect()
    }

    /// Where a Service wants to be heard, and what a connection there is for.
    fn places(&self, service: &Service) -> BTreeMap<Place, Wanted> {
        let mut places = BTreeMap::new();
        for port in &service.ports {
            let wanted = |side| Wanted { port: port.name.clone(), protocol: port.protocol, side };
            if let Some(address) = service.address {
                let at = SocketAddr::from((address, port.number));
                places.insert((at, port.protocol), wanted(Side::Inside));
            }
            if let Some(node_port) = port.node_port {
                let at = SocketAddr::from((self.publish, node_port));
                places.insert((at, port.protocol), wanted(Side::Outside));
            }
            let own =
                |p: &&super::objects::Published| p.to == port.number && p.protocol == port.protocol;
            for published in service.published.iter().filter(own) {
                let at = (published.address.unwrap_or(self.publish), published.port);
                places.insert((SocketAddr::from(at), port.protocol), wanted(Side::Outside));
            }
        }
        places
    }
}

/// Pods may be in trouble whose own word does not say why.
fn tell(clash: &Clash) {
    let Clash { pods: (namespace, service), culprit, port } = clash;
    let culprit = format!("{}/{}", culprit.0, culprit.1);
    warn!(%namespace, %service, port, %culprit, "pods of a Service are not ready that have this node's network and a port at which the node listens for another Service: a program that listens on every address cannot start here");
}

/// One listener.
struct Listener {
    place: Place,
    cell: Arc<Cell>,
    name: Arc<Name>,
    wanted: Arc<Wanted>,
    pod: Option<SocketAddr>,
    way: Arc<Way>,
    room: Arc<Semaphore>,
}

impl Listener {
    async fn listen(self) {
        let mut told = false;
        let (namespace, service) = (&self.name.0, &self.name.1);
        let what = format!("{namespace}/{service}");
        loop {
            match Held::take(self.place, &what) {
                Ok(_held) => self.held(&mut told).await,
                // Another agent of this program listens for this one too.
                Err(other) if other == what => {}
                Err(other) => {
                    if !std::mem::replace(&mut told, true) {
                        let address = self.place.0;
                        warn!(%namespace, %service, %address, %other, "nobody listens for a Service here, because another one has the place");
                    }
                }
            }
            tokio::time::sleep(BIND_AGAIN).await;
        }
    }

    async fn held(&self, told: &mut bool) {
        let (address, protocol) = self.place;
        if let Some(pod) = self.pod {
            own::is_needed(address, pod).await;
        }
        let ended = match protocol {
            Protocol::Tcp => self.tcp(address, told).await,
            Protocol::Udp => self.udp(address, told).await,
        };
        let (namespace, service) = (&self.name.0, &self.name.1);
        if let Err(error) = ended
            && !std::mem::replace(told, true)
        {
            warn!(%namespace, %service, %address, %error, "nobody listens for a Service here; tried again until it is possible");
        }
    }

    async fn tcp(&self, address: SocketAddr, told: &mut bool) -> io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        self.tell(address, told);
        for turn in 0.. {
            let (client, peer) = listener.accept().await?;
            // Where there is no room, one waits here and the others in the machine's own queue.
            let Ok(permit) = self.room.clone().acquire_owned().await else { return Ok(()) };
            let what = (self.cell.clone(), self.name.clone(), self.wanted.clone());
            let way = self.way.clone();
            // It outlives its listener: a Service that goes breaks no connection.
            tokio::spawn(async move {
                tcp::pass(client, peer, what, way, turn).await;
                drop(permit);
            });
        }
        Ok(())
    }

    async fn udp(&self, address: SocketAddr, told: &mut bool) -> io::Result<()> {
        let socket = UdpSocket::bind(address).await?;
        self.tell(address, told);
        let passing = udp::Passing {
            cell: self.cell.clone(),
            name: self.name.clone(),
            wanted: self.wanted.clone(),
            way: self.way.clone(),
            room: self.room.clone(),
        };
        udp::pass(socket, passing).await
    }

    fn tell(&self, address: SocketAddr, told: &mut bool) {
        let (namespace, service) = (&self.name.0, &self.name.1);
        info!(%namespace, %service, %address, "a Service is heard");
        *told = false;
    }
}
