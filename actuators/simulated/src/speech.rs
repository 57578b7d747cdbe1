//! What simulated containers write, and commands beside them: as their words say, and nothing runs.
//!
//! Guarantee: which lines there are at a time of the plant follows from that time alone.

use std::collections::VecDeque;

use futures::StreamExt;
use jiff::Timestamp;
use setpoint_actuators::ActuatorError;
use setpoint_actuators::session::{
    Ends, Input, Lines, Output, PIECE_BYTES_MAX, Session, no_former_life, not_running, not_started,
};
use setpoint_schemas::call::{ExecOptions, LogOptions};
use setpoint_schemas::{FleetId, NodeName, PodUid};
use tokio::sync::watch;

use crate::behaviour::{ECHO, EXIT, LAST, PROGRAM, WRITE};
use crate::plant::Plant;
use crate::pod::SimContainer;

/// A container of a plant.
pub(crate) struct Place {
    pub(crate) plant: Plant,
    pub(crate) node: NodeName,
    pub(crate) fleet: FleetId,
    pub(crate) uid: PodUid,
    pub(crate) container: String,
}

/// The lines of a life, each with its time, and whether more may come.
type Written = (Vec<(i64, String)>, bool);

/// What is read of a container's lines, and how far.
struct Reading {
    place: Place,
    options: LogOptions,
    since_ms: i64,
    /// How many lines were looked at.
    seen: usize,
    news: watch::Receiver<u64>,
    ready: VecDeque<Vec<u8>>,
    lives: bool,
}

impl Place {
    /// What it wrote.
    pub(crate) fn lines(self, options: &LogOptions) -> Result<Lines, ActuatorError> {
        let name = &self.container;
        if self.written(options.previous)?.is_none() {
            let is_former = options.previous;
            return Err(if is_former { no_former_life(name) } else { not_started(name) });
        }
        let news = self.plant.news(&self.node);
        let since_ms = options.since_ms(self.plant.now_ms()).unwrap_or(i64::MIN);
        let mut reading = Reading {
            place: self,
            options: options.clone(),
            since_ms,
            seen: 0,
            news,
            ready: VecDeque::new(),
            lives: true,
        };
        reading.look()?;
        if let Some(tail) = options.tail.and_then(|tail| usize::try_from(tail).ok()) {
            let older = reading.ready.len().saturating_sub(tail);
            reading.ready.drain(..older);
        }
        let next = |mut reading: Reading| async { Some((reading.next().await?, reading)) };
        Ok(futures::stream::unfold(reading, next).boxed())
    }

    /// Runs a command that says what it does.
    pub(crate) fn session(self, options: &ExecOptions) -> Result<Session, ActuatorError> {
        let look = |container: &SimContainer, _| container.is_running();
        let runs = self.look(look)?;
        if !runs {
            return Err(not_running(&self.container));
        }
        let (session, ends) = Session::pair();
        tokio::spawn(serve(options.command.clone(), ends));
        Ok(session)
    }

    fn look<T>(&self, look: impl FnOnce(&SimContainer, i64) -> T) -> Result<T, ActuatorError> {
        self.plant.look(&self.node, &self.fleet, (&self.uid, &self.container), look)
    }

    /// What it wrote in a life, if it had such a one.
    fn written(&self, is_former: bool) -> Result<Option<Written>, ActuatorError> {
        let look = |container: &SimContainer, now_ms| {
            let (lines, lives) = container.written(is_former, now_ms)?;
            let owned = |(at_ms, line): (i64, &str)| (at_ms, line.to_owned());
            Some((lines.into_iter().map(owned).collect(), lives))
        };
        self.look(look)
    }
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Vec<u8>, ActuatorError>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            if !self.lives {
                return None;
            }
            // The sender is part of the plant, which we hold.
            let _ = self.news.changed().await;
            if let Err(error) = self.look() {
                self.lives = false;
                return Some(Err(error));
            }
        }
    }

    /// Takes up what was written since the last look.
    fn look(&mut self) -> Result<(), ActuatorError> {
        self.news.borrow_and_update();
        let (lines, lives) = self.place.written(self.options.previous)?.unwrap_or_default();
        self.lives = lives && self.options.follow;
        let fresh = lines.iter().skip(self.seen).filter(|(at_ms, _)| *at_ms >= self.since_ms);
        let timestamps = self.options.timestamps;
        self.ready.extend(fresh.map(|(at_ms, line)| shown(*at_ms, line, timestamps)));
        self.seen = lines.len();
        Ok(())
    }
}

fn shown(at_ms: i64, line: &str, timestamps: bool) -> Vec<u8> {
    match Timestamp::from_millisecond(at_ms) {
        Ok(time) if timestamps => format!("{time:.9} {line}\n").into_bytes(),
        _ => format!("{line}\n").into_bytes(),
    }
}

/// Does what the words of a command say; others are written as they are.
async fn serve(command: Vec<String>, ends: Ends) {
    let Ends { mut input, output } = ends;
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        [PROGRAM, EXIT, code] => code.parse().unwrap_or(1),
        [PROGRAM, LAST, ..] => {
            output.closed().await;
            return;
        }
        [PROGRAM, ECHO] => {
            while let Some(Input::Bytes(bytes)) = input.recv().await {
                let _ = output.send(Output::Stdout(bytes)).await;
            }
            0
        }
        [PROGRAM, WRITE, bytes] => {
            let zeros = vec![0; bytes.parse().unwrap_or(0)];
            for piece in zeros.chunks(PIECE_BYTES_MAX) {
                let _ = output.send(Output::Stdout(piece.to_vec())).await;
            }
            0
        }
        words => {
            let _ =
                output.send(Output::Stdout(format!("{}\n", words.join(" ")).into_bytes())).await;
            0
        }
    };
    let _ = output.send(Output::Ended(Ok(code))).await;
}
