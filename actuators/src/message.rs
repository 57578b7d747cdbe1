//! The last message of a container: what it left in its file, or wrote last before it failed.
//!
//! Guarantee: bounded by container and by pod, text whatever it was, asked for once a life, and once more where
//! nobody answered. However much ends at once, no turn waits longer than [`ANSWERS_MAX`]. What cannot be
//! read is told as nothing. Cost: of what has not ended, none.
//! Source of bounds and rules: the kubelet's `getTerminationMessage` and its `normalizeStatus`.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures::{StreamExt, stream};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use setpoint_schemas::call::LogOptions;
use setpoint_schemas::{Container, ContainerObserved, ContainerState, PodSpec, PodUid};
use tokio::time::sleep;
use tracing::debug;

use crate::book::{Books, Ending};
use crate::desired::Desired;
use crate::life::Life;
use crate::words::say_behind;
use crate::{Actuator, ActuatorError, Observed};

/// Where a container finds its file that names no path.
pub const MESSAGE_PATH_DEFAULT: &str = "/dev/termination-log";
/// Of a longer file the end is read.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// All containers of a pod together; each has an equal share.
const POD_BYTES_MAX: usize = 12 << 10;
/// What of its output stands for a container that failed without a message.
const LOG_BYTES_MAX: usize = 2 << 10;
/// The kubelet's figure: of short lines fewer bytes tell enough.
const LOG_LINES_MAX: u64 = 80;
/// The policy by which that is so.
const FALLBACK: &str = "FallbackToLogsOnError";
/// All that ended together: a runtime answers in milliseconds, and the node's other pods wait meanwhile.
const ANSWERS_MAX: Duration = Duration::from_secs(2);
/// Enough to hide a runtime's latency where much ends at once.
const ASKED_AT_ONCE: usize = 8;

/// Where this container finds the file for its message.
#[must_use]
pub fn message_path(container: &Container) -> &str {
    let path = container.termination_message_path.as_deref();
    path.filter(|path| !path.is_empty()).unwrap_or(MESSAGE_PATH_DEFAULT)
}

/// The end of a file that a container may have written, up to [`MESSAGE_BYTES_MAX`]; nothing where no file
/// is, or something else: what a container put there is not followed, and not waited for.
///
/// # Errors
/// When the disk refuses.
pub fn read_message(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe that nobody writes to would keep us, and a link would lead us away.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if is_no_file(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(Vec::new());
    }
    let bytes_max = MESSAGE_BYTES_MAX as u64;
    let begin = found.len().saturating_sub(bytes_max);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether nothing is there, or a link or a socket, which do not open.
fn is_no_file(error: &io::Error) -> bool {
    let others = [Errno::ENOENT, Errno::ELOOP, Errno::ENXIO];
    others.iter().any(|other| error.raw_os_error() == Some(*other as i32))
}

/// The message of a container of this pod that ended with this code: from its file, or, where its policy
/// says so, it failed and its file is empty, the end of what it wrote.
///
/// # Errors
/// What the runtime said.
pub async fn message(
    actuator: &dyn Actuator,
    (uid, spec): (&PodUid, &PodSpec),
    container: &Container,
    exit_code: i32,
) -> Result<String, ActuatorError> {
    let mut bytes = actuator.message(uid, &container.name).await?;
    bytes.drain(..bytes.len().saturating_sub(MESSAGE_BYTES_MAX));
    let falls_back = container.termination_message_policy.as_deref() == Some(FALLBACK);
    if bytes.is_empty() && falls_back && exit_code != 0 {
        bytes = last_lines(actuator, uid, &container.name).await?;
    }
    Ok(cut(&bytes, POD_BYTES_MAX / spec.every_container().count().max(1)))
}

/// What came of asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Somebody did not answer, and is asked once more.
    pub(crate) asks_again: bool,
    /// Somebody answered whose pod was written down as ended already, which it is with its message now.
    pub(crate) is_late: bool,
}

/// Asks what has ended for its message, each life once, and tells it with what was observed. Who does not
/// answer is asked once more by the next turn.
pub(crate) async fn hear(
    actuator: &dyn Actuator,
    desired: &Desired,
    books: &mut Books,
    observed: &mut [Observed],
) -> Heard {
    let mut heard = Heard::default();
    let unheard = unheard(desired, books, observed);
    let answers = ask(actuator, &unheard).await;
    for (one, answer) in unheard.into_iter().zip(answers) {
        let (uid, name, life) = (&one.uid, &one.container.name, one.life);
        match answer {
            Some(message) => heard.is_late |= books.note_said(uid, name, Ending { life, message }),
            None => heard.asks_again |= books.note_silent(uid, name, life),
        }
    }
    for pod in observed {
        let Some(book) = books.get(&pod.uid) else { continue };
        for container in pod.containers.iter_mut().filter(|c| has_ended(c)) {
            if let Some(said) = book.said_by(container) {
                say_behind(&mut container.message, said);
            }
        }
    }
    heard
}

