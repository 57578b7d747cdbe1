//! A port of a pod, reached from its node for a caller elsewhere.
//!
//! Guarantee: the connection ends with the caller, and the caller's with the pod's. What one side does not
//! take makes the other wait.
//! Absent: ports that a program opens on the loopback of its own network alone: only its pod reaches those.

use std::time::Duration;

use setpoint_actuators::session::{Ends, Input, Output, PIECE_BYTES_MAX, Session};
use setpoint_actuators::{Actuator, ActuatorError};
use setpoint_schemas::PodUid;
use setpoint_schemas::call::ForwardOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A program that does not take a connection within this does not take it.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Where a pod is that has its machine's network.
const LOOPBACK: &str = "127.0.0.1";

/// A connection to a port of a pod, as a session.
///
/// # Errors
/// Permanent with reason `NotFound` when the pod is not here, or has no address; transient when it takes no
/// connection.
pub(super) async fn open(
    actuator: &dyn Actuator,
    uid: &PodUid,
    options: &ForwardOptions,
) -> Result<Session, ActuatorError> {
    let address = address(&actuator.address(uid).await?, options)?;
    let dial = TcpStream::connect((address.as_str(), options.port));
    let stream = timeout(CONNECT_MAX, dial).await.map_err(|_| "it does not answer".to_owned());
    let stream = stream.and_then(|dialed| dialed.map_err(|error| error.to_string()));
    let stream = stream.map_err(|why| {
        let message =
            format!("failed to reach port {} of the pod at {address}: {why}", options.port);
        ActuatorError::transient("Unreachable", message)
    })?;
    // What is typed is not held back.
    let _ = stream.set_nodelay(true);
    let (session, ends) = Session::pair();
    tokio::spawn(carry(stream, ends));
    Ok(session)
}

/// Where the pod is reached from its node.
fn address(own: &str, options: &ForwardOptions) -> Result<String, ActuatorError> {
    match own {
        "" if options.host_network => Ok(LOOPBACK.to_owned()),
        "" => {
            let message = "the pod has no address: it has not started, or has no network";
            Err(ActuatorError::permanent("NotFound", message))
        }
        own => Ok(own.to_owned()),
    }
}

/// Carries bytes both ways, until the pod has ended the connection or the caller has gone.
async fn carry(stream: TcpStream, ends: Ends) {
    let (from, to) = stream.into_split();
    let Ends { input, output } = ends;
    tokio::select! {
        () = hear(from, output) => {}
        () = tell(to, input) => {}
    }
}

/// Passes on what the pod says, and its end.
async fn hear(mut from: OwnedReadHalf, output: mpsc::Sender<Output>) {
    let mut piece = vec![0; PIECE_BYTES_MAX];
    loop {
        let said = match from.read(&mut piece).await {
            Ok(0) => Output::Ended(Ok(0)),
            Ok(bytes) => Output::Stdout(piece[..bytes].to_vec()),
            Err(error) => {
                let message = format!("the pod broke the connection: {error}");
                Output::Ended(Err(ActuatorError::transient("Broken", message)))
            }
        };
        let is_last = matches!(said, Output::Ended(_));
        if output.send(said).await.is_err() || is_last {
            return;
        }
    }
}

/// Passes on what the caller says, until it has gone. A pod that takes nothing more may still have to say
/// something.
async fn tell(mut to: OwnedWriteHalf, mut input: mpsc::Receiver<Input>) {
    while let Some(said) = input.recv().await {
        let _ = match said {
            Input::Bytes(bytes) => to.write_all(&bytes).await,
            Input::End => to.shutdown().await,
            Input::Size(..) => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_pod_without_an_address_is_at_its_machines_where_it_has_that_network() {
        let options = |host_network| ForwardOptions { port: 80, host_network };
        let at = |own, host_network| address(own, &options(host_network)).ok();
        assert_eq!(at("10.0.0.5", false).as_deref(), Some("10.0.0.5"));
        assert_eq!(at("", true).as_deref(), Some(LOOPBACK));
        assert_eq!(at("", false), None);
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_the_end_of_one_side_is_told() {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let stream = TcpStream::connect((LOOPBACK, port)).await.expect("it listens");
        let (mut pod, _) = listener.accept().await.expect("it is called");
        let (mut session, ends) = Session::pair();
        tokio::spawn(carry(stream, ends));
        assert!(session.input.send(Input::Bytes(b"ask".to_vec())).await.is_ok());
        assert!(session.input.send(Input::End).await.is_ok());
        let mut asked = String::new();
        pod.read_to_string(&mut asked).await.expect("it ends");
        assert_eq!(asked, "ask", "what is said is read to its end");
        pod.write_all(b"answer").await.expect("it is still heard");
        drop(pod);
        let mut answer = Vec::new();
        let ended = loop {
            match session.output.recv().await {
                Some(Output::Stdout(bytes)) => answer.extend(bytes),
                Some(Output::Ended(ended)) => break ended.ok(),
                Some(Output::Stderr(_)) | None => break None,
            }
        };
        assert_eq!((answer.as_slice(), ended), (&b"answer"[..], Some(0)));
    }

    #[tokio::test]
    async fn a_caller_that_goes_ends_the_connection() {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let stream = TcpStream::connect((LOOPBACK, port)).await.expect("it listens");
        let (mut pod, _) = listener.accept().await.expect("it is called");
        let (session, ends) = Session::pair();
        tokio::spawn(carry(stream, ends));
        drop(session);
        let mut rest = Vec::new();
        pod.read_to_end(&mut rest).await.expect("it ends");
        assert!(rest.is_empty());
    }
}
