//! How answers look: tables for people, JSON and YAML for machines.
//!
//! Absent: calls of the API; all of this is a function of its arguments.

pub(crate) mod field;
pub(crate) mod age;
pub(crate) mod amount;
pub(crate) mod jsonpath;

mod format;
mod table;
mod claims;
mod columns;
mod pods;
mod jobs;
mod services;
mod quotas;
mod budgets;
mod nodes;
mod ledger;
mod health;
mod describe;
mod yaml;
mod custom;
mod order;

pub(crate) use columns::{Columns, columns};
pub(crate) use custom::Custom;
pub(crate) use describe::describe;
pub(crate) use format::{Form, Format, LedgerForm};
pub(crate) use health::{health_line, health_table};
pub(crate) use ledger::{decision_lines, decisions_table};
pub(crate) use order::sort;
pub(crate) use table::{row, table, widths};
pub(crate) use yaml::{json, yaml};
