//! What the machine can do: a round trip over loopback, and one synchronized write.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::clock::{Latencies, timed};
use crate::measurement::Measurement;
use crate::rounds;
use crate::sizes::Sizes;

/// The row that decisions with their encoding are held against: what any durable log costs at least.
pub(crate) const FDATASYNC: &str = "machine/fdatasync of 4 KiB/p50";

/// A small message.
const MESSAGE_BYTES: usize = 64;
/// A page of the file system.
const PAGE_BYTES: usize = 4096;

/// Measures both, in turns.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let mut loopback = Loopback::open()?;
    let each = (sizes.round_trips / sizes.rounds).max(1);
    rounds::measured(sizes.rounds, |_| {
        let mut rows = loopback.round_trips(each)?.rows("machine/loopback tcp round trip", None);
        let writes = synchronized_writes(sizes, (each / 10).max(1))?;
        rows.extend(writes.rows("machine/fdatasync of 4 KiB", None));
        Ok(rows)
    })
}

/// A connection over loopback to a thread that echoes.
pub(crate) struct Loopback {
    here: TcpStream,
}

impl Loopback {
    pub(crate) fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let here = TcpStream::connect(listener.local_addr()?)?;
        let (there, _) = listener.accept()?;
        here.set_nodelay(true)?;
        there.set_nodelay(true)?;
        // It ends when this end is closed.
        std::thread::spawn(move || echo(there));
        Ok(Loopback { here })
    }

    /// How long so many messages take there and back; an error when one does not come back.
    pub(crate) fn round_trips(&mut self, count: usize) -> anyhow::Result<Latencies> {
        let mut latencies = Latencies::new()?;
        let mut message = [7; MESSAGE_BYTES];
        for _ in 0..count {
            let (done, took) = timed(|| {
                self.here.write_all(&message)?;
                self.here.read_exact(&mut message)
            });
            done?;
            latencies.record(took);
        }
        Ok(latencies)
    }
}

/// Sends every message back until the other side closes.
fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut message = [0; MESSAGE_BYTES];
    while stream.read_exact(&mut message).is_ok() {
        stream.write_all(&message)?;
    }
    Ok(())
}

/// Beside the results: on the disk that the checkout is on.
fn synchronized_writes(sizes: &Sizes, count: usize) -> anyhow::Result<Latencies> {
    let folder = sizes.out.parent().unwrap_or(std::path::Path::new("."));
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("fdatasync-{}", std::process::id()));
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut latencies = Latencies::new()?;
    for _ in 0..count {
        file.write_all(&[7; PAGE_BYTES])?;
        let (done, took) = timed(|| file.sync_data());
        done?;
        latencies.record(took);
    }
    std::fs::remove_file(&path)?;
    Ok(latencies)
}
