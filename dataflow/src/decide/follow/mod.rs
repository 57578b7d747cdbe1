//! Following: the state as a leader recorded it, or as a checkpoint holds it.

mod correct;
mod correct_pod;
mod inferred;
mod load;

pub(crate) use correct::Before;
pub(crate) use inferred::{generation_of, history_of, own_claims_of, standing_of, template_of};
