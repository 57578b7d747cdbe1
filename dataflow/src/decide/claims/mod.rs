//! Claims and volumes: what changes with them, where claims get their data, and how they go.

mod bind;
mod own;
mod made_with;
mod release;
mod take;
mod volumes;

pub(crate) use take::class_of as storage_class_of;
