//! A table of objects, which goes on growing while one watches.

use jiff::Timestamp;
use serde_json::Value;

use super::{Form, Found, Get};
use crate::failure::Failure;
use crate::output::field::pairs;
use crate::output::jsonpath::Mistake;
use crate::output::{Columns, Custom, columns, row, table, widths};

/// Columns that grow while one watches, and how wide they may become: an address of IPv4, and what pods say most.
const ROOM: [(&str, usize); 2] = [("IP", 15), ("STATUS", 17)];

/// A table that goes on growing.
pub(super) struct Sheet {
    shape: Shape,
    widths: Vec<usize>,
    /// Still to be printed, when there was no row to print them above.
    headers: Option<Vec<String>>,
}

/// Which columns it has.
enum Shape {
    /// Those of a kind; with the namespace, those of `wide`, and the labels as the last.
    Kind { columns: Columns, has_namespace: bool, is_wide: bool, has_labels: bool },
    /// The user's own.
    Custom(Vec<Custom>),
}

impl Sheet {
    /// For the objects of a kind, and those of it that come later.
    pub(super) fn of(get: &Get, found: &Found) -> Result<Sheet, Failure> {
        let mut sheet = Sheet::empty(get, found);
        let headers = sheet.titles();
        let shown: Vec<&str> = headers.iter().map(String::as_str).collect();
        sheet.widths = widths(&shown, &sheet.rows(&found.items)?);
        if get.watch {
            sheet.leave_room();
        }
        let is_of_a_kind = matches!(sheet.shape, Shape::Kind { .. });
        let unprinted = found.items.is_empty() && !get.no_headers && is_of_a_kind;
        sheet.headers = unprinted.then_some(headers);
        Ok(sheet)
    }

    fn empty(get: &Get, found: &Found) -> Sheet {
        let shape = match &get.output {
            Form::Custom(columns) => Shape::Custom(columns.clone()),
            form => Shape::Kind {
                columns: columns(&found.path.kind),
                has_namespace: get.all_namespaces && found.path.namespaced,
                is_wide: form.is_wide(),
                has_labels: get.show_labels,
            },
        };
        Sheet { shape, widths: Vec::new(), headers: None }
    }

    /// Columns whose cells grow while one watches are as wide as they may become.
    fn leave_room(&mut self) {
        for (header, width) in self.titles().iter().zip(&mut self.widths) {
            let room = ROOM.iter().find(|(name, _)| name == header);
            *width = room.map_or(*width, |(_, chars)| (*width).max(*chars));
        }
    }

    fn titles(&self) -> Vec<String> {
        match &self.shape {
            Shape::Kind { columns, has_namespace, is_wide, has_labels } => {
                let mut titles = columns.headers(*has_namespace, *is_wide);
                titles.extend(has_labels.then_some("LABELS"));
                titles.into_iter().map(str::to_owned).collect()
            }
            Shape::Custom(columns) => columns.iter().map(|c| c.header().to_owned()).collect(),
        }
    }

    fn rows(&self, items: &[Value]) -> Result<Vec<Vec<String>>, Failure> {
        let now = Timestamp::now();
        items.iter().map(|item| self.cells(item, now)).collect()
    }

    fn cells(&self, item: &Value, now: Timestamp) -> Result<Vec<String>, Failure> {
        match &self.shape {
            Shape::Kind { columns, has_namespace, is_wide, has_labels } => {
                let mut cells = columns.row(item, *has_namespace, *is_wide, now);
                cells.extend(has_labels.then(|| pairs(item, "/metadata/labels")));
                Ok(cells)
            }
            Shape::Custom(columns) => {
                let cells: Result<Vec<String>, Mistake> =
                    columns.iter().map(|column| column.cell(item)).collect();
                cells.map_err(|why| Failure::new("failed to fill the columns").because(why))
            }
        }
    }

    /// One more object, with the headers above it where they were not printed yet.
    pub(super) fn more(&mut self, object: &Value) -> Result<String, Failure> {
        let cells = self.cells(object, Timestamp::now())?;
        let headers = self.headers.take().map(|headers| row(&mut self.widths, &headers) + "\n");
        Ok(headers.unwrap_or_default() + &row(&mut self.widths, &cells))
    }
}

/// The objects of a kind in a table; with their kinds before their names where there are many kinds.
pub(super) fn of_kind(get: &Get, found: &Found, is_many: bool) -> Result<String, Failure> {
    let sheet = Sheet::of(get, found)?;
    let at = sheet.titles().iter().position(|title| title == "NAME").filter(|_| is_many);
    let mut rows = sheet.rows(&found.items)?;
    for cells in &mut rows {
        if let Some(cell) = at.and_then(|at| cells.get_mut(at)) {
            *cell = found.path.shown(cell);
        }
    }
    Ok(printed(get, sheet, &rows))
}

/// All objects in a table with the user's own columns; its headers stand above no row too.
pub(super) fn of_user(get: &Get, found: &[Found]) -> Result<String, Failure> {
    let Some(first) = found.first() else { return Ok(String::new()) };
    let sheet = Sheet::empty(get, first);
    let rows: Result<Vec<_>, Failure> = found.iter().map(|f| sheet.rows(&f.items)).collect();
    Ok(printed(get, sheet, &rows?.concat()))
}

fn printed(get: &Get, mut sheet: Sheet, rows: &[Vec<String>]) -> String {
    let headers = sheet.titles();
    let shown: Vec<&str> = headers.iter().map(String::as_str).collect();
    if !get.no_headers && !get.watch {
        return table(&shown, rows);
    }
    sheet.widths = match get.no_headers {
        true => widths(&[], rows),
        false if sheet.widths.is_empty() => widths(&shown, rows),
        false => sheet.widths,
    };
    let headers = (!get.no_headers).then_some(&headers);
    let lines = headers.into_iter().chain(rows);
    let lines: Vec<String> = lines.map(|cells| row(&mut sheet.widths, cells)).collect();
    lines.join("\n")
}
