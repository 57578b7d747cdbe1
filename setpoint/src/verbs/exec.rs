//! `exec`: a command in a container, with its input, output, terminal and exit code.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use clap::Args;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use setpoint_schemas::call::{
    CLOSE, CallEnd, STATUS, STDERR, STDIN, STDOUT, frame, parted, resized,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Line, escape};
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{name, text};
use crate::verbs::subject::{self, Pods, default_container};
use crate::verbs::terminal::{Raw, size};

/// What is read from standard input in one go, as kubectl does.
const PIECE_BYTES_MAX: usize = 32 << 10;
/// Pieces that wait to be sent: whoever types or pipes waits beyond that.
const PIECES_MAX: usize = 4;
/// Where nothing is taken any more the end cannot be said either; whoever ends the call does not wait.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// What a shell tells of a program that a signal ended: this and the signal's number.
const CODE_OF_SIGNALS: i32 = 128;

/// Run a command in a container of a pod
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint exec web-1 -- env
  setpoint exec -it web-1 -- sh
  setpoint exec -it deploy/web -c main -- sh
  setpoint exec -i db-1 -- psql < dump.sql

The exit code is the command's.")]
pub(crate) struct Exec {
    /// A pod, or KIND/NAME of a workload for the first of its pods that runs
    #[arg(value_name = "POD|KIND/NAME")]
    subject: String,
    /// The container; needed where the pod has several
    #[arg(long, short, value_name = "NAME")]
    container: Option<String>,
    /// Send what is typed or piped
    #[arg(long, short = 'i')]
    stdin: bool,
    /// Give the command a terminal
    #[arg(long, short = 't')]
    tty: bool,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// The command and its arguments, behind `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

type Told = SplitSink<Line, Message>;
type Heard = SplitStream<Line>;

pub(crate) async fn run(exec: Exec, cx: &mut Context) -> Result<Ended, Failure> {
    let home = cx.namespace(exec.namespace.as_deref());
    let (pod, default) = pod_of(&exec, &home, cx).await?;
    let what = format!("failed to run a command in pod/{pod}");
    let wants_terminal = exec.tty && exec.stdin;
    let has_terminal = !wants_terminal || io::stdin().is_terminal();
    if !has_terminal {
        note("there is no terminal here: the command gets none either");
    }
    let tty = exec.tty && has_terminal;
    let container = exec.container.clone().unwrap_or(default);
    let path = format!("/api/v1/namespaces/{}/pods/{}/exec", escape(&home), escape(&pod));
    let line = cx.client.speak(&path, &query(&exec, &container, tty)).await;
    let line = line.map_err(|error| error.during(&what))?;
    let raw = (tty && exec.stdin).then(Raw::begin).transpose()?;
    let ended = speak(line, exec.stdin, tty, cx).await;
    // Before anything is said: a line end is none in a raw terminal.
    drop(raw);
    match ended? {
        Some(CallEnd::Code(code)) => Ok(Ended::Code(code)),
        Some(CallEnd::Failed(_, _, message)) => Err(Failure::new(what).because(message)),
        None => Err(Failure::new(what).because("the server ended the call without a word")),
    }
}

/// The pod that is meant, and the container that its annotation names.
async fn pod_of(exec: &Exec, home: &str, cx: &Context) -> Result<(String, String), Failure> {
    let what = format!("failed to run a command in {}", exec.subject);
    let runs = |pod: &Value| text(pod, "/status/phase") == "Running";
    let found = match subject::pods(cx, home, &exec.subject, &what).await? {
        Pods::One(pod) => Some(pod),
        Pods::Of(pods) => pods.into_iter().find(runs),
    };
    let chosen = |pod: Value| (name(&pod).to_owned(), default_container(&pod).to_owned());
    let none = || Failure::new(what).because(format!("no pod of {} runs", exec.subject));
    found.map(chosen).ok_or_else(none)
}

fn query<'a>(exec: &Exec, container: &str, tty: bool) -> Vec<(&'a str, String)> {
    let words = exec.command.iter().map(|word| ("command", word.clone()));
    let flags = [("stdin", exec.stdin), ("stdout", true), ("stderr", !tty), ("tty", tty)];
    let flags = flags.map(|(name, is_set)| (name, is_set.to_string()));
    let container = Some(("container", container.to_owned())).filter(|(_, name)| !name.is_empty());
    words.chain(flags).chain(container).collect()
}

