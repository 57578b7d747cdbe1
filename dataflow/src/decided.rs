//! A decision as it is taken: ids, numbers and shared texts. Its words are written when someone reads
//! them: the log, a reader, a comparison ([0026](../../docs/decisions/0026-words-when-read.md)).
//!
//! Guarantee: [`Decided::record`] says the same whenever it is asked, whatever became of the engine.
//! Absent: any rendering while an epoch is decided.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use setpoint_placement::{SCORES, Scores};
use setpoint_schemas::{
    Action, Alternative, CAUSE_BYTES_MAX, Decision, NodeName, PodUid, REASON_BYTES_MAX, RequestId,
    TakenDevice, cut,
};

use crate::causes::{Cause, Causes};

/// Decimal digits of the largest u64.
const NUMBER_DIGITS_MAX: usize = 20;
/// A verdict's text is some bytes less.
const VERDICT_BYTES: usize = 160;

/// An entry of the ledger.
#[derive(Debug, Clone)]
pub struct Decided(pub(crate) Entry);

/// As it was taken here, or as it was read back from the log.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Taken(Taken),
    Read(Box<Decision>),
}

/// A decision in parts.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) epoch: i64,
    pub(crate) term: i64,
    pub(crate) time_ms: i64,
    pub(crate) sequence: i32,
    pub(crate) action: Action,
    pub(crate) rule: &'static str,
    pub(crate) reason: Reason,
    pub(crate) about: About,
}

/// What a decision is about; what is `None` or empty is not meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) pod: Option<PodUid>,
    /// The key of the workload or resource, as text.
    pub(crate) resource: Option<Arc<str>>,
    pub(crate) node: Option<NodeName>,
    pub(crate) request: Option<RequestId>,
    pub(crate) causes: Causes,
    pub(crate) alternatives: Vec<Compared>,
}

/// Why something was decided.
#[derive(Debug, Clone)]
pub(crate) enum Reason {
    /// In words.
    Words(Cow<'static, str>),
    /// This workload has too few pods, and the pod takes these devices.
    TooFew(Arc<str>, Vec<TakenDevice>),
}

/// A node that was compared with others.
#[derive(Debug, Clone)]
pub(crate) struct Compared {
    pub(crate) node: NodeName,
    pub(crate) scores: Scores,
}

impl Decided {
    /// What was decided.
    #[must_use]
    pub fn action(&self) -> Action {
        match &self.0 {
            Entry::Taken(taken) => taken.action,
            Entry::Read(decision) => decision.action,
        }
    }

    /// The epoch that made it.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        match &self.0 {
            Entry::Taken(taken) => taken.epoch,
            Entry::Read(decision) => decision.epoch,
        }
    }

    /// The pod that it is about.
    #[must_use]
    pub fn pod(&self) -> Option<PodUid> {
        match &self.0 {
            Entry::Taken(taken) => taken.about.pod.clone(),
            Entry::Read(decision) => PodUid::parse(&decision.pod).ok(),
        }
    }

    /// The key of the workload or resource that it is about; empty when of none.
    #[must_use]
    pub fn resource(&self) -> &str {
        match &self.0 {
            Entry::Taken(taken) => taken.about.resource.as_deref().unwrap_or_default(),
            Entry::Read(decision) => &decision.resource,
        }
    }

    /// The node that it is about; empty when of none.
    #[must_use]
    pub fn node(&self) -> &str {
        match &self.0 {
            Entry::Taken(taken) => taken.about.node.as_ref().map_or("", NodeName::as_str),
            Entry::Read(decision) => &decision.node,
        }
    }

    /// In words, as it stands on the log.
    #[must_use]
    pub fn record(&self) -> Decision {
        match &self.0 {
            Entry::Taken(taken) => taken.record(),
            Entry::Read(decision) => Decision::clone(decision),
        }
    }
}

impl From<Decision> for Decided {
    fn from(decision: Decision) -> Decided {
        Decided(Entry::Read(Box::new(decision)))
    }
}

/// By their words: who read a decision back from the log has no parts of it.
impl PartialEq for Decided {
    fn eq(&self, other: &Decided) -> bool {
        self.record() == other.record()
    }
}

impl Taken {
    fn record(&self) -> Decision {
        let About { pod, resource, node, request, causes, alternatives } = &self.about;
        Decision {
            epoch: self.epoch,
            term: self.term,
            sequence: self.sequence,
            time_ms: self.time_ms,
            action: self.action,
            pod: text_of(pod.as_ref()),
            resource: text_of(resource.as_ref()),
            node: text_of(node.as_ref()),
            request: text_of(request.as_ref()),
            rule: self.rule.to_owned(),
            reason: cut(self.reason.to_string(), REASON_BYTES_MAX),
            causes: causes.iter().map(Cause::record).collect(),
            alternatives: alternatives.iter().map(Compared::record).collect(),
        }
    }
}

