//! The embedded durable log on RocksDB: the default without a broker.
