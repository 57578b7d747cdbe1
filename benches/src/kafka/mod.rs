//! A real broker, and what can be had of it with librdkafka alone: the yardsticks of our log on Kafka.

mod bare;

pub(crate) use bare::{Drain, Echo};
