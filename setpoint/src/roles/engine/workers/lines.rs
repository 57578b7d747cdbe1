//! The lines between the processes of a cluster: each has one to each other.
//!
//! Guarantee: both ends are of the same fleet, version, rules and shape. Absent: encryption; the
//! network between these processes must be private.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use setpoint_rules::RULES_VERSION;
use setpoint_schemas::FleetId;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Between two tries to reach a process, or looks whether one has called.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long the other end may take to greet back: it may still wait for others before it listens.
const GREETING_PATIENCE: Duration = Duration::from_secs(5);
/// How often it is told for whom this process waits.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// The longest greeting: a fleet's id and some numbers.
const GREETING_BYTES_MAX: usize = 512;

/// The answer to a greeting, and the answer to that: only then is the line one.
const WELCOME: &str = "welcome";
const READY: &str = "ready";

/// Where the processes are, and which one this is.
pub(super) struct Lines {
    pub(super) hosts: Vec<String>,
    pub(super) own: usize,
    pub(super) hello: Hello,
}

/// What both ends of a line must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello(String);

impl Hello {
    pub(super) fn of(fleet: &FleetId, workers: NonZeroUsize, processes: usize) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Hello(format!(
            "setpoint {version} rules {RULES_VERSION} fleet {fleet} processes {processes} workers {workers}"
        ))
    }
}

impl Lines {
    /// Connects with all others; waits until they are there.
    ///
    /// # Errors
    /// When this process is to close, or cannot listen at its address.
    pub(super) fn connect(
        &self,
        closing: &CancellationToken,
    ) -> anyhow::Result<Vec<Option<TcpStream>>> {
        let own = &self.hosts[self.own];
        let listener = TcpListener::bind(own.as_str())
            .with_context(|| format!("failed to listen on {own} for the other processes"))?;
        listener.set_nonblocking(true)?;
        let mut lines: Vec<Option<TcpStream>> = self.hosts.iter().map(|_| None).collect();
        let mut told = Told::default();
        while let Some(missing) = self.missing(&lines) {
            if closing.is_cancelled() {
                bail!("closing before process {missing} of the cluster was there");
            }
            told.wait(missing, &self.hosts[missing]);
            if missing < self.own {
                lines[missing] = self.call(missing);
            } else if let Some((remote, line)) = self.answer(&listener) {
                lines[remote] = Some(line);
            }
            if lines[missing].is_none() {
                std::thread::sleep(RETRY_PAUSE);
            }
        }
        Ok(lines)
    }

    fn missing(&self, lines: &[Option<TcpStream>]) -> Option<usize> {
        (0..lines.len()).find(|remote| *remote != self.own && lines[*remote].is_none())
    }

    /// Calls a process of a lower number.
    fn call(&self, remote: usize) -> Option<TcpStream> {
        let address = self.hosts[remote].to_socket_addrs().ok()?.next()?;
        let mut line = TcpStream::connect_timeout(&address, GREETING_PATIENCE).ok()?;
        let greeted = greet(&mut line, &format!("{} from {}", self.hello.0, self.own));
        match greeted.as_deref() {
            Ok(WELCOME) => {
                line.write_all(format!("{READY}\n").as_bytes()).ok()?;
                used(line)
            }
            Ok(refusal) => {
                warn!(process = remote, refusal, "a process of the cluster refuses this one");
                std::thread::sleep(GREETING_PATIENCE);
                None
            }
            Err(_) => None,
        }
    }

    /// Answers a process of a higher number, if one calls.
    fn answer(&self, listener: &TcpListener) -> Option<(usize, TcpStream)> {
        let (mut line, from) = listener.accept().ok()?;
        line.set_nonblocking(false).ok()?;
        line.set_read_timeout(Some(GREETING_PATIENCE)).ok()?;
        let greeting = read_line(&mut line).ok()?;
        match self.judge(&greeting) {
            Ok(remote) => {
                // Who gave up meanwhile and calls again does not answer this.
                let ready = greet(&mut line, WELCOME).is_ok_and(|answer| answer == READY);
                Some((remote, used(line).filter(|_| ready)?))
            }
            Err(why) => {
                warn!(%from, why, "a call from what is no process of this cluster");
                let _ = line.write_all(format!("{why}\n").as_bytes());
                None
            }
        }
    }

