//! System tests: simulation, real Kafka, real Docker, recovery, tidy.
