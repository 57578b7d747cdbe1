//! Requests at a fixed rate, whether the ones before were answered or not: who does not answer is not spared
//! the next ones, and what waits shows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Longer than any answer takes on a busy machine: who waits so long was not answered.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Twenty-five a second: enough that no moment without an answer is missed, few enough for two cores.
const EVERY: Duration = Duration::from_millis(40);

/// What is asked of a server, and how its whole answer ends.
pub(crate) const PATH: &str = "/index.html";
pub(crate) const PAGE: &str = "served";

/// Requests that go on until they are ended.
pub(crate) struct OpenLoad {
    task: JoinHandle<Answers>,
    enough: Arc<AtomicBool>,
}

/// What came of them.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) asked: usize,
    /// Why some failed.
    pub(crate) failed: Vec<String>,
    /// The longest that one took.
    pub(crate) longest: Duration,
}

impl OpenLoad {
    /// Asks these addresses in turn from now on.
    pub(crate) fn start(addresses: Vec<SocketAddr>) -> OpenLoad {
        let enough = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(offer(addresses, enough.clone()));
        OpenLoad { task, enough }
    }

    /// Asks no more, and waits for what was asked.
    pub(crate) async fn end(self) -> Answers {
        self.enough.store(true, Ordering::Relaxed);
        self.task.await.expect("the load ended")
    }
}

async fn offer(addresses: Vec<SocketAddr>, enough: Arc<AtomicBool>) -> Answers {
    let mut ticks = interval(EVERY);
    // Who was held up asks at once for all that should have been asked: the rate stays.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    for address in addresses.iter().cycle() {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        ticks.tick().await;
        let address = *address;
        requests.spawn(async move {
            let began = Instant::now();
            (ask(address).await, began.elapsed())
        });
    }
    let mut answers = Answers::default();
    for (answer, took) in requests.join_all().await {
        answers.asked += 1;
        answers.failed.extend(answer.err());
        answers.longest = answers.longest.max(took);
    }
    answers
}

/// One request by a connection of its own, answered whole.
pub(crate) async fn ask(at: SocketAddr) -> Result<(), String> {
    let asked = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(format!("GET {PATH} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer =
        timeout(ANSWER_MAX, asked).await.map_err(|_| format!("{at}: no answer in time"))?;
    let answer = answer.map_err(|error| format!("{at}: {error}"))?;
    let is_whole = answer.contains(" 200 ") && answer.trim_end().ends_with(PAGE);
    if is_whole { Ok(()) } else { Err(format!("{at}: a broken answer: {answer:?}")) }
}
