//! Questions by packet and by connection, and their answers.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::super::held::Held;
use super::super::known::Known;
use super::super::objects::Protocol;
use super::forward::{self, Over};
use super::message::{CNAME, Code, Question, Record, addresses};
use super::zone::{Answer, Zone};

/// Questions at once: each waits for seconds at most. More are asked again by who asked.
const QUESTIONS_MAX: usize = 512;
/// A connection without a question is closed.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// The longest message that there is.
const MESSAGE_BYTES_MAX: usize = 65_535;
/// Names that stand for names; more of them are a circle.
const ALIASES_MAX: usize = 8;
/// How soon an address that is taken is tried again: another agent of the machine may end.
const BIND_AGAIN: Duration = Duration::from_secs(5);

/// Answers at this address until the task ends.
pub(crate) async fn serve(address: SocketAddr, zone: Zone, known: Arc<Known>) {
    let answerer =
        Arc::new(Answerer { zone, known, room: Arc::new(Semaphore::new(QUESTIONS_MAX)) });
    let mut told = false;
    loop {
        // Another agent of this program, which has the address, answers for this one too.
        let Ok(_held) = Held::take((address, Protocol::Udp), "names") else {
            sleep(BIND_AGAIN).await;
            continue;
        };
        let bound = async {
            let stream = TcpListener::bind(address).await?;
            Ok::<_, io::Error>((UdpSocket::bind(stream.local_addr()?).await?, stream))
        };
        match bound.await {
            Ok((packets, stream)) => {
                info!(%address, "names are answered");
                told = false;
                let ended = tokio::select! {
                    ended = answerer.clone().packets(packets) => ended,
                    ended = answerer.clone().connections(stream) => ended,
                };
                debug!(?ended, "names are no longer answered");
            }
            Err(error) if !std::mem::replace(&mut told, true) => {
                warn!(%address, %error, "names are not answered here; tried again until it is possible");
            }
            Err(_) => {}
        }
        sleep(BIND_AGAIN).await;
    }
}

struct Answerer {
    zone: Zone,
    known: Arc<Known>,
    room: Arc<Semaphore>,
}

impl Answerer {
    async fn packets(self: Arc<Self>, socket: UdpSocket) -> io::Result<()> {
        let socket = Arc::new(socket);
        let mut tasks = JoinSet::new();
        let mut packet = vec![0; MESSAGE_BYTES_MAX];
        loop {
            let (length, client) = socket.recv_from(&mut packet).await?;
            while tasks.try_join_next().is_some() {}
            let Ok(permit) = self.room.clone().try_acquire_owned() else { continue };
            let (question, socket, own) = (packet[..length].to_vec(), socket.clone(), self.clone());
            tasks.spawn(async move {
                if let Some(answer) = own.answer(&question, Over::Udp).await {
                    let _ = socket.send_to(&answer, client).await;
                }
                drop(permit);
            });
        }
    }

    async fn connections(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        let mut tasks = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            while tasks.try_join_next().is_some() {}
            let Ok(permit) = self.room.clone().try_acquire_owned() else { continue };
            let own = self.clone();
            tasks.spawn(async move {
                let _ = own.connection(stream).await;
                drop(permit);
            });
        }
    }

    async fn connection(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let quiet = |_| io::Error::from(io::ErrorKind::TimedOut);
            let length = timeout(QUIET_MAX, stream.read_u16()).await.map_err(quiet)??;
            let mut question = vec![0; usize::from(length)];
            timeout(QUIET_MAX, stream.read_exact(&mut question)).await.map_err(quiet)??;
            let Some(answer) = self.answer(&question, Over::Tcp).await else { return Ok(()) };
            let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
            stream.write_u16(length).await?;
            stream.write_all(&answer).await?;
        }
    }

    /// The answer to a question; `None` to what is none.
    async fn answer(&self, bytes: &[u8], over: Over) -> Option<Vec<u8>> {
        let question = Question::read(bytes)?;
        if !question.is_query() {
            return Some(question.answer(Code::Unknown, &[], &[]));
        }
        if let Some(answer) = self.own(&question).await {
            let fits = over == Over::Tcp || answer.len() <= question.packet_bytes;
            return Some(if fits { answer } else { question.cut() });
        }
        match forward::ask(&self.zone.upstreams, bytes, over).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                debug!(name = question.name, %error, "nobody else answers");
                Some(question.answer(Code::Failed, &[], &[]))
            }
        }
    }

    /// Our own answer; `None` where the name is not ours.
    async fn own(&self, question: &Question) -> Option<Vec<u8>> {
        let (kind, mut name) = (question.kind, question.name.clone());
        let mut answers: Vec<Record> = Vec::new();
        for _ in 0..ALIASES_MAX {
            match self.zone.answer(&self.known, &name, kind) {
                Answer::Elsewhere if answers.is_empty() => return None,
                Answer::Elsewhere => {
                    answers.extend(self.elsewhere(&name, kind).await);
                    break;
                }
                Answer::Absent if answers.is_empty() => {
                    return Some(question.answer(Code::Absent, &[], &[]));
                }
                Answer::Absent => break,
                Answer::Records { answers: found, additionals } => {
                    answers.extend(found);
                    return Some(question.answer(Code::Fine, &answers, &additionals));
                }
                Answer::Alias { name: next, record } => {
                    answers.push(record);
                    if kind == CNAME {
                        break;
                    }
                    name = next;
                }
            }
        }
        Some(question.answer(Code::Fine, &answers, &[]))
    }

    /// The addresses that somebody else has for a name; none where nobody answers.
    async fn elsewhere(&self, name: &str, kind: u16) -> Vec<Record> {
        // Not a secret: the socket of the question is its own, and hears one address only. The hasher's
        // keys are the standard library's own random numbers.
        let [id, other, ..] = RandomState::new().hash_one(()).to_le_bytes();
        let Some(question) = Question::new(u16::from_le_bytes([id, other]), name, kind) else {
            return Vec::new();
        };
        let answer = forward::ask(&self.zone.upstreams, &question.bytes(), Over::Udp).await;
        let found = answer.ok().and_then(|bytes| addresses(&bytes, kind)).unwrap_or_default();
        let record = |(ttl_seconds, data)| Record { name: name.to_owned(), ttl_seconds, data };
        found.into_iter().map(record).collect()
    }
}
