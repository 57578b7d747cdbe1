//! Questions to the engine's state: the API asks, the thread that owns the engine answers between two
//! epochs, on leader and standby alike.
//!
//! Guarantee: an answer reads the state and changes nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use setpoint_dataflow::views::Views;
use setpoint_dataflow::{Engine, Explanation, Foreseen};
use setpoint_schemas::{Cut, Request, ResourceKey};
use tokio::sync::oneshot;

/// Questions that wait at once: an answer about ten thousand nodes takes milliseconds, in which the
/// engine decides nothing.
const QUESTIONS_MAX: usize = 64;
/// How long an answer may take: an engine that recovers or is fenced has none before.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// What may be asked, and who waits for the answer.
enum Question {
    Explain(ResourceKey, oneshot::Sender<Option<Explanation>>),
    Foresee(Box<Request>, oneshot::Sender<Foreseen>),
    Taken(oneshot::Sender<Cut>),
}

impl Question {
    fn is_waited_for(&self) -> bool {
        match self {
            Question::Explain(_, to) => !to.is_closed(),
            Question::Foresee(_, to) => !to.is_closed(),
            Question::Taken(to) => !to.is_closed(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    /// Too many wait already.
    #[error("too many questions wait for the engine; ask again")]
    Crowded,
    /// The engine is not there, or busy.
    #[error("the engine did not answer; it may be starting or closing")]
    Late,
}

/// The questions that wait.
#[derive(Default)]
pub(crate) struct Questions(Mutex<VecDeque<Question>>);

impl Questions {
    /// How a workload stands; `None` when there is none of this key.
    pub(crate) async fn explain(
        &self,
        key: ResourceKey,
    ) -> Result<Option<Explanation>, Unanswered> {
        let (send, answer) = oneshot::channel();
        self.ask(Question::Explain(key, send), answer).await
    }

    /// What a request would do if it were decided now.
    pub(crate) async fn foresee(&self, request: Request) -> Result<Foreseen, Unanswered> {
        let (send, answer) = oneshot::channel();
        self.ask(Question::Foresee(Box::new(request), send), answer).await
    }

    /// How far each input partition has been taken into epochs.
    pub(crate) async fn taken(&self) -> Result<Cut, Unanswered> {
        let (send, answer) = oneshot::channel();
        self.ask(Question::Taken(send), answer).await
    }

    /// How many wait, and how many may.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.lock().len(), QUESTIONS_MAX)
    }

    /// Answers all that wait. Whoever asked and left is passed over.
    pub(crate) fn answer<V: Views>(&self, engine: &Engine<V>, taken: &Cut) {
        let waiting = std::mem::take(&mut *self.lock());
        for question in waiting.into_iter().filter(Question::is_waited_for) {
            match question {
                Question::Explain(key, to) => drop(to.send(engine.explain(&key))),
                Question::Foresee(request, to) => drop(to.send(engine.foresee(&request))),
                Question::Taken(to) => drop(to.send(taken.clone())),
            }
        }
    }

    /// Nobody will answer any more: whoever waits is told so at once.
    pub(crate) fn dismiss(&self) {
        self.lock().clear();
    }

    async fn ask<T>(
        &self,
        question: Question,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, Unanswered> {
        {
            let mut waiting = self.lock();
            waiting.retain(Question::is_waited_for);
            if waiting.len() >= QUESTIONS_MAX {
                return Err(Unanswered::Crowded);
            }
            waiting.push_back(question);
        }
        match tokio::time::timeout(ANSWER_PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(Unanswered::Late),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Question>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
