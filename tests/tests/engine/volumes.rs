//! Volumes that people write: bound to the claims that they fit, followed by their pods, and kept when
//! their claims are gone.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{PodPhase, PodUid, RequestItem, ResourceKey, Verb};
use setpoint_tests::manifests::{
    claim, claim_of_class, deployment, item, patch, stateful_set, volume, with_claims,
    with_own_claim,
};

use crate::story::{Story, observed};

const DATA: &str = "core/PersistentVolumeClaim/default/data";

fn app(replicas: i64) -> Value {
    with_claims(deployment("default", "db", replicas, 100, "v1"), &["data"])
}

fn apply(object: &Value) -> RequestItem {
    item(Verb::Apply, object)
}

fn change(name: &str, body: &Value) -> RequestItem {
    patch(Verb::MergePatch, ("v1", "PersistentVolume"), "", name, body)
}

/// Nobody's any more.
fn nobodys(name: &str) -> RequestItem {
    change(name, &json!({"spec": {"claimRef": null}}))
}

/// A resource's body and its status; nothing when it is not there.
fn found(story: &Story, key: &str) -> (Value, Value) {
    let key = ResourceKey::parse(key).expect("a key");
    let all = story.engine.everything().resources;
    let found = all.into_iter().find(|(found, _)| *found == key).and_then(|(_, found)| found);
    let read = |text: &str| serde_json::from_str(text).expect("JSON");
    found.map_or((Value::Null, Value::Null), |found| (read(&found.body), read(&found.status)))
}

/// A resource's uid.
fn uid(story: &Story, key: &str) -> String {
    let key = ResourceKey::parse(key).expect("a key");
    let all = story.engine.everything().resources;
    let found = all.into_iter().find(|(found, _)| *found == key).and_then(|(_, found)| found);
    found.expect("it is there").uid.clone()
}

/// A volume's phase, and the claim that it names.
fn stands(story: &Story, name: &str) -> (String, String) {
    let (body, status) = found(story, &format!("core/PersistentVolume//{name}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&status["phase"]), text(&body["spec"]["claimRef"]["name"]))
}

fn is(phase: &str, claim: &str) -> (String, String) {
    (phase.to_owned(), claim.to_owned())
}

fn claim_status(story: &Story) -> Value {
    found(story, DATA).1
}

fn nodes(story: &Story) -> Vec<String> {
    story.placed.values().cloned().collect()
}

fn why(story: &Story) -> String {
    story.waiting.values().next().expect("one waits").reason.clone()
}

fn answer(outcome: &Outcome) -> (u16, &str) {
    let item = &outcome.verdicts[0].items[0];
    (item.code, item.message.as_str())
}

/// The app and its claim are deleted, and its node says that nothing is left of its only pod.
fn end(story: &mut Story, ms: i64, class: &str) {
    let (uid, on): (PodUid, String) = (story.only_pod(), nodes(story)[0].clone());
    let delete = |object: &Value| item(Verb::Delete, object);
    story.asks(ms, vec![delete(&app(0)), delete(&claim_of_class("data", class))]);
    story.at(ms + 1, vec![observed(&uid, &on, ms + 1, PodPhase::Gone)]);
    assert_eq!(claim_status(story), Value::Null);
}

#[test]
fn a_claim_gets_the_smallest_volume_that_fits_and_its_pod_goes_where_that_is() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    let volumes = [
        volume("large", "manual", "5Gi", Some("a")),
        volume("small", "manual", "2Gi", Some("b")),
        volume("tiny", "manual", "1Mi", Some("c")),
        volume("other", "fast", "1Gi", Some("c")),
    ];
    story.asks(1, volumes.iter().map(apply).collect());
    assert_eq!(stands(&story, "small"), is("Available", ""));
    story.asks(2, vec![apply(&claim_of_class("data", "manual"))]);
    let bound = claim_status(&story);
    assert_eq!((&bound["phase"], &bound["volumeName"]), (&json!("Bound"), &json!("small")));
    assert_eq!((&bound["node"], &bound["capacity"]["storage"]), (&json!("b"), &json!("2Gi")));
    assert_eq!(bound["accessModes"], json!(["ReadWriteOnce", "ReadOnlyMany"]));
    assert_eq!(bound["source"], json!({"hostPath": {"path": "/mnt/small"}}));
    assert_eq!(stands(&story, "small"), is("Bound", "data"));
    assert_eq!(stands(&story, "large"), is("Available", ""));
    story.asks(3, vec![apply(&app(2))]);
    assert_eq!(nodes(&story), ["b", "b"]);
    let placements = story.compacted_placements();
    story.rebuilt(4, placements);
    assert_eq!(claim_status(&story), bound, "an engine that is rebuilt knows the same");
    assert_eq!(stands(&story, "small"), is("Bound", "data"));
}

#[test]
fn a_volume_that_names_no_node_is_where_its_first_pod_was_and_stays_there() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    story.asks(1, vec![apply(&claim_of_class("data", "")), apply(&app(1))]);
    assert!(why(&story).contains("a PersistentVolume without a class"), "{}", why(&story));
    story.asks(2, vec![apply(&volume("disk", "", "1Gi", None))]);
    let home = nodes(&story)[0].clone();
    assert_eq!(claim_status(&story)["node"], json!(home));
    let lives = |story: &Story| found(story, "core/PersistentVolume//disk").1["livesOn"].clone();
    assert_eq!(lives(&story), json!(home));

    end(&mut story, 3, "");
    assert_eq!(stands(&story, "disk"), is("Released", "data"));
    story.asks(5, vec![apply(&claim_of_class("data", "")), apply(&app(1))]);
    assert_eq!(claim_status(&story)["phase"], "Pending", "it is another claim's data");
    assert!(story.placed.is_empty());
    story.asks(6, vec![nobodys("disk")]);
    assert_eq!(stands(&story, "disk"), is("Bound", "data"));
    assert_eq!((nodes(&story), lives(&story)), (vec![home.clone()], json!(home)));
}

