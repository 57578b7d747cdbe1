//! Kubernetes manifests and Compose files to requests.
