//! Questions that are not ours, asked on as they came.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Resolvers wait for five seconds; two upstreams have their turn within it.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// The longest message that there is.
const MESSAGE_BYTES_MAX: usize = 65_535;
/// The bytes of a message's id, by which an answer is known.
const ID_BYTES: usize = 2;

/// How a question came, and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Udp,
    Tcp,
}

/// Asks one after the other until one answers.
///
/// # Errors
/// What the last one did.
pub(super) async fn ask(
    upstreams: &[SocketAddr],
    question: &[u8],
    over: Over,
) -> io::Result<Vec<u8>> {
    let mut last = io::Error::other("nobody is known who answers other names");
    for upstream in upstreams {
        let asked = async {
            match over {
                Over::Udp => by_packet(*upstream, question).await,
                Over::Tcp => by_stream(*upstream, question).await,
            }
        };
        match timeout(ANSWER_MAX, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn by_packet(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match upstream {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(upstream).await?;
    socket.send(question).await?;
    let mut answer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        let length = socket.recv(&mut answer).await?;
        // A late answer to somebody else's question is none.
        if answer[..length].get(..ID_BYTES) == question.get(..ID_BYTES) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn by_stream(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await?;
    stream.write_u16(u16::try_from(question.len()).map_err(io::Error::other)?).await?;
    stream.write_all(question).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
