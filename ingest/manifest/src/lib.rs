//! Manifests at the door: Kubernetes YAML and JSON, and Compose files, become objects that the
//! house can take.
//!
//! Guarantee: what leaves here is typed strictly, valid as Kubernetes' own server would judge it,
//! and every field that changes what runs and that we do not act upon was named, either as an
//! error or, when asked, as ignored. Nothing is dropped silently.
//! Absent: the log, the network, clocks and the process's environment; variables for Compose
//! files are handed in.

mod bounds;
mod problem;
mod annotations;

mod source;
mod yaml;
mod read;

mod typed;
mod kinds;
mod gate;
mod compose;
mod load;
mod same;

pub use annotations::{
    ANNOTATION_ALIASES, ANNOTATION_DOMAIN, ANNOTATION_FAILURE_ACTION, ANNOTATION_FAILURE_RATIO,
    ANNOTATION_INIT, ANNOTATION_MONITOR, ANNOTATION_NETWORK, ANNOTATION_PUBLISH,
    ANNOTATION_RUNS_ONCE, ANNOTATION_SOURCE, ANNOTATION_TMPFS, ANNOTATION_UPDATE_DELAY,
    ANNOTATION_UPDATE_ORDER, ANNOTATION_USER, LABEL_PROJECT, LABEL_SERVICE, ROLLBACK_DELAY,
    ROLLBACK_FAILURE_ACTION, ROLLBACK_FAILURE_RATIO, ROLLBACK_MONITOR, ROLLBACK_ORDER,
    ROLLBACK_PARALLELISM,
};
pub use compose::{ComposeOptions, Project, is_compose, read_project};
pub use gate::{CustomKind, GateOptions, Gated, Ignored, custom_kinds, gate};
pub use kinds::{KINDS, Kind, known, lookup};
pub use load::{LoadOptions, load};
pub use problem::{Fault, FieldPath, Origin, Problem};
pub use read::{Document, read};
pub use same::{in_words_of, with_what_others_added};
pub use source::{ReadOptions, Source};