#[test]
fn who_names_a_volume_or_is_named_by_one_gets_that_and_a_selector_chooses() {
    let mut story = Story::with_nodes(&["a"]);
    let mut named = claim_of_class("data", "manual");
    named["spec"]["volumeName"] = json!("mine");
    story.asks(1, vec![apply(&volume("other", "manual", "1Gi", Some("a"))), apply(&named)]);
    assert_eq!(claim_status(&story)["phase"], "Pending");
    story.asks(2, vec![apply(&app(1))]);
    assert!(why(&story).contains("waits for the volume \"mine\""), "{}", why(&story));
    story.asks(3, vec![apply(&volume("mine", "manual", "9Gi", Some("a")))]);
    assert_eq!(stands(&story, "mine"), is("Bound", "data"));
    assert_eq!(nodes(&story), ["a"]);

    let mut kept = volume("kept", "another", "1Gi", Some("a"));
    kept["spec"]["claimRef"] = json!({"namespace": "default", "name": "web"});
    story.asks(4, vec![apply(&kept)]);
    assert_eq!(stands(&story, "kept"), is("Available", "web"));
    story.asks(5, vec![apply(&claim_of_class("eager", "another"))]);
    assert_eq!(stands(&story, "kept"), is("Available", "web"), "it is kept for another");
    story.asks(6, vec![apply(&claim_of_class("web", "manual"))]);
    assert_eq!(stands(&story, "kept"), is("Bound", "web"));
    assert_eq!(stands(&story, "other"), is("Available", ""));

    let mut choosy = claim_of_class("choosy", "manual");
    choosy["spec"]["selector"] = json!({"matchLabels": {"tier": "db"}});
    story.asks(7, vec![apply(&choosy)]);
    assert_eq!(stands(&story, "other"), is("Available", ""));
    let label = json!({"metadata": {"labels": {"tier": "db"}}});
    story.asks(8, vec![change("other", &label)]);
    assert_eq!(stands(&story, "other"), is("Bound", "choosy"));
}

