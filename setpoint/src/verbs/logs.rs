//! `logs`: what containers wrote, and what they write.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use crate::client::escape;
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{list, name, text};
use crate::verbs::subject::{self, Pods, default_container};
use crate::verbs::wait::duration;

/// Pods of a workload whose lines are read at once: more than anybody reads side by side.
const PODS_MAX: usize = 20;

/// A longer line of one container among others is cut: it fills no memory, and the others are seen.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Print what the containers of a pod or workload wrote
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint logs web-1
  setpoint logs -f deploy/web --prefix
  setpoint logs -l app=web --tail 20
  setpoint logs web-1 -c proxy --tail 100 --since 5m --timestamps
  setpoint logs web-1 --previous")]
pub(crate) struct Logs {
    /// A pod, or KIND/NAME of a workload or Service for all its pods
    #[arg(
        value_name = "POD|KIND/NAME",
        required_unless_present = "selector",
        conflicts_with = "selector"
    )]
    subject: Option<String>,
    /// All pods with these labels
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<String>,
    /// The container; needed where a pod has several
    #[arg(long, short, value_name = "NAME")]
    container: Option<String>,
    /// Every container of the pod
    #[arg(long, conflicts_with = "container")]
    all_containers: bool,
    /// Go on with later lines until the container ends
    #[arg(long, short)]
    follow: bool,
    /// What it wrote before its last restart
    #[arg(long, short)]
    previous: bool,
    /// Only the last lines
    #[arg(long, value_name = "N")]
    tail: Option<u64>,
    /// Only lines that are not older, such as 90s, 5m or 1h
    #[arg(long, value_parser = duration, value_name = "TIME")]
    since: Option<Duration>,
    /// Only lines since this time, such as 2026-01-31T09:30:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "since")]
    since_time: Option<String>,
    /// At most so many bytes of each container
    #[arg(long, value_name = "BYTES")]
    limit_bytes: Option<u64>,
    /// Write before each line when it was written
    #[arg(long)]
    timestamps: bool,
    /// Write before each line which pod and container wrote it
    #[arg(long)]
    prefix: bool,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// Whose lines are read.
struct Source {
    pod: String,
    /// Empty for the only one.
    container: String,
    /// Whether its pod is one of several that were meant at once: these come and go meanwhile.
    is_among: bool,
}

/// Why a container is not read.
enum Miss {
    /// There is nothing to read of it, and nothing is wrong with that.
    LeftOut(String),
    /// It should be read.
    Failed(Failure),
}

/// What was not read of several containers.
#[derive(Default)]
struct Missed {
    left_out: usize,
    failed: usize,
}

type Lines = BoxStream<'static, Result<Vec<u8>, Failure>>;

pub(crate) async fn run(logs: Logs, cx: &mut Context) -> Result<Ended, Failure> {
    let home = cx.namespace(logs.namespace.as_deref());
    let sources = sources(&logs, &home, cx).await?;
    let missed = match (logs.follow, sources.as_slice()) {
        (true, [_, _, ..]) => side_by_side(&logs, &home, &sources, cx).await?,
        _ => one_after_the_other(&logs, &home, &sources, cx).await?,
    };
    missed.ended(&logs, sources.len())
}

impl Missed {
    /// Tells of it, beside the lines of the others.
    fn take(&mut self, miss: Miss) {
        match miss {
            Miss::LeftOut(why) => {
                note(why);
                self.left_out += 1;
            }
            Miss::Failed(failure) => {
                note(failure.to_string());
                self.failed += 1;
            }
        }
    }

    /// How it ended for this many containers.
    fn ended(&self, logs: &Logs, all: usize) -> Result<Ended, Failure> {
        match (self.failed, self.left_out) {
            (0, left_out) if left_out < all => Ok(Ended::Well),
            (0, _) => Err(Failure::new(attempt(logs)).because("no container of them runs yet")),
            (failed, _) => {
                let count = format!("{failed} of {all} containers");
                Err(Failure::new(format!("failed to read the logs of {count} to their end")))
            }
        }
    }
}

