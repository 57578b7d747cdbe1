//! How a change is applied to an object's JSON: merge, strategic merge, JSON patch, apply.

mod apply;
mod strategic;

pub use apply::{Applied, Conflict, Managers, apply, own};
pub use strategic::strategic_merge;
