//! Which crate may depend on which: the arrows of ARCHITECTURE.md, held against `cargo metadata`.
//!
//! Guarantee: an arrow that is not in the table fails, with the line to remove or the row to change.
//! Absent: dev-dependencies of libraries from outside (a test may use what it likes).

mod circles;

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// A crate of the house and the crates that it may stand on. Names without `setpoint-`.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
}

const fn room(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room { name, may_use }
}

/// What wires or tests the whole house may use every room.
const ALL: &[&str] = &["*"];

/// From the ground up. `agent → actuators` stands in decision record 0002.
const ARROWS: &[Room] = &[
    room("schemas", &[]),
    room("settings", &["schemas"]),
    room("slab", &[]),
    room("patch", &[]),
    room("rules", &["patch", "schemas"]),
    room("placement", &["schemas"]),
    room("views", &[]),
    room("dataflow", &["rules", "placement", "views", "slab", "schemas"]),
    room("store", &["schemas"]),
    room("ingest", &["schemas"]),
    room("ingest-kafka", &["ingest", "schemas"]),
    room("ingest-embedded", &["ingest", "schemas"]),
    room("ingest-registry", &["ingest", "schemas"]),
    room("ingest-docker", &["ingest", "schemas"]),
    room("ingest-manifest", &["ingest", "schemas"]),
    room("api", &["patch", "slab", "schemas"]),
    room("actuators", &["schemas"]),
    room("actuator-docker", &["actuators", "schemas"]),
    room("actuator-process", &["actuators", "schemas"]),
    room("actuator-simulated", &["actuators", "schemas"]),
    room("agent", &["actuators", "schemas"]),
    room("setpoint", ALL),
    room("tests", ALL),
    room("test-support", &[]),
    room("benches", ALL),
];

/// A library from outside and the only crates that may name it (dev-dependencies are free).
const LIBRARIES: &[Room] = &[
    room("timely", &["views"]),
    room("differential-dataflow", &["views"]),
    room("rdkafka", &["ingest-kafka", "benches"]),
    room("bollard", &["ingest-docker", "actuator-docker"]),
    room("rocksdb", &["store", "ingest-embedded"]),
    room("axum", &["api", "benches"]),
];

/// The crates that decide, and what must not be under them at any depth: no runtime, no network.
const PURE: &[&str] = &["schemas", "patch", "slab", "rules", "placement", "views", "dataflow"];
const IMPURE: &[&str] = &["tokio", "mio", "reqwest", "hyper", "rocksdb", "rdkafka"];

/// One normal dependency: who, on what.
type Arrow = (String, String);

#[test]
fn every_arrow_between_our_crates_is_in_the_table() {
    assert_none(&forbidden_arrows(&our_arrows(&metadata())));
}

#[test]
fn every_crate_is_in_the_table_and_every_row_is_a_crate() {
    let crates: BTreeSet<String> =
        metadata().workspace_packages().iter().map(|package| short(&package.name)).collect();
    let rows: BTreeSet<String> = ARROWS.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(
        crates, rows,
        "ARROWS in tests/tests/arrows/main.rs does not list the crates that exist"
    );
}

#[test]
fn each_library_stays_in_its_room() {
    assert_none(&strayed_libraries(&all_arrows(&metadata())));
}

#[test]
fn nothing_that_decides_stands_on_a_runtime() {
    assert_none(&impure_paths(&resolved(&metadata())));
}

#[test]
fn a_forbidden_arrow_is_named_with_its_remedy() {
    let arrows = [arrow("rules", "store"), arrow("rules", "schemas"), arrow("tests", "store")];
    assert_eq!(
        forbidden_arrows(&arrows),
        [
            "rules -> store is forbidden: rules may use [patch, schemas] only; remove setpoint-store from \
          [dependencies] of setpoint-rules, or change its row in ARROWS and say why in \
          docs/decisions"
        ]
    );
}

#[test]
fn a_library_out_of_its_room_is_named() {
    let arrows = [arrow("api", "rocksdb"), arrow("store", "rocksdb")];
    assert_eq!(
        strayed_libraries(&arrows),
        ["api uses rocksdb, which only [store, ingest-embedded] may"]
    );
}