    /// The number of who greets so.
    fn judge(&self, greeting: &str) -> Result<usize, String> {
        let (hello, number) = greeting.rsplit_once(" from ").unwrap_or((greeting, ""));
        if hello != self.hello.0 {
            return Err(format!("it is \"{hello}\", and this is \"{}\"", self.hello.0));
        }
        let number = number.parse().ok();
        let higher = number.filter(|n: &usize| (self.own + 1..self.hosts.len()).contains(n));
        higher.ok_or_else(|| format!("no process above {} has this number", self.own))
    }
}

/// Says this, and hears the answer.
fn greet(line: &mut TcpStream, greeting: &str) -> io::Result<String> {
    line.set_read_timeout(Some(GREETING_PATIENCE))?;
    line.write_all(format!("{greeting}\n").as_bytes())?;
    read_line(line)
}

/// One line, byte by byte: what follows belongs to the workers.
fn read_line(line: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while bytes.len() < GREETING_BYTES_MAX {
        line.read_exact(&mut byte)?;
        if byte == *b"\n" {
            return String::from_utf8(bytes).map_err(io::Error::other);
        }
        bytes.push(byte[0]);
    }
    Err(io::Error::other("the greeting does not end"))
}

/// A line as the workers use it.
fn used(line: TcpStream) -> Option<TcpStream> {
    line.set_read_timeout(None).ok()?;
    Some(line)
}

/// Tells for whom this process waits, now and then.
#[derive(Default)]
struct Told(Option<Instant>);

impl Told {
    fn wait(&mut self, process: usize, address: &str) {
        if self.0.is_none_or(|told| told.elapsed() > TOLD_EVERY) {
            info!(process, address, "waiting for a process of the cluster");
            self.0 = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(own: usize, hosts: &[String], fleet: &str) -> Lines {
        let fleet = FleetId::parse(fleet).expect("an id");
        let hello = Hello::of(&fleet, NonZeroUsize::MIN, hosts.len());
        Lines { hosts: hosts.to_vec(), own, hello }
    }

    fn free_addresses(count: usize) -> Vec<String> {
        let held: Vec<TcpListener> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        held.iter().map(|l| l.local_addr().expect("its address").to_string()).collect()
    }

    #[test]
    fn three_processes_have_a_line_each_to_each() {
        let hosts = free_addresses(3);
        let closing = CancellationToken::new();
        let ends: Vec<_> = (0..3)
            .map(|own| {
                let (lines, closing) = (lines(own, &hosts, "blue"), closing.clone());
                std::thread::spawn(move || lines.connect(&closing).expect("they meet"))
            })
            .collect();
        for (own, end) in ends.into_iter().enumerate() {
            let lines = end.join().expect("it ends");
            let there: Vec<bool> = lines.iter().map(Option::is_some).collect();
            assert_eq!(there, (0..3).map(|remote| remote != own).collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_is_of_another_fleet_or_shape_is_refused() {
        let hosts = free_addresses(2);
        let ours = lines(0, &hosts, "blue");
        let theirs = lines(1, &hosts, "green").hello.0;
        assert!(ours.judge(&format!("{theirs} from 1")).expect_err("refused").contains("green"));
        let own = ours.hello.0.clone();
        assert_eq!(ours.judge(&format!("{own} from 1")), Ok(1));
        assert!(ours.judge(&format!("{own} from 2")).is_err());
        assert!(ours.judge(&format!("{own} from 0")).is_err());
        assert!(ours.judge("GET / HTTP/1.1").is_err());
    }

    #[test]
    fn who_waits_for_others_ends_when_it_is_to_close() {
        let hosts = free_addresses(2);
        let closing = CancellationToken::new();
        closing.cancel();
        assert!(lines(0, &hosts, "blue").connect(&closing).is_err());
    }
}