/// What each answers, several asked at once, until the time is up; `None` of who did not.
async fn ask(actuator: &dyn Actuator, unheard: &[Unheard<'_>]) -> Vec<Option<String>> {
    let mut answers = vec![None; unheard.len()];
    if unheard.is_empty() {
        return answers;
    }
    let asked: Vec<_> = unheard.iter().enumerate().map(|(at, one)| one.ask(at, actuator)).collect();
    let heard = stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
    let mut heard = pin!(heard.take_until(sleep(ANSWERS_MAX)));
    while let Some((at, answer)) = heard.next().await {
        answers[at] = answer;
    }
    answers
}

/// A container that ended and has not answered yet.
struct Unheard<'d> {
    uid: PodUid,
    spec: &'d PodSpec,
    container: &'d Container,
    life: Life,
    exit_code: i32,
}

impl Unheard<'_> {
    /// With its place among those that are asked. Nothing is lost that anything is decided by.
    async fn ask(&self, at: usize, actuator: &dyn Actuator) -> (usize, Option<String>) {
        let of = (&self.uid, self.spec);
        match message(actuator, of, self.container, self.exit_code).await {
            Ok(message) => (at, Some(message)),
            Err(error) => {
                let (name, reason) = (&self.container.name, error.reason());
                debug!(pod = %self.uid, container = %name, reason, "no message is read");
                (at, None)
            }
        }
    }
}

fn unheard<'d>(desired: &'d Desired, books: &Books, observed: &[Observed]) -> Vec<Unheard<'d>> {
    let mut unheard = Vec::new();
    for pod in observed {
        for seen in pod.containers.iter().filter(|container| has_ended(container)) {
            let book = books.get(&pod.uid);
            let is_heard = |book: &crate::Book| {
                let is_told = book.finished.is_some() && !book.is_silent(seen);
                is_told || book.said_by(seen).is_some()
            };
            let (Some(wanted), false) = (desired.pods.get(&pod.uid), book.is_none_or(is_heard))
            else {
                continue;
            };
            let named = wanted.spec.every_container().find(|container| container.name == seen.name);
            unheard.extend(named.map(|container| Unheard {
                uid: pod.uid.clone(),
                spec: &wanted.spec,
                container,
                life: Life::of(seen),
                exit_code: seen.exit_code.unwrap_or(0),
            }));
        }
    }
    unheard
}

fn has_ended(container: &ContainerObserved) -> bool {
    container.state == ContainerState::Terminated
}

/// The end of what it wrote.
async fn last_lines(
    actuator: &dyn Actuator,
    uid: &PodUid,
    container: &str,
) -> Result<Vec<u8>, ActuatorError> {
    let options = LogOptions { tail: Some(LOG_LINES_MAX), ..LogOptions::default() };
    let mut lines = actuator.logs(uid, container, &options).await?;
    let mut end = Vec::new();
    while let Some(piece) = lines.next().await {
        end.extend(piece?);
        end.drain(..end.len().saturating_sub(LOG_BYTES_MAX));
    }
    Ok(end)
}

/// As text, of at most so many bytes. Terminals would obey what controls them, and in JSON it takes six
/// times its room.
fn cut(bytes: &[u8], bytes_max: usize) -> String {
    let is_mute = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    let mut text = String::from_utf8_lossy(bytes).replace(is_mute, "\u{fffd}");
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn the_end_of_a_file_is_read_and_nothing_that_is_no_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("message");
        assert_eq!(read_message(&path).expect("there is none"), b"");
        fs::write(&path, [&b"front"[..], &[b'x'; MESSAGE_BYTES_MAX]].concat()).expect("written");
        assert_eq!(read_message(&path).expect("read"), [b'x'; MESSAGE_BYTES_MAX]);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        let (pipe, socket) = (dir.path().join("pipe"), dir.path().join("socket"));
        mkfifo(&pipe, Mode::S_IRWXU).expect("made");
        let _listens = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        for other in [link.as_path(), &pipe, &socket, dir.path()] {
            assert_eq!(read_message(other).expect("nothing"), b"", "{}", other.display());
        }
    }

    #[test]
    fn a_message_is_text_within_its_share_whatever_it_was() {
        let table: [(&[u8], usize, &str); 8] = [
            (b"plain", 100, "plain"),
            (b"plain", 3, "pla"),
            ("a\u{e4}b".as_bytes(), 2, "a"),
            (b"a\xffb", 100, "a\u{fffd}b"),
            (b"\xff\xff", 4, "\u{fffd}"),
            (b"a\n\tb", 100, "a\n\tb"),
            (b"\x1b[2Ja\0\r", 100, "\u{fffd}[2Ja\u{fffd}\u{fffd}"),
            (b"\0\0", 4, "\u{fffd}"),
        ];
        for (bytes, bytes_max, expected) in table {
            assert_eq!(cut(bytes, bytes_max), expected, "{bytes:?} in {bytes_max}");
        }
    }

    #[test]
    fn a_container_that_names_no_path_has_the_usual_one() {
        for (path, expected) in
            [(None, MESSAGE_PATH_DEFAULT), (Some(""), MESSAGE_PATH_DEFAULT), (Some("/m"), "/m")]
        {
            let path = path.map(str::to_owned);
            let container = Container { termination_message_path: path, ..Container::default() };
            assert_eq!(message_path(&container), expected);
        }
    }
}
