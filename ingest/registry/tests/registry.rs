//! The client against a registry over HTTP. No registry of others is to be had as a package, so it
//! is the crate's own, which answers as Confluent's reference says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use setpoint_ingest::SchemaSource;
use setpoint_ingest_registry::testing::{Options, TestRegistry};
use setpoint_ingest_registry::{Registry, RegistryError, Settings, subject_of};
use setpoint_schemas::avro::{Codec, RecordKind, earlier_schemas};
use setpoint_schemas::{Lease, samples};

fn open(settings: Settings) -> Registry {
    Registry::new(settings).expect("a client")
}

/// Time that a lookup for a reader may take, on a busy machine.
const LOOKED_UP_WITHIN: Duration = Duration::from_secs(8);

#[test]
fn our_schemas_are_registered_once_and_written_with_their_ids() {
    let registry = TestRegistry::start(Options::default());
    let client = open(Settings::new(&registry.url()));
    let ids = client.ids().expect("ids");
    let subjects: Vec<String> = registry.schemas().subjects.keys().cloned().collect();
    let mut expected: Vec<String> = RecordKind::ALL.iter().map(|kind| subject_of(*kind)).collect();
    expected.sort();
    assert_eq!(subjects, expected);

    let codec = Codec::confluent(ids);
    let bytes = codec.encode(&samples::lease()).expect("encodes");
    assert_eq!(bytes[0], 0, "Confluent's mark");
    let id = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
    assert_eq!(registry.schemas().subjects["setpoint.leases-value"], [id]);
    assert_eq!(codec.decode::<Lease>(&bytes), Ok(samples::lease()));
    let plain = Codec::single_object().encode(&samples::lease()).expect("encodes");
    assert_eq!(codec.decode::<Lease>(&plain), Ok(samples::lease()), "both framings are read");

    let again = open(Settings::new(&registry.url())).ids().expect("ids");
    assert_eq!(Codec::confluent(again).encode(&samples::lease()), Ok(bytes));
    assert!(registry.schemas().subjects.values().all(|versions| versions.len() == 1));
}

#[test]
fn an_earlier_version_that_the_registry_knows_is_read_and_the_new_one_added() {
    let registry = TestRegistry::start(Options::default());
    let (kind, earlier) = earlier_schemas()
        .find(|(kind, earlier)| *earlier != kind.schema_json())
        .expect("a schema that changed since");
    let old = registry.schemas().put(&subject_of(kind), earlier);
    let ids = open(Settings::new(&registry.url())).ids().expect("ids");
    assert!(ids.knows(old));
    let versions = registry.schemas().subjects[&subject_of(kind)].clone();
    assert_eq!((versions.len(), versions[0]), (2, old));
}

#[test]
fn nothing_is_registered_when_one_schema_does_not_fit() {
    let registry = TestRegistry::start(Options::default());
    let foreign = r#"{"type":"record","name":"Other","fields":[{"name":"a","type":"long"}]}"#;
    registry.schemas().put("setpoint.leases-value", foreign);
    let error = open(Settings::new(&registry.url())).ids().expect_err("is refused");
    assert!(matches!(error, RegistryError::Incompatible { .. }), "{error}");
    assert!(error.to_string().ends_with("setpoint.leases-value"), "{error}");
    assert_eq!(registry.schemas().subjects.len(), 1);
}

#[test]
fn an_unreachable_registry_is_a_clear_error_soon() {
    let gone = TestRegistry::start(Options::default());
    let url = gone.url();
    drop(gone.stop());
    let error = open(Settings::new(&url)).ids().expect_err("is refused");
    assert!(error.is_transient());
    let said = error.to_string();
    assert!(said.contains(&url) && said.contains("failed to look up the schema of"), "{said}");

    let silent = TestRegistry::start(Options::default());
    silent.hang(true);
    let mut settings = Settings::new(&silent.url());
    settings.timeout = Duration::from_millis(300);
    let began = Instant::now();
    assert!(open(settings).ids().expect_err("is refused").is_transient());
    assert!(began.elapsed() < LOOKED_UP_WITHIN, "{:?}", began.elapsed());
}

#[test]
fn an_id_is_looked_up_with_what_it_stands_for() {
    let registry = TestRegistry::start(Options::default());
    let id = registry.schemas().put("elsewhere", RecordKind::Lease.schema_json());
    let client = open(Settings::new(&registry.url()));
    let schema = client.schema_of(id).expect("an answer").expect("a schema");
    assert_eq!(schema, RecordKind::Lease.schema_json());
    assert_eq!(client.schema_of(999).expect("an answer"), None);
    registry.fail(true);
    let why = client.schema_of(998).expect_err("no answer").why;
    assert!(why.contains("it answers 500: Error in the backend datastore"), "{why}");
}

#[test]
fn a_silent_registry_holds_a_reader_up_for_a_bounded_time_only() {
    let registry = TestRegistry::start(Options::default());
    let client = open(Settings::new(&registry.url()));
    registry.hang(true);
    let began = Instant::now();
    for id in 0..1000 {
        client.schema_of(id).expect_err("no answer");
    }
    assert!(began.elapsed() < LOOKED_UP_WITHIN, "{:?}", began.elapsed());
    assert!(registry.calls() < 10, "{} calls", registry.calls());
}

#[test]
fn credentials_are_shown_and_wrong_ones_are_a_clear_error_without_the_password() {
    let ada = ("ada".to_owned(), "hunter2".to_owned());
    let options = Options { credentials: Some(ada.clone()), ..Options::default() };
    let registry = TestRegistry::start(options);
    let mut settings = Settings::new(&registry.url());
    settings.credentials = Some(ada);
    open(settings.clone()).ids().expect("ids");
    settings.credentials = Some(("ada".to_owned(), "swordfish".to_owned()));
    let said = open(settings).ids().expect_err("is refused").to_string();
    assert!(said.contains("it answers 401: Unauthorized"), "{said}");
    assert!(!said.contains("swordfish"), "{said}");
}

#[test]
fn tls_is_spoken_and_a_certificate_that_nobody_trusts_is_refused() {
    let (tls, ca) = certificate();
    let registry = TestRegistry::start(Options { tls: Some(tls), ..Options::default() });
    let mut settings = Settings::new(&registry.url());
    let said = open(settings.clone()).ids().expect_err("is refused").to_string();
    assert!(said.contains("certificate"), "{said}");
    settings.ca_pem = Some(ca);
    open(settings).ids().expect("ids");
}

#[test]
fn it_may_be_asked_and_dropped_within_a_runtime() {
    let registry = TestRegistry::start(Options::default());
    let url = registry.url();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async move {
        let client = open(Settings::new(&url));
        client.ids().expect("ids");
        drop(client);
    });
}

/// A server's TLS for `localhost`, and the certificate to trust.
fn certificate() -> (Arc<rustls::ServerConfig>, Vec<u8>) {
    use rustls::pki_types::PrivateKeyDer;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate");
    (Arc::new(config), made.cert.pem().into_bytes())
}
