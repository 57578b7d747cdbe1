//! The files under which others run us: docker-compose.yml and deploy/. Each is read by the program
//! that will read it, and its settings by our own settings.
//!
//! Absent: starting the images, which needs a registry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use setpoint_settings::{Loaded, LogKind, Runtime, Sources, load};

/// Compose parsers, the first that answers is taken: Compose v2 as a plugin, Compose as a program.
const PARSERS: &[&[&str]] = &[&["docker", "compose"], &["docker-compose"]];

/// What docker-compose.yml is there for.
const SERVICES: [&str; 4] = ["agent", "engine", "kafka", "prometheus"];

#[test]
fn a_real_compose_parser_accepts_the_compose_file() {
    let Some(parser) = parser() else { return };
    let output = command(parser, &["-f", "docker-compose.yml", "config"]);
    assert!(output.status.success(), "{parser:?}: {}", text(&output.stderr));
    let parsed: Value = serde_saphyr::from_str(&text(&output.stdout)).expect("it prints yaml");
    let services = parsed["services"].as_object().expect("services");
    let mut names: Vec<&str> = services.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, SERVICES);
    let ours: Value = services["engine"]["depends_on"]["kafka"]["condition"].clone();
    assert_eq!(ours, "service_healthy", "the parser expanded the merged service");
}

#[test]
fn a_real_compose_parser_refuses_what_is_not_a_compose_file() {
    let Some(parser) = parser() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("broken.yml");
    std::fs::write(&path, "services: {engine: {imagee: setpoint}}\n").expect("it is written");
    let output = command(parser, &["-f", path.to_str().expect("utf-8"), "config"]);
    assert!(!output.status.success(), "{parser:?} accepts an unknown key: it proves nothing");
}

#[test]
fn the_settings_in_the_compose_file_are_settings() {
    let engine = settings_of("engine").settings;
    assert_eq!(engine.log.kind, LogKind::Kafka);
    assert!(engine.api.address.ip().is_loopback());
    let agent = settings_of("agent").settings;
    assert_eq!(agent.agent.runtime, Runtime::Docker);
    let server = format!("http://{}", engine.api.address);
    assert_eq!(agent.agent.servers, [server], "the agent calls where the engine listens");
}

#[test]
fn every_file_that_the_compose_file_names_exists() {
    let file = compose_file();
    let services = file["services"].as_object().expect("services");
    for (name, service) in services {
        let volumes = service["volumes"].as_array().cloned().unwrap_or_default();
        let sources = volumes.iter().filter_map(|v| v.as_str()?.split(':').next());
        let own = sources.filter(|source| source.starts_with("./")).map(str::to_owned);
        let dockerfile = service["build"]["dockerfile"].as_str().map(str::to_owned);
        for path in own.chain(dockerfile) {
            assert!(root().join(&path).exists(), "service {name} names {path}, which is not there");
        }
    }
}

#[test]
fn the_settings_file_of_the_units_is_one() {
    let file = Some(root().join("deploy/systemd/setpoint.yaml"));
    let loaded = load(&Sources { file, ..Sources::default() }).expect("the settings load");
    assert_eq!(loaded.settings.log.kind, LogKind::Kafka);
}

#[test]
fn prometheus_accepts_its_configuration() {
    let args = ["check", "config", "deploy/prometheus/prometheus.yml"];
    if !answers(&["promtool"]) {
        return setpoint_test_support::skip("promtool, of Debian's prometheus");
    }
    let output = command(&["promtool"], &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn prometheus_scrapes_where_the_engine_listens() {
    let path = root().join("deploy/prometheus/prometheus.yml");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let parsed: Value = serde_saphyr::from_str(&text).expect("it is yaml");
    let targets = &parsed["scrape_configs"][0]["static_configs"][0]["targets"];
    assert_eq!(targets[0], settings_of("engine").settings.api.address.to_string());
}

/// The settings that a service of the compose file runs with.
fn settings_of(service: &str) -> Loaded {
    let file = compose_file();
    let variables: BTreeMap<String, String> =
        serde_json::from_value(file["services"][service]["environment"].clone())
            .expect("the environment is a table of texts");
    let environment: Vec<(String, String)> = variables.into_iter().collect();
    for (name, _) in &environment {
        assert!(name.starts_with("SETPOINT_"), "{name} is not a setting of ours");
    }
    load(&Sources { environment, ..Sources::default() }).expect("the settings load")
}

fn compose_file() -> Value {
    let text = std::fs::read_to_string(root().join("docker-compose.yml")).expect("it is there");
    serde_saphyr::from_str(&text).expect("docker-compose.yml is yaml")
}

/// A Compose parser of this machine.
fn parser() -> Option<&'static [&'static str]> {
    let found = PARSERS.iter().find(|parser| answers(parser));
    if found.is_none() {
        setpoint_test_support::skip("a Compose parser (docker compose or docker-compose)");
    }
    found.copied()
}

fn answers(program: &[&str]) -> bool {
    let flag = if program == ["promtool"] { "--version" } else { "version" };
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(flag).output().is_ok_and(|output| output.status.success())
}

fn command(program: &[&str], args: &[&str]) -> Output {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).args(args).current_dir(root());
    command.output().expect("the program starts")
}

fn root() -> PathBuf {
    setpoint_test_support::workspace()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
