//! The cold step: what is told to people, who can wait some tens of milliseconds.

mod budgets;
mod quotas;
mod statuses;
mod step;

pub(super) use statuses::rfc3339;