#[test]
fn a_bound_volume_stays_its_claims_and_what_nobody_can_remove_has_failed() {
    let mut story = Story::with_nodes(&["a"]);
    let mut doomed = volume("disk", "manual", "1Gi", Some("a"));
    doomed["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
    story.asks(1, vec![apply(&doomed), apply(&claim_of_class("data", "manual")), apply(&app(1))]);
    assert_eq!(nodes(&story), ["a"]);
    let refused = [
        (2, item(Verb::Delete, &doomed), 409, "bound to the claim default/data"),
        (3, nobodys("disk"), 422, "spec.claimRef: Forbidden"),
        (
            4,
            change("disk", &json!({"spec": {"hostPath": {"path": "/mnt/b"}}})),
            422,
            "spec.hostPath: Forbidden",
        ),
    ];
    for (ms, asked, code, words) in refused {
        let outcome = story.asks(ms, vec![asked]);
        let (found, message) = answer(&outcome);
        assert!(found == code && message.contains(words), "{found} {message}");
    }
    let mut larger = claim_of_class("data", "manual");
    larger["spec"]["resources"]["requests"]["storage"] = json!("2Gi");
    let outcome = story.asks(5, vec![apply(&larger)]);
    assert_eq!(answer(&outcome).0, 403, "{}", answer(&outcome).1);
    // Who applies it again says nothing of its claim.
    assert_eq!(answer(&story.asks(6, vec![apply(&doomed)])).0, 200);
    assert_eq!(stands(&story, "disk"), is("Bound", "data"));

    end(&mut story, 7, "manual");
    assert_eq!(stands(&story, "disk"), is("Failed", "data"));
    let told = found(&story, "core/PersistentVolume//disk").1;
    assert!(told["message"].as_str().is_some_and(|why| why.contains("its data stays")), "{told}");
    assert_eq!(answer(&story.asks(9, vec![item(Verb::Delete, &doomed)])).0, 200);
}

#[test]
fn a_folder_that_was_kept_is_bound_again_when_somebody_lets_it_go() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let data = claim("default", "data", "ReadWriteOnce");
    story.asks(1, vec![apply(&data), apply(&app(1))]);
    let home = nodes(&story)[0].clone();
    let name = claim_status(&story)["volumeName"].as_str().expect("it is bound").to_owned();
    let retain = json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}});
    story.asks(2, vec![change(&name, &retain)]);
    end(&mut story, 3, "local");
    assert_eq!(stands(&story, &name), is("Released", "data"));
    story.asks(5, vec![nobodys(&name)]);
    assert_eq!(stands(&story, &name), is("Available", ""));
    story.asks(6, vec![apply(&data)]);
    let bound = claim_status(&story);
    assert_eq!((&bound["volumeName"], &bound["node"]), (&json!(name), &json!(home)));
    assert!(bound["source"].is_null(), "it is the agent's folder");
    story.asks(7, vec![apply(&app(1))]);
    assert_eq!(nodes(&story), [home]);
}

#[test]
fn the_pods_of_a_set_have_each_a_volume_and_the_last_waits_for_one_to_be_written() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let mut set = with_own_claim(stateful_set("default", "db", 3, 100, "v1"), "data");
    set["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"] = json!("manual");
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    let volumes =
        [volume("one", "manual", "1Gi", Some("a")), volume("two", "manual", "2Gi", Some("b"))];
    story.asks(1, volumes.iter().map(apply).collect());
    story.asks(2, vec![apply(&set)]);
    assert_eq!(stands(&story, "one"), is("Bound", "data-db-0"));
    assert_eq!(stands(&story, "two"), is("Bound", "data-db-1"));
    assert_eq!(story.placed.len(), 2);
    story.asks(3, vec![apply(&volume("three", "manual", "1Gi", Some("b")))]);
    assert_eq!(stands(&story, "three"), is("Bound", "data-db-2"));
    assert_eq!(story.placed.len(), 3);
}

#[test]
fn a_volume_that_no_node_serves_is_nobodys() {
    let mut story = Story::with_nodes(&["a"]);
    let mut remote = volume("remote", "manual", "1Gi", None);
    remote["spec"].as_object_mut().expect("a spec").remove("hostPath");
    remote["spec"]["nfs"] = json!({"server": "files", "path": "/"});
    story.asks(1, vec![apply(&remote), apply(&claim_of_class("data", "manual")), apply(&app(1))]);
    assert_eq!(stands(&story, "remote"), is("Pending", ""));
    assert_eq!(claim_status(&story)["phase"], "Pending");
    assert!(why(&story).contains("write a PersistentVolume of it"), "{}", why(&story));
}

#[test]
fn a_volume_that_is_being_deleted_is_bound_to_nobody_though_a_finalizer_keeps_it() {
    let mut story = Story::with_nodes(&["a"]);
    let mut held = volume("disk", "manual", "1Gi", Some("a"));
    held["metadata"]["finalizers"] = json!(["x.y/z"]);
    story.asks(1, vec![apply(&held)]);
    assert_eq!(stands(&story, "disk"), is("Available", ""));
    assert_eq!(answer(&story.asks(2, vec![item(Verb::Delete, &held)])).0, 200);
    story.asks(3, vec![apply(&claim_of_class("data", "manual"))]);
    assert_eq!(claim_status(&story)["phase"], "Pending");
    assert_eq!(stands(&story, "disk"), is("Available", ""));
    story.asks(4, vec![change("disk", &json!({"metadata": {"finalizers": null}}))]);
    assert_eq!(found(&story, "core/PersistentVolume//disk").0, Value::Null, "it has gone");
    story.asks(5, vec![apply(&volume("disk", "manual", "1Gi", Some("a")))]);
    assert_eq!(stands(&story, "disk"), is("Bound", "data"));
}