/// What is attempted, in words.
fn attempt(logs: &Logs) -> String {
    format!("failed to read the logs of {}", whose(logs))
}

/// Whose logs are read, as the user said it.
fn whose(logs: &Logs) -> String {
    let labels = || format!("pods with {}", logs.selector.as_deref().unwrap_or_default());
    logs.subject.clone().unwrap_or_else(labels)
}

/// Each is opened when the one before has ended: a node answers a few calls at once. Of several pods one that
/// is refused keeps nobody from the others.
async fn one_after_the_other(
    logs: &Logs,
    home: &str,
    sources: &[Source],
    cx: &mut Context,
) -> Result<Missed, Failure> {
    let mut missed = Missed::default();
    for source in sources {
        let lines = match open(logs, home, source, cx).await {
            Ok(lines) => lines,
            Err(Miss::Failed(failure)) if !source.is_among => return Err(failure),
            Err(miss) => {
                missed.take(miss);
                continue;
            }
        };
        let mut lines = match prefix(logs, source) {
            prefix if prefix.is_empty() => lines,
            prefix => whole(lines, prefix),
        };
        while let Some(piece) = lines.next().await {
            match piece {
                Ok(piece) => tell(&piece, cx)?,
                Err(failure) if source.is_among => missed.take(Miss::Failed(failure)),
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(missed)
}

/// Whatever comes first, line by line. One that is refused or breaks off is told of, and the others go on.
async fn side_by_side(
    logs: &Logs,
    home: &str,
    sources: &[Source],
    cx: &mut Context,
) -> Result<Missed, Failure> {
    let (mut opened, mut missed) = (Vec::new(), Missed::default());
    for source in sources {
        match open(logs, home, source, cx).await {
            Ok(lines) => opened.push(whole(lines, prefix(logs, source))),
            Err(miss) => missed.take(miss),
        }
    }
    let mut lines = stream::select_all(opened);
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => tell(&line, cx)?,
            Err(failure) => missed.take(Miss::Failed(failure)),
        }
    }
    Ok(missed)
}

fn tell(bytes: &[u8], cx: &mut Context) -> Result<(), Failure> {
    cx.out.0.write_all(bytes)?;
    Ok(cx.out.0.flush()?)
}

/// The containers that are meant.
async fn sources(logs: &Logs, home: &str, cx: &Context) -> Result<Vec<Source>, Failure> {
    let what = attempt(logs);
    let pods = match (&logs.subject, &logs.selector) {
        (Some(subject), _) => subject::pods(cx, home, subject, &what).await?,
        (None, selector) => {
            let selector = selector.as_deref().unwrap_or_default();
            Pods::Of(subject::labelled(cx, home, selector, &what).await?)
        }
    };
    let (pods, is_among) = match pods {
        Pods::One(pod) => (vec![pod], false),
        Pods::Of(pods) => (pods, true),
    };
    if pods.is_empty() {
        return Err(Failure::new(what).because(format!("there are no {}", pods_of(logs))));
    }
    if pods.len() > PODS_MAX {
        note(format!("there are {} {}: {PODS_MAX} are read", pods.len(), pods_of(logs)));
    }
    let of_pod = |pod| containers(logs, pod, is_among);
    Ok(pods.iter().take(PODS_MAX).flat_map(of_pod).collect())
}

/// `pods of svc/web`, `pods with app=web`.
fn pods_of(logs: &Logs) -> String {
    match &logs.subject {
        Some(subject) => format!("pods of {subject}"),
        None => whose(logs),
    }
}

fn containers(logs: &Logs, pod: &Value, is_among: bool) -> Vec<Source> {
    let source = |container: &str| Source {
        pod: name(pod).to_owned(),
        container: container.to_owned(),
        is_among,
    };
    if logs.all_containers {
        return list(pod, "/spec/containers").iter().map(|c| source(text(c, "/name"))).collect();
    }
    vec![source(logs.container.as_deref().unwrap_or(default_container(pod)))]
}

/// What a container wrote, as it comes.
async fn open(logs: &Logs, home: &str, source: &Source, cx: &Context) -> Result<Lines, Miss> {
    let pod = &source.pod;
    let what = format!("failed to read the logs of pod/{pod}");
    let path = format!("/api/v1/namespaces/{}/pods/{}/log", escape(home), escape(pod));
    let answer = match cx.client.stream(&path, &query(logs, source)).await {
        Ok(answer) => answer,
        Err(error) => {
            return Err(match nothing_of(home, source, cx).await {
                Some(why) => Miss::LeftOut(format!("pod/{pod} is left out: {why}")),
                None => Miss::Failed(error.during(&what)),
            });
        }
    };
    let pieces = answer.bytes_stream().map(move |piece| {
        let broken = "the server ended them before their end; their last line may say why";
        piece.map(|piece| piece.to_vec()).map_err(|_| Failure::new(&what).because(broken))
    });
    Ok(pieces.boxed())
}

/// Why there is nothing to read of a container that was refused, as its pod is now; nothing when there
/// should be, or when it is the only one that is meant.
async fn nothing_of(home: &str, source: &Source, cx: &Context) -> Option<String> {
    if !source.is_among {
        return None;
    }
    let path = format!("/api/v1/namespaces/{}/pods/{}", escape(home), escape(&source.pod));
    match cx.client.find(&path).await {
        Ok(Some(pod)) => unread(&pod, &source.container),
        Ok(None) => Some("it is gone".to_owned()),
        Err(_) => None,
    }
}

/// Whether a pod goes away or its container has not begun, in words.
fn unread(pod: &Value, container: &str) -> Option<String> {
    if !text(pod, "/metadata/deletionTimestamp").is_empty() {
        return Some("it is going away".to_owned());
    }
    let statuses = list(pod, "/status/containerStatuses");
    let meant = |status: &&Value| container.is_empty() || text(status, "/name") == container;
    let status = statuses.iter().find(meant).unwrap_or(&Value::Null);
    let waits = status.pointer("/state/waiting").is_some()
        && status.pointer("/lastState/terminated").is_none();
    if !waits && text(pod, "/status/phase") != "Pending" {
        return None;
    }
    Some(match text(status, "/state/waiting/reason") {
        "" => "it has not started".to_owned(),
        reason => format!("it has not started: {reason}"),
    })
}

/// What stands before each line of a container.
fn prefix(logs: &Logs, source: &Source) -> String {
    let pod = &source.pod;
    match (logs.prefix, source.container.as_str()) {
        (false, _) => String::new(),
        (true, "") => format!("[pod/{pod}] "),
        (true, container) => format!("[pod/{pod}/{container}] "),
    }
}

/// The same line by line, each with this before it; what was begun comes at the end, however that is.
fn whole(lines: Lines, prefix: String) -> Lines {
    let cutting = (lines, Cutter { prefix, begun: Vec::new() }, None);
    let next = |(mut lines, mut cutter, last): (Lines, Cutter, Option<Option<Failure>>)| async move {
        if let Some(last) = last {
            return last.map(|failure| (Err(failure), (lines, cutter, Some(None))));
        }
        Some(match lines.next().await {
            Some(Ok(piece)) => (Ok(cutter.cut(&piece)), (lines, cutter, None)),
            Some(Err(failure)) => (Ok(cutter.rest()), (lines, cutter, Some(Some(failure)))),
            None => (Ok(cutter.rest()), (lines, cutter, Some(None))),
        })
    };
    stream::unfold(cutting, next).boxed()
}

/// Puts a prefix before each line.
struct Cutter {
    prefix: String,
    /// A line whose end has not come.
    begun: Vec<u8>,
}

impl Cutter {
    /// The lines that are whole with this piece; one that is too long is cut.
    fn cut(&mut self, piece: &[u8]) -> Vec<u8> {
        self.begun.extend_from_slice(piece);
        let end = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.begun.split_off(end);
        let lines = std::mem::replace(&mut self.begun, rest);
        let mut lines = prefixed(&self.prefix, &lines);
        if self.begun.len() >= LINE_BYTES_MAX {
            lines.extend(self.rest());
            lines.push(b'\n');
        }
        lines
    }

    /// What has no end.
    fn rest(&mut self) -> Vec<u8> {
        prefixed(&self.prefix, &std::mem::take(&mut self.begun))
    }
}

fn query<'a>(logs: &Logs, source: &Source) -> Vec<(&'a str, String)> {
    let flags =
        [("follow", logs.follow), ("previous", logs.previous), ("timestamps", logs.timestamps)];
    let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
    let mut query: Vec<_> = flags.map(|(name, _)| (name, "true".to_owned())).collect();
    let seconds = logs.since.map(|since| since.as_secs().max(1).to_string());
    let texts = [
        ("container", Some(source.container.clone()).filter(|container| !container.is_empty())),
        ("tailLines", logs.tail.map(|lines| lines.to_string())),
        ("sinceSeconds", seconds),
        ("sinceTime", logs.since_time.clone()),
        ("limitBytes", logs.limit_bytes.map(|bytes| bytes.to_string())),
    ];
    query.extend(texts.into_iter().filter_map(|(name, value)| Some((name, value?))));
    query
}

