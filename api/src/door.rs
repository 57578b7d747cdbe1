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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::connections::{CallOn, Connection, Connections, STRANGER_PATIENCE};

/// After the system gave no connection: long enough for one that was sent away to be gone.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