#[test]
fn a_bound_volume_that_named_no_node_may_name_the_one_where_its_data_is_and_no_other() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story
        .asks(1, vec![apply(&claim_of_class("data", "")), apply(&volume("disk", "", "1Gi", None))]);
    assert_eq!(stands(&story, "disk"), is("Bound", "data"));
    let named = |node: &str| {
        let affinity = volume("disk", "", "1Gi", Some(node))["spec"]["nodeAffinity"].clone();
        change("disk", &json!({"spec": {"nodeAffinity": affinity}}))
    };
    let outcome = story.asks(2, vec![named("a")]);
    let (code, message) = answer(&outcome);
    assert!(code == 422 && message.contains("the first pod that uses it says where"), "{message}");

    story.asks(3, vec![apply(&app(1))]);
    let home = nodes(&story)[0].clone();
    let other = if home == "a" { "b" } else { "a" };
    let outcome = story.asks(4, vec![named(other)]);
    let why = format!(
        "PersistentVolume \"disk\" is invalid: spec.nodeAffinity: Forbidden: it is bound, and its data is \
         on {home}"
    );
    assert_eq!(answer(&outcome), (422, why.as_str()));
    assert_eq!(answer(&story.asks(5, vec![named(&home)])).0, 200);
    assert_eq!(claim_status(&story)["node"], json!(home));
    assert_eq!(stands(&story, "disk"), is("Bound", "data"));
}

#[test]
fn a_volume_is_released_with_the_claim_that_it_is_kept_for_though_it_was_never_bound() {
    let mut story = Story::with_nodes(&["a"]);
    let mut large = claim_of_class("data", "manual");
    large["spec"]["resources"]["requests"]["storage"] = json!("5Gi");
    story.asks(1, vec![apply(&large)]);
    let mut kept = volume("disk", "manual", "1Gi", Some("a"));
    kept["spec"]["claimRef"] =
        json!({"namespace": "default", "name": "data", "uid": uid(&story, DATA)});
    story.asks(2, vec![apply(&kept)]);
    assert_eq!(stands(&story, "disk"), is("Available", "data"), "it is too small");
    // An engine from the checkpoint looks at all of them in every epoch, and finds the same.
    story.asks(3, vec![item(Verb::Delete, &large)]);
    assert_eq!(stands(&story, "disk"), is("Released", "data"));
}

#[test]
fn a_folder_of_a_volume_that_was_bound_to_nobody_here_is_not_removed() {
    let mut former = Story::with_nodes(&["a"]);
    let data = claim("default", "data", "ReadWriteOnce");
    former.asks(1, vec![apply(&data), apply(&app(1))]);
    let name = claim_status(&former)["volumeName"].as_str().expect("it is bound").to_owned();
    let key = format!("core/PersistentVolume//{name}");
    let dump = found(&former, &key).0;
    assert_eq!(dump["spec"]["persistentVolumeReclaimPolicy"], "Delete");

    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&dump)]);
    assert_eq!(stands(&story, &name), is("Released", "data"));
    let status = found(&story, &key).1;
    assert_eq!(status["deletionTimestamp"], Value::Null, "{status}");
    assert!(status["message"].as_str().is_some_and(|why| why.contains("its folder stays")));
    story.asks(2, vec![nobodys(&name)]);
    assert_eq!(stands(&story, &name), is("Available", ""), "and it can be had again");
}

#[test]
fn a_claim_whose_volume_has_its_name_taken_is_not_bound_to_what_is_there() {
    let mut story = Story::with_nodes(&["a"]);
    let data = claim("default", "data", "ReadWriteOnce");
    story.asks(1, vec![apply(&data)]);
    let name = format!("pvc-{}", uid(&story, DATA));
    let other = volume(&name, "manual", "1Gi", Some("a"));
    story.asks(2, vec![apply(&other)]);
    story.asks(3, vec![apply(&app(1))]);
    assert!(story.placed.is_empty());
    let words = format!("a PersistentVolume {name:?} is there, which is another's");
    assert!(why(&story).contains(&words), "{}", why(&story));
    assert_eq!(claim_status(&story)["phase"], "Pending");
    assert_eq!(stands(&story, &name), is("Available", ""));
    story.asks(4, vec![item(Verb::Delete, &other)]);
    assert_eq!((nodes(&story), stands(&story, &name)), (vec!["a".to_owned()], is("Bound", "data")));
}
