//! The placer: which node a pod goes to, or why none will do.
//!
//! Guarantee: a pure function of nodes, reservations, namespaces, pod and epoch number. Neither the
//! order in which they were told nor the ids that they were given has any influence, so that an
//! engine rebuilt from a checkpoint decides as the one that ran through.
//!
//! Rules and phrases are kube-scheduler's; [`FILTERS`] and [`SCORES`] list them, one a file.
//!
//! Who has to go for a pod of higher priority is in [`Preemption`].
//!
//! Absent: I/O, clocks, random numbers. Reserving, and stopping victims, is the caller's.

mod ids;
mod error;

mod home;
mod shape;
mod demand;
mod device_demand;
mod selector;
mod tolerate;
mod ports;
mod query;
mod spread;

mod fleet;
mod places;
mod hold;
mod nodes;
mod boards;
mod mix;
mod topology;
mod journal;
mod recent;
mod preempt;
mod census;
mod finder;
mod bits;
mod eligible;
mod room;
mod domains;
mod ground;
mod parts;
mod inclination;
mod camps;
mod outlook;
mod view;

pub mod devices;

mod filters;
mod sift;
mod scores;
mod search;
mod auction;
mod place;
mod going_home;
mod trial;
mod preempting;
mod nominees;
mod reasons;
mod shortages;
mod explain;
mod fleet_devices;
mod auctioning;

pub use error::CompileError;
pub use explain::{FilterVerdict, NodeVerdict};
pub use filters::{FILTERS, Filter};
pub use fleet::Fleet;
pub use fleet_devices::DeviceLeft;
pub use home::Home;
pub use ids::{NodeId, PodId};
pub use nodes::NodeInfo;
pub use nominees::Nominee;
pub use place::{Placing, SAMPLES_DEFAULT};
pub use preempt::{Occupant, Preemption, Roster};
pub use reasons::Reasons;
pub use scores::{Considered, SCORES, SCORES_LEN, Score, Scores};
pub use shape::PodShape;
pub use tolerate::TAINT_MEMORY_PRESSURE;
pub use trial::Bound;

/// The label that Kubernetes gives every node, with its host name.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";
