//! The requests of hooks: what a container wants to be told before it ends or after it has started.
//!
//! They go the way that probes go: the same client, the same words. A hook has no time of its own;
//! whoever runs it bounds it.

use std::sync::OnceLock;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use setpoint_actuators::Call;
use setpoint_schemas::{HttpGetAction, ProbePort};

use super::http;
use crate::probes::checkup::Answer;

/// A request that is not answered by then never is.
const ANSWER_MAX: Duration = Duration::from_secs(600);

/// Sends the requests of hooks.
#[derive(Default)]
pub(crate) struct Caller {
    /// Made when it is needed first.
    client: OnceLock<Result<reqwest::Client, String>>,
}

impl Call for Caller {
    fn get<'a>(
        &'a self,
        request: &'a HttpGetAction,
        host: &'a str,
    ) -> BoxFuture<'a, Result<(), String>> {
        self.send(request, host).boxed()
    }
}

impl Caller {
    async fn send(&self, request: &HttpGetAction, host: &str) -> Result<(), String> {
        let port = match &request.port {
            ProbePort::Number(number) => u16::try_from(*number).ok().filter(|port| *port > 0),
            ProbePort::Name(_) => None,
        };
        let port = port.ok_or("the container has no such port")?;
        let client = self.client.get_or_init(http::client).as_ref().map_err(Clone::clone)?;
        match http::ask(client, request, (host, port), ANSWER_MAX).await {
            Answer::Passed => Ok(()),
            Answer::Failed(why) | Answer::Unknown(why) => Err(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn a_hook_has_succeeded_when_it_is_answered_well() {
        let well = get(|| async { "bye" });
        let badly = get(|| async { StatusCode::INTERNAL_SERVER_ERROR });
        let routes = Router::new().route("/well", well).route("/badly", badly);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let serving = tokio::spawn(async { axum::serve(listener, routes).await });
        let caller = Caller::default();
        for (path, port, is_well) in
            [("/well", port, true), ("/badly", port, false), ("/well", 0, false)]
        {
            let port = ProbePort::Number(i32::from(port));
            let path = Some(path.to_owned());
            let request = HttpGetAction { path, port, ..HttpGetAction::default() };
            assert_eq!(caller.get(&request, "127.0.0.1").await.is_ok(), is_well, "{request:?}");
        }
        serving.abort();
    }
}
