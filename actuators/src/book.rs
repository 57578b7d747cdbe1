//! What a node remembers of each pod: since when it has it, restarts, how to end it, which containers it
//! ended itself, how it ended for good, and the last failure to start it.
//!
//! All but the last are kept on disk, so that a crash loop is not forgotten with the agent. A
//! restart, and an end, is written down before it is carried out: after a crash in between it counts once too
//! often rather than not at all.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use setpoint_schemas::{ContainerEnd, ContainerObserved, PodPhase, PodSpec, PodUid};

use crate::ActuatorError;
use crate::life::Life;
use crate::parting::Parting;
use crate::restart::{History, Rule};
use crate::words::say_behind;

/// What a node remembers of one pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The generation that the rest speaks of.
    pub generation: i64,
    /// The grace of its spec, in milliseconds: also for when its placement is gone.
    pub grace_ms: u64,
    /// Whether it may run at most once.
    #[serde(default)]
    pub at_most_one: bool,
    /// Restarts by container name.
    pub histories: BTreeMap<String, History>,
    /// How the life before the last restart of a container ended, by its name.
    #[serde(default)]
    pub lasts: BTreeMap<String, ContainerEnd>,
    /// The last end of a container that we asked for, by its name.
    #[serde(default)]
    pub endings: BTreeMap<String, Ending>,
    /// When the node took this generation up, by its clock, milliseconds: before anything of it was
    /// started.
    #[serde(default)]
    pub taken_ms: Option<i64>,
    /// How its containers are ended.
    #[serde(default)]
    pub parting: Parting,
    /// The last life of a container whose hook after the start was run, by its name.
    #[serde(default)]
    pub greeted: BTreeMap<String, Life>,
    /// Why its node evicts it, in a sentence: it ends, for good.
    #[serde(default)]
    pub evicted: Option<String>,
    /// How it ended for good: nothing of it is started again.
    #[serde(default)]
    pub finished: Option<Finished>,
    /// The last life of a container whose hook after the start failed, by its name. Not kept on disk:
    /// a new agent runs it once more.
    #[serde(skip)]
    pub ungreeted: BTreeMap<String, Ending>,
    /// What a container left as its last message, by its name; empty where it left none. Not kept on disk: a
    /// new agent asks once more.
    #[serde(skip)]
    pub said: BTreeMap<String, Ending>,
    /// The life of a container that was asked for its last message once and did not answer, by its name. Not
    /// kept on disk, as the messages.
    #[serde(skip)]
    pub silent: BTreeMap<String, Life>,
    /// The last failure to start it, until it succeeds. Not kept on disk: a new agent tries anew.
    #[serde(skip)]
    pub failure: Option<Failure>,
}

/// An end of a container with what is said of it: that we asked for it because a probe failed, or what the
/// container left itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ending {
    /// The life that it ended.
    pub life: Life,
    /// Why, in a sentence.
    pub message: String,
}

/// How a pod ended for good, as it was told when it did.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// `Succeeded` or `Failed`.
    pub phase: PodPhase,
    /// One word; empty when there is nothing to say.
    pub reason: String,
    /// A sentence; empty when there is nothing to say.
    pub message: String,
    /// When its first container started, milliseconds; 0 when none did.
    pub started_ms: i64,
    /// Its containers.
    pub containers: Vec<ContainerObserved>,
}

/// A start that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How many in a row.
    pub attempts: u32,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// The container that it is about; `None` when it is about all.
    pub container: Option<String>,
    /// When it failed, milliseconds: a clock that shows less was set back.
    pub noted_ms: i64,
    /// Not to be tried before this time, milliseconds; `None` means not with this generation.
    pub retry_ms: Option<i64>,
}

impl std::fmt::Debug for Ending {
    /// Without the message, in which a program may have said anything: it is no one's log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ending({:?})", self.life)
    }
}

impl std::fmt::Debug for Finished {
    /// Without the messages, as [`Ending`].
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Finished({:?}, {:?})", self.phase, self.reason)
    }
}

impl Finished {
    /// Adds what a container left that answered after it was written down; whether that changes what is told.
    fn add(&mut self, container: &str, said: &Ending) -> bool {
        let is_its =
            |seen: &&mut ContainerObserved| seen.name == container && said.life.is_of(seen);
        match self.containers.iter_mut().find(is_its) {
            Some(seen) if !said.message.is_empty() => {
                say_behind(&mut seen.message, &said.message);
                true
            }
            _ => false,
        }
    }
}

