//! A server in a process of its own, kept to one core where `taskset` is there: the engine with its
//! API on the embedded log, or a bare axum that echoes.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::routing::post;
use setpoint_ingest::Log;
use setpoint_ingest_embedded::{EmbeddedLog, Settings};
use setpoint_settings::LogKind;

use crate::house::House;
use crate::measurement::Measurement;
use crate::sizes::Sizes;

/// What is served.
pub(crate) const ENGINE: &str = "engine";
pub(crate) const ECHO: &str = "echo";

/// A server that ends with this.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Whether it is kept to one core.
    pub(crate) is_pinned: bool,
}

impl Served {
    /// Starts one.
    pub(crate) fn start(what: &str, sizes: &Sizes) -> anyhow::Result<Served> {
        let this = std::env::current_exe()?;
        let probe = Command::new("taskset").arg("-V").stdout(Stdio::null()).status();
        let is_pinned = probe.is_ok_and(|status| status.success());
        let mut command = if is_pinned {
            let mut taskset = Command::new("taskset");
            taskset.args(["-c", "0"]).arg(this);
            taskset
        } else {
            Command::new(this)
        };
        command.arg("--out").arg(&sizes.out).args(["--section", &format!("serve:{what}")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("no output of the server")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().strip_prefix(LISTENS).context("the server did not start")?;
        Ok(Served { child, address: address.parse()?, is_pinned })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends when its input is closed.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What a server says first.
const LISTENS: &str = "listens on ";

/// Serves until the input is closed.
pub(crate) fn serve(what: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    match what {
        ECHO => echo()?,
        _ => engine(sizes)?,
    }
    Ok(Vec::new())
}

fn engine(sizes: &Sizes) -> anyhow::Result<()> {
    let folder = sizes.folder()?;
    let log: Arc<dyn Log> =
        Arc::new(EmbeddedLog::open(&Settings::new(&folder.path().join("log")))?);
    let house = House::start(log, folder.path(), LogKind::Embedded)?;
    println!("{LISTENS}{}", house.address);
    until_closed()?;
    house.close()
}

fn echo() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    println!("{LISTENS}{}", listener.local_addr()?);
    let app = Router::new().route("/echo", post(|body: String| async { body }));
    runtime.spawn(async { axum::serve(listener, app).await });
    until_closed()
}

fn until_closed() -> anyhow::Result<()> {
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
