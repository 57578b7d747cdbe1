//! What the user chose with `-o`.

use clap::ValueEnum;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// More columns for people.
    Wide,
    /// JSON for machines.
    Json,
    /// YAML for machines.
    Yaml,
    /// Kind and name only.
    Name,
}

/// The form of an answer that has one form for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    #[default]
    Table,
    /// JSON for machines.
    Json,
    /// YAML for machines.
    Yaml,
}

/// The form of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LedgerForm {
    /// A line a decision.
    #[default]
    Table,
    /// Each with its causes and alternatives.
    Wide,
    /// JSON for machines.
    Json,
    /// YAML for machines.
    Yaml,
}
