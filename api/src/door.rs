//! The door: connections come in by it, are counted, and go when they are idle or must.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::connect_info::Connected;
use axum::response::Response;
use axum_server::{AddrListener, Address};
use http_body::{Frame, SizeHint};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::connections::{CallOn, Connection, Connections, STRANGER_PATIENCE};

/// After the system gave no connection: long enough for one that was sent away to be gone.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A caller who waits for later lines says nothing for hours, and so does one that has vanished without a
/// word. After these seconds of silence the system asks whether it is there, so often and so many times.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_secs(10);
/// One that answers none of these is gone, a minute after it was heard last.
const ASKED_MAX: u32 = 3;

/// Listens, and lets in as many as there is room for.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) connections: Arc<Connections>,
}

/// Who calls, as far as the door knows: a connection.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Arc<Connection>);

/// The bytes of a connection.
pub(crate) struct Wire {
    tcp: TcpStream,
    connection: Arc<Connection>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    timer: Pin<Box<Sleep>>,
}

impl Address for Caller {
    type Stream = Wire;
    type Listener = Door;
}

impl Connected<Caller> for Caller {
    fn connect_info(caller: Caller) -> Self {
        caller
    }
}

impl AddrListener<Wire, Caller> for Door {
    /// A door stands where its listener does.
    async fn bind_to(_: Caller) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept_stream(&self) -> io::Result<(Wire, Caller)> {
        loop {
            match self.listener.accept().await {
                // One that finds no room is closed at once.
                Ok((tcp, _)) => {
                    if let Some(connection) = self.connections.enter() {
                        keep_asking(&tcp);
                        return Ok((Wire::new(tcp, connection.clone()), Caller(connection)));
                    }
                }
                Err(error) => {
                    self.connections.not_accepted(&error);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn get_local_addr(&self) -> io::Result<Caller> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Has the system ask whether the caller is there. Where it cannot, bytes alone tell.
fn keep_asking(tcp: &TcpStream) {
    let asking = TcpKeepalive::new().with_time(SILENCE_MAX).with_interval(ASK_EVERY);
    let _ = SockRef::from(tcp).set_tcp_keepalive(&asking.with_retries(ASKED_MAX));
}

impl Wire {
    fn new(tcp: TcpStream, connection: Arc<Connection>) -> Wire {
        let ended = Box::pin(connection.ending().clone().cancelled_owned());
        Wire { tcp, connection, ended, timer: Box::pin(sleep(STRANGER_PATIENCE)) }
    }

    /// Ready when it must end, and why.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            match self.connection.patience() {
                Duration::ZERO => return Poll::Ready(io::ErrorKind::TimedOut.into()),
                patience => self.timer.as_mut().reset(Instant::now() + patience),
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// An answer whose call lasts until its body is told whole, as a watch's.
pub(crate) fn lasting(response: Response, call: CallOn) -> Response {
    response.map(|body| Body::new(Lasting { body, _call: call }))
}

struct Lasting {
    body: Body,
    _call: CallOn,
}

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_caller_is_asked_whether_it_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let door = Door { listener, connections: Connections::new(8) };
        let (caller, entered) = tokio::join!(TcpStream::connect(address), door.accept_stream());
        let (_caller, (wire, _)) = (caller.expect("it connects"), entered.expect("it is let in"));
        let socket = SockRef::from(&wire.tcp);
        assert_eq!(socket.keepalive().ok(), Some(true));
        assert_eq!(socket.tcp_keepalive_time().ok(), Some(SILENCE_MAX));
        assert_eq!(socket.tcp_keepalive_interval().ok(), Some(ASK_EVERY));
        assert_eq!(socket.tcp_keepalive_retries().ok(), Some(ASKED_MAX));
    }
}
