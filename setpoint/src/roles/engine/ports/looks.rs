//! Looks into the log for people, beside the runtime.
//!
//! Guarantee: a log that is slow or away holds up those who look into it, and nobody else.

use std::sync::Arc;

use setpoint_api::ports::PortError;
use tokio::sync::Semaphore;

/// Looks at once. Each holds a thread and pages of the log, for seconds where a broker takes its time, and
/// who reads the log by hand is one or two; others wait for a turn.
const LOOKS_MAX: usize = 4;

/// Turns to look into the log.
pub(crate) struct Looks(Arc<Semaphore>);

impl Default for Looks {
    fn default() -> Self {
        Looks(Arc::new(Semaphore::new(LOOKS_MAX)))
    }
}

impl Looks {
    /// Looks, when there is a turn, on a thread that may wait. A look whose caller hung up keeps its turn
    /// until it ends.
    ///
    /// # Errors
    /// What the look says; [`PortError::Unavailable`] when it panics.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let turn = self.0.clone().acquire_owned().await.map_err(broken)?;
        let looked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            look()
        });
        looked.await.map_err(broken)?
    }
}

fn broken<E>(_: E) -> PortError {
    PortError::Unavailable("the look into the log broke off".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// How long a look of a log that is away takes here.
    const AWAY: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn slow_looks_are_few_at_once_and_hold_up_nobody_else() {
        let (looks, begun) = (Looks::default(), Arc::new(AtomicUsize::new(0)));
        let (mut held, mut looking) = (Vec::new(), Vec::new());
        for _ in 0..=LOOKS_MAX {
            let (hold, answer) = mpsc::channel::<()>();
            let begun = begun.clone();
            held.push(hold);
            looking.push(looks.look(move || {
                begun.fetch_add(1, Ordering::SeqCst);
                let _ = answer.recv_timeout(AWAY);
                Ok(())
            }));
        }
        // This test has one thread for all that does not wait.
        let meanwhile = async {
            while begun.load(Ordering::SeqCst) < LOOKS_MAX {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(begun.load(Ordering::SeqCst), LOOKS_MAX, "one waits for its turn");
            drop(held);
        };
        let (looked, ()) = tokio::join!(futures::future::join_all(looking), meanwhile);
        assert_eq!(looked.iter().filter(|looked| looked.is_ok()).count(), LOOKS_MAX + 1);
    }
}
