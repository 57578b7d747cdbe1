//! Desired and live objects that Argo CD's own tests compare, through `setpoint diff`: the live one is
//! what a server answers, the verdict is what is printed.
//!
//! Each row says what its verdict rests on. The verdicts are Argo CD's, where they do not depend on what
//! its cluster does besides (a webhook that changes what is sent).

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use setpoint_ingest_manifest::in_words_of;

use super::{foreseen, own};
use crate::failure::Ended;
use crate::verbs::tests::{Fake, run};

struct Pair {
    name: &'static str,
    /// Where the live object is asked for.
    path: &'static str,
    flags: &'static str,
    /// The changed lines, without their indentation; none when nothing differs.
    changes: &'static [&'static str],
    why: &'static str,
}

const PAIRS: &[Pair] = &[
    Pair {
        name: "aggr-clusterrole",
        path: "/apis/rbac.authorization.k8s.io/v1/clusterroles/test-clusterrole",
        flags: "",
        changes: &[
            "-rules:",
            "-- apiGroups:",
            "-- \"\"",
            "-resources:",
            "-- services",
            "-- endpoints",
            "-verbs:",
            "-- get",
            "-- list",
            "-- watch",
            "-- apiGroups:",
            "-- \"\"",
            "-resources:",
            "-- pods",
            "-verbs:",
            "-- get",
            "-- list",
            "-- watch",
        ],
        why: "the rules were applied last time and are left out now, and nobody aggregates rules here",
    },
    Pair {
        name: "aggr-clusterrole",
        path: "/apis/rbac.authorization.k8s.io/v1/clusterroles/test-clusterrole",
        flags: "--ignore /rules",
        changes: &[],
        why: "what others aggregate is not compared when that is said",
    },
    Pair {
        name: "deployment",
        path: "/apis/apps/v1/namespaces/default/deployments/guestbook-ui",
        flags: "",
        changes: &[],
        why: "VAR2 was not in what was applied last, so it is another's; the rest are defaults",
    },
    Pair {
        name: "elasticsearch",
        path: "/apis/apps/v1/namespaces/elasticsearch4/statefulsets/elasticsearch4-data",
        flags: "--allow-ignored -n elasticsearch4",
        changes: &[],
        why: "defaults, among them those of init containers and of a claim's template with its status",
    },
    Pair {
        name: "endpoints",
        path: "/api/v1/namespaces/default/endpoints/solrcloud",
        flags: "",
        changes: &[],
        why: "a port's protocol is TCP where none is said",
    },
    Pair {
        name: "smd-deploy",
        path: "/apis/apps/v1/namespaces/default/deployments/nginx-deployment",
        flags: "",
        changes: &[],
        why: "defaults of a probe, a port and a container; the strategy is nobody's to take away",
    },
    Pair {
        name: "ssd-deploy-nested",
        path: "/apis/apps/v1/namespaces/default/deployments/nested-test-deployment",
        flags: "--allow-ignored",
        changes: &["+- name: ENV_VAR2", "+value: value2", "+- containerPort: 443", "+name: https"],
        why: "a second variable and a second port are new; the first ones stay as they are",
    },
    Pair {
        name: "ssd-service",
        path: "/api/v1/namespaces/httpbin/services/httpbin-svc",
        flags: "",
        changes: &[],
        why: "targetPort is the port where none is said; the label that the predicted object lacks is \
              taken away by a webhook of that cluster, and we have no webhooks",
    },
];

/// Of a version that Kubernetes took away in 1.16, and that nobody here has: compared as its successor.
const OLD: (&str, &str) = ("apps/v1beta1", "apps/v1");

#[tokio::test]
async fn every_pair_of_argo_cd_gets_the_expected_verdict() {
    let Some(folder) = setpoint_test_support::data("k8s/argocd-diff") else { return };
    let mut wrong = Vec::new();
    for pair in PAIRS {
        let (found, ended) = verdict(&folder, pair).await;
        let expected = match pair.changes.is_empty() {
            true => Ended::Well,
            false => Ended::Different,
        };
        if found != pair.changes || ended != Ok(expected) {
            wrong.push(format!(
                "{} ({}): {found:#?}, {ended:?}; expected {:#?}",
                pair.name, pair.why, pair.changes
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_pair_of_the_folder_has_a_row() {
    let Some(folder) = setpoint_test_support::data("k8s/argocd-diff") else { return };
    let rows: BTreeSet<String> = PAIRS.iter().map(|pair| pair.name.to_owned()).collect();
    let files = std::fs::read_dir(&folder).expect("a folder of real inputs");
    let names =
        files.map(|file| file.expect("an entry").file_name().to_string_lossy().into_owned());
    let pairs: BTreeSet<String> =
        names.filter_map(|name| Some(name.split_once("-config.")?.0.to_owned())).collect();
    assert_eq!(pairs, rows);
}

#[test]
fn an_apply_leaves_what_argo_cd_predicts() {
    let Some(folder) = setpoint_test_support::data("k8s/argocd-diff") else { return };
    let object = |file: &str| read(&folder.join(format!("ssd-deploy-nested-{file}")));
    let (wanted, live) = (object("config.yaml"), object("live.yaml"));
    let mut predicted = own(object("predicted-live.json"));
    // The number of the revision is that of the Deployment's controller.
    predicted["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
    let found = foreseen::applied(&live, &own(live.clone()), &own(wanted), "argocd-controller");
    assert_eq!(in_words_of(&found, &predicted), predicted);
}

#[tokio::test]
async fn a_version_that_kubernetes_took_away_is_refused_by_its_name() {
    let Some(folder) = setpoint_test_support::data("k8s/argocd-diff") else { return };
    let file = folder.join("elasticsearch-config.json");
    let (ended, _) = run("http://127.0.0.1:1", &format!("diff -f {}", file.display())).await;
    let shown = ended.expect_err("nobody has it").to_string();
    assert!(shown.contains("apps/v1beta1 has no StatefulSet"), "{shown}");
}

/// The changed lines, and how it ended.
async fn verdict(
    folder: &Path,
    pair: &Pair,
) -> (Vec<String>, Result<Ended, crate::failure::Failure>) {
    let text = |role: &str| {
        let file = |end: &str| folder.join(format!("{}-{role}.{end}", pair.name));
        let found = ["json", "yaml"].map(file).into_iter().find(|file| file.is_file());
        let text = std::fs::read_to_string(found.expect("one of both")).expect("text");
        text.replace(OLD.0, OLD.1)
    };
    let work = tempfile::tempdir().expect("a folder");
    let config = work.path().join("config.yaml");
    std::fs::write(&config, text("config")).expect("written");
    let live: Value = serde_saphyr::from_str(&text("live")).expect("the live object");
    let kinds = json!({"groupVersion": "v1",
        "resources": [{"name": "endpoints", "kind": "Endpoints", "namespaced": true}]});
    let server = Fake::default()
        .answer("GET /api/v1", 200, kinds)
        .answer(&format!("GET {}", pair.path), 200, live)
        .start()
        .await;
    let line = format!("diff -f {} {}", config.display(), pair.flags);
    let (ended, printed) = run(&server, &line).await;
    let is_change = |line: &&str| {
        (line.starts_with('+') && !line.starts_with("+++"))
            || (line.starts_with('-') && !line.starts_with("---"))
    };
    let trimmed = |line: &str| format!("{}{}", &line[..1], line[1..].trim_start());
    (printed.lines().filter(is_change).map(trimmed).collect(), ended)
}

fn read(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("text");
    serde_saphyr::from_str(&text).expect("an object")
}
