//! Pods on a Docker Engine.
