//! Rows by number, and indexes that find them by what they say: a million of them in little memory.
//!
//! Guarantee: a row stays where it is, and costs its own size; an index costs some eight bytes for the number
//! of a row, however many there are. Absent: an order, and what the rows mean.

mod index;
mod rows;

pub use index::Index;
pub use rows::Slab;
