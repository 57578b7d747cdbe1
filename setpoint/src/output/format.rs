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