/// The lines, each with this before it.
fn prefixed(prefix: &str, lines: &[u8]) -> Vec<u8> {
    if prefix.is_empty() {
        return lines.to_vec();
    }
    let each = lines.split_inclusive(|byte| *byte == b'\n');
    each.flat_map(|line| [prefix.as_bytes(), line].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn lines_are_whole_and_what_was_begun_is_told_before_a_failure() {
        let failure = || Failure::new("it broke");
        let long = vec![b'x'; LINE_BYTES_MAX];
        let pieces = [Ok(b"one\ntw".to_vec()), Ok(b"o\n".to_vec()), Ok(long), Ok(b"end".to_vec())];
        let pieces = pieces.into_iter().chain([Err(failure())]);
        let told: Vec<_> = whole(stream::iter(pieces).boxed(), "> ".into()).collect().await;
        let cut = [b"> ".to_vec(), vec![b'x'; LINE_BYTES_MAX], b"\n".to_vec()].concat();
        let wanted = [b"> one\n".to_vec(), b"> two\n".to_vec(), cut, Vec::new(), b"> end".to_vec()];
        let wanted: Vec<_> = wanted.into_iter().map(Ok).chain([Err(failure())]).collect();
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_container_that_has_not_begun_is_told_apart_from_one_that_cannot_be_read() {
        let pod = |phase: &str, state: Value, last: Value| {
            json!({"metadata": {"name": "a"}, "status": {"phase": phase, "containerStatuses": [
                {"name": "main", "state": state, "lastState": last}]}})
        };
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        let ended = json!({"terminated": {"exitCode": 1}});
        let mut leaving = pod("Running", json!({"running": {}}), json!({}));
        assert_eq!(unread(&leaving, ""), None);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(unread(&leaving, "").as_deref(), Some("it is going away"));
        let creating = pod("Pending", waiting("ContainerCreating"), json!({}));
        let begins = Some("it has not started: ContainerCreating");
        assert_eq!(unread(&creating, "main").as_deref(), begins);
        let unplaced = json!({"status": {"phase": "Pending"}});
        assert_eq!(unread(&unplaced, "").as_deref(), Some("it has not started"));
        let looping = pod("Running", waiting("CrashLoopBackOff"), ended);
        assert_eq!(unread(&looping, "main"), None, "what it wrote before is there");
    }

    #[test]
    fn each_line_has_its_prefix() {
        assert_eq!(prefixed("", b"a\nb"), b"a\nb");
        assert_eq!(prefixed("[x] ", b"a\n\nb"), b"[x] a\n[x] \n[x] b");
        assert_eq!(prefixed("[x] ", b""), b"");
    }
}
