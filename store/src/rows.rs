//! The rows of a checkpoint, read one after another and counted.

use std::path::Path;

use rocksdb::{DB, DBIterator, Direction, IteratorMode};

use crate::error::{StoreError, failed};
use crate::layout::ROW;

/// A row: its table, its key, its value.
pub type Row = (u8, Box<[u8]>, Box<[u8]>);

/// The rows of a checkpoint, by table and key. Ends with [`StoreError::Corrupt`] when fewer or
/// more came than were written.
pub struct Rows<'a> {
    rows: DBIterator<'a>,
    path: &'a Path,
    expected: u64,
    seen: u64,
    ended: bool,
}

impl<'a> Rows<'a> {
    /// The rows in this database, which must be so many.
    pub(crate) fn of(db: &'a DB, path: &'a Path, expected: u64) -> Self {
        let rows = db.iterator(IteratorMode::From(&[ROW], Direction::Forward));
        Rows { rows, path, expected, seen: 0, ended: false }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = match self.rows.next() {
            Some(Ok((key, value))) => self.row(&key, value),
            Some(Err(source)) => Err(failed("read", self.path)(source)),
            None if self.seen == self.expected => {
                self.ended = true;
                return None;
            }
            None => Err(self.corrupt(format!("{} of its {} rows", self.seen, self.expected))),
        };
        self.ended = row.is_err();
        Some(row)
    }
}

impl Rows<'_> {
    fn row(&mut self, key: &[u8], value: Box<[u8]>) -> Result<Row, StoreError> {
        self.seen += 1;
        match key {
            [ROW, table, key @ ..] if self.seen <= self.expected => Ok((*table, key.into(), value)),
            _ => Err(self.corrupt(format!("a row more than its {}", self.expected))),
        }
    }

    fn corrupt(&self, what: String) -> StoreError {
        StoreError::Corrupt { path: self.path.to_owned(), what }
    }
}
