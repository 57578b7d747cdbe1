//! What a container wrote, read back: the agent's side of [`crate::output`].
//!
//! Guarantee: who follows misses nothing when a file is put aside, is told where files may be gone that
//! were put aside faster than they were read, and is told the end when the container has ended and all
//! that it wrote was read. Of the files only a piece is in memory.
//! Absent: lines that were no longer kept when the reading began.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use setpoint_actuators::ActuatorError;
use setpoint_actuators::session::{
    Lines, PIECE_BYTES_MAX, PIECES_MAX, no_former_life, not_started,
};
use setpoint_schemas::call::LogOptions;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::container::Cell;
use crate::disk::{self, Process};
use crate::machine::now_ms;

/// Stands in the place of lines that may be gone.
const GAP: &[u8] =
    b"setpoint: lines may be missing here: the container wrote faster than they were read\n";
/// How soon a follower sees a line: nobody feels it, and an idle one costs two looks at a file.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// The lines of this container.
pub(crate) async fn lines(
    cell: Cell,
    name: &str,
    options: &LogOptions,
) -> Result<Lines, ActuatorError> {
    let failed = |error: io::Error| {
        let message = format!("failed to read the output of container {name:?}: {error}");
        ActuatorError::transient("StateUnreadable", message)
    };
    // Before its files are opened: whoever starts again in between is not taken for this life.
    let life = match options.follow && !options.previous {
        true => cell.running().map_err(failed)?,
        false => None,
    };
    let (folder, wanted) = (cell.dir().to_owned(), options.clone());
    // To find the last lines all of them are read.
    let opening =
        tokio::task::spawn_blocking(move || Reader::open(&folder, &wanted, now_ms())).await;
    let opened = opening.map_err(io::Error::other).and_then(|opened| opened).map_err(failed)?;
    let reader = opened.ok_or_else(|| match options.previous {
        true => no_former_life(name),
        false => not_started(name),
    })?;
    let (tell, hear) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        if let Err(error) = read_on(reader, (&cell, life), &tell).await {
            let message = format!("failed to read the output of a container: {error}");
            let _ = tell.send(Err(ActuatorError::transient("StateUnreadable", message))).await;
        }
    });
    let next = |mut hear: mpsc::Receiver<_>| async { hear.recv().await.map(|piece| (piece, hear)) };
    Ok(futures::stream::unfold(hear, next).boxed())
}

/// Reads until the end, or until nobody listens; later lines too while this life lasts.
async fn read_on(
    mut reader: Reader,
    (cell, life): (&Cell, Option<Process>),
    tell: &mpsc::Sender<Result<Vec<u8>, ActuatorError>>,
) -> io::Result<()> {
    loop {
        // Looked at before the reading: what ended by then has written all.
        let lives = life.is_some() && cell.running()? == life;
        loop {
            let (rest, piece) = off_the_runtime(reader).await?;
            reader = rest;
            if piece.is_empty() {
                break;
            }
            if tell.send(Ok(piece)).await.is_err() {
                return Ok(());
            }
        }
        if reader.turns()? {
            continue;
        }
        if !lives {
            return Ok(());
        }
        tokio::select! {
            () = tell.closed() => return Ok(()),
            () = sleep(FOLLOW_EVERY) => {}
        }
    }
}

async fn off_the_runtime(mut reader: Reader) -> io::Result<(Reader, Vec<u8>)> {
    let read = move || reader.piece().map(|piece| (reader, piece));
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// Reads one life's files, the oldest first.
struct Reader {
    /// Where the newest one stands.
    path: PathBuf,
    /// Where that one stands once it is a former life's.
    former: PathBuf,
    files: VecDeque<BufReader<File>>,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
    skip: u64,
    since_ms: Option<i64>,
    timestamps: bool,
    /// Whether what was told last ended a line.
    at_start: bool,
    /// The file before which lines may be gone that nobody has been told of yet.
    gap_before: Option<u64>,
}

/// A line, or a part of one, as it is kept.
#[derive(Debug, PartialEq, Eq)]
struct Record<'a> {
    time: &'a str,
    is_whole: bool,
    text: &'a [u8],
}

impl Reader {
    /// `None` when nothing is kept of that life.
    fn open(container: &Path, options: &LogOptions, now_ms: i64) -> io::Result<Option<Reader>> {
        let (now, former) = (disk::log_path(container), disk::former_log_path(container));
        let path = if options.previous { former.clone() } else { now };
        let Some(newest) = open(&path)? else { return Ok(None) };
        // The newest first: when it is put aside in between, both are the same.
        let older = unlike(&newest, open(&disk::aside(&path))?)?;
        let mut reader = Reader {
            path,
            former,
            files: older.into_iter().chain([newest]).map(BufReader::new).collect(),
            begun: Vec::new(),
            skip: 0,
            since_ms: options.since_ms(now_ms),
            timestamps: options.timestamps,
            at_start: true,
            gap_before: None,
        };
        if let Some(tail) = options.tail {
            reader.skip = reader.count()?.saturating_sub(tail);
        }
        Ok(Some(reader))
    }

