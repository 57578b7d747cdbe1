//! What is appended: one constructor a noun, so that key and partition are chosen in one place.

use setpoint_schemas::avro::{Codec, EncodeError, Record};
use setpoint_schemas::cloudevents::{self, Header};
use setpoint_schemas::{
    Alert, DeadLetter, Decision, EpochRecord, Lease, NodeName, NodeRecord, NodeSnapshot, Placement,
    PodObserved, PodUid, Request, Resource, ResourceKey, Topic, UsageSample,
};

use crate::{AppendError, record_bytes_max};

/// A record to append. The log stamps it with its own clock: a writer's wrong clock must neither
/// keep a record for ever nor make it be forgotten at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub topic: Topic,
    /// The record's key; compaction keeps the latest record of each.
    pub key: Vec<u8>,
    /// What chooses the partition ([`crate::partition_of`]); often the key itself.
    pub partition_key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<Header>,
}

impl Entry {
    /// Its key, value and headers, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.key.len() + self.value.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
    }

    /// Holds it to the bound of its topic.
    ///
    /// # Errors
    /// [`AppendError::TooLarge`].
    pub fn check(&self) -> Result<(), AppendError> {
        let (topic, bytes, bytes_max) = (self.topic, self.bytes(), record_bytes_max(self.topic));
        if bytes <= bytes_max {
            return Ok(());
        }
        Err(AppendError::TooLarge { topic, bytes, bytes_max })
    }
}

/// Writes entries of one source: the codec and the name that stands in their headers.
#[derive(Debug, Clone)]
pub struct Writer {
    codec: Codec,
    source: String,
}

impl Writer {
    /// A writer; `source` is a URI reference such as `/setpoint/demo/engine`.
    #[must_use]
    pub fn new(codec: Codec, source: &str) -> Self {
        Writer { codec, source: source.to_owned() }
    }

    /// How it writes, for whoever reads back.
    #[must_use]
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// A request, under its id.
    ///
    /// # Errors
    /// [`EncodeError`], here and below: only when a registry's id is not known.
    pub fn request(&self, request: &Request) -> Result<Entry, EncodeError> {
        let key = request.id.as_str();
        self.entry(request, key, key)
    }

    /// A node's record, under its name.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn node(&self, node: &NodeRecord) -> Result<Entry, EncodeError> {
        self.entry(node, node.node.as_str(), node.node.as_str())
    }

    /// A renewal, under the node's name.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn lease(&self, lease: &Lease) -> Result<Entry, EncodeError> {
        self.entry(lease, lease.node.as_str(), lease.node.as_str())
    }

    /// An observed pod, under its uid, in its node's partition.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn pod(&self, pod: &PodObserved) -> Result<Entry, EncodeError> {
        self.entry(pod, &pod.uid.text(), pod.node.as_str())
    }

    /// A node's snapshot, under `node/` and its name, in its node's partition: no pod uid contains
    /// a slash.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn snapshot(&self, snapshot: &NodeSnapshot) -> Result<Entry, EncodeError> {
        self.entry(snapshot, &snapshot_key(&snapshot.node), snapshot.node.as_str())
    }

    /// An accepted resource, under its key.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn desired(&self, resource: &Resource) -> Result<Entry, EncodeError> {
        let key = resource.key().to_string();
        self.entry(resource, &key, &key)
    }

    /// A placement, under the pod's uid, in its node's partition.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn placement(&self, placement: &Placement) -> Result<Entry, EncodeError> {
        self.entry(placement, &placement.uid.text(), placement.node.as_str())
    }

    /// An epoch; no key.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn epoch(&self, epoch: &EpochRecord) -> Result<Entry, EncodeError> {
        self.entry(epoch, "", "")
    }

    /// A decision, under its pod's uid, or its resource's key where no pod is meant.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn decision(&self, decision: &Decision) -> Result<Entry, EncodeError> {
        let subjects = [&decision.pod, &decision.resource, &decision.node, &decision.request];
        let key = subjects.into_iter().find(|subject| !subject.is_empty());
        let key = key.map_or("", String::as_str);
        self.entry(decision, key, key)
    }

    /// A usage sample, under the pod's uid, in its node's partition.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn usage(&self, sample: &UsageSample) -> Result<Entry, EncodeError> {
        self.entry(sample, &sample.uid.text(), sample.node.as_str())
    }

    /// An alert, under its fingerprint.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn alert(&self, alert: &Alert) -> Result<Entry, EncodeError> {
        self.entry(alert, &alert.fingerprint, &alert.fingerprint)
    }

    /// A dead letter, under its source position.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn dead_letter(&self, letter: &DeadLetter) -> Result<Entry, EncodeError> {
        let key = letter.event_id();
        self.entry(letter, &key, &key)
    }

    fn entry<R: Record>(
        &self,
        record: &R,
        key: &str,
        partition_key: &str,
    ) -> Result<Entry, EncodeError> {
        Ok(Entry {
            topic: R::KIND.topic(),
            key: key.as_bytes().to_vec(),
            partition_key: partition_key.as_bytes().to_vec(),
            value: Some(self.codec.encode(record)?),
            headers: cloudevents::headers(record, &self.source),
        })
    }
}