fn text_of(what: Option<&impl ToString>) -> String {
    what.map_or_else(String::new, ToString::to_string)
}

impl Compared {
    fn record(&self) -> Alternative {
        let mut verdict = String::with_capacity(VERDICT_BYTES);
        for (score, value) in SCORES.iter().zip(self.scores.parts) {
            if !verdict.is_empty() {
                verdict.push(' ');
            }
            verdict.push_str(score.name);
            verdict.push('=');
            push_number(&mut verdict, i64::from(value));
        }
        Alternative {
            node: self.node.to_string(),
            verdict: cut(verdict, CAUSE_BYTES_MAX),
            score: Some(self.scores.total_hundredths()),
        }
    }
}

impl From<String> for Reason {
    fn from(words: String) -> Reason {
        Reason::Words(Cow::Owned(words))
    }
}

impl From<&'static str> for Reason {
    fn from(words: &'static str) -> Reason {
        Reason::Words(Cow::Borrowed(words))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Words(words) => f.write_str(words),
            Reason::TooFew(workload, taken) => {
                write!(f, "{workload} has fewer pods than desired")?;
                for (index, device) in taken.iter().enumerate() {
                    let before = if index == 0 { "; devices: " } else { ", " };
                    let TakenDevice { index, id, milli, .. } = device;
                    write!(f, "{before}{index} ({id}, {milli} milli)")?;
                }
                Ok(())
            }
        }
    }
}

/// Writes a number in decimal. A decision tells dozens: formatting them would cost as much as all else
/// that it tells.
fn push_number(text: &mut String, number: i64) {
    if number < 0 {
        text.push('-');
    }
    let mut rest = number.unsigned_abs();
    let (mut digits, mut len) = ([0; NUMBER_DIGITS_MAX], 0);
    loop {
        digits[len] = b'0' + (rest % 10) as u8;
        (rest, len) = (rest / 10, len + 1);
        if rest == 0 {
            break;
        }
    }
    digits[..len].iter().rev().for_each(|digit| text.push(char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use setpoint_schemas::{Position, Topic, samples};

    fn taken() -> Taken {
        let at = Position { topic: Topic::Pods, partition: 1, offset: 2 };
        let mut scores = Scores { sum: 0, ..Scores::default() };
        scores.parts[0] = 7;
        let node: NodeName = "node-1".parse().expect("a name");
        Taken {
            epoch: 5,
            term: 2,
            time_ms: 9,
            sequence: 1,
            action: Action::Place,
            rule: "placement",
            reason: Reason::TooFew(Arc::from("apps/Deployment/default/web"), Vec::new()),
            about: About {
                pod: Some("u1".parse().expect("a uid")),
                resource: Some(Arc::from("apps/Deployment/default/web")),
                node: Some(node.clone()),
                request: None,
                causes: Cause::told(at, "it happened").into(),
                alternatives: vec![Compared { node, scores }],
            },
        }
    }

    #[test]
    fn a_decision_is_written_as_it_was_taken() {
        let Decision { pod, resource, node, request, reason, causes, alternatives, .. } =
            taken().record();
        let texts = [pod, resource, node, request].join(" ");
        assert_eq!(texts, "u1 apps/Deployment/default/web node-1 ");
        assert_eq!(reason, "apps/Deployment/default/web has fewer pods than desired");
        assert_eq!((&*causes[0].topic, &*causes[0].text), ("setpoint.pods", "it happened"));
        let [other] = alternatives.as_slice() else { panic!("one node was compared") };
        assert!(other.verdict.starts_with(&format!("{}=7 ", SCORES[0].name)), "{}", other.verdict);
        assert_eq!(other.score, Some(0));
    }

    #[test]
    fn devices_that_a_pod_takes_are_in_the_reason() {
        let device = |index: i32, id: &str| TakenDevice {
            container: Arc::from("c"),
            index,
            id: Arc::from(id),
            milli: 500,
        };
        let reason = Reason::TooFew(Arc::from("web"), vec![device(0, "a"), device(1, "b")]);
        assert_eq!(
            reason.to_string(),
            "web has fewer pods than desired; devices: 0 (a, 500 milli), 1 (b, 500 milli)"
        );
    }

    #[test]
    fn what_is_read_back_is_equal_to_what_was_taken() {
        let taken = taken();
        let read = Decided::from(taken.record());
        assert_eq!(Decided(Entry::Taken(taken)), read);
        assert_ne!(read, Decided::from(samples::decision()));
    }

    #[test]
    fn numbers_are_written_as_they_are_formatted() {
        for number in [0, 7, 10, -1, 9_999, i64::MAX, i64::MIN] {
            let mut text = String::new();
            push_number(&mut text, number);
            assert_eq!(text, number.to_string());
        }
    }
}
