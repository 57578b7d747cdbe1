//! The verbs that tell why, on the real program: `explain`, `decisions`, `deadletter`.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppenderKind, Log};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{DeadLetter, Request, RequestId, RequestItem, Verb};

use crate::api::{Api, deployment};
use crate::house::{House, LEADS_WITHIN, alone, free_port};

const CONVERGES_WITHIN: Duration = Duration::from_secs(60);

/// What a verb says on both streams; it must end with this code and say all of these.
fn says(output: &Output, code: i32, wanted: &[&str]) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8(said).expect("text");
    let missing: Vec<&&str> = wanted.iter().filter(|part| !said.contains(**part)).collect();
    assert!(
        output.status.code() == Some(code) && missing.is_empty(),
        "{}, wanted {code}; missing: {missing:?}\n{said}",
        output.status
    );
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_how_it_stands_and_why_not_elsewhere() {
    let _alone = alone();
    let (mut house, api, name) = two_nodes_where_two_of_three_workloads_wait().await;
    let verb = |arguments: &str| house.verb(&api.base, arguments);
    let sentence = "0/2 nodes are available: 2 Insufficient cpu.";
    let nodes = ["node-1: Insufficient cpu (", "node-2: Insufficient cpu ("];
    says(&verb("explain deployment/big"), 0, &[sentence, nodes[0], nodes[1], "1 desired"]);
    says(&verb("explain deploy picky"), 0, &["0/2 nodes are available: 2 node(s) didn't match"]);
    let settled = ["settled: 2 of 2 pods are available", "2 placed", "fewer pods than desired"];
    says(&verb("explain deployment web"), 0, &settled);
    let pod = format!("pod/{name}");
    let placed = [format!("Place {name} on node-"), "and is ready".to_owned()];
    says(&verb(&format!("explain {pod}")), 0, &[&placed[0], &placed[1], "looked at:"]);
    let told: Value =
        serde_json::from_slice(&verb("explain deployment/big -o json").stdout).expect("JSON");
    assert_eq!((&told["settled"], &told["nodes"][1]["fits"]), (&json!(false), &json!(false)));
    assert_eq!(told["nodes"][1]["refusals"][0]["reasons"], json!(["Insufficient cpu"]));
    says(&verb("explain pod/nobody"), 1, &["nothing is known of pod \"nobody\" in default"]);
    says(&verb("explain pod pod/nobody"), 2, &["write pod/nobody, or pod nobody"]);
    says(
        &verb("explain node/node-1"),
        0,
        &["ready, its lease is renewed", "pods are placed on it"],
    );

    // By any of its names, and after it is gone.
    says(&verb(&format!("decisions --pod {pod}")), 0, &["Place", &name]);
    says(&verb(&format!("delete {pod}")), 0, &["deleted"]);
    house
        .until("another pod took its place", CONVERGES_WITHIN, async || {
            let pods = api.pods().await?;
            let others = pods.values().filter(|pod| pod.ready && pod.name != name).count();
            if others == 2 { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    let verb = |arguments: &str| house.verb(&api.base, arguments);
    says(&verb(&format!("decisions --pod {name}")), 0, &["Place", "Stop", &name]);
    says(&verb(&format!("explain {pod}")), 0, &["its deletion was asked for", &name]);
    house.kill("engine");
    house.start_engine("engine", api.port);
    house.leads(&api, LEADS_WITHIN).await;
    let said = house.verb(&api.base, &format!("decisions --pod {pod}"));
    says(&said, 0, &["Stop", &name]);
}

/// `web` runs; `big` asks for more than a node has, `picky` for a zone that there is none of. The name
/// of one of `web`'s pods.
async fn two_nodes_where_two_of_three_workloads_wait() -> (House, Api, String) {
    let mut house = House::new(&[("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000")]);
    let api = Api::new(free_port());
    house.start_engine("engine", api.port);
    house.start_agent("node-1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    let zoned = [("SETPOINT_AGENT__RUNTIME", "process"), ("SETPOINT_AGENT__LABELS__ZONE", "b")];
    house.start_agent("node-2", &api.base, &zoned);
    house.leads(&api, LEADS_WITHIN).await;
    let mut big = deployment("big", 1);
    let container = "/spec/template/spec/containers/0/resources/requests/cpu";
    *big.pointer_mut(container).expect("the field") = json!("1000");
    let mut picky = deployment("picky", 1);
    picky["spec"]["template"]["spec"]["nodeSelector"] = json!({"zone": "c"});
    api.apply(&[deployment("web", 2), big, picky]).await.expect("it is applied");
    let name = house
        .until("web runs and big waits", CONVERGES_WITHIN, async || {
            let pods = api.pods().await?;
            let ready: Vec<_> = pods.values().filter(|pod| pod.ready).collect();
            let status = api.get("/setpoint/v1/status").await?;
            match (ready.as_slice(), status["nodes"]["total"] == 2) {
                ([one, _], true) => Ok(one.name.clone()),
                _ => Err(format!("{} ready, {status}", ready.len())),
            }
        })
        .await;
    (house, api, name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_shown_and_replayed_or_says_why_not() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &[]).await;
    says(&house.verb(&api.base, "deadletter list"), 0, &["POSITION"]);
    house.kill("engine");
    let offsets = leave_letters(&house.path.join("engine/log"));
    house.start_engine("engine", api.port);
    house.leads(&api, LEADS_WITHIN).await;

    let verb = |arguments: &str| house.verb(&api.base, arguments);
    let [good, broken] = offsets.map(|offset| format!("setpoint.requests/0@{offset}"));
    says(&verb("deadletter list"), 0, &[&good, &broken, "written by a later version"]);
    says(&verb(&format!("deadletter show {good}")), 0, &["reason: written by", "old-1"]);
    says(&verb(&format!("deadletter replay {broken}")), 1, &["it still cannot be used"]);
    says(&verb("deadletter replay setpoint.pods/0@1"), 1, &["no dead letter of the record"]);
    says(&verb("deadletter replay nonsense"), 2, &["is not TOPIC/PARTITION@OFFSET"]);
    says(&verb(&format!("deadletter replay {good}")), 0, &["appended again as setpoint.requests"]);
    house
        .until("the replayed request was decided", CONVERGES_WITHIN, async || {
            api.get("/api/v1/namespaces/default/configmaps/late").await
        })
        .await;
}

/// Two letters as another version could have left them: one can be read today, one cannot. Their
/// offsets.
fn leave_letters(path: &std::path::Path) -> [i64; 2] {
    let writer = Writer::new(Codec::single_object(), "/setpoint/test");
    let item = RequestItem {
        verb: Verb::Apply,
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: "default".to_owned(),
        name: "late".to_owned(),
        subresource: String::new(),
        body: json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "late", "namespace": "default"}, "data": {"a": "b"}})
        .to_string(),
        expected_version: None,
    };
    let request = Request {
        id: RequestId::parse("old-1").expect("an id"),
        time_ms: 1,
        actor: "ada".to_owned(),
        field_manager: "test".to_owned(),
        force: false,
        items: vec![item],
    };
    let bytes = writer.request(&request).expect("it encodes").value.expect("a value");
    let letter = |offset, value| DeadLetter {
        topic: "setpoint.requests".to_owned(),
        partition: 0,
        offset,
        time_ms: 1_700_000_000_000,
        reason: "written by a later version".to_owned(),
        key: b"old-1".to_vec(),
        value,
    };
    let offsets = [100_001, 100_002];
    let letters = [letter(offsets[0], bytes), letter(offsets[1], vec![7, 7, 7])];
    let options = setpoint_ingest_embedded::Settings::new(path);
    let log = setpoint_ingest_embedded::EmbeddedLog::open(&options).expect("the log opens");
    let mut appender = log.appender(AppenderKind::Shared).expect("an appender");
    let entries = letters.iter().map(|letter| writer.dead_letter(letter).expect("it encodes"));
    appender.append(entries.collect()).expect("it is appended");
    offsets
}
