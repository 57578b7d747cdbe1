//! Questions by packet and by connection, and their answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::super::known::Known;
use super::forward::{self, Over};
use super::zone::{Answer, Zone};

/// Questions at once: each waits for seconds at most. More are asked again by who asked.
const QUESTIONS_MAX: usize = 512;
/// A connection without a question is closed.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// What a packet may have where who asks does not say (RFC 1035).
const PACKET_BYTES_MIN: u16 = 512;
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
        let question = Message::from_vec(bytes).ok()?;
        if question.metadata.message_type != MessageType::Query {
            return None;
        }
        let query = question.queries.first().cloned();
        let is_query = question.metadata.op_code == OpCode::Query;
        let Some(query) = query.filter(|_| is_query) else {
            return encoded(&refusal(&question, ResponseCode::NotImp), &question, over);
        };
        match self.own(&question, &query).await {
            Some(answer) => encoded(&answer, &question, over),
            None => match forward::ask(&self.zone.upstreams, bytes, over).await {
                Ok(answer) => Some(answer),
                Err(error) => {
                    debug!(name = %query.name(), %error, "nobody else answers");
                    encoded(&refusal(&question, ResponseCode::ServFail), &question, over)
                }
            },
        }
    }

    /// Our own answer; `None` where the name is not ours.
    async fn own(&self, question: &Message, query: &Query) -> Option<Message> {
        let (kind, mut name) = (query.query_type(), query.name().clone());
        let mut answers: Vec<Record> = Vec::new();
        let mut answer = refusal(question, ResponseCode::NoError);
        for _ in 0..ALIASES_MAX {
            match self.zone.answer(&self.known, &name, kind) {
                Answer::Elsewhere if answers.is_empty() => return None,
                Answer::Elsewhere => {
                    answers.extend(self.elsewhere(&name, kind).await);
                    break;
                }
                Answer::Absent => {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                    break;
                }
                Answer::Records { answers: found, additionals } => {
                    answers.extend(found);
                    answer.add_additionals(additionals);
                    break;
                }
                Answer::Alias { name: next, record } => {
                    answers.push(record);
                    if kind == RecordType::CNAME {
                        break;
                    }
                    name = next;
                }
            }
        }
        answer.metadata.authoritative = true;
        answer.add_answers(answers);
        Some(answer)
    }

    /// The records that somebody else has for a name; none where nobody answers.
    async fn elsewhere(&self, name: &hickory_proto::rr::Name, kind: RecordType) -> Vec<Record> {
        let mut question = Message::query();
        question.add_query(Query::query(name.clone(), kind));
        question.metadata.recursion_desired = true;
        let Ok(bytes) = question.to_vec() else { return Vec::new() };
        let answer = forward::ask(&self.zone.upstreams, &bytes, Over::Udp).await;
        let answer = answer.ok().and_then(|bytes| Message::from_vec(&bytes).ok());
        answer.map_or_else(Vec::new, |answer| answer.answers)
    }
}

/// An answer without records.
fn refusal(question: &Message, code: ResponseCode) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.add_queries(question.queries.iter().cloned());
    answer.metadata.recursion_desired = question.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.metadata.response_code = code;
    answer
}

/// The bytes of an answer; of one that fits into no packet that it is to be asked for by connection.
fn encoded(answer: &Message, question: &Message, over: Over) -> Option<Vec<u8>> {
    let bytes = answer.to_vec().ok()?;
    let max = question.edns.as_ref().map_or(PACKET_BYTES_MIN, |edns| edns.max_payload());
    if over == Over::Udp && bytes.len() > usize::from(max.max(PACKET_BYTES_MIN)) {
        return answer.truncate().to_vec().ok();
    }
    Some(bytes)
}
