//! Why a connection failed, in the words that Go's `net` has for it: they are what people know from
//! events of the kubelet.

use std::error::Error;
use std::io;

/// A host and a port as one text.
pub(super) fn authority((host, port): (&str, u16)) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Why this place was not reached.
pub(super) fn refused(to: (&str, u16), error: &io::Error) -> String {
    let to = authority(to);
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("dial tcp {to}: connect: connection refused"),
        io::ErrorKind::HostUnreachable => format!("dial tcp {to}: connect: no route to host"),
        io::ErrorKind::NetworkUnreachable => {
            format!("dial tcp {to}: connect: network is unreachable")
        }
        _ => format!("dial tcp {to}: {error}"),
    }
}

/// It was not reached in time.
pub(super) fn late(to: (&str, u16)) -> String {
    format!("dial tcp {}: i/o timeout", authority(to))
}

/// The error of the machine that an error stems from, if one.
pub(super) fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// What an error stems from, in its own words.
pub(super) fn deepest(error: &(dyn Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| error.source())
}
