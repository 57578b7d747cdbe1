//! Services on a node: who listens on their addresses, where a connection goes, who answers their names.
//!
//! Guarantee: a connection goes to an endpoint that was ready as far as this node knew; where that does not
//! take it, and before anything was sent, to another; what is under way stays where it is. While no API
//! answers, what was known last counts. Absent: rules in the kernel. A node listens on the addresses of
//! Services itself, which are its own: they are of a loopback range, or the machine routes them to itself.

mod affinity;
mod choose;
mod clashes;
mod dial;
mod feed;
mod ferry;
mod held;
mod known;
mod links;
mod listen;
mod names;
mod objects;
mod own;
mod resolver;
mod tcp;
mod udp;

use std::net::IpAddr;
use std::sync::Arc;

use setpoint_schemas::NodeName;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::ServicesOptions;
use crate::client::Api;
pub(crate) use known::Known;
pub(crate) use links::links;
pub(crate) use resolver::name;

/// Connections and UDP sessions of a node at once, both what it passes on for its own pods and what it
/// ferries for others: each holds two sockets, and a process has some tens of thousands.
const CONNECTIONS_MAX: usize = 8_192;

/// What serving needs beside the options.
pub(crate) struct Serving {
    pub(crate) api: Arc<Api>,
    pub(crate) node: NodeName,
    /// The node's own.
    pub(crate) address: String,
    pub(crate) known: Arc<Known>,
    pub(crate) ferry: Option<TcpListener>,
}

/// Starts all that serves Services on this node.
pub(crate) fn spawn(tasks: &mut JoinSet<()>, options: &ServicesOptions, serving: Serving) {
    let Serving { api, node, address, known, ferry } = serving;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let way = Arc::new(dial::Way { node: node.clone() });
    if let Some(ferry) = ferry {
        tasks.spawn(ferry::serve(ferry, node, known.clone(), room.clone()));
    }
    if let Some(address) = options.names {
        tasks.spawn(names::serve(address, names::Zone::new(options), known.clone()));
    }
    let (publish, machine) = (options.publish, address.parse().ok());
    let listeners = listen::Listeners { publish, machine, known: known.clone(), way, room };
    tasks.spawn(listeners.keep());
    tasks.spawn(feed::services(api.clone(), known.clone()));
    tasks.spawn(feed::slices(api, known));
}

/// Listens where other nodes reach the pods of this one.
pub(crate) async fn ferry(
    options: &ServicesOptions,
    address: &str,
) -> std::io::Result<TcpListener> {
    let address: IpAddr = address.parse().map_err(std::io::Error::other)?;
    TcpListener::bind((address, options.ferry_port)).await
}

#[cfg(test)]
mod tests;