impl Book {
    /// A fresh book of this generation.
    #[must_use]
    pub fn new(generation: i64, grace_ms: u64) -> Self {
        Book { generation, grace_ms, ..Book::default() }
    }

    /// The node takes the pod up, if it has not yet.
    pub fn take_up(&mut self, spec: &PodSpec, now_ms: i64) {
        if self.taken_ms.is_none() {
            self.taken_ms = Some(now_ms);
            self.parting = Parting::of(spec);
        }
    }

    /// The restarts of a container.
    #[must_use]
    pub fn history(&self, container: &str) -> History {
        self.histories.get(container).copied().unwrap_or_default()
    }

    /// What this container left as its last message in the life that it was in last; `None` when it was not
    /// asked.
    #[must_use]
    pub fn said_by(&self, seen: &ContainerObserved) -> Option<&str> {
        let said = self.said.get(&seen.name).filter(|said| said.life.is_of(seen));
        said.map(|said| said.message.as_str())
    }

    /// Whether this container was asked for its last message in the life that it was in last, did not answer,
    /// and is asked once more.
    #[must_use]
    pub fn is_silent(&self, seen: &ContainerObserved) -> bool {
        self.silent.get(&seen.name).is_some_and(|life| life.is_of(seen))
    }

    /// What is told of this container beside its last message.
    #[must_use]
    pub fn told_beside<'c>(&self, seen: &'c ContainerObserved) -> &'c str {
        let said = self.said_by(seen).filter(|said| !said.is_empty());
        let beside = said.and_then(|said| seen.message.strip_suffix(said));
        beside.map_or(&seen.message, |beside| beside.strip_suffix(": ").unwrap_or(beside))
    }

    /// Notes that starting failed, and when to try again: as the runtime said, otherwise with the
    /// same growing wait as between restarts.
    pub fn note_failure(&mut self, rule: &Rule, error: &ActuatorError, now_ms: i64) {
        let attempts = self.failure.as_ref().map_or(1, |former| former.attempts.saturating_add(1));
        let asked = error.retry_after().and_then(|wait| i64::try_from(wait.as_millis()).ok());
        let wait_ms = asked.unwrap_or_else(|| rule.backoff_ms(attempts));
        self.failure = Some(Failure {
            attempts,
            reason: error.reason().to_owned(),
            message: error.to_string(),
            container: error.container().map(str::to_owned),
            noted_ms: now_ms,
            retry_ms: error.is_transient().then(|| now_ms.saturating_add(wait_ms)),
        });
    }
}

/// The books of all pods of a node, and the file that keeps them.
#[derive(Debug, Default)]
pub struct Books {
    path: Option<PathBuf>,
    books: BTreeMap<PodUid, Book>,
}

