//! A table as kubectl prints it: no lines, columns set apart by spaces.

use comfy_table::{ContentArrangement, Table, presets};

/// Spaces between two columns, as kubectl's.
const GAP: u16 = 3;

/// The rows under their headers; every line ends with its text.
pub(crate) fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.trim_fmt()
}

/// The widths of the columns of a table, for rows that come later.
pub(crate) fn widths(headers: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = headers.iter().map(|header| header.chars().count()).collect();
    rows.iter().for_each(|row| widen(&mut widths, row));
    widths
}

/// One more row under a table with these widths, which grow when a cell needs it.
pub(crate) fn row(widths: &mut Vec<usize>, cells: &[String]) -> String {
    widen(widths, cells);
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths.iter()) {
        line.push_str(&format!("{:<w$}", one_line(cell), w = width + usize::from(GAP)));
    }
    line.truncate(line.trim_end().len());
    line
}

fn widen(widths: &mut Vec<usize>, cells: &[String]) {
    widths.resize(widths.len().max(cells.len()), 0);
    for (width, cell) in widths.iter_mut().zip(cells) {
        *width = (*width).max(cell.chars().count());
    }
}

/// A cell stays on its line whatever it holds.
fn one_line(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn columns_are_set_apart_by_spaces_and_lines_end_with_their_text() {
        let rows =
            [vec!["web-1".to_owned(), "1/1".to_owned()], vec!["a".to_owned(), "x\ny".to_owned()]];
        expect![[r#"
            NAME    READY
            web-1   1/1
            a       x y"#]]
        .assert_eq(&table(&["NAME", "READY"], &rows));
    }

    #[test]
    fn rows_that_come_later_stand_under_the_table() {
        let first = [vec!["web-1".to_owned(), "1/1".to_owned(), "5s".to_owned()]];
        let headers = ["NAME", "READY", "AGE"];
        let mut widths = widths(&headers, &first);
        let later = ["a".to_owned(), "0/1".to_owned(), "6s".to_owned()];
        let long = ["longer-name".to_owned(), "0/1".to_owned(), "7s".to_owned()];
        let lines = [
            table(&headers, &first),
            row(&mut widths, &later),
            row(&mut widths, &long),
            row(&mut widths, &later),
        ];
        expect![[r#"
            NAME    READY   AGE
            web-1   1/1     5s
            a       0/1     6s
            longer-name   0/1     7s
            a             0/1     6s"#]]
        .assert_eq(&lines.join("\n"));
    }
}
