//! The server: an address, perhaps TLS, perhaps tokens.
//!
//! Invariant: an address that others can reach is served only with TLS and tokens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::auth::{TokenFileError, Tokens};
use crate::connections::{Connections, STRANGER_PATIENCE};
use crate::door::{Caller, Door};
use crate::routes::{App, router};
use crate::state::ApiState;

/// How long open calls may take to end when the server closes.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// A caller that takes longer to send its headers is not one.
const HEADER_PATIENCE: Duration = STRANGER_PATIENCE;

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// The certificate and key; without them plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The token file; without it every caller is an admin.
    pub tokens: Option<PathBuf>,
    /// Connections at once.
    pub connections: usize,
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached by others, and something that protects it is missing.
    #[error("failed to serve on {address}: any address but loopback needs {missing}")]
    Unprotected {
        /// The address.
        address: SocketAddr,
        /// What is missing.
        missing: &'static str,
    },
    /// The address is taken, or not ours.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificate or key does not read.
    #[error("failed to read the certificate or key {}: {why}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The token file does not read.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
}

/// Serves until the token is cancelled. Returns the address that is served and the server's task,
/// which ends within a few seconds after the cancellation.
///
/// # Errors
/// [`ServeError`] when the options do not protect the address, or something of them does not read.
pub async fn serve(
    options: ServeOptions,
    state: ApiState,
    closing: CancellationToken,
) -> Result<(SocketAddr, JoinHandle<()>), ServeError> {
    protected(&options)?;
    let tokens = options.tokens.as_deref().map(Tokens::read).transpose()?;
    let tls = options.tls.as_ref().map(tls_of).transpose()?;
    let unheard = |source| ServeError::Listen { address: options.address, source };
    let listener = TcpListener::bind(options.address).await.map_err(unheard)?;
    let address = listener.local_addr().map_err(unheard)?;
    let app = Arc::new(App { state: state.0, tokens, closing: closing.clone() });
    let service = router(app).into_make_service_with_connect_info::<Caller>();
    let connections = Connections::new(options.connections);
    let mut server = Server::<Caller>::from_listener(Door { listener, connections });
    bound(server.http_builder());
    let handle = Handle::new();
    tokio::spawn(close(handle.clone(), closing));
    let tls_on = tls.is_some();
    let task = match tls {
        Some(tls) => {
            let tls = RustlsAcceptor::new(tls).handshake_timeout(STRANGER_PATIENCE);
            let server = server.acceptor(tls).handle(handle);
            tokio::spawn(async move { ended(server.serve(service).await) })
        }
        None => {
            let server = server.handle(handle);
            tokio::spawn(async move { ended(server.serve(service).await) })
        }
    };
    info!(%address, tls = tls_on, "api serves");
    Ok((address, task))
}

fn protected(options: &ServeOptions) -> Result<(), ServeError> {
    let address = options.address;
    let missing = match (&options.tls, &options.tokens) {
        _ if address.ip().is_loopback() => return Ok(()),
        (Some(_), Some(_)) => return Ok(()),
        (None, None) => "TLS and tokens",
        (None, Some(_)) => "TLS",
        (Some(_), None) => "tokens",
    };
    Err(ServeError::Unprotected { address, missing })
}

fn tls_of(files: &TlsFiles) -> Result<RustlsConfig, ServeError> {
    let wrong = |path: &PathBuf, why: String| ServeError::Tls { path: path.clone(), why };
    let in_certificate =
        |error: &dyn std::fmt::Display| wrong(&files.certificate, error.to_string());
    let chain = CertificateDer::pem_file_iter(&files.certificate);
    let chain = chain.map_err(|error| in_certificate(&error))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(|error| in_certificate(&error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(|error| wrong(&files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| in_certificate(&error))?;
    let config = config.with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|error| in_certificate(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

type Builder = hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>;

fn bound(builder: &mut Builder) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_PATIENCE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEADER_PATIENCE);
}

async fn close(handle: Handle<Caller>, closing: CancellationToken) {
    closing.cancelled().await;
    handle.graceful_shutdown(Some(CLOSE_PATIENCE));
}

fn ended(result: std::io::Result<()>) {
    match result {
        Ok(()) => info!("api closed"),
        Err(error) => error!(%error, "api failed"),
    }
}
