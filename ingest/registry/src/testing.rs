//! A registry for tests, over HTTP: subjects, versions, ids, Confluent's BACKWARD compatibility and
//! its error codes, and the faults that a network has.
//!
//! Guarantee: what it is asked and answers is what Confluent's reference says of these calls.
//! Absent: storage, other compatibilities, other kinds of schemas, references.

mod schemas;
mod wire;

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

pub use schemas::Schemas;

/// How the registry of a test behaves.
#[derive(Default)]
pub struct Options {
    /// Name and password that it wants.
    pub credentials: Option<(String, String)>,
    /// With this it speaks TLS.
    pub tls: Option<Arc<ServerConfig>>,
}

/// A running registry, on a free port of the loopback address. It ends when it is dropped.
pub struct TestRegistry {
    port: u16,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

struct Shared {
    options: Options,
    schemas: Mutex<Schemas>,
    calls: AtomicUsize,
    closing: AtomicBool,
    hangs: AtomicBool,
    fails: AtomicBool,
}

/// How long a call hangs: longer than any client here waits.
const HANG: Duration = Duration::from_secs(30);
/// How often a thread that waits looks whether it may end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl TestRegistry {
    /// Starts one without schemas.
    #[must_use]
    pub fn start(options: Options) -> Self {
        TestRegistry::start_with(options, Schemas::default())
    }

    /// Starts one with what another one had.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start_with(options: Options, schemas: Schemas) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            options,
            schemas: Mutex::new(schemas),
            calls: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            fails: AtomicBool::new(false),
        });
        let served = shared.clone();
        let server = std::thread::spawn(move || serve(&listener, &served));
        TestRegistry { port, shared, server: Some(server) }
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// What it has.
    pub fn schemas(&self) -> MutexGuard<'_, Schemas> {
        self.shared.schemas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls it took.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// From now on it takes calls and does not answer them.
    pub fn hang(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::Relaxed);
    }

    /// From now on it answers 500.
    pub fn fail(&self, fails: bool) {
        self.shared.fails.store(fails, Ordering::Relaxed);
    }

    /// Ends it and hands over what it had: its port refuses connections from now on.
    #[must_use]
    pub fn stop(mut self) -> Schemas {
        self.close();
        std::mem::take(&mut *self.schemas())
    }

    fn close(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Wakes the server, which waits for a connection.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(server) = self.server.take() {
            let _panicked = server.join();
        }
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        if shared.closing.load(Ordering::Relaxed) {
            return;
        }
        let shared = shared.clone();
        std::thread::spawn(move || converse(stream, &shared));
    }
}

/// One call a connection.
fn converse(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(HANG));
    match &shared.options.tls {
        None => answer(stream, shared),
        Some(tls) => {
            let connection = ServerConnection::new(tls.clone()).expect("a connection");
            answer(StreamOwned::new(connection, stream), shared);
        }
    }
}

fn answer(mut stream: impl std::io::Read + std::io::Write, shared: &Shared) {
    let Ok(call) = wire::read(&mut stream) else { return };
    shared.calls.fetch_add(1, Ordering::Relaxed);
    let mut waited = Duration::ZERO;
    while shared.hangs.load(Ordering::Relaxed) && waited < HANG {
        if shared.closing.load(Ordering::Relaxed) {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
    let wanted = shared.options.credentials.as_ref();
    let (status, body) = if shared.fails.load(Ordering::Relaxed) {
        (500, json!({"error_code": 50001, "message": "Error in the backend datastore"}))
    } else if wanted.is_some_and(|wanted| !call.shows(wanted)) {
        (401, json!({"error_code": 401, "message": "Unauthorized"}))
    } else {
        let mut schemas = shared.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        schemas.answer(&call.method, &call.path, &call.body)
    };
    // A client that gave up does not read.
    let _ = wire::write(&mut stream, status, &body);
}
