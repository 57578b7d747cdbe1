//! Committed parts as Kubernetes JSON, and as the tables that `kubectl get` prints.
//!
//! Absent: clocks (ages are counted from a time that comes in) and Secrets in clear.

mod claims;
mod resource;
mod pod;
mod pod_begins;
mod pod_conditions;
mod qos;
mod pod_gates;
mod pod_row;
mod job_row;
mod node;
mod slice;
mod amounts;
mod events;
mod series;
mod age;
mod table;
mod columns;

use serde_json::Value;

use crate::model::Entry;

pub(crate) use age::rfc3339;
pub(crate) use events::{event, involved, namespace_of};
pub use pod_row::PodRow;
pub(crate) use series::Series;
pub(crate) use table::table;

/// The object as Kubernetes shapes it. Secret values are as sealed as they came.
pub(crate) fn object(entry: &Entry) -> Value {
    match entry {
        Entry::Resource(resource) => resource::render(resource),
        Entry::Pod(pod) => pod::render(pod),
        Entry::Node(node) => node::render(node),
        Entry::Slice(slice) => slice::render(slice),
    }
}
