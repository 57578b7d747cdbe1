//! Appends of many callers, as one: all that wait while an append is under way go together into the
//! next, so that a round trip to the log is shared by as many as came during the one before.
//!
//! Guarantee: each caller is answered for its own entries; one whose entries can never be appended
//! does not keep the others from theirs. What nobody waits for any more is not appended, and what
//! waits is bounded in bytes: a log that is away must not fill the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use setpoint_schemas::Position;

use crate::{AppendError, Appender, Entry, LogError, READ_BYTES_MAX};

/// Callers of one append: as many as an API lets write at a time.
const CALLERS_TOGETHER_MAX: usize = 256;
/// Bytes of one append, which the last caller's may exceed: one read of them.
const BYTES_TOGETHER_MAX: usize = READ_BYTES_MAX;

/// Bytes that wait at once: eight appends. Beyond this the log is away or overrun, and whoever asks
/// is better told so than left to wait.
const BYTES_WAITING_MAX: usize = 8 * BYTES_TOGETHER_MAX;

/// What became of a caller's entries.
pub type Appended = Result<Vec<Position>, AppendError>;

/// A caller.
pub trait Caller: Send + 'static {
    /// Whether it still waits.
    fn waits(&self) -> bool;
    /// Tells it what became of its entries; on the appender's thread, so this must not wait. A caller
    /// that is dropped untold learns that nobody appends.
    fn tell(self: Box<Self>, appended: Appended);
}

/// One appender for many callers, on a thread of its own, which ends when this is dropped.
pub struct Together {
    send: Sender<Job>,
    bytes: Arc<AtomicUsize>,
}

struct Job {
    entries: Vec<Entry>,
    caller: Box<dyn Caller>,
}

impl Together {
    /// Appends by this appender from now on.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn by(mut appender: Box<dyn Appender>) -> std::io::Result<Together> {
        let (send, receive) = mpsc::channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let waiting_bytes = bytes.clone();
        let run = move || {
            let mut are_many = false;
            while let Some(jobs) = waiting(&receive, are_many) {
                are_many = jobs.len() > 1;
                let taken = jobs.iter().map(Job::bytes).sum();
                append(&mut *appender, jobs);
                waiting_bytes.fetch_sub(taken, Ordering::Relaxed);
            }
        };
        std::thread::Builder::new().name("appender".into()).spawn(run)?;
        Ok(Together { send, bytes })
    }

    /// The bytes that wait, those of the append under way among them, and how many may.
    #[must_use]
    pub fn waiting_bytes(&self) -> (usize, usize) {
        (self.bytes.load(Ordering::Relaxed), BYTES_WAITING_MAX)
    }

    /// Appends these entries, in their order, and tells the caller when they are durable.
    pub fn append(&self, entries: Vec<Entry>, caller: impl Caller) {
        let job = Job { entries, caller: Box::new(caller) };
        let bytes = job.bytes();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) > BYTES_WAITING_MAX {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            let full = LogError::transient("append", "too much waits for the log already");
            return job.caller.tell(Err(full.into()));
        }
        // A thread that ended drops the job, and with it the caller.
        let _ = self.send.send(job);
    }
}

/// All that wait now, up to the bounds, once one does; `None` when nobody can come any more.
fn waiting(receive: &Receiver<Job>, are_many: bool) -> Option<Vec<Job>> {
    let mut jobs = vec![receive.recv().ok()?];
    // Where many ask and the core is busy, others are about to: they come along, and share what a sync
    // costs. One who asks alone would only wait for whatever else the core does.
    if are_many {
        std::thread::yield_now();
    }
    let mut bytes = jobs.iter().map(Job::bytes).sum::<usize>();
    while jobs.len() < CALLERS_TOGETHER_MAX && bytes < BYTES_TOGETHER_MAX {
        let Ok(job) = receive.try_recv() else { break };
        bytes += job.bytes();
        jobs.push(job);
    }
    Some(jobs)
}

