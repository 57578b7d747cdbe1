//! The less of the devices' worth a pod costs, the better: value descent.
//!
//! Ours; Kubernetes packs devices by no score of its own. A pod that asks for no device costs
//! something as well where there are some, by the CPU and memory that they would need: it goes
//! elsewhere if other nodes fit. Of a pod that asks for devices this score stands for both scores of
//! resources, and has their weight.

use super::{Scale, Score};

pub(super) const SCORE: Score = Score {
    name: "DeviceValue",
    weight: 20,
    applies: |view, _| !view.nodes.boards.is_empty(),
    raw: |view, slots, _| slots.iter().map(|slot| -view.loss(*slot)).collect(),
    scale: Scale::Range,
};
