//! Jobs on the real program, as users have them: one that completes, one that fails, and one that is made
//! from a CronJob.

use std::time::Duration;

use serde_json::Value;

use crate::api::Api;
use crate::house::{House, beside};

/// A few processes that end at once; the machine may be busy.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

const MANIFEST: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: squares}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: none
        command: [sh, -c, "echo $JOB_COMPLETION_INDEX squared is $((JOB_COMPLETION_INDEX * JOB_COMPLETION_INDEX))"]
---
apiVersion: batch/v1
kind: Job
metadata: {name: hopeless}
spec:
  backoffLimit: 0
  podFailurePolicy:
    rules: [{action: Count, onExitCodes: {operator: In, values: [3]}}]
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: none, command: [sh, -c, "exit 3"]}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: yearly}
spec:
  schedule: "@yearly"
  timeZone: Europe/Berlin
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: main, image: none, command: [sh, -c, "echo a year is over"]}]
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn job(api: &Api, name: &str) -> Value {
    api.get(&format!("/apis/batch/v1/namespaces/default/jobs/{name}")).await.expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_complete_fail_and_are_made_from_cron_jobs() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    let applied = house.applies(&api.base, "jobs.yaml", MANIFEST);
    assert!(!applied.contains("no effect"), "{applied}");

    house.does(&api.base, "wait --for=condition=complete job/squares --timeout 90s");
    let squares = job(&api, "squares").await;
    assert_eq!(squares["status"]["completedIndexes"], "0-2");
    assert_eq!(squares["status"]["succeeded"], 3);
    let listed = house.does(&api.base, "get jobs");
    let line = listed.lines().find(|line| line.starts_with("squares")).expect("it is listed");
    assert!(line.contains("Complete") && line.contains("3/3"), "{listed}");
    // Its pods stay to be seen, and what they wrote can be read.
    let said = async || {
        let output = house.verb(&api.base, "logs job/squares");
        let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        let all = ["0 squared is 0", "1 squared is 1", "2 squared is 4"];
        let is_all = all.iter().all(|line| lines.iter().any(|said| said.ends_with(line)));
        is_all.then_some(()).ok_or_else(|| format!("{lines:?} {}", text(&output.stderr)))
    };
    said().await.expect("what they wrote");

    let hopeless = async || {
        let conditions = job(&api, "hopeless").await["status"]["conditions"].to_string();
        let is_so = conditions.contains("Failed") && conditions.contains("BackoffLimitExceeded");
        is_so.then_some(()).ok_or(conditions)
    };
    house.until("the Job without hope fails", ENDS_WITHIN, hopeless).await;
    let never = house.verb(&api.base, "wait --for=condition=complete job/hopeless");
    assert!(text(&never.stderr).contains("the Job has failed"), "{}", text(&never.stderr));

    house.does(&api.base, "create job now --from=cronjob/yearly");
    house.does(&api.base, "wait --for=condition=complete job/now --timeout 90s");
    let owner = &job(&api, "now").await["metadata"]["ownerReferences"][0];
    assert_eq!(owner["name"], "yearly");
    let listed = house.does(&api.base, "get cronjobs");
    assert!(listed.contains("@yearly") && listed.contains("Europe/Berlin"), "{listed}");

    house.does(&api.base, "delete job squares");
    let gone = async || {
        let pods = api.get("/api/v1/namespaces/default/pods").await?;
        let left = pods["items"].as_array().into_iter().flatten();
        let left = left.filter(|pod| pod["metadata"]["labels"]["job-name"] == "squares").count();
        if left == 0 { Ok(()) } else { Err(format!("{left} pods are left")) }
    };
    house.until("its pods are gone with it", ENDS_WITHIN, gone).await;
}
