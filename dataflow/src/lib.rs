//! Desired against actual, maintained: one entry, Engine::step.
