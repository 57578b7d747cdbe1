//! Machines on one machine: network namespaces, each with a line to a bridge that stands for the leader's
//! side, and whose lines can be cut.
//!
//! Guarantee: when it is dropped, namespaces, lines and bridge are gone, also after a failure. Nothing of it is
//! reached from outside the machine: addresses are link-local, and lead nowhere else.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::house::is_present;

/// Ranges `169.254.N.0/24` that are tried begin here: the lowest are reserved, and some machines ask for their
/// own description at the last of the others.
const RANGE_FIRST: u32 = 16;
/// And so many are tried, so that the number stays a byte.
const RANGES: u32 = 150;
/// The host number of the first line's end.
const HOST_FIRST: u8 = 11;
/// The state of a bridge's port that passes nothing on, and says so to nobody (`STP_DISABLED`).
const PORT_DISABLED: &str = "0";
/// The state of one that passes all on.
const PORT_FORWARDING: &str = "3";

/// How a line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The cable is pulled out: the node's own machine sees it, and says so to who sends.
    Unplugged,
    /// Somewhere on the way nothing is passed on any more: whoever sends hears nothing.
    Silent,
}

/// A bridge and its lines.
pub(crate) struct Network {
    bridge: String,
    range: u8,
    lines: Vec<Line>,
    passers: Vec<JoinHandle<()>>,
}

/// The line of one node.
pub(crate) struct Line {
    /// The node's network namespace.
    pub(crate) namespace: String,
    /// The node's own address on it.
    pub(crate) address: Ipv4Addr,
    /// Its end at the bridge.
    end: String,
}

impl Network {
    /// Makes a network with so many lines; `None`, and says why, where this machine has not what it needs.
    ///
    /// # Panics
    /// When it cannot be made, or what it needs is absent and real parts are required.
    pub(crate) fn make(lines: u8) -> Option<Network> {
        if !["ip", "bridge", "nsenter"].into_iter().all(is_present) {
            return None;
        }
        // Others may test beside us: what is ours has our process's number in its name.
        let number = std::process::id();
        let bridge = format!("spb{number}");
        let mut network =
            Network { bridge, range: free_range(number), lines: Vec::new(), passers: Vec::new() };
        let (bridge, side) = (network.bridge.clone(), network.leaders_side());
        ip(&["link", "add", &bridge, "type", "bridge"]);
        ip(&["addr", "add", &format!("{side}/24"), "dev", &bridge]);
        ip(&["link", "set", &bridge, "up"]);
        (0..lines).for_each(|index| network.add(number, index));
        Some(network)
    }

    /// The line of this number, from 0.
    pub(crate) fn line(&self, index: usize) -> &Line {
        &self.lines[index]
    }

    /// The address by which nodes reach what is on the leader's side.
    pub(crate) fn leaders_side(&self) -> Ipv4Addr {
        Ipv4Addr::new(169, 254, self.range, 1)
    }

    /// Makes a port of the loopback address reachable for nodes: an API that listens at another address
    /// wants certificates, which is not what is tested here.
    pub(crate) async fn passes(&mut self, port: u16) {
        let at = SocketAddr::from((self.leaders_side(), port));
        let listener = TcpListener::bind(at).await.expect("the bridge's address");
        self.passers.push(tokio::spawn(async move {
            while let Ok((mut node, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                    copy_bidirectional(&mut node, &mut server).await
                });
            }
        }));
    }

    /// Cuts a line: nothing passes in either direction from now on.
    pub(crate) fn cut(&self, index: usize, how: Cut) {
        let end = &self.lines[index].end;
        match how {
            Cut::Unplugged => ip(&["link", "set", end, "down"]),
            Cut::Silent => port(end, PORT_DISABLED),
        }
    }

    /// Mends a line, however it was cut.
    pub(crate) fn mend(&self, index: usize, how: Cut) {
        let end = &self.lines[index].end;
        match how {
            Cut::Unplugged => ip(&["link", "set", end, "up"]),
            Cut::Silent => port(end, PORT_FORWARDING),
        }
    }

    fn add(&mut self, number: u32, index: u8) {
        let side = self.leaders_side().octets();
        let address = Ipv4Addr::new(side[0], side[1], side[2], HOST_FIRST + index);
        let (namespace, end) = (format!("sp-{number}-{index}"), format!("sp{number}-{index}"));
        // Before it is made: what is left of one that could not be made is removed, too.
        self.lines.push(Line { namespace: namespace.clone(), address, end: end.clone() });
        ip(&["netns", "add", &namespace]);
        ip(&["link", "add", &end, "type", "veth", "peer", "name", "eth0", "netns", &namespace]);
        ip(&["link", "set", &end, "master", &self.bridge, "up"]);
        ip(&["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        ip(&["-n", &namespace, "link", "set", "eth0", "up"]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.passers.iter().for_each(JoinHandle::abort);
        let remove = |arguments: &[&str]| {
            let _gone_already = Command::new("ip").args(arguments).output();
        };
        for Line { namespace, end, .. } in &self.lines {
            remove(&["link", "del", end]);
            remove(&["netns", "del", namespace]);
        }
        remove(&["link", "del", &self.bridge]);
    }
}

/// A range of link-local addresses that this machine does not use, by its third byte.
fn free_range(number: u32) -> u8 {
    let used = run("ip", &["-4", "-o", "addr", "show"]);
    let ranges = (0..RANGES).map(|step| RANGE_FIRST + (number + step) % RANGES);
    let is_free = |range: &u32| !used.contains(&format!(" 169.254.{range}."));
    let range = ranges.into_iter().find(is_free).expect("a free range of link-local addresses");
    u8::try_from(range).expect("below 256")
}

fn ip(arguments: &[&str]) {
    run("ip", arguments);
}

fn port(end: &str, state: &str) {
    run("bridge", &["link", "set", "dev", end, "state", state]);
}

/// What a program prints.
fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().expect("it is installed");
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {}: {complaints}", arguments.join(" "));
    String::from_utf8_lossy(&done.stdout).into_owned()
}
