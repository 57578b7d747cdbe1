//! Avro: the schemas, the framing, encoding and decoding.
