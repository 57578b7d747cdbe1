//! A wire between clients and Kafka that goes dark at the worst moment: when a commit is under way.
//!
//! Kafka must advertise the proxy's port ([`super::Kafka::start_behind`]). Ended when dropped.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A proxy on a free port of the loopback address.
pub struct Proxy {
    port: u16,
    wire: Arc<Wire>,
}

/// What a proxy does at the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The commit reaches Kafka, the answer and all that follows reach nobody.
    AnswerLost,
    /// Not even the commit reaches Kafka.
    CommitLost,
}

#[derive(Default)]
struct Wire(Mutex<State>);

#[derive(Default)]
struct State {
    target: Option<u16>,
    armed: Option<Fault>,
    is_dark: bool,
    is_closed: bool,
    streams: Vec<TcpStream>,
}

/// `EndTxn`: the request by which a producer commits or aborts.
const END_TXN: i16 = 26;
/// How often the listener looks whether it should end.
const ACCEPT_EVERY: Duration = Duration::from_millis(10);
/// What is passed on at once.
const CHUNK_BYTES: usize = 64 << 10;

impl Proxy {
    /// Listens; what connects before [`Proxy::forward`] is closed.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn listen() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("it does not block");
        let port = listener.local_addr().expect("an address").port();
        let wire = Arc::new(Wire::default());
        let accepting = wire.clone();
        std::thread::spawn(move || accept(&listener, &accepting));
        Proxy { port, wire }
    }

    /// The port to be advertised.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Forwards to this port from now on.
    pub fn forward(&self, target: u16) {
        self.wire.state().target = Some(target);
    }

    /// Goes dark at the next commit, whoever's it is.
    pub fn arm(&self, fault: Fault) {
        self.wire.state().armed = Some(fault);
    }

    /// Whether it went dark.
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.wire.state().is_dark
    }

    /// Forwards again; the old connections are gone.
    pub fn heal(&self) {
        let mut state = self.wire.state();
        state.is_dark = false;
        state.hang_up();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.wire.state();
        state.is_closed = true;
        state.hang_up();
    }
}

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request may pass; the armed fault strikes at a commit.
    fn passes(&self, api_key: i16) -> bool {
        let mut state = self.state();
        if state.is_dark {
            return false;
        }
        match state.armed.take_if(|_| api_key == END_TXN) {
            Some(fault) => {
                state.is_dark = true;
                fault == Fault::AnswerLost
            }
            None => true,
        }
    }
}

impl State {
    fn hang_up(&mut self) {
        for stream in self.streams.drain(..) {
            // One that is closed already is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, wire: &Arc<Wire>) {
    while !wire.state().is_closed {
        match listener.accept() {
            Ok((client, _)) => {
                // A connection that fails is one that its client tries again.
                let _ = connect(client, wire);
            }
            Err(_) => std::thread::sleep(ACCEPT_EVERY),
        }
    }
}

fn connect(client: TcpStream, wire: &Arc<Wire>) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let Some(target) = wire.state().target else { return Ok(()) };
    let server = TcpStream::connect(("127.0.0.1", target))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    wire.state().streams.extend([client.try_clone()?, server.try_clone()?]);
    let (up, down) = (wire.clone(), wire.clone());
    let (requests, answers) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || ended(requests_of(requests, &server, &up), &server));
    std::thread::spawn(move || ended(answers_of(answers, &client, &down), &client));
    Ok(())
}

/// One side hung up: so does the other.
fn ended(_how: io::Result<()>, other: &TcpStream) {
    let _ = other.shutdown(Shutdown::Both);
}

/// Requests one by one: a length, then the key of what is asked for.
fn requests_of(mut client: TcpStream, mut server: &TcpStream, wire: &Wire) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let bytes = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        let mut request = vec![0; bytes];
        client.read_exact(&mut request)?;
        let api_key = request.first_chunk().map_or(-1, |key| i16::from_be_bytes(*key));
        if wire.passes(api_key) {
            server.write_all(&length)?;
            server.write_all(&request)?;
        }
    }
}

fn answers_of(mut server: TcpStream, mut client: &TcpStream, wire: &Wire) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let bytes = server.read(&mut chunk)?;
        if bytes == 0 {
            return Ok(());
        }
        if !wire.state().is_dark {
            client.write_all(&chunk[..bytes])?;
        }
    }
}
