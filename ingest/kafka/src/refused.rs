//! Why librdkafka makes no client: which property it refuses, and never the property's value, which may be
//! a secret under a name that is misspelt.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use setpoint_ingest::LogError;

/// Up to here a value that stands in librdkafka's words stands there whole, and is found: they have 512
/// bytes, and of a longer value the beginning would be left.
const VALUE_BYTES_MAX: usize = 256;

/// A property that librdkafka does not take.
#[derive(Debug, thiserror::Error)]
#[error("the property {property:?} is refused: {why}")]
struct Refused {
    property: String,
    why: String,
}

/// Why a client could not be made.
pub(crate) fn unmade(attempt: &str, error: KafkaError) -> LogError {
    match error {
        KafkaError::ClientConfig(result, said, property, value) => {
            let why = without(&value, result, said);
            LogError::permanent(attempt, Refused { property, why })
        }
        error => LogError::permanent(attempt, error),
    }
}

/// What librdkafka said, where nothing of the value stands in it: of a list it quotes one entry.
fn without(value: &str, result: RDKafkaConfRes, said: String) -> String {
    let mut entries = value.split(',').map(|entry| entry.trim().trim_start_matches(['+', '-']));
    let is_free = entries.all(|entry| entry.is_empty() || !said.contains(entry));
    match result {
        _ if is_free && value.len() <= VALUE_BYTES_MAX => said,
        RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => "there is no such property".to_owned(),
        _ => "its value is not one that it takes".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::Cut;

    use crate::reader::KafkaReader;
    use crate::{KafkaLog, Settings, topics};

    const SECRET: &str = "correct-horse";

    #[test]
    fn a_property_that_is_refused_is_told_without_its_value() {
        let jaas = format!("PlainLoginModule required username=\"u\" password=\"{SECRET}\";");
        for (property, value, why) in [
            ("sasl.jaas.config", jaas, "JAAS"),
            ("sasl.pasword", SECRET.to_owned(), "No such configuration property"),
            ("security.protocol", SECRET.to_owned(), "its value is not one that it takes"),
            ("debug", format!("broker, +{SECRET}"), "its value is not one that it takes"),
            ("debug", SECRET.repeat(50), "its value is not one that it takes"),
        ] {
            let mut settings = Settings::new("127.0.0.1:1");
            settings.properties.insert(property.to_owned(), value);
            let errors = [
                KafkaLog::new(settings.clone()).err(),
                KafkaReader::new(&settings, Cut::default()).err(),
                topics::ensure(&settings).err(),
            ];
            for error in errors {
                let error = error.expect("it is refused");
                let cause = std::error::Error::source(&error).expect("with a cause").to_string();
                let told = format!("{error}: {cause}; {error:?}");
                assert!(told.contains(why) && cause.contains(property), "{told}");
                assert!(!told.contains(&SECRET[..8]), "{told}");
            }
        }
    }
}
