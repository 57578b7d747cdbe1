//! A plant: thousands of simulated nodes in one process, with seeded faults.
//!
//! Guarantee: the same seed, the same calls and the same times give the same plant, whatever the
//! order in which pods and nodes are asked about. Time is an argument: nothing happens unless
//! [`Plant::advance_to`] is called.
//! Absent: clocks, threads, I/O.

mod actuator;
mod speech;
mod plant;
mod world;

mod behaviour;
mod faults;
mod pod;

pub use actuator::SimulatedActuator;
pub use behaviour::{
    ECHO, EXIT, HANG, LAST, LEAVE, PROGRAM, SAY, STUBBORN, UNSTARTABLE, VARIABLE, WRITE,
};
pub use faults::Faults;
pub use plant::Plant;
