//! Pods as operating-system processes.