#[test]
fn a_runtime_under_a_deciding_crate_is_named_with_the_way_to_it() {
    let graph: Graph = [("rules", vec!["a"]), ("a", vec!["b"]), ("b", vec!["tokio"])]
        .into_iter()
        .map(|(name, on)| (name.to_owned(), on.into_iter().map(str::to_owned).collect()))
        .collect();
    assert_eq!(impure_paths(&graph), ["rules stands on tokio: rules -> a -> b -> tokio"]);
}

/// Every normal arrow between our crates that its row does not allow.
fn forbidden_arrows(arrows: &[Arrow]) -> Vec<String> {
    let allowed = |from: &str, to: &str| {
        row(from).is_some_and(|row| row.may_use == ALL || row.may_use.contains(&to))
    };
    arrows
        .iter()
        .filter(|(from, to)| !allowed(from, to))
        .map(|(from, to)| {
            let list = row(from).map_or(String::new(), |row| row.may_use.join(", "));
            format!(
                "{from} -> {to} is forbidden: {from} may use [{list}] only; remove setpoint-{to} \
                 from [dependencies] of setpoint-{from}, or change its row in ARROWS and say why \
                 in docs/decisions"
            )
        })
        .collect()
}

/// Every use of a library by a crate that is not its room.
fn strayed_libraries(arrows: &[Arrow]) -> Vec<String> {
    let mut strayed = Vec::new();
    for library in LIBRARIES {
        for (from, _) in arrows.iter().filter(|(_, to)| to == library.name) {
            if !library.may_use.contains(&from.as_str()) {
                let rooms = library.may_use.join(", ");
                strayed.push(format!("{from} uses {}, which only [{rooms}] may", library.name));
            }
        }
    }
    strayed
}

/// Normal dependencies as they resolve: a crate's name to the names that it stands on.
type Graph = BTreeMap<String, Vec<String>>;

/// For each deciding crate, the shortest way to each thing that must not be under it.
fn impure_paths(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for pure in PURE {
        for path in paths_from(graph, pure) {
            if let Some(last) = path.last().filter(|last| IMPURE.contains(&last.as_str())) {
                found.push(format!("{pure} stands on {last}: {}", path.join(" -> ")));
            }
        }
    }
    found
}

/// The shortest path to everything under `start`, breadth first.
fn paths_from(graph: &Graph, start: &str) -> Vec<Vec<String>> {
    let mut paths = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut next = 0;
    while next < paths.len() {
        let path = paths[next].clone();
        for on in path.last().and_then(|name| graph.get(name)).into_iter().flatten() {
            if seen.insert(on.clone()) {
                paths.push(path.iter().cloned().chain([on.clone()]).collect());
            }
        }
        next += 1;
    }
    paths
}

/// The workspace with its resolved graph, for this platform only.
fn metadata() -> Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(setpoint_test_support::workspace().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), platform])
        .exec()
        .expect("cargo metadata answers")
}

/// Normal and build dependencies of our crates as their manifests name them.
fn all_arrows(metadata: &Metadata) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Development {
                arrows.push((short(&package.name), short(&dependency.name)));
            }
        }
    }
    arrows
}

/// The same, between our own crates.
fn our_arrows(metadata: &Metadata) -> Vec<Arrow> {
    let ours: BTreeSet<String> =
        metadata.workspace_packages().iter().map(|package| short(&package.name)).collect();
    let mut arrows = all_arrows(metadata);
    arrows.retain(|(_, to)| ours.contains(to));
    arrows
}

/// The resolved graph by name, without dev-dependencies.
fn resolved(metadata: &Metadata) -> Graph {
    let resolve = metadata.resolve.as_ref().expect("cargo metadata resolves");
    let mut graph = Graph::new();
    for node in &resolve.nodes {
        let on = node.deps.iter().filter(|dependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
        });
        let on = on.map(|dependency| short(&metadata[&dependency.pkg].name));
        graph.entry(short(&metadata[&node.id].name)).or_default().extend(on);
    }
    graph
}

fn row(name: &str) -> Option<&'static Room> {
    ARROWS.iter().find(|row| row.name == name)
}

fn short(name: &str) -> String {
    name.strip_prefix("setpoint-").unwrap_or(name).to_owned()
}

fn arrow(from: &str, to: &str) -> Arrow {
    (from.to_owned(), to.to_owned())
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}
