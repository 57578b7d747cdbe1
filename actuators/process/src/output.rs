//! What a container writes, kept line by line: the supervisor's side.
//!
//! A line stands as the container runtimes of Kubernetes write it: the time, the stream, `F` for a whole
//! line or `P` for a part of one, and the text. Source: kubernetes/community,
//! `design-proposals/node/kubelet-cri-logging.md`.
//! Guarantee: at most about twice [`LOG_BYTES_MAX`] a life, and as much of the life before. A file is
//! never cut while somebody reads it: it is put aside, and another one begun.
//! Absent: who reads ([`crate::logs`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::disk;

/// A file of output is put aside at this size, in place of the one that was put aside before.
pub(crate) const LOG_BYTES_MAX: u64 = 5 << 20;
/// A longer line is kept in parts, as Docker does; a container without line ends fills no memory.
const LINE_BYTES_MAX: usize = 16 << 10;
/// What a container wrote in its last moment is in the pipe when it ends. Whoever holds the other end
/// longer than this has left its family.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// Keeps what a container writes until it ends.
pub(crate) struct Keeper {
    streams: usize,
    ended: Receiver<()>,
}

/// Which stream a line is of.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

/// The file that is written to.
struct Book {
    path: PathBuf,
    file: File,
    bytes: u64,
}

/// Puts aside what the life before wrote: it is the former one's from now on.
pub(crate) fn begin(container: &Path) -> io::Result<()> {
    let (now, before) = (disk::log_path(container), disk::former_log_path(container));
    if !now.exists() {
        return Ok(());
    }
    // The older part first: killed in between, it is there twice at worst.
    match fs::rename(disk::aside(&now), disk::aside(&before)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => absent(&disk::aside(&before))?,
        done => done?,
    }
    fs::rename(now, before)
}

impl Keeper {
    /// Keeps both streams of this child from now on.
    pub(crate) fn of(container: &Path, child: &mut Child) -> io::Result<Keeper> {
        let book = Arc::new(Mutex::new(Book::open(disk::log_path(container))?));
        let (tell, ended) = channel();
        let mut streams = 0;
        let mut keep = |from: Option<Box<dyn Read + Send>>, stream| {
            let Some(from) = from else { return };
            let (book, tell) = (book.clone(), tell.clone());
            streams += 1;
            std::thread::spawn(move || keep(from, stream, &book, tell));
        };
        keep(child.stdout.take().map(|pipe| Box::new(pipe) as _), Stream::Stdout);
        keep(child.stderr.take().map(|pipe| Box::new(pipe) as _), Stream::Stderr);
        Ok(Keeper { streams, ended })
    }

    /// Waits until all is kept that was written, for a moment.
    pub(crate) fn drain(self) {
        let until = Instant::now() + DRAIN_MAX;
        for _ in 0..self.streams {
            let left = until.saturating_duration_since(Instant::now());
            if self.ended.recv_timeout(left).is_err() {
                return;
            }
        }
    }
}

/// Reads a stream to its end.
fn keep(from: Box<dyn Read + Send>, stream: Stream, book: &Mutex<Book>, ended: Sender<()>) {
    let mut from = BufReader::with_capacity(LINE_BYTES_MAX, from);
    let mut line = Vec::new();
    loop {
        let room = LINE_BYTES_MAX - line.len();
        let mut limited = (&mut from).take(u64::try_from(room).unwrap_or(u64::MAX));
        let read = limited.read_until(b'\n', &mut line);
        let is_whole = line.pop_if(|byte| *byte == b'\n').is_some();
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(read) if read > 0 || is_whole => {
                if is_whole || line.len() >= LINE_BYTES_MAX {
                    book.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .write(stream, is_whole, &line);
                    line.clear();
                }
            }
            Ok(_) | Err(_) => break,
        }
    }
    if !line.is_empty() {
        book.lock().unwrap_or_else(PoisonError::into_inner).write(stream, false, &line);
    }
    let _ = ended.send(());
}

impl Book {
    fn open(path: PathBuf) -> io::Result<Book> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Book { path, file, bytes })
    }

    /// Writes a line. One for which the disk has no room is lost: the container goes on.
    fn write(&mut self, stream: Stream, is_whole: bool, text: &[u8]) {
        let _ = self.try_write(stream, is_whole, text);
    }

    fn try_write(&mut self, stream: Stream, is_whole: bool, text: &[u8]) -> io::Result<()> {
        if self.bytes >= LOG_BYTES_MAX {
            // Somebody may have removed it: then there is nothing to put aside, and the next one begins.
            match fs::rename(&self.path, disk::aside(&self.path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
            *self = Book::open(self.path.clone())?;
        }
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let tag = if is_whole { 'F' } else { 'P' };
        let mut line = format!("{:.9} {stream} {tag} ", Timestamp::now()).into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

fn absent(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream of these bytes leaves, without times.
    fn kept(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().expect("a folder");
        let path = disk::log_path(dir.path());
        let book = Mutex::new(Book::open(path.clone()).expect("writable"));
        keep(Box::new(io::Cursor::new(bytes.to_vec())), Stream::Stderr, &book, channel().0);
        let text = fs::read_to_string(path).expect("readable");
        text.lines().filter_map(|line| Some(format!("{}\n", line.split_once(' ')?.1))).collect()
    }

    #[test]
    fn lines_are_told_apart_from_parts_of_lines() {
        assert_eq!(
            kept(b"one\n\ntwo\nrest"),
            "stderr F one\nstderr F \nstderr F two\nstderr P rest\n"
        );
        let long = kept(&[vec![b'x'; LINE_BYTES_MAX + 1], vec![b'\n']].concat());
        let lengths: Vec<usize> = long.lines().map(|line| line.len() - "stderr P ".len()).collect();
        assert_eq!(lengths, [LINE_BYTES_MAX, 1]);
        assert!(long.contains("stderr P xxx") && long.contains("stderr F x\n"));
    }

    #[test]
    fn a_long_file_is_put_aside_and_the_former_life_keeps_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = disk::log_path(dir.path());
        let mut book = Book::open(path.clone()).expect("writable");
        book.write(Stream::Stdout, true, b"first");
        book.bytes = LOG_BYTES_MAX;
        book.write(Stream::Stdout, true, b"second");
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        assert!(read(&disk::aside(&path)).ends_with(" stdout F first\n"));
        assert!(read(&path).ends_with(" stdout F second\n"));
        begin(dir.path()).expect("it is put aside");
        let former = disk::former_log_path(dir.path());
        assert!(
            read(&former).ends_with("second\n") && read(&disk::aside(&former)).ends_with("first\n")
        );
        assert!(!path.exists() && !disk::aside(&path).exists());
        book = Book::open(path.clone()).expect("writable");
        book.write(Stream::Stdout, true, b"third");
        begin(dir.path()).expect("it is put aside");
        assert!(read(&former).ends_with("third\n") && !disk::aside(&former).exists());
    }

    #[test]
    fn a_file_that_somebody_removed_is_followed_by_the_next_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = disk::log_path(dir.path());
        let mut book = Book::open(path.clone()).expect("writable");
        book.write(Stream::Stdout, true, b"first");
        fs::remove_file(&path).expect("it was there");
        book.bytes = LOG_BYTES_MAX;
        book.write(Stream::Stdout, true, b"second");
        assert!(fs::read_to_string(&path).is_ok_and(|text| text.ends_with("second\n")));
    }
}
