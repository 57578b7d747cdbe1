//! The engine on a Kafka that wants TLS and a password: the settings pass them through, and nothing
//! that is printed tells the password.

use std::time::Duration;

use setpoint_ingest_kafka::testing::{Door, Identity, Kafka, PASSWORD, USER};

use crate::api::{Api, deployment};
use crate::house::{House, alone, free_port};

const LEADS_WITHIN: Duration = Duration::from_secs(40);
const CONVERGES_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_on_a_guarded_kafka_converges_and_tells_no_password() {
    let _alone = alone();
    let mut house = House::new(&[]);
    let identity = Identity::made(&house.path);
    let Some(kafka) = Kafka::start_with(&[Door::Scram], Some(&identity)) else { return };
    let servers = kafka.servers_at(Door::Scram);
    std::fs::write(house.path.join("password"), format!("{PASSWORD}\n")).expect("it is written");
    let guarded = [
        ("SETPOINT_LOG__KIND", "kafka"),
        ("SETPOINT_LOG__KAFKA__BOOTSTRAP_SERVERS", servers.as_str()),
        ("SETPOINT_LOG__KAFKA__BROKER_ADDRESS_FAMILY", "v4"),
        ("SETPOINT_LOG__KAFKA__SECURITY_PROTOCOL", "SASL_SSL"),
        ("SETPOINT_LOG__KAFKA__SSL_CA_LOCATION", "ca.pem"),
        ("SETPOINT_LOG__KAFKA__SASL_MECHANISMS", "SCRAM-SHA-512"),
        ("SETPOINT_LOG__KAFKA__SASL_USERNAME", USER),
    ];
    let right = [&guarded[..], &[("SETPOINT_LOG__KAFKA__SASL_PASSWORD_FILE", "password")]].concat();
    let port = free_port();
    let api = Api::new(port);
    house.start_engine_with("engine", port, &right);
    house.start_agent("node-1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    house.leads(&api, LEADS_WITHIN).await;
    api.apply(&[deployment("web", 2)]).await.expect("it is applied");
    house
        .until("two pods run", CONVERGES_WITHIN, async || {
            let pods = api.pods().await?;
            let ready = pods.values().filter(|pod| pod.ready).count();
            if ready == 2 { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    let wrong = [&guarded[..], &[("SETPOINT_LOG__KAFKA__SASL_PASSWORD", "wrong-horse")]].concat();
    house.start_engine_with("stranger", free_port(), &wrong);
    let said = house.ended("stranger", ENDS_WITHIN).await;
    assert!(said.contains("uthentication"), "{said}");
    assert!(!said.contains("wrong-horse"), "a password is told: {said}");

    let shown = house.run_with(&["config", "view"], &right);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("sasl.password") && shown.contains("<redacted>"), "{shown}");
    let all = shown + &house.log_text("engine");
    assert!(!all.contains(PASSWORD), "the password is told");
}
