//! Calls over HTTP/1.1, one connection each that stays open: as little client as can be, so that what
//! is measured is the server.

pub(crate) mod served;

use std::net::SocketAddr;

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Raises this process's limit on open files as far as the system lets it: a thousand connections are
/// more than it usually gives.
pub(crate) fn raise_files() -> nix::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// An open connection.
pub(crate) struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    line: String,
}

/// What a call is.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { address, stream: BufReader::new(stream), line: String::new() })
    }

    /// The answer's status and body.
    pub(crate) async fn call(&mut self, call: &Call<'_>) -> anyhow::Result<(u16, Vec<u8>)> {
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
            call.method,
            call.path,
            self.address,
            call.content_type,
            call.body.len()
        );
        let whole = [head.as_bytes(), call.body].concat();
        self.stream.get_mut().write_all(&whole).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> anyhow::Result<(u16, Vec<u8>)> {
        let first = self.header().await?.context("the server closed the connection")?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = status.with_context(|| format!("no status in {first:?}"))?;
        let mut length = 0;
        while let Some(header) = self.header().await? {
            let (name, value) = header.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
            anyhow::ensure!(!name.eq_ignore_ascii_case("transfer-encoding"), "an answer in chunks");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok((status, body))
    }

    /// The next line; `None` for an empty one.
    async fn header(&mut self) -> anyhow::Result<Option<String>> {
        self.line.clear();
        self.stream.read_line(&mut self.line).await?;
        let line = self.line.trim_end();
        Ok((!line.is_empty()).then(|| line.to_owned()))
    }
}
