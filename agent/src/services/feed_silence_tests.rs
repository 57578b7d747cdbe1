//! A watch whose server falls silent, as on a line that was cut.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt;
use serde_json::json;
use setpoint_schemas::{FleetId, NodeName};

use super::*;
use crate::AgentOptions;

/// How often a test looks again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Ten seconds in all: far below the silence that a watch waits for.
const LOOKS_MAX: u32 = 200;

/// An API that can be away.
#[derive(Clone, Default)]
struct Server(Arc<AtomicBool>);

impl Server {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let router = Router::new()
            .route("/readyz", get(ready))
            .route("/watched", get(watched))
            .with_state(self.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        url
    }
}

async fn ready(State(server): State<Server>) -> (StatusCode, Json<Value>) {
    let is_away = server.0.load(Ordering::Relaxed);
    let code = if is_away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(json!({})))
}

/// Tells what there is, or what is new, and then nothing more, without an end.
async fn watched(Query(query): Query<std::collections::BTreeMap<String, String>>) -> Body {
    let line = |kind: &str, name: &str, version: &str| {
        json!({"type": kind, "object": {"metadata":
            {"namespace": "d", "name": name, "resourceVersion": version}}})
    };
    let mut end = line("BOOKMARK", "", "7");
    end["object"]["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    let lines = match query.get("resourceVersion").map(String::as_str) {
        Some("7") => vec![line("ADDED", "later", "9")],
        _ => vec![line("ADDED", "first", "3"), end],
    };
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let said = futures::stream::iter([Ok::<_, Infallible>(text)]);
    Body::from_stream(said.chain(futures::stream::pending()))
}

#[tokio::test]
async fn a_watch_that_fell_silent_in_an_outage_is_begun_again_soon_after_it() {
    let server = Server::default();
    let url = server.start().await;
    let (fleet, node) = (FleetId::parse("f").expect("valid"), NodeName::parse("n").expect("valid"));
    let api = Api::new(&AgentOptions::new(fleet, node, &url, "/nowhere".into())).expect("a client");
    let api = Arc::new(api);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (following, hearing) = (api.clone(), heard.clone());
    let task = tokio::spawn(async move {
        let hear = |word: Word<'_>| {
            if let Word::Is(object) = word {
                hearing.lock().expect("no panic").push(name_of(object).1);
            }
        };
        follow(following, "/watched", hear).await;
    });
    let reaches = async |wanted: &[&str]| {
        for _ in 0..LOOKS_MAX {
            if *heard.lock().expect("no panic") == wanted {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("heard {:?}, and not {wanted:?}", heard.lock());
    };
    reaches(&["first"]).await;
    server.0.store(true, Ordering::Relaxed);
    assert!(api.get::<Value>("/readyz").await.is_err(), "it is away");
    server.0.store(false, Ordering::Relaxed);
    let began = Instant::now();
    api.get::<Value>("/readyz").await.expect("it is back");
    reaches(&["first", "later"]).await;
    assert!(began.elapsed() < SILENCE_MAX / 4, "{:?}", began.elapsed());
    task.abort();
}