impl Books {
    /// Books that are forgotten with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Books::default()
    }

    /// Reads the books of this file, if there is one.
    ///
    /// # Errors
    /// When the file is there and cannot be read. One that does not parse is begun anew: what is
    /// lost with it are counts of restarts.
    pub fn open(path: &Path) -> io::Result<Self> {
        let books = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "restart counts are lost");
                BTreeMap::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Books { path: Some(path.to_owned()), books })
    }

    /// The book of a pod.
    #[must_use]
    pub fn get(&self, uid: &PodUid) -> Option<&Book> {
        self.books.get(uid)
    }

    /// Whether some pod may run at most once.
    #[must_use]
    pub fn has_at_most_one(&self) -> bool {
        self.books.values().any(|book| book.at_most_one)
    }

    /// The book of a pod of this generation; one of a lower generation is begun anew.
    pub fn of(&mut self, uid: &PodUid, generation: i64, grace_ms: u64) -> &mut Book {
        let book = self.books.entry(uid.clone()).or_default();
        if book.generation < generation {
            *book = Book::new(generation, grace_ms);
        }
        book
    }

    /// Notes what a container of a pod that has a book left as its last message. Returns whether the pod was
    /// written down as ended without it.
    pub(crate) fn note_said(&mut self, uid: &PodUid, container: &str, said: Ending) -> bool {
        let Some(book) = self.books.get_mut(uid) else { return false };
        book.silent.remove(container);
        let is_late = book.finished.as_mut().is_some_and(|done| done.add(container, &said));
        book.said.insert(container.to_owned(), said);
        is_late
    }

    /// Notes that a container of a pod did not answer. Returns whether it is asked again: who did not answer
    /// twice has left nothing.
    pub(crate) fn note_silent(&mut self, uid: &PodUid, container: &str, life: Life) -> bool {
        let Some(book) = self.books.get_mut(uid) else { return false };
        if book.silent.get(container) != Some(&life) {
            book.silent.insert(container.to_owned(), life);
            return true;
        }
        self.note_said(uid, container, Ending { life, message: String::new() });
        false
    }

    /// Forgets pods that are neither wanted nor there.
    pub fn retain(&mut self, keep: impl Fn(&PodUid) -> bool) {
        self.books.retain(|uid, _| keep(uid));
    }

    /// Writes the books to their file, whole and durably.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let fresh = path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(&self.books)?)?;
        file.sync_all()?;
        fs::rename(fresh, path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn uid(text: &str) -> PodUid {
        PodUid::parse(text).expect("a valid uid")
    }

    #[test]
    fn restarts_outlive_the_process_and_failures_do_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("books.json");
        let mut books = Books::open(&path).expect("a new one");
        let book = books.of(&uid("a"), 1, 1_000);
        book.histories.insert("main".into(), History { restarts: 3, row: 2, ..History::default() });
        book.note_failure(&Rule::default(), &ActuatorError::transient("A", "b"), 0);
        books.save().expect("it is written");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner alone");
        let again = Books::open(&path).expect("it is read");
        let book = again.get(&uid("a")).expect("it is there");
        assert_eq!(book.history("main"), History { restarts: 3, row: 2, ..History::default() });
        assert_eq!((book.grace_ms, &book.failure), (1_000, &None));
    }

    #[test]
    fn a_broken_file_is_begun_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("books.json");
        fs::write(&path, "{").expect("writable");
        assert!(Books::open(&path).expect("it is read").get(&uid("a")).is_none());
    }

    #[test]
    fn a_new_generation_begins_without_a_past() {
        let mut books = Books::in_memory();
        books
            .of(&uid("a"), 1, 1)
            .histories
            .insert("main".into(), History { restarts: 3, row: 2, ..History::default() });
        assert_eq!(books.of(&uid("a"), 1, 1).history("main").restarts, 3);
        assert_eq!(books.of(&uid("a"), 2, 1).history("main").restarts, 0);
    }

    #[test]
    fn who_does_not_answer_is_asked_once_more_and_told_where_it_is_written_down() {
        let mut books = Books::in_memory();
        let (of, seen) = (uid("a"), crate::samples::container("main", "1"));
        let finished = Finished {
            phase: PodPhase::Failed,
            reason: String::new(),
            message: String::new(),
            started_ms: 1,
            containers: vec![seen.clone()],
        };
        let said = |message: &str| Ending { life: Life::of(&seen), message: message.into() };
        books.of(&of, 1, 1).finished = Some(finished);
        assert!(books.note_silent(&of, "main", Life::of(&seen)), "it is asked again");
        assert!(books.get(&of).expect("noted").is_silent(&seen));
        assert!(books.note_said(&of, "main", said("why")), "it is late");
        let book = books.get(&of).expect("noted");
        assert!(!book.is_silent(&seen) && book.said_by(&seen) == Some("why"));
        let told = &book.finished.as_ref().expect("as before").containers[0].message;
        assert!(told.ends_with("why"), "{told}");
        let next = Life { started_ms: 7_777, ..Life::of(&seen) };
        assert!(books.note_silent(&of, "main", next.clone()), "another life is asked anew");
        assert!(!books.note_silent(&of, "main", next.clone()), "and twice at most");
        let said = books.get(&of).expect("noted").said.get("main");
        assert_eq!(said, Some(&Ending { life: next, message: String::new() }));
    }

    #[test]
    fn a_failure_waits_longer_each_time_unless_the_runtime_says_how_long() {
        let mut book = Book::default();
        let slow = ActuatorError::transient("ErrImagePull", "no");
        for retry_ms in [10_000, 20_000, 40_000] {
            book.note_failure(&Rule::default(), &slow, 0);
            assert_eq!(book.failure.as_ref().expect("noted").retry_ms, Some(retry_ms));
        }
        let told = ActuatorError::transient("Busy", "later").after(Duration::from_secs(3));
        book.note_failure(&Rule::default(), &told, 0);
        assert_eq!(book.failure.as_ref().expect("noted").retry_ms, Some(3_000));
        book.note_failure(&Rule::default(), &ActuatorError::permanent("NoCommand", "none"), 0);
        assert_eq!(book.failure.as_ref().expect("noted").retry_ms, None);
    }
}
