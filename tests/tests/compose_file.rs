//! The files under which others run us: docker-compose.yml and deploy/. Each is read by the program
//! that will read it, and its settings by our own settings.
//!
//! Absent: starting the images, which needs a registry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use setpoint_settings::{Loaded, LogKind, Runtime, Sources, load};

/// Compose parsers, the first that answers is taken: Compose v2 as a plugin, Compose as a program.
const PARSERS: &[&[&str]] = &[&["docker", "compose"], &["docker-compose"]];

/// What debian:bookworm-slim holds of what programs are linked with.
const BASE_PACKAGES: [&str; 3] = ["libc6", "libgcc-s1", "libstdc++6"];

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
fn the_images_are_of_the_versions_that_are_built_and_tested_with() {
    let kafka = read("scripts/kafka-jars");
    let version = between(&kafka, "SETPOINT_KAFKA_VERSION:-", "}");
    assert_eq!(compose_file()["services"]["kafka"]["image"], format!("apache/kafka:{version}"));
    let toolchain = read("rust-toolchain.toml");
    let channel = between(&toolchain, "channel = \"", "\"");
    let image = read("deploy/Dockerfile");
    let built_in = between(&image, "FROM rust:", "-");
    assert!(channel.starts_with(built_in), "{built_in} builds, {channel} is pinned");
}

/// The image is not built here, which needs a registry; but what the program is linked with is
/// known: all of it must be in the base image or be installed by the last stage.
#[test]
fn the_image_has_every_library_that_the_program_is_linked_with() {
    let image = read("deploy/Dockerfile");
    let (_, stage) = image.rsplit_once("\nFROM ").expect("a last stage");
    let installed = between(stage, "--no-install-recommends ", "\\");
    let installed: Vec<&str> = installed.split_whitespace().collect();
    if !answers(&["dpkg-query"]) {
        return setpoint_test_support::skip("dpkg-query, of Debian");
    }
    let program = setpoint();
    let linked = command(&["ldd"], &[program.to_str().expect("utf-8")]);
    let linked = text(&linked.stdout);
    let libraries: Vec<&str> = linked.lines().filter_map(library).collect();
    assert!(libraries.len() > 2, "{linked}");
    for name in libraries {
        let owner = command(&["dpkg-query"], &["--search", &format!("*/{name}")]);
        let owner = text(&owner.stdout);
        let has =
            |package: &&str| owner.lines().any(|line| line.starts_with(&format!("{package}:")));
        let known = BASE_PACKAGES.iter().chain(&installed).any(has);
        assert!(known, "{name} is in none of {BASE_PACKAGES:?}, {installed:?}; it is in {owner}");
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
    serde_saphyr::from_str(&read("docker-compose.yml")).expect("docker-compose.yml is yaml")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("nothing between {before:?} and {after:?}")).0
}

/// The file name of a library in a line such as `libz.so.1 => /lib/…/libz.so.1 (0x…)`.
fn library(line: &str) -> Option<&str> {
    let (_, path) = line.split_once(" => ")?;
    path.split_whitespace().next()?.rsplit('/').next()
}

/// The program: beside the folder of the test executables.
fn setpoint() -> PathBuf {
    let test = std::env::current_exe().expect("this test's path");
    let beside = test.parent().and_then(Path::parent).map(|folder| folder.join("setpoint"));
    beside.filter(|path| path.is_file()).expect("the program is built: cargo build -p setpoint")
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
    let composes = PARSERS.contains(&program);
    let flag = if composes { "version" } else { "--version" };
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