    /// The next lines, about a piece; empty when there are no more at present.
    fn piece(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES_MAX && self.line()? {
            let line = std::mem::take(&mut self.begun);
            self.tell_gap(&mut piece)?;
            self.tell(&line, &mut piece);
        }
        Ok(piece)
    }

    /// Whether the newest file was put aside and another one is there, which is read from now on.
    fn turns(&mut self) -> io::Result<bool> {
        let Some(ours) = self.files.back().map(|file| number(file.get_ref())).transpose()? else {
            return Ok(false);
        };
        let number_at = |path: &Path| fs::metadata(path).map(|data| data.ino()).ok();
        if number_at(&self.former) == Some(ours) {
            return Ok(false);
        }
        // The life has ended, and ours is the older part of what it left.
        let is_older = number_at(&disk::aside(&self.former)) == Some(ours);
        let path = if is_older { self.former.clone() } else { self.path.clone() };
        let Some(newest) = open(&path)? else { return Ok(false) };
        if number(&newest)? == ours {
            return Ok(false);
        }
        // The newest first: when it is put aside in between, both are the same.
        if let Some(older) = unlike(&newest, open(&disk::aside(&path))?)?
            && number(&older)? != ours
        {
            // Ours was put aside before that one; whether right before it nobody can tell any more.
            self.gap_before = Some(number(&older)?);
            self.files.push_back(BufReader::new(older));
        }
        self.files.push_back(BufReader::new(newest));
        Ok(true)
    }

    /// Tells that lines may be gone before the file that is read now.
    fn tell_gap(&mut self, piece: &mut Vec<u8>) -> io::Result<()> {
        let Some(gap) = self.gap_before else { return Ok(()) };
        let read = self.files.front().map(|file| number(file.get_ref())).transpose()?;
        if read == Some(gap) {
            self.gap_before = None;
            piece.extend_from_slice(if self.at_start { &b""[..] } else { b"\n" });
            piece.extend_from_slice(GAP);
            self.at_start = true;
        }
        Ok(())
    }

    /// Reads a line into `begun`; whether there is one.
    fn line(&mut self) -> io::Result<bool> {
        while let Some(file) = self.files.front_mut() {
            file.read_until(b'\n', &mut self.begun)?;
            if self.begun.pop_if(|byte| *byte == b'\n').is_some() {
                return Ok(true);
            }
            if self.files.len() == 1 {
                return Ok(false);
            }
            self.files.pop_front();
            if !self.begun.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn tell(&mut self, line: &[u8], piece: &mut Vec<u8>) {
        let record = Record::parse(line);
        if !self.is_young(&record) {
            return;
        }
        if self.skip > 0 {
            self.skip -= u64::from(record.is_whole);
            return;
        }
        if self.timestamps && self.at_start && !record.time.is_empty() {
            piece.extend_from_slice(record.time.as_bytes());
            piece.push(b' ');
        }
        piece.extend_from_slice(record.text);
        if record.is_whole {
            piece.push(b'\n');
        }
        self.at_start = record.is_whole;
    }

    fn is_young(&self, record: &Record<'_>) -> bool {
        let Some(since_ms) = self.since_ms else { return true };
        let time = record.time.parse::<Timestamp>();
        time.map_or(true, |time| time.as_millisecond() >= since_ms)
    }

    /// How many lines there are that are young enough; afterwards all is read anew.
    fn count(&mut self) -> io::Result<u64> {
        let (mut lines, mut is_within, mut line) = (0, false, Vec::new());
        for at in 0..self.files.len() {
            loop {
                line.clear();
                if self.files[at].read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                line.pop_if(|byte| *byte == b'\n');
                let record = Record::parse(&line);
                if self.is_young(&record) {
                    lines += u64::from(record.is_whole);
                    is_within = !record.is_whole;
                }
            }
            self.files[at].rewind()?;
        }
        Ok(lines + u64::from(is_within))
    }
}

impl Record<'_> {
    /// What earlier versions kept is text alone.
    fn parse(line: &[u8]) -> Record<'_> {
        let text_alone = Record { time: "", is_whole: true, text: line };
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (Some(time), Some(stream), Some(tag), Some(text)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return text_alone;
        };
        match (std::str::from_utf8(time), stream, tag) {
            (Ok(time), b"stdout" | b"stderr", b"F" | b"P") => {
                Record { time, is_whole: tag == b"F", text }
            }
            _ => text_alone,
        }
    }
}

/// Tells files apart while they are there.
fn number(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.ino())
}