/// The tombstone of a node: it left the fleet.
#[must_use]
pub fn node_removed(node: &NodeName) -> Entry {
    tombstone(Topic::Nodes, node.as_str(), node.as_str())
}

/// The tombstone of an observed pod.
#[must_use]
pub fn pod_removed(uid: &PodUid, node: &NodeName) -> Entry {
    tombstone(Topic::Pods, &uid.text(), node.as_str())
}

/// The tombstone of a node's last snapshot.
#[must_use]
pub fn snapshot_removed(node: &NodeName) -> Entry {
    tombstone(Topic::Pods, &snapshot_key(node), node.as_str())
}

/// The tombstone of a placement: the node stops the pod, by a decision of this epoch.
#[must_use]
pub fn placement_removed(uid: &PodUid, node: &NodeName, epoch: i64) -> Entry {
    decided(tombstone(Topic::Placements, &uid.text(), node.as_str()), epoch)
}

/// The tombstone of a resource: it is deleted, by a decision of this epoch.
#[must_use]
pub fn desired_removed(key: &ResourceKey, epoch: i64) -> Entry {
    let key = key.to_string();
    decided(tombstone(Topic::Desired, &key, &key), epoch)
}

/// The epoch that a tombstone of a leader was decided in; a record with a value says it there.
#[must_use]
pub fn epoch_of_tombstone(headers: &[Header]) -> Option<i64> {
    let (_, value) = headers.iter().find(|(name, _)| name == EPOCH_HEADER)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// What a tombstone has no value to say: an extension attribute in the form of CloudEvents.
const EPOCH_HEADER: &str = "ce_epoch";

fn decided(mut entry: Entry, epoch: i64) -> Entry {
    entry.headers.push((EPOCH_HEADER.to_owned(), epoch.to_string().into_bytes()));
    entry
}

/// The tombstone of an alert that is no longer of interest.
#[must_use]
pub fn alert_removed(fingerprint: &str) -> Entry {
    tombstone(Topic::Alerts, fingerprint, fingerprint)
}

/// The key of a node's snapshot.
pub(crate) fn snapshot_key(node: &NodeName) -> String {
    format!("{SNAPSHOT_PREFIX}{node}")
}

/// What tells a snapshot's key from a pod uid.
pub(crate) const SNAPSHOT_PREFIX: &str = "node/";

fn tombstone(topic: Topic, key: &str, partition_key: &str) -> Entry {
    Entry {
        topic,
        key: key.as_bytes().to_vec(),
        partition_key: partition_key.as_bytes().to_vec(),
        value: None,
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::*;

    #[test]
    fn keys_and_partition_keys_are_those_of_the_topic_table() {
        let w = Writer::new(Codec::single_object(), "/setpoint/test");
        let cases = [
            (w.request(&samples::request()), "setpoint.requests req-1 req-1"),
            (w.node(&samples::node()), "setpoint.nodes node-1 node-1"),
            (w.lease(&samples::lease()), "setpoint.leases node-1 node-1"),
            (w.pod(&samples::pod_observed()), "setpoint.pods web-7d9f-0-1 node-1"),
            (w.snapshot(&samples::node_snapshot()), "setpoint.pods node/node-1 node-1"),
            (
                w.desired(&samples::desired()),
                "setpoint.desired apps/Deployment/default/web apps/Deployment/default/web",
            ),
            (w.placement(&samples::placement()), "setpoint.placements web-7d9f-0-1 node-1"),
            (w.epoch(&samples::epoch()), "setpoint.epochs  "),
            (w.decision(&samples::decision()), "setpoint.decisions web-7d9f-0-1 web-7d9f-0-1"),
            (w.usage(&samples::usage_sample()), "setpoint.telemetry web-7d9f-0-1 node-1"),
            (w.alert(&samples::alert()), "setpoint.alerts f00d f00d"),
            (
                w.dead_letter(&samples::dead_letter()),
                "setpoint.deadletter setpoint.pods/2@1233 setpoint.pods/2@1233",
            ),
        ];
        for (entry, expected) in cases {
            let entry = entry.expect("encodes");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (key, partition_key) = (text(&entry.key), text(&entry.partition_key));
            assert_eq!(format!("{} {key} {partition_key}", entry.topic), expected);
        }
    }
}
