//! A process's seat among several that count together.
//!
//! Guarantee: what travels between them is facts and changes, numbers that were interned; no name,
//! no manifest, no Secret. Absent: how the processes find each other, which is the caller's.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use timely::communication::allocator::zero_copy::stream::Stream;

/// One process of several, connected with each of the others.
pub struct Seat {
    /// Its number, from 0 on. Process 0 decides.
    pub process: usize,
    /// Workers of each process.
    pub workers: NonZeroUsize,
    /// The lines to the others, by their numbers; `None` in its own place.
    pub lines: Vec<Option<TcpStream>>,
    /// Where it is told that another one is gone.
    pub gone: Arc<Gone>,
}

/// Which process is gone, once one is. The others cannot go on without it.
#[derive(Debug, Default)]
pub struct Gone(OnceLock<String>);

impl Gone {
    /// Who is gone and how that was seen.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// The line to another process, that takes note when it breaks.
pub(super) struct Line {
    stream: TcpStream,
    remote: usize,
    gone: Arc<Gone>,
}

impl Seat {
    /// The lines, as timely takes them. What is written goes at once: an epoch's word waits for the
    /// answer to the one before it, and each would cost the 40 ms of a delayed acknowledgement.
    ///
    /// # Errors
    /// A line that is closed already.
    pub(super) fn lines(&mut self) -> io::Result<Vec<Option<Line>>> {
        let lines = std::mem::take(&mut self.lines).into_iter().enumerate();
        let line = |(remote, stream): (usize, Option<TcpStream>)| {
            let Some(stream) = stream else { return Ok(None) };
            stream.set_nodelay(true)?;
            Ok(Some(Line { stream, remote, gone: self.gone.clone() }))
        };
        lines.map(line).collect()
    }
}

impl Line {
    fn broke(&self, how: &str) {
        let remote = self.remote;
        let _ = self.gone.0.set(format!("process {remote} of the cluster is gone: {how}"));
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer);
        match &read {
            Ok(0) if !buffer.is_empty() => self.broke("it closed the connection"),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.broke(&error.to_string());
            }
            _ => {}
        }
        read
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes);
        if let Err(error) = &written
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.broke(&error.to_string());
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Line {
    fn try_clone(&self) -> io::Result<Self> {
        let stream = self.stream.try_clone()?;
        Ok(Line { stream, remote: self.remote, gone: self.gone.clone() })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}
