//! `wait`: until objects have a condition or are healthy, or are gone.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use setpoint_api::{Health, HealthState, health};

use crate::client::KindPath;
use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::field::{list, text};
use crate::verbs::object::named;
use crate::verbs::wait::{Look, duration, until};

/// Wait until objects have a condition or are healthy, or are gone
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint wait --for=condition=complete job/import
  setpoint wait --for=condition=available=false deployment/web --timeout 1m
  setpoint wait --for=health=healthy deployment/web
  setpoint wait --for=delete pod/web-1")]
pub(crate) struct Wait {
    /// KIND/NAME... or KIND NAME...
    #[arg(required = true)]
    words: Vec<String>,
    /// condition=NAME, condition=NAME=VALUE, health=WORD, or delete
    #[arg(long = "for", value_name = "WHAT", value_parser = Wish::parse)]
    wish: Wish,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "30s", value_name = "TIME")]
    timeout: Duration,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    /// A condition of this type has this status.
    Condition(String, String),
    /// It is so, in this word.
    Health(HealthState),
    /// It is gone.
    Delete,
}

impl Wish {
    fn parse(text: &str) -> Result<Wish, String> {
        if text == "delete" {
            return Ok(Wish::Delete);
        }
        if let Some(word) = text.strip_prefix("health=") {
            let state = HealthState::ALL.into_iter().find(|s| s.word().eq_ignore_ascii_case(word));
            let words = HealthState::ALL.map(HealthState::word).join(", ");
            return state.map(Wish::Health).ok_or_else(|| format!("{word:?} is none of {words}"));
        }
        let condition = text.strip_prefix("condition=").filter(|condition| !condition.is_empty());
        let condition = condition
            .ok_or_else(|| format!("{text:?} is none of condition=NAME, health=WORD, delete"))?;
        let (kind, status) = condition.split_once('=').unwrap_or((condition, "true"));
        Ok(Wish::Condition(kind.to_lowercase(), status.to_lowercase()))
    }

    /// Whether it has come true of an object of this kind. A Job that has failed is never complete.
    fn look(&self, kind: &str, object: Option<&Value>) -> Look<()> {
        match (self, object) {
            (Wish::Health(wanted), object) => {
                let Health { state, message } = health(kind, object);
                if state == *wanted {
                    return Look::Holds(());
                }
                let colon = if message.is_empty() { "" } else { ": " };
                Look::NotYet(format!("it is {}{colon}{message}", state.word()))
            }
            (Wish::Delete, None) => Look::Holds(()),
            (Wish::Delete, Some(_)) => Look::NotYet("it is there".to_owned()),
            (Wish::Condition(..), None) => Look::NotYet("it is not there".to_owned()),
            (Wish::Condition(kind, status), Some(object)) => {
                let conditions = list(object, "/status/conditions");
                let find = |kind: &str| {
                    conditions.iter().find(|c| text(c, "/type").eq_ignore_ascii_case(kind))
                };
                let is = find(kind).map_or("", |condition| text(condition, "/status"));
                if is.eq_ignore_ascii_case(status) {
                    return Look::Holds(());
                }
                let is_over =
                    |kind: &&str| find(kind).is_some_and(|c| text(c, "/status") == "True");
                let over = ["Failed", "Complete"].into_iter().find(is_over);
                match over.filter(|_| text(object, "/kind") == "Job") {
                    Some("Failed") => {
                        let failed = find("Failed").map_or("", |failed| text(failed, "/message"));
                        Look::Never(format!("the Job has failed: {failed}"))
                    }
                    Some(_) => Look::Never("the Job is complete".to_owned()),
                    None => Look::NotYet(format!("its condition {kind} is {is:?}")),
                }
            }
        }
    }
}

pub(crate) async fn run(wait: Wait, cx: &mut Context) -> Result<Ended, Failure> {
    let home = cx.namespace(wait.namespace.as_deref());
    for found in named(cx, &wait.words).await? {
        let name = found.name.ok_or_else(|| Failure::usage("name what to wait for"))?;
        seen(&wait.wish, wait.timeout, (&found.path, &home, &name), cx).await?;
        let what = match wait.wish {
            Wish::Delete => "deleted".to_owned(),
            Wish::Health(state) => state.word().to_lowercase(),
            Wish::Condition(..) => "condition met".to_owned(),
        };
        cx.out.line(format!("{} {what}", found.path.shown(&name)))?;
    }
    Ok(Ended::Well)
}

async fn seen(
    wish: &Wish,
    timeout: Duration,
    (path, home, name): (&KindPath, &str, &str),
    cx: &Context,
) -> Result<(), Failure> {
    let url = path.object(home, name);
    let what = format!("failed to wait for {}", path.shown(name));
    let kind = &path.kind;
    until(&what, timeout, async || Ok(wish.look(kind, cx.client.find(&url).await?.as_ref()))).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(wish: &str, object: Option<&Value>) -> String {
        match Wish::parse(wish).expect(wish).look("Job", object) {
            Look::Holds(()) => "holds".to_owned(),
            Look::NotYet(why) => why,
            Look::Never(why) => format!("never: {why}"),
        }
    }

    #[test]
    fn a_wish_comes_true_or_never_does() {
        let job = |kind: &str| {
            json!({"kind": "Job", "status": {"conditions": [
                {"type": kind, "status": "True", "message": "too many"}]}})
        };
        let complete = "condition=complete";
        for (wish, object, word) in [
            (complete, Some(job("Complete")), "holds"),
            (complete, Some(job("Suspended")), "its condition complete is \"\""),
            (complete, Some(job("Failed")), "never: the Job has failed: too many"),
            ("condition=Failed", Some(job("Complete")), "never: the Job is complete"),
            ("condition=complete=false", Some(json!({})), "its condition complete is \"\""),
            (complete, None, "it is not there"),
            ("health=healthy", Some(job("Complete")), "holds"),
            ("health=Healthy", Some(job("Failed")), "it is Degraded: too many"),
            ("health=missing", None, "holds"),
            ("delete", None, "holds"),
            ("delete", Some(json!({})), "it is there"),
        ] {
            assert_eq!(told(wish, object.as_ref()), word, "{wish}");
        }
        assert!(Wish::parse("jsonpath=x").is_err());
        assert!(Wish::parse("condition=").is_err());
        assert!(Wish::parse("health=well").is_err());
    }
}
