//! Ctrl-C and Ctrl-\ while an editor is open: they are the editor's, as in shells and in git.
//!
//! Guarantee: as long as this is there neither ends the program. The editor has both as any program has them: what
//! is caught, unlike what is ignored, is not handed on to who is started.
//! Absent: giving them back. Who has caught them waits for them instead ([`Interrupts::next`]).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGQUIT, caught.
pub(super) struct Interrupts {
    interrupt: Signal,
    quit: Signal,
}

impl Interrupts {
    /// From now on.
    pub(super) fn caught() -> io::Result<Interrupts> {
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next one, as the number of its signal.
    pub(super) async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.quit.recv() => SignalKind::quit(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or_default()
    }

    /// Waits for this, deaf to both.
    pub(super) async fn unheard<T>(&mut self, during: impl Future<Output = T>) -> T {
        tokio::pin!(during);
        loop {
            tokio::select! {
                // What came until the end is over with it.
                biased;
                _ = self.next() => {}
                done = &mut during => return done,
            }
        }
    }
}
