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
}
