//! What a container wrote, as the engine kept it.
//!
//! Guarantee: of one life alone, as far as the engine still tells where it began ([`crate::lives`]).
//! Absent: bounds of what is kept; they are the engine's own (its log driver and options).

use std::collections::VecDeque;

use bollard::Docker;
use bollard::query_parameters::LogsOptionsBuilder;
use futures::StreamExt;
use jiff::Timestamp;
use setpoint_actuators::ActuatorError;
use setpoint_actuators::session::{Lines, no_former_life, not_found, not_started};
use setpoint_schemas::call::LogOptions;
use setpoint_schemas::{FleetId, PodUid};

use crate::engine::unavailable;
use crate::lives::{Life, life, nanos};
use crate::observe::{inspect, was_started};
use crate::start::named;

/// Lines that are ready at once are one piece: of the engine's longest, 16 kilobytes, a megabyte.
const LINES_TOGETHER_MAX: usize = 64;
/// Of a former life's last lines, this much is held to tell them.
const TAIL_BYTES_MAX: usize = 16 << 20;
const NS_PER_MS: i64 = 1_000_000;
const NS_PER_SECOND: i64 = 1_000_000_000;

/// The lines of this container.
pub(crate) async fn lines(
    docker: &Docker,
    fleet: &FleetId,
    (uid, name): (&PodUid, &str),
    options: &LogOptions,
) -> Result<Lines, ActuatorError> {
    let pod = inspect(docker, fleet, Some(uid)).await?;
    let container = named(&pod, name).ok_or_else(|| not_found(&uid.text(), name))?;
    if !was_started(container) {
        return Err(not_started(name));
    }
    let life = life(docker, container, options.previous).await;
    let id = container.id.as_deref().unwrap_or_default();
    let lines = told(docker, id, options, life);
    if !options.previous {
        return Ok(lines);
    }
    let former = last(lines, options.tail).await?;
    if former.is_empty() && !life.is_known {
        return Err(no_former_life(name));
    }
    Ok(futures::stream::iter(former.into_iter().map(Ok)).boxed())
}

/// What the engine tells of a life, line by line or several together.
fn told(docker: &Docker, id: &str, options: &LogOptions, life: Life) -> Lines {
    let young_ns = options.since_ms(Timestamp::now().as_millisecond());
    let since_ns = young_ns.map_or(0, |ms| ms.saturating_mul(NS_PER_MS)).max(life.since_ns);
    let mut filter = Filter {
        since_ns,
        until_ns: life.until_ns,
        timestamps: options.timestamps,
        at_start: true,
    };
    let builder = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true);
    let builder = builder.since(i32::try_from(since_ns / NS_PER_SECOND).unwrap_or(0));
    // The engine counts the last lines of all lives.
    let tail = options.tail.filter(|_| !options.previous);
    let tail = tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string());
    let builder = builder.tail(&tail).follow(options.follow && !options.previous);
    let lines = docker.logs(id, Some(builder.build())).ready_chunks(LINES_TOGETHER_MAX);
    let piece =
        move |together: Vec<Result<bollard::container::LogOutput, bollard::errors::Error>>| {
            let mut piece = Vec::new();
            for line in together {
                let line = line.map_err(unavailable("read the output of a container"))?;
                filter.tell(line.as_ref(), &mut piece);
            }
            Ok(piece)
        };
    let lines = lines.map(piece);
    let is_some = |piece: &Result<Vec<u8>, ActuatorError>| {
        std::future::ready(piece.as_ref().map_or(true, |piece| !piece.is_empty()))
    };
    lines.filter(is_some).boxed()
}

/// The last lines of what ends, each one a piece.
async fn last(mut lines: Lines, tail: Option<u64>) -> Result<VecDeque<Vec<u8>>, ActuatorError> {
    let tail = tail.map_or(usize::MAX, |tail| usize::try_from(tail).unwrap_or(usize::MAX));
    let (mut kept, mut bytes) = (VecDeque::new(), 0);
    while let Some(piece) = lines.next().await {
        for line in piece?.split_inclusive(|byte| *byte == b'\n') {
            bytes += line.len();
            kept.push_back(line.to_vec());
        }
        while kept.len() > tail || bytes > TAIL_BYTES_MAX {
            bytes -= kept.pop_front().map_or(bytes, |line| line.len());
        }
    }
    Ok(kept)
}

/// Which lines are told, and how.
struct Filter {
    since_ns: i64,
    until_ns: i64,
    timestamps: bool,
    /// Whether what was told last ended a line.
    at_start: bool,
}

impl Filter {
    /// Tells a line that the engine gave with its time before it.
    fn tell(&mut self, line: &[u8], piece: &mut Vec<u8>) {
        let parted = line.iter().position(|byte| *byte == b' ').map(|at| line.split_at(at));
        let time = parted.and_then(|(time, _)| std::str::from_utf8(time).ok());
        let at_ns = nanos(time);
        let text = match parted {
            Some((_, text)) if at_ns > 0 => &text[1..],
            _ => line,
        };
        if at_ns > 0 && !(self.since_ns..self.until_ns).contains(&at_ns) {
            return;
        }
        if let (true, true, Some(time)) = (self.timestamps, self.at_start && at_ns > 0, time) {
            piece.extend_from_slice(time.as_bytes());
            piece.push(b' ');
        }
        piece.extend_from_slice(text);
        self.at_start = text.ends_with(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_with_or_without_their_time_and_within_their_life() {
        let tell = |timestamps| {
            let (since_ns, until_ns) = (2_000_000_000, 4_000_000_000);
            let mut filter = Filter { since_ns, until_ns, timestamps, at_start: true };
            let mut piece = Vec::new();
            for line in [
                "1970-01-01T00:00:01.000000000Z early\n",
                "1970-01-01T00:00:02.000000000Z be",
                "1970-01-01T00:00:02.000000001Z gun\n",
                "1970-01-01T00:00:03.000000000Z a b\n",
                "1970-01-01T00:00:04.000000000Z late\n",
                "without a time\n",
            ] {
                filter.tell(line.as_bytes(), &mut piece);
            }
            String::from_utf8(piece).expect("text")
        };
        assert_eq!(tell(false), "begun\na b\nwithout a time\n");
        assert_eq!(
            tell(true),
            "1970-01-01T00:00:02.000000000Z begun\n1970-01-01T00:00:03.000000000Z a b\nwithout a time\n"
        );
    }

    #[tokio::test]
    async fn the_last_lines_of_a_former_life_are_counted_here() {
        let pieces = || ["one\ntwo\n", "three\n"].map(|piece| Ok(piece.as_bytes().to_vec()));
        let lines = |tail| last(futures::stream::iter(pieces()).boxed(), tail);
        let pieces_of =
            async |tail| lines(tail).await.expect("no error").make_contiguous().concat();
        assert_eq!(pieces_of(Some(2)).await, b"two\nthree\n");
        assert_eq!(pieces_of(None).await, b"one\ntwo\nthree\n");
        assert_eq!(pieces_of(Some(0)).await, b"");
    }
}
