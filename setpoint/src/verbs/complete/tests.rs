use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser};
use serde_json::json;
use setpoint_settings::{Flag, Sources, load};

use super::lines;
use crate::cli::Cli;
use crate::context::Context;
use crate::verbs::tests::{Fake, pod};

/// Longer than a busy machine takes for a server of its own.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is waited for a server that never answers.
const SHORT: Duration = Duration::from_millis(50);

/// The candidates for a command line, whose last word is the one that is written.
async fn candidates(server: &str, words: &[&str]) -> Vec<String> {
    candidates_within(server, words, PATIENCE).await
}

/// The same where the server may take as long as this.
async fn candidates_within(server: &str, words: &[&str], patience: Duration) -> Vec<String> {
    let mut line = Cli::command();
    line.build();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let context = |_: &[(String, String)]| {
        let flags = vec![Flag::new("--server", "client.server", server)];
        let settings = load(&Sources { flags, ..Sources::default() }).expect("settings").settings;
        Context::new(settings).ok()
    };
    let found = lines(&words, &line, patience, context).await;
    found.iter().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

/// A server that nobody reaches.
const NOBODY: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn verbs_flags_and_values_are_known_without_the_api() {
    let table: &[(&[&str], &[&str])] = &[
        (&["ap"], &["api-resources", "apply"]),
        (&["roll"], &["rollout"]),
        (&["rollout", "un"], &["undo"]),
        (&["--server", "x", "-n"], &[]),
        (&["get", "--no-h"], &["--no-headers"]),
        (&["get", "-o", "jsonpath"], &["jsonpath-file=", "jsonpath="]),
        (&["get", "--output=y"], &["--output=yaml"]),
        (&["apply", "--dry-run", "=", "s"], &["server"]),
        (&["patch", "deploy/web", "--type=s"], &["--type=strategic"]),
        (&["completion", "z"], &["zsh"]),
        (&["node", "conf"], &["confirm-lost"]),
        (&["get", "deploy"], &["deployments"]),
        (&["get", "pods,no"], &["pods,nodes"]),
        (&["rollout", "status", "st"], &["statefulsets"]),
        (&["rollout", "status", "po"], &[]),
        (&["exec", "web-1", "--", "l"], &[]),
        (&["apply", "-f", ""], &[":files"]),
        (&["apply", "--filename=x"], &[":files"]),
    ];
    for (words, some) in table {
        let found = candidates(NOBODY, words).await;
        let mut wanted: Vec<&str> = some.to_vec();
        wanted.sort_unstable();
        let mut sorted: Vec<&str> = found.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, wanted, "{words:?}");
    }
    let verbs = candidates(NOBODY, &[""]).await;
    for verb in ["apply", "deadletter", "edit", "patch", "get"] {
        assert!(verbs.contains(&verb.to_owned()), "{verb}: {verbs:?}");
    }
    assert!(!verbs.iter().any(|verb| verb.starts_with("__")), "{verbs:?}");
}

#[tokio::test]
async fn names_are_those_that_the_api_has_in_the_namespace_that_was_said() {
    let list = |names: &[&str]| {
        let items: Vec<_> = names.iter().map(|name| pod(name, "n1", "ReplicaSet")).collect();
        json!({"items": items})
    };
    let get = |namespace: &str| format!("GET /api/v1/namespaces/{namespace}/pods?limit=1000");
    let template =
        json!({"spec": {"containers": [{"name": "main"}], "initContainers": [{"name": "first"}]}});
    let fake = Fake::default()
        .answer(&get("default"), 200, list(&["web-1", "web-2", "db"]))
        .answer(&get("shop"), 200, list(&["cart"]))
        .answer("GET /api/v1/pods?limit=1000", 200, list(&["everywhere"]))
        .answer("GET /api/v1/nodes?limit=1000", 200, list(&["n1", "n2"]))
        .answer("GET /api/v1/namespaces?limit=1000", 200, list(&["default", "shop"]))
        .answer("GET /api/v1/namespaces/default/pods/web-1", 200, pod("web-1", "n1", "Pod"))
        .answer(
            "GET /apis/apps/v1/namespaces/default/deployments/web",
            200,
            json!({"spec": {"template": template}}),
        );
    let server = fake.start().await;
    let table: &[(&[&str], &[&str])] = &[
        (&["get", "pods", "w"], &["web-1", "web-2"]),
        (&["get", "pods", "web-1", ""], &["db", "web-2"]),
        (&["get", "pods", "-n", "shop", ""], &["cart"]),
        (&["get", "pods", "-nshop", ""], &["cart"]),
        (&["-s", "x", "get", "--namespace=shop", "po", ""], &["cart"]),
        (&["get", "pods", "-A", ""], &["everywhere"]),
        (&["describe", "pod/we"], &["pod/web-1", "pod/web-2"]),
        (&["get", "pods/web-1", ""], &[]),
        (&["logs", "d"], &["db"]),
        (&["logs", "-f", "web-1", "-c", ""], &["a"]),
        (&["exec", "deploy/web", "-c", ""], &["first", "main"]),
        (&["drain", ""], &["n1", "n2"]),
        (&["get", "pods", "-n", ""], &["default", "shop"]),
        (&["get", "pods", "--namespace=s"], &["--namespace=shop"]),
        (&["decisions", "--pod", "db"], &["db"]),
        (&["get", "secrets", ""], &[]),
        (&["get", "nosuch", ""], &[]),
    ];
    for (words, wanted) in table {
        assert_eq!(candidates(&server, words).await, *wanted, "{words:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = format!("http://{}", silent.local_addr().expect("it listens"));
    let began = Instant::now();
    let found = candidates_within(&server, &["get", "pods", ""], SHORT).await;
    assert_eq!(found, Vec::<String>::new());
    let found = candidates_within(&server, &["get", "pod"], SHORT).await;
    assert_eq!(found, ["poddisruptionbudgets", "pods"]);
    // The client by itself would wait as long for the first of them.
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn the_words_may_hold_dashes_as_command_lines_do() {
    let lines: &[&[&str]] = &[&["exec", "web", "--", "ls"], &["--server"], &["-n", "x", "get"]];
    for words in lines {
        let line = ["setpoint", "__complete", "--"].iter().chain(*words);
        assert!(Cli::try_parse_from(line).is_ok(), "{words:?}");
    }
}
