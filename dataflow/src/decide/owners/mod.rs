//! Who is owned goes with its owners, before them, or is let go; what has finalizers stays until the last of
//! them is taken away; what is in a namespace goes with it.

mod collect;
mod deleting;
mod standing;

pub(crate) use collect::LOOKED_AT_MAX;
