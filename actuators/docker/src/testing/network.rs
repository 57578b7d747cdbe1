//! Networks of this machine for the containers of private engines: a bridge for those of one engine, and
//! addresses for the Services of all.
//!
//! Guarantee: who has one has its addresses alone among the tests of this machine, because its link is made
//! with it and bears its number; dropped, link and route are gone. Those of a process that was killed go when
//! the next one looks for a network: each link says whose it is.
//! Absent: networks between machines. The engines share the machine's, as their agents do.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use super::engine::{EngineError, failed};
use super::surroundings::Surroundings;

/// Addresses for measurements between networks (RFC 2544): nobody else's. Each network is one block of
/// 256 of them.
const BLOCKS: u16 = 512;
const FIRST: u32 = (198 << 24) | (18 << 16);
/// The machine's own address in the network of an engine, by which its containers leave it.
const GATEWAY: u8 = 1;
/// Where the kernel lists the machine's links.
const LINKS: &str = "/sys/class/net";

/// A block of addresses of this machine. Given back when dropped.
#[derive(Debug)]
pub struct Network {
    block: u16,
}

impl Network {
    /// The network of one engine's containers: a bridge.
    ///
    /// # Errors
    /// When the machine has no `ip`, no right to it, or no block left.
    pub fn of_containers() -> Result<Network, EngineError> {
        let network = Network::claimed()?;
        let gateway = format!("{}/24", network.address(GATEWAY));
        ip(&["address", "add", &gateway, "dev", &name_of(network.block)])?;
        ip(&["link", "set", &name_of(network.block), "up"])?;
        Ok(network)
    }

    /// The addresses of Services: the machine answers on all of them, also to containers.
    ///
    /// # Errors
    /// As above.
    pub fn of_services() -> Result<Network, EngineError> {
        let network = Network::claimed()?;
        ip(&["route", "add", "local", &network.range(), "dev", "lo"])?;
        Ok(network)
    }

    /// What an engine is started in whose containers are to be on it; it must outlive the engine.
    #[must_use]
    pub fn surroundings(&self) -> Surroundings {
        Surroundings::OnBridge(name_of(self.block))
    }

    /// All its addresses, such as `198.18.7.0/24`.
    #[must_use]
    pub fn range(&self) -> String {
        format!("{}/24", self.address(0))
    }

    /// One of its addresses.
    #[must_use]
    pub fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::from(FIRST + u32::from(self.block) * 256 + u32::from(last))
    }

    /// A loopback address that is this network's alone as well, for what need not be reached from
    /// containers.
    #[must_use]
    pub fn loopback(&self, last: u8) -> Ipv4Addr {
        let [_, second, third, _] = self.address(0).octets();
        Ipv4Addr::new(127, second, third, last)
    }

    /// The first block that nobody has, from a place that is this process' own. Whoever makes the link
    /// has it: the kernel makes no two of one name. One process at a time looks, so that nobody gives back
    /// what another has just made.
    fn claimed() -> Result<Network, EngineError> {
        let lock = std::env::temp_dir().join("setpoint-test-networks.lock");
        let lock = File::options().create(true).append(true).open(lock);
        let _alone_until_dropped = lock
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| failed("look alone for a network for", error))?;
        of_the_dead().into_iter().for_each(|block| drop(Network { block }));
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or(0);
        let mut why = failed("find a network for", "all of them are taken");
        for turn in 0..BLOCKS {
            let block = (start + turn) % BLOCKS;
            match ip(&["link", "add", "name", &name_of(block), "type", "bridge"]) {
                Ok(()) => {
                    let network = Network { block };
                    let whose = std::process::id().to_string();
                    ip(&["link", "set", "dev", &name_of(block), "alias", &whose])?;
                    return Ok(network);
                }
                Err(EngineError::Failed { why: said, .. }) if said.contains("File exists") => {}
                Err(error) => {
                    why = error;
                    break;
                }
            }
        }
        Err(why)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _never_added = ip(&["route", "del", "local", &self.range(), "dev", "lo"]);
        let _gone = ip(&["link", "del", &name_of(self.block)]);
    }
}

/// What a link's name begins with. It has at most 15 bytes.
const NAME: &str = "setpoint-";

fn name_of(block: u16) -> String {
    format!("{NAME}{block}")
}

/// The blocks of processes that are gone. Of a link that does not say whose it is nobody knows that.
fn of_the_dead() -> Vec<u16> {
    let links = fs::read_dir(LINKS).into_iter().flatten().flatten();
    let names = links.filter_map(|link| link.file_name().into_string().ok());
    let blocks = names.filter_map(|name| name.strip_prefix(NAME)?.parse::<u16>().ok());
    let is_dead = |block: &u16| {
        let whose = fs::read_to_string(format!("{LINKS}/{}/ifalias", name_of(*block)));
        let whose = whose.ok().and_then(|text| text.trim().parse::<u32>().ok());
        whose.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
    };
    blocks.filter(|block| *block < BLOCKS).filter(is_dead).collect()
}

fn ip(words: &[&str]) -> Result<(), EngineError> {
    let output = Command::new("ip").arg("-4").args(words).output();
    let output = output.map_err(|error| failed("make a network for", error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = format!("ip {}: {}", words.join(" "), said.trim());
    Err(failed("make a network for", said))
}
