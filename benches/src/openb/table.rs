//! Tables with a header line, plain or gzipped.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use flate2::read::GzDecoder;

/// The text of a gzipped file.
pub(super) fn unzipped(path: &Path) -> anyhow::Result<String> {
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let mut text = String::new();
    let read = GzDecoder::new(file).read_to_string(&mut text);
    read.with_context(|| format!("failed to read {}", path.display()))?;
    Ok(text)
}

/// Rows under named columns.
pub(super) struct Table<'a> {
    columns: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

/// One row, with the names of its columns.
pub(super) struct Row<'a> {
    columns: &'a [&'a str],
    fields: &'a [&'a str],
}

impl<'a> Table<'a> {
    /// The first line names the columns.
    pub(super) fn parse(text: &'a str, separator: char) -> Table<'a> {
        let mut rows = text.lines().map(|line| line.split(separator).collect::<Vec<_>>());
        Table { columns: rows.next().unwrap_or_default(), rows: rows.collect() }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|fields| Row { columns: &self.columns, fields })
    }
}

impl<'a> Row<'a> {
    /// The field of this column, where the table has it.
    pub(super) fn get(&self, column: &str) -> Option<&'a str> {
        let at = self.columns.iter().position(|name| *name == column)?;
        self.fields.get(at).copied()
    }

    pub(super) fn text(&self, column: &str) -> anyhow::Result<&'a str> {
        self.get(column).with_context(|| format!("no {column} in {}", self.fields.join(",")))
    }

    pub(super) fn number<T: FromStr>(&self, column: &str) -> anyhow::Result<T> {
        let text = self.text(column)?;
        text.parse().map_err(|_| anyhow::anyhow!("{column}: {text:?} is no number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_by_the_names_of_its_columns() {
        let table = Table::parse("a,b\n1,x\n2\n", ',');
        let rows: Vec<Row> = table.rows().collect();
        assert_eq!((rows[0].number::<u8>("a").unwrap(), rows[0].text("b").unwrap()), (1, "x"));
        assert_eq!((rows[1].get("b"), rows[1].get("c")), (None, None));
        assert!(rows[0].number::<u8>("b").unwrap_err().to_string().contains("\"x\""));
    }
}
