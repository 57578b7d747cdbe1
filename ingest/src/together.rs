//! Appends of many callers, as one: all that wait while an append is under way go together into the
//! next, so that a round trip to the log is shared by as many as came during the one before.
//!
//! Guarantee: each caller is answered for its own entries; one whose entries can never be appended
//! does not keep the others from theirs.
//! Absent: a bound of the callers that wait; whoever serves them has one.

use std::sync::mpsc::{self, Receiver, Sender};

use setpoint_schemas::Position;

use crate::{AppendError, Appender, Entry, LogError, READ_BYTES_MAX};

/// Callers of one append: as many as an API lets write at a time.
const CALLERS_TOGETHER_MAX: usize = 256;
/// Bytes of one append, which the last caller's may exceed: one read of them.
const BYTES_TOGETHER_MAX: usize = READ_BYTES_MAX;

/// What became of a caller's entries.
pub type Appended = Result<Vec<Position>, AppendError>;

/// One appender for many callers, on a thread of its own, which ends when this is dropped.
pub struct Together {
    send: Sender<Job>,
}

struct Job {
    entries: Vec<Entry>,
    answer: Box<dyn FnOnce(Appended) + Send>,
}

impl Together {
    /// Appends by this appender from now on.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn by(mut appender: Box<dyn Appender>) -> std::io::Result<Together> {
        let (send, receive) = mpsc::channel();
        let run = move || {
            while let Some(jobs) = waiting(&receive) {
                append(&mut *appender, jobs);
            }
        };
        std::thread::Builder::new().name("appender".into()).spawn(run)?;
        Ok(Together { send })
    }

    /// Appends these entries, in their order, and answers when they are durable. `answer` is called
    /// on the appender's thread and must not wait; dropped without a call, nobody appends any more.
    pub fn append(&self, entries: Vec<Entry>, answer: impl FnOnce(Appended) + Send + 'static) {
        // A thread that ended drops the job, and with it the answer.
        let _ = self.send.send(Job { entries, answer: Box::new(answer) });
    }
}

/// All that wait now, up to the bounds, once one does; `None` when nobody can come any more.
fn waiting(receive: &Receiver<Job>) -> Option<Vec<Job>> {
    let mut jobs = vec![receive.recv().ok()?];
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
    for job in jobs {
        match job.entries.iter().try_for_each(Entry::check) {
            Ok(()) => sound.push(job),
            Err(error) => (job.answer)(Err(error)),
        }
    }
    if sound.len() <= 1 {
        return sound.into_iter().for_each(|job| append_alone(appender, job));
    }
    let all = sound.iter().flat_map(|job| job.entries.iter().cloned()).collect();
    match appender.append(all) {
        Ok(positions) => {
            let mut positions = positions.into_iter();
            for Job { entries, answer } in sound {
                answer(Ok(positions.by_ref().take(entries.len()).collect()));
            }
        }
        Err(error) if error.is_passing() => {
            let why = chain(&error);
            for job in sound {
                let shared = LogError::transient("append together with others", why.clone());
                (job.answer)(Err(shared.into()));
            }
        }
        // Somebody's entries are refused for good. What of the others stands on the log already is
        // there twice then, as when its caller had tried again.
        Err(_) => sound.into_iter().for_each(|job| append_alone(appender, job)),
    }
}

fn append_alone(appender: &mut dyn Appender, Job { entries, answer }: Job) {
    answer(appender.append(entries));
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
            let send = send.clone();
            together.append(entries, move |result| {
                let offsets = |all: Vec<Position>| all.iter().map(|p| p.offset).collect::<Vec<_>>();
                let told = result.map(offsets).map_or_else(|e| chain(&e), |o| format!("{o:?}"));
                let _ = send.send((place, told));
            });
        };
        ask(0, vec![entry("A")]);
        while book.sizes.lock().expect("nobody panicked").is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        others.iter().enumerate().for_each(|(place, entries)| ask(place + 1, entries.to_vec()));
        *book.open.0.lock().expect("nobody panicked") = true;
        book.open.1.notify_all();
        let mut told: Vec<(usize, String)> = answers.iter().take(others.len() + 1).collect();
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