/// The other file, if it is another one.
fn unlike(file: &File, other: Option<File>) -> io::Result<Option<File>> {
    match other {
        Some(other) if number(&other)? != number(file)? => Ok(Some(other)),
        _ => Ok(None),
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use setpoint_schemas::call::Since;

    use super::*;

    const OLDER: &str = "2026-01-01T00:00:01.000000000Z stdout F one\n\
                         2026-01-01T00:00:02.000000000Z stderr P tw\n";
    const NEWER: &str = "2026-01-01T00:00:02.500000000Z stderr F o\n\
                         2026-01-01T00:00:03.000000000Z stdout F three\n";

    /// A folder with two files of one life.
    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let path = disk::log_path(dir.path());
        fs::write(disk::aside(&path), OLDER).expect("writable");
        fs::write(path, NEWER).expect("writable");
        dir
    }

    fn text(reader: &mut Reader) -> String {
        String::from_utf8(reader.piece().expect("readable")).expect("text")
    }

    #[test]
    fn lines_are_read_over_files_by_number_and_by_age() {
        let dir = folder();
        let all = LogOptions::default();
        let at_two = 1_767_225_602_000;
        for (options, wanted) in [
            (all.clone(), "one\ntwo\nthree\n"),
            (LogOptions { tail: Some(2), ..all.clone() }, "two\nthree\n"),
            (LogOptions { tail: Some(0), ..all.clone() }, ""),
            (LogOptions { tail: Some(9), ..all.clone() }, "one\ntwo\nthree\n"),
            (LogOptions { since: Some(Since::At(at_two)), ..all.clone() }, "two\nthree\n"),
            (LogOptions { since: Some(Since::Ago(500)), tail: Some(1), ..all.clone() }, "three\n"),
            (
                LogOptions { timestamps: true, tail: Some(2), ..all.clone() },
                "2026-01-01T00:00:02.000000000Z two\n2026-01-01T00:00:03.000000000Z three\n",
            ),
        ] {
            let opened = Reader::open(dir.path(), &options, at_two + 1_000);
            let mut reader = opened.expect("readable").expect("it is there");
            assert_eq!(text(&mut reader), wanted, "{options:?}");
            assert_eq!(text(&mut reader), "", "{options:?}");
        }
    }

    #[test]
    fn a_follower_goes_on_with_the_next_file_and_not_with_the_next_life() {
        let dir = folder();
        let options = LogOptions { follow: true, tail: Some(0), ..LogOptions::default() };
        let mut reader = Reader::open(dir.path(), &options, 0).expect("readable").expect("there");
        let path = disk::log_path(dir.path());
        let append = |text: &str| {
            let file = File::options().append(true).create(true).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes())).expect("writable");
        };
        assert_eq!(text(&mut reader), "");
        append("2026-01-01T00:00:04.000000000Z stdout F fo");
        assert_eq!(text(&mut reader), "", "its end is not written yet");
        append("ur\n");
        assert_eq!(text(&mut reader), "four\n");
        assert!(!reader.turns().expect("readable"));
        fs::rename(&path, disk::aside(&path)).expect("it is put aside");
        append("2026-01-01T00:00:05.000000000Z stdout F five\n");
        assert!(reader.turns().expect("readable"));
        assert_eq!(text(&mut reader), "five\n");
        crate::output::begin(dir.path()).expect("another life begins");
        append("2026-01-01T00:00:06.000000000Z stdout F another\n");
        assert!(!reader.turns().expect("readable"));
        assert_eq!(text(&mut reader), "");
        let former = LogOptions { previous: true, tail: Some(1), ..LogOptions::default() };
        let mut former = Reader::open(dir.path(), &former, 0).expect("readable").expect("there");
        assert_eq!(text(&mut former), "five\n");
    }

    #[test]
    fn a_slow_follower_reads_what_is_still_kept_and_is_told_of_what_may_be_gone() {
        let dir = folder();
        let options = LogOptions { follow: true, tail: Some(0), ..LogOptions::default() };
        let mut reader = Reader::open(dir.path(), &options, 0).expect("readable").expect("there");
        let path = disk::log_path(dir.path());
        let turn = |text: &str| {
            fs::rename(&path, disk::aside(&path)).expect("it is put aside");
            let line = format!("2026-01-01T00:00:04.000000000Z stdout F {text}\n");
            fs::write(&path, line).expect("writable");
        };
        assert_eq!(text(&mut reader), "");
        ["four", "five"].iter().for_each(|text| turn(text));
        assert!(reader.turns().expect("readable"));
        let gap = std::str::from_utf8(GAP).expect("text");
        assert_eq!(text(&mut reader), format!("{gap}four\nfive\n"));
        turn("six");
        crate::output::begin(dir.path()).expect("another life begins");
        fs::write(&path, "2026-01-01T00:00:06.000000000Z stdout F another\n").expect("writable");
        assert!(reader.turns().expect("readable"));
        assert_eq!(text(&mut reader), "six\n", "and not the next life's");
        assert!(!reader.turns().expect("readable"));
    }

    #[test]
    fn what_earlier_versions_kept_is_text_alone() {
        for line in ["", "plain", "2026-01-01T00:00:01Z stdout X a", "a stdin F b"] {
            let record = Record { time: "", is_whole: true, text: line.as_bytes() };
            assert_eq!(Record::parse(line.as_bytes()), record, "{line}");
        }
    }
}
