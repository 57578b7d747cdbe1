//! CloudEvents headers in binary mode, as the Kafka binding of CloudEvents 1.0 has them.
