//! Which source wins, and what an error says.

use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use setpoint_settings::{Flag, Loaded, LogKind, Role, Runtime, SettingsError, Sources, load};

struct Given {
    dir: tempfile::TempDir,
    sources: Sources,
}

fn given() -> Given {
    let dir = tempfile::tempdir().expect("a directory");
    Given { dir, sources: Sources::default() }
}

impl Given {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn file(mut self, name: &str, text: &str) -> Self {
        self.sources.file = Some(self.write(name, text));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn secret_file(self, name: &str, text: &str) -> Self {
        let path = self.write("secret", text);
        self.variable(name, &path.display().to_string())
    }

    fn flag(mut self, flag: &str, key: &str, value: &str) -> Self {
        self.sources.flags.push(Flag::new(flag, key, value));
        self
    }

    fn load(&self) -> Loaded {
        load(&self.sources).expect("settings that can be used")
    }

    fn refused(&self, expected: &Expect) {
        let error = load(&self.sources).expect_err("settings that cannot be used");
        expected.assert_eq(&shown(&error, self.dir.path()));
    }
}

fn shown(error: &SettingsError, dir: &Path) -> String {
    error.to_string().replace(&dir.display().to_string(), "DIR")
}

#[test]
fn without_any_source_the_defaults_hold() {
    let loaded = given().load();
    let settings = loaded.settings;
    assert_eq!(settings.fleet.as_str(), "setpoint");
    assert_eq!(settings.api.address.to_string(), "127.0.0.1:6440");
    assert_eq!(settings.log.kind, LogKind::Embedded);
    assert_eq!(settings.engine.policy.lease_grace_ms, 15_000);
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "fleet: from-file\ndata_dir: /file\napi:\n  address: 127.0.0.1:1\nengine:\n  name: from-file\n";
    let loaded = given()
        .file("setpoint.yaml", file)
        .variable("SETPOINT_DATA_DIR", "/environment")
        .variable("SETPOINT_API__ADDRESS", "127.0.0.1:2")
        .flag("--listen", "api.address", "127.0.0.1:3")
        .load();
    assert_eq!(loaded.settings.fleet.as_str(), "from-file");
    assert_eq!(loaded.settings.data_dir, Path::new("/environment"));
    assert_eq!(loaded.settings.api.address.port(), 3);
    assert_eq!(loaded.settings.engine.policy.lease_renew_ms, 5_000);
    assert_eq!(loaded.origin("api.address"), "flag --listen");
    assert_eq!(loaded.origin("data_dir"), "environment variable SETPOINT_DATA_DIR");
    assert!(
        loaded.origin("engine.name").ends_with("setpoint.yaml"),
        "{}",
        loaded.origin("engine.name")
    );
}

#[test]
fn a_toml_file_says_the_same_as_a_yaml_file() {
    let toml =
        given().file("s.toml", "[agent]\nruntime = \"process\"\nlabels = { zone = \"a\" }\n");
    let yaml = given().file("s.yml", "agent:\n  runtime: process\n  labels: {zone: a}\n");
    assert_eq!(toml.load().settings, yaml.load().settings);
    assert_eq!(toml.load().settings.agent.runtime, Runtime::Process);
}

#[test]
fn variables_take_the_shape_of_their_key() {
    let settings = given()
        .variable("SETPOINT_CLIENT__TOKEN", "0123")
        .variable("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000")
        .variable("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "3000")
        .variable("SETPOINT_AGENT__SERVERS", "http://a:1, http://b:2")
        .variable("SETPOINT_AGENT__LABELS", "zone=a,disk=ssd")
        .variable("SETPOINT_LOG__KAFKA__BOOTSTRAP_SERVERS", "a:9092,b:9092")
        .variable("SETPOINT_DATA", "steers tests and is no setting")
        .load()
        .settings;
    assert_eq!(
        settings.client.token.reveal(),
        "0123",
        "a text that looks like a number stays text"
    );
    assert_eq!(settings.engine.policy.lease_grace_ms, 3_000);
    assert_eq!(settings.agent.servers, ["http://a:1", "http://b:2"]);
    assert_eq!(settings.agent.labels["disk"], "ssd");
    assert_eq!(settings.log.kafka.get("bootstrap.servers"), Some("a:9092,b:9092"));
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let loaded = given().secret_file("SETPOINT_CLIENT__TOKEN_FILE", "s3cret\n").load();
    assert_eq!(loaded.settings.client.token.reveal(), "s3cret");

    let tokens = given()
        .secret_file(
            "SETPOINT_API__TOKENS_FILE",
            "admin:ops:0123456789:abcdef\nnode:n1:fedcba9876543210\n",
        )
        .load();
    let tokens = tokens.settings.api.tokens;
    assert_eq!((tokens[0].role, tokens[0].token.reveal()), (Role::Admin, "0123456789:abcdef"));
    assert_eq!((tokens[1].role, tokens[1].name.as_str()), (Role::Node, "n1"));
}

#[test]
fn a_secret_set_twice_is_refused() {
    given()
        .secret_file("SETPOINT_CLIENT__TOKEN_FILE", "a")
        .variable("SETPOINT_CLIENT__TOKEN", "b")
        .refused(&expect!["invalid setting client.token from environment variable SETPOINT_CLIENT__TOKEN_FILE: SETPOINT_CLIENT__TOKEN is set too; keep one of them"]);
}

#[test]
fn shown_settings_keep_their_secrets() {
    let settings = given()
        .file("s.yaml", "log: {kafka: {sasl.password: hush, acks: all, linger.ms: 5}}")
        .variable("SETPOINT_API__TOKENS", "admin:ops:hush-hush-hush-hush")
        .variable("SETPOINT_CLIENT__TOKEN", "hush")
        .load()
        .settings;
    let shown = serde_json::to_string(&settings).expect("plain data");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(!format!("{settings:?}").contains("hush"));
    assert!(shown.contains("\"linger.ms\":\"5\""), "{shown}");
    assert_eq!(settings.log.kafka.get("sasl.password"), Some("hush"));
}

#[test]
fn a_token_that_the_api_cannot_use_is_refused_and_not_shown() {
    let cases = [
        ("[{role: admin, name: ops, token: hush}]", "the token of \"ops\" has fewer than 16 bytes"),
        (
            "[{role: admin, name: ops, token: \"hush,hush,hush,hush\"}]",
            "blanks and commas in the name or the token of \"ops\"",
        ),
    ];
    for (tokens, why) in cases {
        let given = given().file("s.yaml", &format!("api: {{tokens: {tokens}}}"));
        let error = load(&given.sources).expect_err("settings that cannot be used").to_string();
        assert!(error.contains(why) && !error.contains("hush"), "{error}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_source() {
    given().variable("SETPOINT_API__ADRESS", "x").refused(&expect![[r#"invalid setting api.adress from environment variable SETPOINT_API__ADRESS: no setting is called "adress"; here are address, tls_cert, tls_key, tokens, sealing_key"#]]);
    given().file("s.yaml", "api:\n  adress: x\n").refused(&expect![[r#"invalid setting api.adress from file DIR/s.yaml: no setting is called "adress"; here are address, tls_cert, tls_key, tokens, sealing_key"#]]);
    given().flag("--set", "nothing.here", "1").refused(&expect![[r#"invalid setting nothing from flag --set: no setting is called "nothing"; here are fleet, data_dir, log, api, engine, agent, up, client, trace"#]]);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_its_key() {
    given().variable("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "soon").refused(&expect![[r#"invalid setting engine.policy.lease_renew_ms from environment variable SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS: "soon" is not a number"#]]);
    given().file("s.yaml", "agent:\n  runtime: podman\n").refused(&expect![[r#"invalid setting agent.runtime from file DIR/s.yaml: "podman" is none of docker, process, simulated"#]]);
    given().flag("--listen", "api.address", "localhost").refused(&expect![
        "invalid setting api.address from flag --listen: invalid socket address syntax"
    ]);
    given().file("s.yaml", "fleet: Team_A\n").refused(&expect![[r#"invalid setting fleet from file DIR/s.yaml: invalid fleet id "Team_A": only lowercase letters, digits and '-' are allowed"#]]);
}

#[test]
fn a_broken_file_is_refused_with_its_place() {
    given().file("s.yaml", "a: [1\n").refused(&expect!["invalid settings from file DIR/s.yaml: did not find expected ',' or ']' at line 2 column 1, while parsing a flow sequence at line 1 column 4"]);
    given().file("s.json", "{}").refused(&expect![
        "failed to read settings file DIR/s.json: its name ends in none of .yaml, .yml, .toml"
    ]);
    let mut absent = given();
    absent.sources.file = Some(absent.dir.path().join("absent.yaml"));
    absent.refused(&expect!["failed to read settings file DIR/absent.yaml"]);
}

#[test]
fn what_must_hold_between_settings_is_checked_all_at_once() {
    given()
        .variable("SETPOINT_API__ADDRESS", "0.0.0.0:6440")
        .variable("SETPOINT_API__TLS_KEY", "key.pem")
        .variable("SETPOINT_API__SEALING_KEY", "c2hvcnQ=")
        .variable("SETPOINT_LOG__KIND", "kafka")
        .file("s.yaml", "engine: {policy: {lease_grace_ms: 4000}}\nagent: {capacity: {cpu: lots}}")
        .refused(&expect![[r#"
            invalid setting log.kind from environment variable SETPOINT_LOG__KIND: kafka needs log.kafka.bootstrap.servers
            invalid setting api.tls_key from environment variable SETPOINT_API__TLS_KEY: it is set and api.tls_cert is not
            invalid setting api.address from environment variable SETPOINT_API__ADDRESS: an address off loopback needs api.tls_cert, api.tls_key and api.tokens
            invalid setting api.sealing_key from environment variable SETPOINT_API__SEALING_KEY: it is not 32 bytes in base64
            invalid setting engine.policy.lease_grace_ms from file DIR/s.yaml: 4000 ms is not above engine.policy.lease_renew_ms, 5000 ms: every node would be lost
            invalid setting agent.capacity from file DIR/s.yaml: invalid quantity "lots": its suffix is none of n u m k M G T P E Ki Mi Gi Ti Pi Ei nor an exponent"#]]);
}

#[test]
fn a_variable_that_looks_like_a_setting_is_told_with_what_was_meant_and_never_its_value() {
    let told = |name: &str| {
        let loaded = given().variable(name, "hidden").load();
        assert!(!format!("{:?}", loaded.unknown).contains("hidden"));
        loaded.unknown.into_iter().map(|u| u.nearest).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told("SETPOINT_API_ADDRESS"), "SETPOINT_API__ADDRESS");
    assert_eq!(told("SETPOINT_DATADIR"), "SETPOINT_DATA_DIR");
    assert_eq!(told("SETPOINT_CLIENT_SERVER"), "SETPOINT_CLIENT__SERVER");
    for ours in ["SETPOINT_CONFIG", "SETPOINT_FLEET", "SETPOINT_TEST_LONG", "HOME"] {
        assert_eq!(told(ours), "", "{ours}");
    }
}

#[test]
fn a_flag_that_sets_two_keys_is_wrong_once() {
    let given = given().flag("--server", "client.server", "127.0.0.1:1").flag(
        "--server",
        "agent.servers",
        "127.0.0.1:1",
    );
    given.refused(&expect![[r#"
        invalid setting client.server from flag --server: "127.0.0.1:1" is not an address such as http://127.0.0.1:6440"#]]);
}

#[test]
fn a_workstation_keeps_what_was_said_of_its_disk_even_where_it_is_the_default() {
    let said = given().variable("SETPOINT_AGENT__PRESSURE__NODEFS_AVAILABLE", "10%");
    let mut pressure = said.load().settings.agent.pressure;
    assert_eq!((pressure.disk(), pressure.files()), ("10%", "5%"));
    pressure.of_workstation();
    assert_eq!((pressure.disk(), pressure.files()), ("10%", ""), "nobody said the other");
    let off = given().file("setpoint.yaml", "agent: {pressure: {nodefs_inodes_free: ''}}");
    let pressure = off.load().settings.agent.pressure;
    assert_eq!((pressure.disk(), pressure.files()), ("10%", ""), "said not to be looked at");
}
