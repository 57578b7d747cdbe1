//! Making the topics, with the cleanup that the topic table asks for.

use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use setpoint_ingest::LogError;
use setpoint_schemas::{Cleanup, Topic};

use crate::config::{ANSWER_WAIT, Settings, wire_bytes_max};
use crate::refused::unmade;
use crate::told;

/// The archive's bound: nothing younger is compacted, so that history reaches the archive.
const COMPACTION_LAG_MS: u64 = 24 * 3_600_000;
const HOUR_MS: u64 = 3_600_000;

/// Makes the topics that are not there yet. One that is there is left as its owner made it.
pub(crate) fn ensure(settings: &Settings) -> Result<(), LogError> {
    let attempt = "make the topics";
    let admin: AdminClient<DefaultClientContext> =
        settings.consumer("read_committed").create().map_err(|error| unmade(attempt, error))?;
    let failed = |error| told::failure(settings, attempt, error);
    let configs = Topic::ALL.map(|topic| (topic, config_of(topic)));
    let topics: Vec<_> =
        configs.iter().map(|(topic, config)| new_topic(settings, *topic, config)).collect();
    let options =
        AdminOptions::new().operation_timeout(Some(ANSWER_WAIT)).request_timeout(Some(ANSWER_WAIT));
    for made in block_on(admin.create_topics(&topics, &options)).map_err(failed)? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(LogError::permanent(format!("make topic {topic}"), code));
            }
        }
    }
    Ok(())
}

fn new_topic<'a>(
    settings: &Settings,
    topic: Topic,
    config: &'a [(&'static str, String)],
) -> NewTopic<'a> {
    let partitions = if topic.is_single() { 1 } else { settings.partitions.max(1) };
    let new =
        NewTopic::new(topic.name(), partitions, TopicReplication::Fixed(settings.replication));
    config.iter().fold(new, |new, (name, value)| new.set(name, value))
}

/// The log's clock stamps records: a writer's wrong clock must neither keep a record for ever nor
/// make it be forgotten at once.
fn config_of(topic: Topic) -> Vec<(&'static str, String)> {
    let mut config = match topic.cleanup() {
        Cleanup::Compact => vec![
            ("cleanup.policy", "compact".to_owned()),
            ("min.compaction.lag.ms", COMPACTION_LAG_MS.to_string()),
        ],
        Cleanup::Hours(hours) => vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", (u64::from(hours) * HOUR_MS).to_string()),
        ],
    };
    config.push(("message.timestamp.type", "LogAppendTime".to_owned()));
    config.push(("max.message.bytes", wire_bytes_max(topic).to_string()));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleanup_is_that_of_the_topic_table() {
        let shown = |topic| {
            let config = config_of(topic);
            config[..2].iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(Topic::Pods), "cleanup.policy=compact min.compaction.lag.ms=86400000");
        assert_eq!(shown(Topic::Leases), "cleanup.policy=delete retention.ms=86400000");
        assert_eq!(shown(Topic::Epochs), "cleanup.policy=delete retention.ms=2592000000");
    }
}
