//! `logs`: what containers wrote, and what they write.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use crate::client::{ApiError, escape};
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{list, name, text};
use crate::verbs::subject::{self, Pods, default_container};
use crate::verbs::wait::duration;

/// Pods of a workload whose lines are read at once: more than anybody reads side by side.
const PODS_MAX: usize = 20;

/// Print what the containers of a pod or workload wrote
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint logs web-1
  setpoint logs -f deploy/web --prefix
  setpoint logs web-1 -c proxy --tail 100 --since 5m --timestamps
  setpoint logs web-1 --previous")]
pub(crate) struct Logs {
    /// A pod, or KIND/NAME of a workload for all its pods
    #[arg(value_name = "POD|KIND/NAME")]
    subject: String,
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
}

type Lines = BoxStream<'static, Result<Vec<u8>, Failure>>;

pub(crate) async fn run(logs: Logs, cx: &mut Context) -> Result<Ended, Failure> {
    let home = cx.namespace(logs.namespace.as_deref());
    let sources = sources(&logs, &home, cx).await?;
    let mut opened: Vec<Lines> = Vec::new();
    for source in &sources {
        opened.push(open(&logs, &home, source, cx).await?);
    }
    // Of what goes on, whatever comes first; of what is there, one after the other.
    let mut lines = match logs.follow {
        true => stream::select_all(opened).boxed(),
        false => stream::iter(opened).flatten().boxed(),
    };
    while let Some(line) = lines.next().await {
        cx.out.0.write_all(&line?)?;
        cx.out.0.flush()?;
    }
    Ok(Ended::Well)
}

/// The containers that are meant.
async fn sources(logs: &Logs, home: &str, cx: &Context) -> Result<Vec<Source>, Failure> {
    let what = format!("failed to read the logs of {}", logs.subject);
    let pods = match subject::pods(cx, home, &logs.subject, &what).await? {
        Pods::One(pod) => vec![pod],
        Pods::Of(pods) if pods.is_empty() => {
            return Err(Failure::new(what).because(format!("{} has no pods", logs.subject)));
        }
        Pods::Of(pods) => pods,
    };
    if pods.len() > PODS_MAX {
        note(format!("{} has {} pods: {PODS_MAX} of them are read", logs.subject, pods.len()));
    }
    Ok(pods.iter().take(PODS_MAX).flat_map(|pod| containers(logs, pod)).collect())
}

fn containers(logs: &Logs, pod: &Value) -> Vec<Source> {
    let source =
        |container: &str| Source { pod: name(pod).to_owned(), container: container.to_owned() };
    if logs.all_containers {
        return list(pod, "/spec/containers").iter().map(|c| source(text(c, "/name"))).collect();
    }
    vec![source(logs.container.as_deref().unwrap_or(default_container(pod)))]
}

/// The lines of a container, each whole; the last one as it is.
async fn open(logs: &Logs, home: &str, source: &Source, cx: &Context) -> Result<Lines, Failure> {
    let pod = &source.pod;
    let what = format!("failed to read the logs of pod/{pod}");
    let path = format!("/api/v1/namespaces/{}/pods/{}/log", escape(home), escape(pod));
    let answer = cx.client.stream(&path, &query(logs, source)).await;
    let answer = answer.map_err(|error: ApiError| error.during(&what))?;
    let prefix = match (logs.prefix, source.container.as_str()) {
        (false, _) => String::new(),
        (true, "") => format!("[pod/{pod}] "),
        (true, container) => format!("[pod/{pod}/{container}] "),
    };
    let reading = (answer, Vec::new(), false);
    let next = move |(mut answer, mut begun, ended): (reqwest::Response, Vec<u8>, bool)| {
        let (prefix, what) = (prefix.clone(), what.clone());
        async move {
            if ended {
                return None;
            }
            match answer.chunk().await {
                Ok(Some(piece)) => {
                    begun.extend_from_slice(&piece);
                    let end = begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    let rest = begun.split_off(end);
                    Some((Ok(prefixed(&prefix, &begun)), (answer, rest, false)))
                }
                Ok(None) => Some((Ok(prefixed(&prefix, &begun)), (answer, Vec::new(), true))),
                Err(_) => {
                    // Its last line says why.
                    let why = String::from_utf8_lossy(&begun).trim().to_owned();
                    let broke =
                        Failure::new(what).because("the server ended them before their end");
                    let broke = if why.is_empty() { broke } else { broke.because(why) };
                    Some((Err(broke), (answer, Vec::new(), true)))
                }
            }
        }
    };
    Ok(stream::unfold(reading, next).boxed())
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

    #[test]
    fn each_line_has_its_prefix() {
        assert_eq!(prefixed("", b"a\nb"), b"a\nb");
        assert_eq!(prefixed("[x] ", b"a\n\nb"), b"[x] a\n[x] \n[x] b");
        assert_eq!(prefixed("[x] ", b""), b"");
    }
}
