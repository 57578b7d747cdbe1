//! Connections that are only held keep nobody out.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::auth::{ADMIN, guards};
use crate::common::{Server, server_for};

/// Room for eight connections, two of them of strangers.
const ROOM: usize = 8;
const NODES: &str = "/api/v1/nodes";

async fn idle(server: &Server) -> TcpStream {
    let address = server.base.split("://").nth(1).unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Whether the server closes it by then.
async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(within, stream.read(&mut byte)).await;
    matches!(read, Ok(Ok(0) | Err(_)))
}

async fn asked(server: &Server, client: &reqwest::Client) -> u16 {
    let call = client.get(format!("{}{NODES}", server.base)).bearer_auth(ADMIN);
    call.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn strangers_leave_for_those_who_come_and_who_may_call_is_served_on() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, tokens) = guards(&folder);
    let server = server_for(ROOM, Some(tls), Some(tokens)).await;
    let before = server.client.clone();
    assert_eq!(asked(&server, &before).await, 200);
    let mut held = Vec::new();
    for _ in 0..10 * ROOM {
        held.push(idle(&server).await);
    }
    assert!(is_closed(&mut held[0], Duration::from_secs(5)).await, "the first leave");
    assert_eq!(asked(&server, &before).await, 200, "an agent that was there");
    let later = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy();
    assert_eq!(asked(&server, &later.build().unwrap()).await, 200, "an operator who comes");
}

#[tokio::test]
async fn a_wrong_token_makes_nobody_known() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, tokens) = guards(&folder);
    let server = server_for(ROOM, Some(tls), Some(tokens)).await;
    let refused = |token: &str| {
        let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy();
        let (client, token) = (client.build().unwrap(), token.to_owned());
        let url = format!("{}{NODES}", server.base);
        async move { (client.get(url).bearer_auth(token).send().await.unwrap().status(), client) }
    };
    let mut kept = Vec::new();
    for count in 0..2 * ROOM {
        let (status, client) = refused(&format!("no-such-token-{count}")).await;
        assert_eq!(status.as_u16(), 401);
        kept.push(client);
    }
    assert_eq!(asked(&server, &server.client).await, 200);
}

#[tokio::test]
async fn who_says_nothing_is_sent_away_in_time_and_a_watch_is_not() {
    let server = server_for(ROOM, None, None).await;
    let url = format!("{}{NODES}?watch=1", server.base);
    let mut watch = server.client.get(url).send().await.unwrap();
    let began = Instant::now();
    let mut silent = idle(&server).await;
    assert!(is_closed(&mut silent, Duration::from_secs(40)).await, "it is closed");
    assert!(began.elapsed() > Duration::from_secs(5), "not at once: {:?}", began.elapsed());
    let open = tokio::time::timeout(Duration::from_secs(5), watch.chunk()).await;
    assert!(!matches!(open, Ok(Ok(None) | Err(_))), "the watch is open: {open:?}");
}
