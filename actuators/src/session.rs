//! What is read from and said to a container that runs: its output, and commands beside its own.
//!
//! Guarantee: nothing here holds more than a few pieces in memory. Who does not read makes the
//! runtime wait, and through it the container.
//! Absent: who asks, and over which wire.

use futures::stream::BoxStream;
use tokio::sync::mpsc;

use crate::ActuatorError;

/// A piece of what a container writes: a pipe of the kernel's holds twice as much.
pub const PIECE_BYTES_MAX: usize = 32 << 10;
/// Pieces that wait in each direction: enough that nobody waits for every single one.
pub const PIECES_MAX: usize = 8;

/// What a container wrote, piece by piece. One that is dropped is over.
pub type Lines = BoxStream<'static, Result<Vec<u8>, ActuatorError>>;

/// A command that runs in a container. When [`Session::output`] is dropped before the command has
/// ended, the command is killed and all that it started, and nothing of it is left.
#[derive(Debug)]
pub struct Session {
    /// What is said to it. Dropped, the command reads the end.
    pub input: mpsc::Sender<Input>,
    /// What it says; ends behind [`Output::Ended`].
    pub output: mpsc::Receiver<Output>,
}

/// What is said to a command.
pub enum Input {
    /// Something to read.
    Bytes(Vec<u8>),
    /// There is nothing more to read.
    End,
    /// Its terminal has so many columns and rows.
    Size(u16, u16),
}

/// What a command says.
pub enum Output {
    /// It wrote.
    Stdout(Vec<u8>),
    /// It wrote as an error.
    Stderr(Vec<u8>),
    /// It ended with this code, or nobody knows how.
    Ended(Result<i32, ActuatorError>),
}

/// A session's two queues, as the runtime holds them.
#[derive(Debug)]
pub struct Ends {
    /// What is said to the command.
    pub input: mpsc::Receiver<Input>,
    /// What it says. Closed when nobody reads any more.
    pub output: mpsc::Sender<Output>,
}

impl Session {
    /// A session and what the runtime does with it.
    #[must_use]
    pub fn pair() -> (Session, Ends) {
        let (tell, input) = mpsc::channel(PIECES_MAX);
        let (output, hear) = mpsc::channel(PIECES_MAX);
        (Session { input: tell, output: hear }, Ends { input, output })
    }
}

/// There is no such pod or container.
#[must_use]
pub fn not_found(uid: &str, container: &str) -> ActuatorError {
    let message = format!("container {container:?} of pod {uid} is not on this node");
    ActuatorError::permanent("NotFound", message).of_container(container)
}

/// The container never ran, so it wrote nothing.
#[must_use]
pub fn not_started(container: &str) -> ActuatorError {
    let message = format!("container {container:?} is waiting to start");
    ActuatorError::permanent("NotStarted", message).of_container(container)
}

/// The container does not run, so no command can; it may again.
#[must_use]
pub fn not_running(container: &str) -> ActuatorError {
    let message = format!("container {container:?} is not running");
    ActuatorError::transient("NotRunning", message).of_container(container)
}

/// The container was not restarted, or what it wrote before is no longer kept.
#[must_use]
pub fn no_former_life(container: &str) -> ActuatorError {
    let message = format!("previous terminated container {container:?} not found");
    ActuatorError::permanent("NoPrevious", message).of_container(container)
}
