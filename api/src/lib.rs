//! The HTTP API, shaped as Kubernetes' is.
