//! Desired against actual, maintained: one entry, `Engine::step(Epoch) -> Outcome`.

pub mod views;
