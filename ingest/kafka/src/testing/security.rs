//! Doors of a test's Kafka that ask who comes in: TLS, certificates of clients, SASL.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A listener beside the plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// TLS.
    Tls,
    /// TLS with a certificate of the client.
    MutualTls,
    /// SASL/PLAIN over TLS.
    Plain,
    /// SASL/SCRAM-SHA-512 over TLS.
    Scram,
}

/// A server's key and certificate, and whose certificates it trusts, all PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The private key (PKCS #8), then the certificate.
    pub key_and_certificate: String,
    /// Certificates of clients are signed by these.
    pub trusted: String,
}

/// Who may come in.
pub const USER: &str = "setpoint";
/// With this password; nobody prints it.
pub const PASSWORD: &str = "correct-horse-battery";

impl Identity {
    /// A new authority, a server `localhost` of it, and in this folder what clients need: `ca.pem`,
    /// and `client.pem` with `client.key` for a client of it.
    ///
    /// # Panics
    /// When the folder cannot be written.
    #[must_use]
    pub fn made(folder: &Path) -> Self {
        let mut params = named("the authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, new_key()).expect("an authority");
        let signed = |name: &str| {
            let key = new_key();
            let certificate = named(name).signed_by(&key, &ca).expect("a certificate");
            (key.serialize_pem(), certificate.pem())
        };
        let (server_key, server) = signed("localhost");
        let (client_key, client) = signed("setpoint");
        for (name, text) in
            [("ca.pem", ca.pem()), ("client.pem", client), ("client.key", client_key)]
        {
            std::fs::write(folder.join(name), text).expect("it is written");
        }
        Identity { key_and_certificate: server_key + &server, trusted: ca.pem() }
    }
}

impl Door {
    fn name(self) -> &'static str {
        match self {
            Door::Tls => "TLS",
            Door::MutualTls => "MUTUAL",
            Door::Plain => "PLAIN",
            Door::Scram => "SCRAM",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Door::Tls | Door::MutualTls => "SSL",
            Door::Plain | Door::Scram => "SASL_SSL",
        }
    }

    /// What the storage must know before the first start.
    pub(super) fn format_arguments(self) -> Vec<String> {
        let scram = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
        match self {
            Door::Scram => vec!["--add-scram".to_owned(), scram],
            _ => Vec::new(),
        }
    }

    /// Its own properties.
    fn properties(self) -> String {
        let prefix = format!("listener.name.{}", self.name().to_lowercase());
        let module = "org.apache.kafka.common.security";
        match self {
            Door::Tls => String::new(),
            Door::MutualTls => format!("{prefix}.ssl.client.auth=required\n"),
            Door::Plain => format!(
                "{prefix}.sasl.enabled.mechanisms=PLAIN\n{prefix}.plain.sasl.jaas.config=\
                 {module}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";\n"
            ),
            Door::Scram => format!(
                "{prefix}.sasl.enabled.mechanisms=SCRAM-SHA-512\n\
                 {prefix}.scram-sha-512.sasl.jaas.config=\
                 {module}.scram.ScramLoginModule required;\n"
            ),
        }
    }
}

/// The lines for these doors beside the listeners; writes the keys that they name.
pub(super) fn properties_of(
    folder: &Path,
    doors: &[(Door, u16)],
    identity: Option<&Identity>,
) -> String {
    let Some(identity) = identity else { return String::new() };
    let (key, trusted) = (folder.join("server.pem"), folder.join("trusted.pem"));
    std::fs::write(&key, &identity.key_and_certificate).expect("the key is written");
    std::fs::write(&trusted, &identity.trusted).expect("the certificates are written");
    let mut text = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\n\
         ssl.truststore.location={}\n",
        key.display(),
        trusted.display()
    );
    doors.iter().for_each(|(door, _)| text += &door.properties());
    text
}

/// `,TLS://HOST:PORT…` for a list of listeners.
pub(super) fn listeners(doors: &[(Door, u16)], host: &str) -> String {
    doors.iter().map(|(door, port)| format!(",{}://{host}:{port}", door.name())).collect()
}

/// `,TLS:SSL…` for the map of protocols.
pub(super) fn protocols(doors: &[(Door, u16)]) -> String {
    doors.iter().map(|(door, _)| format!(",{}:{}", door.name(), door.protocol())).collect()
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn named(name: &str) -> CertificateParams {
    let names = if name.contains(' ') { Vec::new() } else { vec![name.to_owned()] };
    let mut params = CertificateParams::new(names).expect("names of this kind");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
