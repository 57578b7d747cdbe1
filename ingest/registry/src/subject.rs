//! Under which name a schema is registered.

use setpoint_schemas::avro::RecordKind;

/// The subject of a record's schema: `TOPIC-value` (Confluent's `TopicNameStrategy`) where a topic
/// carries one kind of record, and `TOPIC-RECORD` (`TopicRecordNameStrategy`) where it carries
/// several, which are not versions of each other. Readers go by the id alone and need not know.
#[must_use]
pub fn subject_of(kind: RecordKind) -> String {
    let topic = kind.topic();
    let alone = RecordKind::ALL.iter().filter(|other| other.topic() == topic).count() == 1;
    match alone {
        true => format!("{topic}-value"),
        false => format!("{topic}-{}", full_name(kind.schema_json())),
    }
}

/// The record's full name in its schema.
fn full_name(schema: &str) -> String {
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap_or_default();
    let text = |field: &str| schema[field].as_str().unwrap_or_default().to_owned();
    match text("namespace").as_str() {
        "" => text("name"),
        namespace => format!("{namespace}.{}", text("name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_topics_unless_it_carries_several_records() {
        assert_eq!(subject_of(RecordKind::Request), "setpoint.requests-value");
        assert_eq!(subject_of(RecordKind::Epoch), "setpoint.epochs-value");
        let pods = [RecordKind::PodObserved, RecordKind::NodeSnapshot].map(subject_of);
        assert!(pods[0].starts_with("setpoint.pods-") && pods[0].ends_with("PodObserved"));
        assert!(pods[1].ends_with("NodeSnapshot"), "{pods:?}");
    }
}
