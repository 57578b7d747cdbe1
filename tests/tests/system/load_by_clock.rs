//! Load that is open: requests begin by the clock, whether those before them were answered or not, so that
//! a server that stands still is asked no less. Each has a connection of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// An answer takes no time here, unless the machine is busy with something else.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How many failures are told: the first say enough.
const TOLD_MAX: usize = 10;

/// Requests that begin one after the other until they are ended.
pub(crate) struct LoadByClock {
    enough: Arc<AtomicBool>,
    began: Instant,
    task: JoinHandle<Told>,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) asked: usize,
    /// How many were answered so, by the last line of the answer.
    pub(crate) answers: BTreeMap<String, usize>,
    /// Why others were not, and when each of them began.
    pub(crate) failed: Vec<String>,
    /// The longest that one took.
    pub(crate) longest: Duration,
}

impl LoadByClock {
    /// Asks for this path at each of these places in turn, so often.
    pub(crate) fn start(
        places: Vec<SocketAddr>,
        path: &'static str,
        every: Duration,
        answer_max: Duration,
    ) -> LoadByClock {
        let (enough, began) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let until = enough.clone();
        let task = tokio::spawn(async move {
            let (mut requests, mut clock) = (JoinSet::new(), interval(every));
            // Who was held up asks at once for all that should have been asked: the rate stays.
            clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for place in places.into_iter().cycle() {
                if until.load(Ordering::Relaxed) {
                    break;
                }
                clock.tick().await;
                requests.spawn(async move {
                    let at = began.elapsed();
                    let answer = get(place, path, answer_max).await;
                    let answer = answer.map_err(|why| format!("{place} after {at:?}: {why}"));
                    (answer, began.elapsed().saturating_sub(at))
                });
            }
            told(requests.join_all().await)
        });
        LoadByClock { enough, began, task }
    }

    /// Begins no more requests, and waits for those that are under way.
    ///
    /// # Panics
    /// When a request failed, or there was no load.
    pub(crate) async fn ends_without_a_failure(self) -> Told {
        let (took, told) = self.end().await;
        let failed = told.failed.len();
        let first = &told.failed[..failed.min(TOLD_MAX)];
        assert!(failed == 0, "{failed} of {} requests failed in {took:?}: {first:#?}", told.asked);
        assert!(told.asked > 0, "there was no load");
        let Told { asked, answers, longest, .. } = &told;
        println!("{asked} requests in {took:?}, none failed, {longest:.1?} at most: {answers:?}");
        told
    }

    async fn end(self) -> (Duration, Told) {
        self.enough.store(true, Ordering::Relaxed);
        let took = self.began.elapsed();
        (took, self.task.await.expect("the load ended"))
    }
}

fn told(outcomes: Vec<(Result<String, String>, Duration)>) -> Told {
    let mut told = Told { asked: outcomes.len(), ..Told::default() };
    for (outcome, took) in outcomes {
        told.longest = told.longest.max(took);
        match outcome {
            Ok(body) => {
                let last = body.lines().last().unwrap_or_default().to_owned();
                *told.answers.entry(last).or_default() += 1;
            }
            Err(why) => told.failed.push(why),
        }
    }
    told
}

/// One request by a connection of its own: the body of an answer that is well and whole, which ends with
/// the word `end`.
pub(crate) async fn get(at: SocketAddr, path: &str, within: Duration) -> Result<String, String> {
    let asked = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(within, asked).await.map_err(|_| "no answer in time".to_owned())?;
    let answer = answer.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_well = head.lines().next().is_some_and(|line| line.contains(" 200 "));
    let is_whole = body.trim_end().ends_with("end");
    if is_well && is_whole { Ok(body.to_owned()) } else { Err(format!("answered {answer:?}")) }
}
