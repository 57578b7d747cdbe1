//! What a container wrote, as the engine kept it.
//!
//! Guarantee: of one life alone, as far as the engine still tells where it began ([`crate::lives`]).
//! Absent: bounds of what is kept; they are the engine's own (its log driver and options).

use std::collections::VecDeque;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::LogsOptionsBuilder;
use futures::StreamExt;
use futures::stream::BoxStream;
use hyper::body::Bytes;
use jiff::Timestamp;
use setpoint_actuators::ActuatorError;
use setpoint_actuators::session::{Lines, no_former_life, not_found, not_started};
use setpoint_schemas::PodUid;
use setpoint_schemas::call::LogOptions;

use crate::DockerConfig;
use crate::engine::unavailable;
use crate::lives::{Life, life, nanos};
use crate::observe::{inspect, was_started};
use crate::raw::Engine;
use crate::start::named;

/// Lines that are ready at once are one piece: of the engine's longest, 16 kilobytes, a megabyte.
const LINES_TOGETHER_MAX: usize = 64;
/// Of a former life's last lines, this much is held to tell them: which they are is known at its end, and
/// a node answers several calls at once.
const TAIL_BYTES_MAX: usize = 1 << 20;
/// What a line takes beside its bytes: where it lies, and the rounding of who keeps it.
const LINE_COST_BYTES: usize = 64;
const NS_PER_MS: i64 = 1_000_000;
const NS_PER_SECOND: i64 = 1_000_000_000;

/// Lines as the engine tells them, and why there are no more.
type Kept = BoxStream<'static, Result<Bytes, Error>>;

/// The lines of this container.
pub(crate) async fn lines(
    docker: &Docker,
    config: &DockerConfig,
    (uid, name): (&PodUid, &str),
    options: &LogOptions,
) -> Result<Lines, ActuatorError> {
    let pod = inspect(docker, &config.fleet, Some(uid)).await?;
    let container = named(&pod, name).ok_or_else(|| not_found(&uid.text(), name))?;
    if !was_started(container) {
        return Err(not_started(name));
    }
    let life = life(docker, container, options.previous).await;
    let kept = kept(Engine { docker, host: &config.host }, container, options, life).await?;
    let mut lines = told(kept, options, life);
    if !options.previous {
        return Ok(lines);
    }
    if let Some(tail) = options.tail {
        lines = last(lines, tail).await?;
    }
    let Some(first) = lines.next().await else {
        let nothing = futures::stream::empty().boxed();
        return if life.is_known { Ok(nothing) } else { Err(no_former_life(name)) };
    };
    Ok(futures::stream::iter([first]).chain(lines).boxed())
}

/// What the engine kept of a life, and perhaps of others: line by line, each with its time before it.
async fn kept(
    engine: Engine<'_>,
    container: &ContainerInspectResponse,
    options: &LogOptions,
    life: Life,
) -> Result<Kept, ActuatorError> {
    let id = container.id.as_deref().unwrap_or_default();
    let follow = options.follow && !options.previous;
    // The engine counts the last lines of all lives.
    let tail = options.tail.filter(|_| !options.previous);
    let tail = tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string());
    let since = seconds(since_ns(options, life));
    // Whole seconds: the line that is too young is left out when it is told.
    let until = match life.until_ns {
        i64::MAX => 0,
        until_ns => seconds(until_ns).saturating_add(1),
    };
    let has_terminal = container.config.as_ref().and_then(|config| config.tty) == Some(true);
    if has_terminal {
        let path = format!(
            "/containers/{id}/logs?stdout=true&stderr=true&timestamps=true&follow={follow}\
             &since={since}&until={until}&tail={tail}"
        );
        return engine.lines(&path).await.map_err(unavailable("read the output of a container"));
    }
    let builder = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true);
    let builder = builder.since(since).until(until).tail(&tail).follow(follow);
    let lines = engine.docker.logs(id, Some(builder.build()));
    Ok(lines.map(|line| line.map(LogOutput::into_bytes)).boxed())
}

/// The time of the oldest line that is wanted, nanoseconds since 1970.
fn since_ns(options: &LogOptions, life: Life) -> i64 {
    let young_ns = options.since_ms(Timestamp::now().as_millisecond());
    young_ns.map_or(0, |ms| ms.saturating_mul(NS_PER_MS)).max(life.since_ns)
}

fn seconds(ns: i64) -> i32 {
    i32::try_from(ns / NS_PER_SECOND).unwrap_or(0)
}

/// What is told of a life, line by line or several together.
fn told(kept: Kept, options: &LogOptions, life: Life) -> Lines {
    let mut filter = Filter {
        since_ns: since_ns(options, life),
        until_ns: life.until_ns,
        timestamps: options.timestamps,
        at_start: true,
    };
    let piece = move |together: Vec<Result<Bytes, Error>>| {
        let mut piece = Vec::new();
        for line in together {
            let line = line.map_err(unavailable("read the output of a container"))?;
            filter.tell(&line, &mut piece);
        }
        Ok(piece)
    };
    let lines = kept.ready_chunks(LINES_TOGETHER_MAX).map(piece);
    let is_some = |piece: &Result<Vec<u8>, ActuatorError>| {
        std::future::ready(piece.as_ref().map_or(true, |piece| !piece.is_empty()))
    };
    lines.filter(is_some).boxed()
}

/// The last lines of what ends, each one a piece.
async fn last(mut lines: Lines, tail: u64) -> Result<Lines, ActuatorError> {
    let tail = usize::try_from(tail).unwrap_or(usize::MAX);
    let cost = |line: &Vec<u8>| line.len() + LINE_COST_BYTES;
    let (mut kept, mut bytes) = (VecDeque::new(), 0);
    while let Some(piece) = lines.next().await {
        for line in piece?.split_inclusive(|byte| *byte == b'\n') {
            let line = line.to_vec();
            bytes += cost(&line);
            kept.push_back(line);
            while kept.len() > tail || bytes > TAIL_BYTES_MAX {
                bytes -= kept.pop_front().as_ref().map_or(bytes, cost);
            }
        }
    }
    Ok(futures::stream::iter(kept.into_iter().map(Ok)).boxed())
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
        let read = async |pieces: &[&[u8]], tail| {
            let pieces: Vec<_> = pieces.iter().map(|piece| Ok(piece.to_vec())).collect();
            let lines = last(futures::stream::iter(pieces).boxed(), tail).await.expect("no error");
            lines.map(|line| line.expect("no error")).collect::<Vec<_>>().await.concat()
        };
        let pieces: [&[u8]; 2] = [b"one\ntwo\n", b"three\n"];
        assert_eq!(read(&pieces, 2).await, b"two\nthree\n");
        assert_eq!(read(&pieces, 9).await, b"one\ntwo\nthree\n");
        assert_eq!(read(&pieces, 0).await, b"");
        // Empty lines take room too.
        let empty = vec![b'\n'; TAIL_BYTES_MAX];
        let kept = read(&[&empty], u64::MAX).await.len();
        assert_eq!(kept, TAIL_BYTES_MAX / (1 + LINE_COST_BYTES));
    }
}
