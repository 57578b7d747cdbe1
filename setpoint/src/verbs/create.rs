//! `create`: a Job that is made by hand, from a CronJob or from an image.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::field::{name, text};
use crate::verbs::object::kind_of;

/// Make a Job by hand; everything else is applied
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint create job nightly-now --from=cronjob/nightly
  setpoint create job hello --image=busybox -- echo hello")]
pub(crate) struct Create {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A Job
    #[command(after_help = "\
Examples:
  setpoint create job nightly-now --from=cronjob/nightly
  setpoint create job hello --image=busybox -- echo hello")]
    Job(Job),
}

#[derive(Debug, Args)]
struct Job {
    /// The Job's name
    name: String,
    /// The CronJob whose Job it is: cronjob/NAME
    #[arg(long, value_name = "cronjob/NAME", required_unless_present = "image")]
    from: Option<String>,
    /// The image of its one container
    #[arg(long, value_name = "IMAGE", conflicts_with = "from")]
    image: Option<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// What the container runs, instead of what its image says
    #[arg(last = true, conflicts_with = "from", value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(create: Create, cx: &mut Context) -> Result<Ended, Failure> {
    let What::Job(job) = create.what;
    let home = cx.namespace(job.namespace.as_deref());
    let object = match &job.from {
        Some(from) => of_cron_job(&job.name, &cron_job(cx, &home, from).await?),
        None => of_image(&job),
    };
    let path = kind_of(&cx.client, "jobs").await?;
    let made = cx.client.post(&path.list(Some(&home)), &object).await;
    made.map_err(|error| error.during(format!("failed to create {}", path.shown(&job.name))))?;
    cx.out.line(format!("{} created", path.shown(&job.name)))?;
    Ok(Ended::Well)
}

async fn cron_job(cx: &Context, home: &str, from: &str) -> Result<Value, Failure> {
    let named = from.split_once('/').filter(|(_, name)| !name.is_empty());
    let (kind, name) =
        named.ok_or_else(|| Failure::usage(format!("{from:?} is not cronjob/NAME")))?;
    let path = kind_of(&cx.client, kind).await?;
    if path.kind != "CronJob" {
        return Err(Failure::usage(format!(
            "a Job is made from a CronJob, not from a {}",
            path.kind
        )));
    }
    let cron_job = cx.client.get(&path.object(home, name), &[]).await;
    cron_job.map_err(|error| error.during(format!("failed to read {}", path.shown(name))))
}

/// As kubectl makes it: owned by the CronJob, and marked as made by hand.
fn of_cron_job(name_of_job: &str, cron_job: &Value) -> Value {
    let template = &cron_job["spec"]["jobTemplate"];
    let mut metadata = json!({
        "name": name_of_job,
        "annotations": template["metadata"]["annotations"],
        "ownerReferences": [{
            "apiVersion": "batch/v1", "kind": "CronJob", "name": name(cron_job),
            "uid": text(cron_job, "/metadata/uid"), "controller": true,
        }],
    });
    metadata["annotations"]["cronjob.kubernetes.io/instantiate"] = json!("manual");
    if template["metadata"]["labels"].is_object() {
        metadata["labels"] = template["metadata"]["labels"].clone();
    }
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]})
}

fn of_image(job: &Job) -> Value {
    let mut container = json!({"name": job.name, "image": job.image});
    if !job.command.is_empty() {
        container["command"] = json!(job.command);
    }
    let spec = json!({"restartPolicy": "Never", "containers": [container]});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job.name},
        "spec": {"template": {"spec": spec}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_a_cron_job_is_made_as_kubectl_makes_it() {
        let cron_job = json!({"metadata": {"name": "nightly", "uid": "u1"}, "spec": {
            "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"completions": 2}}}});
        let job = of_cron_job("now", &cron_job);
        assert_eq!(job["spec"], json!({"completions": 2}));
        assert_eq!(job["metadata"]["labels"], json!({"a": "b"}));
        let annotations = json!({"cronjob.kubernetes.io/instantiate": "manual"});
        assert_eq!(job["metadata"]["annotations"], annotations);
        assert_eq!(text(&job, "/metadata/ownerReferences/0/uid"), "u1");
    }
}
