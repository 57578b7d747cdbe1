//! Shares of devices: which node, and which of its devices, a pod costs least.
//!
//! Value descent: a pod goes where the *potential* of what is left falls least. Of a node,
//! in milli-GPU (thousandths of a device):
//!
//! Φ = w · V · S + I
//!
//! - V, the value: the sum over its devices of v(left), what the leftover of one device can still
//!   carry by cutting-stock prices. It is 0 for a leftover that nothing in demand will fill.
//! - S, the usable part: how much of V the node's CPU and memory suffice for. A leftover is used by
//!   several pods, whose needs average out; the last one asks for what each single kind needs.
//! - w, the price of the model: above 1 where more is asked of a model than of all.
//! - I, the evenness: of placements that cost about the same, the one that leaves whole devices.
//!
//! It stands on fragmentation gradient descent (Weng et al., "Beware of Fragmentation: Scheduling
//! GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC 2023), which counts for
//! each typical pod by itself what it cannot use, and neither how often a leftover can be used nor
//! by what. docs/performance.md has the figures, and what each part is worth.
//!
//! Guarantee: a pure function of mix, models and node; the order of the mix does not matter. Only
//! `+ - * /` and rounding, in one order, so that every IEEE 754 machine decides the same. Losses are
//! whole milli-GPU, so that ties are ties.
//!
//! Absent: whether the pod fits by CPU, memory and model (filters say so); the choice among nodes
//! with the same bid; what is reserved.

mod device_set;
mod kind;
mod typical;
mod sizes;
mod knapsack;
mod simplex;
mod cutting_stock;
mod leftover;
mod need;
mod price;
mod demand;
mod potential;
mod bid;

pub use bid::Bid;
pub use device_set::{DEVICES_MAX, DeviceSet};
pub use kind::{Ask, DEVICE_MILLI, Kind, Models};
pub use potential::{Left, Model, ValueDescent};