fn append(appender: &mut dyn Appender, jobs: Vec<Job>) {
    let mut sound = Vec::with_capacity(jobs.len());
    for job in jobs.into_iter().filter(|job| job.caller.waits()) {
        match job.entries.iter().try_for_each(Entry::check) {
            Ok(()) => sound.push(job),
            Err(error) => job.caller.tell(Err(error)),
        }
    }
    if sound.len() <= 1 {
        return sound.into_iter().for_each(|job| append_alone(appender, job));
    }
    let (mut all, mut callers) = (Vec::new(), Vec::with_capacity(sound.len()));
    for Job { entries, caller } in sound {
        callers.push((entries.len(), caller));
        all.extend(entries);
    }
    match appender.append_held(&all) {
        Ok(positions) => {
            let mut positions = positions.into_iter();
            for (count, caller) in callers {
                caller.tell(Ok(positions.by_ref().take(count).collect()));
            }
        }
        Err(error) if error.is_passing() => {
            let why = chain(&error);
            for (_, caller) in callers {
                let with: fn(&'static str, String) -> LogError =
                    if error.is_full() { LogError::full } else { LogError::transient };
                let shared = with("append together with others", why.clone());
                caller.tell(Err(shared.into()));
            }
        }
        // Somebody's entries are refused for good. What of the others stands on the log already is
        // there twice then, as when its caller had tried again.
        Err(_) => {
            let mut all = all.into_iter();
            for (count, caller) in callers {
                let entries = all.by_ref().take(count).collect();
                append_alone(appender, Job { entries, caller });
            }
        }
    }
}

fn append_alone(appender: &mut dyn Appender, Job { entries, caller }: Job) {
    caller.tell(appender.append(entries));
}

impl Job {
    fn bytes(&self) -> usize {
        self.entries.iter().map(Entry::bytes).sum()
    }
}

/// An error and what caused it, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use setpoint_schemas::Topic;

    use super::*;

    /// The sizes of its appends. The first one waits until it may end; keys of `no` are refused,
    /// and keys of `later` fail for now.
    #[derive(Clone, Default)]
    struct Book {
        sizes: Arc<Mutex<Vec<usize>>>,
        open: Arc<(Mutex<bool>, Condvar)>,
    }

    impl Appender for Book {
        fn append(&mut self, entries: Vec<Entry>) -> Appended {
            let mut sizes = self.sizes.lock().expect("nobody panicked");
            sizes.push(entries.len());
            drop(sizes);
            let (open, changed) = &*self.open;
            let closed = |open: &mut bool| !*open;
            let open = open.lock().expect("nobody panicked");
            drop(changed.wait_while(open, closed).expect("nobody panicked"));
            if entries.iter().any(|entry| entry.key == b"no") {
                return Err(LogError::permanent("append", "not allowed").into());
            }
            if entries.iter().any(|entry| entry.key == b"later") {
                return Err(LogError::transient("append", "no broker").into());
            }
            let offset = |entry: &Entry| i64::from(entry.key[0]);
            let position = |entry: &Entry| Position {
                topic: entry.topic,
                partition: 0,
                offset: offset(entry),
            };
            Ok(entries.iter().map(position).collect())
        }
    }

    /// One that waits, or has hung up.
    struct Asker {
        waits: bool,
        place: usize,
        told: Sender<(usize, String)>,
    }

    impl Caller for Asker {
        fn waits(&self) -> bool {
            self.waits
        }

        fn tell(self: Box<Self>, appended: Appended) {
            let offsets = |all: Vec<Position>| all.iter().map(|p| p.offset).collect::<Vec<_>>();
            let told = appended.map(offsets).map_or_else(|e| chain(&e), |o| format!("{o:?}"));
            let _ = self.told.send((self.place, told));
        }
    }

    fn entry(key: &str) -> Entry {
        let (topic, partition_key, headers) = (Topic::Requests, Vec::new(), Vec::new());
        Entry { topic, key: key.into(), partition_key, value: Some(Vec::new()), headers }
    }

    /// Appends `first` alone and all others while it is under way; what each was answered, and how
    /// large the appends were.
    fn check(others: &[&[Entry]]) -> (Vec<String>, Vec<usize>) {
        let book = Book::default();
        let together = Together::by(Box::new(book.clone())).expect("a thread");
        let (send, answers) = mpsc::channel();
        let ask = |place: usize, entries: Vec<Entry>| {
            let waits = entries.iter().all(|entry| entry.key != b"gone");
            together.append(entries, Asker { waits, place, told: send.clone() });
        };
        ask(0, vec![entry("A")]);
        while book.sizes.lock().expect("nobody panicked").is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        others.iter().enumerate().for_each(|(place, entries)| ask(place + 1, entries.to_vec()));
        *book.open.0.lock().expect("nobody panicked") = true;
        book.open.1.notify_all();
        drop((together, send));
        let mut told: Vec<(usize, String)> = answers.iter().collect();
        told.sort();
        let sizes = book.sizes.lock().expect("nobody panicked").clone();
        (told.into_iter().map(|(_, told)| told).collect(), sizes)
    }

    #[test]
    fn all_that_wait_go_in_one_append_and_each_hears_of_its_own() {
        let (told, sizes) = check(&[&[entry("B"), entry("C")], &[entry("D")], &[]]);
        assert_eq!(told, ["[65]", "[66, 67]", "[68]", "[]"]);
        assert_eq!(sizes, [1, 3]);
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_appended() {
        let (told, sizes) = check(&[&[entry("gone")], &[entry("B")], &[entry("C")]]);
        assert_eq!(
            (told, sizes),
            (["[65]", "[66]", "[67]"].map(str::to_owned).to_vec(), vec![1, 2])
        );
    }

    #[test]
    fn more_than_may_wait_is_told_at_once() {
        let large = Entry { value: Some(vec![0; 4_000_000]), ..entry("B") };
        let many = vec![large; 9];
        let (told, sizes) = check(&[&many, &many, &[entry("C")]]);
        assert_eq!(told[1], format!("{:?}", [66; 9]));
        assert_eq!(told[2], told[1]);
        assert!(told[3].contains("too much waits"), "{}", told[3]);
        assert_eq!(sizes, [1, 9, 9]);
    }

    #[test]
    fn no_more_callers_than_the_bound_go_together() {
        let others: Vec<&[Entry]> = vec![&[]; CALLERS_TOGETHER_MAX + 1];
        assert_eq!(check(&others).1.len(), 3);
    }

    #[test]
    fn what_can_never_be_appended_fails_alone() {
        let mut large = entry("L");
        large.value = Some(vec![0; crate::record_bytes_max(Topic::Requests) + 1]);
        let (told, _) = check(&[&[entry("B")], &[entry("no")], &[large]]);
        assert_eq!((&*told[0], &*told[1]), ("[65]", "[66]"));
        assert!(told[2].ends_with("not allowed"), "{}", told[2]);
        assert!(told[3].contains("more than the"), "{}", told[3]);
    }

    #[test]
    fn a_log_that_does_not_answer_is_told_to_all_of_an_append() {
        let (told, sizes) = check(&[&[entry("B")], &[entry("later")]]);
        let why = "failed to append: failed to append together with others: \
                   failed to append: failed to append: no broker";
        assert_eq!(told, ["[65]", why, why]);
        assert_eq!(sizes, [1, 2]);
    }
}
