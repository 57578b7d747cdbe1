//! A connection that opens, and is closed at once.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dial;
use crate::probes::checkup::Answer;

pub(super) async fn ask(to: (&str, u16), within: Duration) -> Answer {
    match timeout(within, TcpStream::connect(to)).await {
        Ok(Ok(_closed)) => Answer::Passed,
        Ok(Err(error)) => Answer::Failed(dial::refused(to, &error)),
        Err(_) => Answer::Failed(dial::late(to)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_listens_passes_and_who_does_not_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let within = Duration::from_secs(5);
        assert_eq!(ask(("127.0.0.1", port), within).await, Answer::Passed);
        drop(listener);
        let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
        assert_eq!(ask(("127.0.0.1", port), within).await, Answer::Failed(refused));
    }
}
