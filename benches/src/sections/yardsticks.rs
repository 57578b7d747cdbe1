//! What the machine can do: a round trip over loopback, and one synchronized write.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::clock::{Latencies, timed};
use crate::measurement::Measurement;
use crate::sizes::Sizes;

/// The row that decisions are held against: what any answer over a network costs at least.
pub(crate) const TCP: &str = "machine/loopback tcp round trip/p50";
/// The row that decisions with their encoding are held against: what any durable log costs at least.
pub(crate) const FDATASYNC: &str = "machine/fdatasync of 4 KiB/p50";

/// A small message.
const MESSAGE_BYTES: usize = 64;
/// A page of the file system.
const PAGE_BYTES: usize = 4096;

/// Measures both.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let mut rows = round_trips(sizes.round_trips)?.rows("machine/loopback tcp round trip", None);
    let writes = synchronized_writes(sizes)?;
    rows.extend(writes.rows("machine/fdatasync of 4 KiB", None));
    Ok(rows)
}

fn round_trips(count: usize) -> anyhow::Result<Latencies> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut here = TcpStream::connect(listener.local_addr()?)?;
    let (there, _) = listener.accept()?;
    here.set_nodelay(true)?;
    there.set_nodelay(true)?;
    let echo = std::thread::spawn(move || echo(there));
    let mut latencies = Latencies::new()?;
    let mut message = [7; MESSAGE_BYTES];
    for _ in 0..count {
        let (done, took) = timed(|| {
            here.write_all(&message)?;
            here.read_exact(&mut message)
        });
        done?;
        latencies.record(took);
    }
    drop(here);
    let echoed = echo.join().map_err(|_| anyhow::anyhow!("the echo panicked"))??;
    anyhow::ensure!(echoed == count, "{echoed} of {count} messages were echoed");
    Ok(latencies)
}

/// Sends every message back until the other side closes; says how many.
fn echo(mut stream: TcpStream) -> std::io::Result<usize> {
    let mut message = [0; MESSAGE_BYTES];
    let mut echoed = 0;
    while stream.read_exact(&mut message).is_ok() {
        stream.write_all(&message)?;
        echoed += 1;
    }
    Ok(echoed)
}

/// Beside the results: on the disk that the checkout is on.
fn synchronized_writes(sizes: &Sizes) -> anyhow::Result<Latencies> {
    let folder = sizes.out.parent().unwrap_or(std::path::Path::new("."));
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("fdatasync-{}", std::process::id()));
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut latencies = Latencies::new()?;
    for _ in 0..(sizes.round_trips / 10).max(1) {
        file.write_all(&[7; PAGE_BYTES])?;
        let (done, took) = timed(|| file.sync_data());
        done?;
        latencies.record(took);
    }
    std::fs::remove_file(&path)?;
    Ok(latencies)
}