/// Speaks until the command ends; `None` when nobody says how.
async fn speak(
    line: Line,
    stdin: bool,
    tty: bool,
    cx: &mut Context,
) -> Result<Option<CallEnd>, Failure> {
    let (mut told, heard) = line.split();
    let mut signals = Signals::begin(tty)?;
    tokio::select! {
        ended = hear(heard, cx) => ended,
        () = tell(&mut told, stdin, tty) => unreachable!("it never ends"),
        number = signals.next() => {
            // The server sees it go, and the node ends the command.
            let _ = timeout(CLOSE_MAX, told.close()).await;
            Ok(Some(CallEnd::Code(CODE_OF_SIGNALS + number)))
        }
    }
}

/// Prints what the command writes until its end is told.
async fn hear(mut heard: Heard, cx: &mut Context) -> Result<Option<CallEnd>, Failure> {
    while let Some(Ok(message)) = heard.next().await {
        let Message::Binary(bytes) = message else { continue };
        match parted(&bytes) {
            Some((STDOUT, bytes)) => {
                cx.out.0.write_all(bytes)?;
                cx.out.0.flush()?;
            }
            Some((STDERR, bytes)) => io::stderr().write_all(bytes)?,
            Some((STATUS, bytes)) => return Ok(Some(CallEnd::parse(bytes))),
            _ => {}
        }
    }
    Ok(None)
}

/// Says what is typed and how large the terminal is, for ever.
async fn tell(told: &mut Told, stdin: bool, tty: bool) {
    let mut typed = if stdin { Some(typed()) } else { None };
    let mut resizes = signal(SignalKind::window_change()).ok().filter(|_| tty);
    if tty {
        tell_size(told).await;
    }
    loop {
        let message = tokio::select! {
            piece = next_typed(&mut typed) => match piece {
                Some(piece) => frame(STDIN, &piece),
                None => {
                    typed = None;
                    vec![CLOSE, STDIN]
                }
            },
            () = resized_once(&mut resizes) => {
                tell_size(told).await;
                continue;
            }
        };
        // One that has gone is seen where it is heard.
        let _ = told.send(Message::Binary(message.into())).await;
    }
}

async fn tell_size(told: &mut Told) {
    if let Some((columns, rows)) = size() {
        let _ = told.send(Message::Binary(resized(columns, rows).into())).await;
    }
}

/// What is typed next, `None` at its end; nothing ever where nothing is read.
async fn next_typed(typed: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match typed {
        Some(typed) => typed.recv().await,
        None => std::future::pending().await,
    }
}

async fn resized_once(resizes: &mut Option<Signal>) {
    match resizes {
        Some(resizes) => drop(resizes.recv().await),
        None => std::future::pending().await,
    }
}

/// Reads standard input in a thread of its own: a read that waits keeps the program from ending nowhere.
fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (tell, hear) = mpsc::channel(PIECES_MAX);
    std::thread::spawn(move || {
        let mut piece = vec![0; PIECE_BYTES_MAX];
        while let Ok(read @ 1..) = io::stdin().read(&mut piece) {
            if tell.blocking_send(piece[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    hear
}

/// The signals that end the call: in a raw terminal Ctrl-C is typed like any other key.
struct Signals {
    interrupt: Option<Signal>,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn begin(tty: bool) -> io::Result<Signals> {
        let interrupt = (!tty).then(|| signal(SignalKind::interrupt())).transpose()?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Signals { interrupt, terminate, hangup: signal(SignalKind::hangup())? })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        let interrupted = async {
            match &mut self.interrupt {
                Some(interrupt) => drop(interrupt.recv().await),
                None => std::future::pending().await,
            }
        };
        let kind = tokio::select! {
            () = interrupted => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hangup.recv() => SignalKind::hangup(),
        };
        kind.as_raw_value()
    }
}
