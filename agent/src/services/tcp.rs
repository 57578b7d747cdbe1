//! One connection to a Service.
//!
//! Guarantee: an endpoint is changed only before a byte was sent to it; from then on the connection stays
//! where it is, whatever becomes of the Service.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tracing::debug;

use super::choose::{Wanted, choose};
use super::dial::Way;
use super::known::Cell;
use super::objects::Name;

/// Endpoints that are tried for one connection; who is refused by so many is told so.
const TRIES_MAX: usize = 5;

/// Passes a connection on to an endpoint, until it ends.
pub(super) async fn pass(
    mut client: TcpStream,
    peer: SocketAddr,
    (cell, name, wanted): (Arc<Cell>, Arc<Name>, Arc<Wanted>),
    way: Arc<Way>,
    turn: usize,
) {
    let mut tried = BTreeSet::new();
    while tried.len() < TRIES_MAX {
        let about = (peer.ip(), Instant::now());
        let Some((endpoint, port)) = choose(&cell, (&wanted, &way.node), about, turn, &tried)
        else {
            break;
        };
        match way.connect(&name, &endpoint, port).await {
            Ok(mut inner) => {
                let _ = client.set_nodelay(true);
                if let Err(error) = splice(&mut client, &mut inner).await {
                    debug!(service = %name.1, pod = %endpoint.uid, %error, "a connection broke");
                }
                return;
            }
            Err(error) => {
                debug!(service = %name.1, pod = %endpoint.uid, %error, "an endpoint takes no connection");
                tried.insert(endpoint.uid.clone());
            }
        }
    }
    debug!(service = %name.1, "no endpoint takes a connection");
    // Without an endpoint there is nothing to say: the client hears that at once.
    let _ = client.set_zero_linger();
}

/// Carries bytes both ways until both sides have ended.
pub(super) async fn splice(one: &mut TcpStream, other: &mut TcpStream) -> io::Result<()> {
    copy_bidirectional(one, other).await.map(drop)
}
