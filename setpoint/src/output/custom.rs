//! Columns of the user's own: `NAME:.metadata.name,NODE:.spec.nodeName`.

use serde_json::Value;

use crate::output::field::or_none;
use crate::output::jsonpath::{Mistake, Path, shown};

/// One column.
#[derive(Debug, Clone)]
pub(crate) struct Custom {
    header: String,
    path: Path,
}

impl Custom {
    /// Parses the form of `-o custom-columns=`.
    pub(crate) fn parse(text: &str) -> Result<Vec<Custom>, Mistake> {
        let part = |part: &str| match part.split_once(':') {
            Some((header, path)) if !header.trim().is_empty() => Custom::of(header, path),
            _ => Err(Mistake::new(format!(
                "{part:?} is no column; write HEADER:PATH, such as NAME:.metadata.name"
            ))),
        };
        parts(text).into_iter().map(part).collect()
    }

    /// Parses the form of `-o custom-columns-file=`: a line of headers, and a line of as many paths.
    pub(crate) fn parse_file(text: &str) -> Result<Vec<Custom>, Mistake> {
        let mut lines = text.lines();
        let mut words = || lines.next().unwrap_or_default().split_whitespace();
        let (headers, paths): (Vec<&str>, Vec<&str>) = (words().collect(), words().collect());
        match headers.len() == paths.len() && !headers.is_empty() {
            true => headers.into_iter().zip(paths).map(|(h, p)| Custom::of(h, p)).collect(),
            false => Err(Mistake::new(format!(
                "the first line has {} headers and the second {} paths; each header has its path below it",
                headers.len(),
                paths.len()
            ))),
        }
    }

    fn of(header: &str, path: &str) -> Result<Custom, Mistake> {
        let path = Path::relaxed(path)?;
        Ok(Custom { header: header.trim().to_owned(), path })
    }

    /// What stands above it.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// What stands in it for an object: all that its path finds, `<none>` for nothing.
    pub(crate) fn cell(&self, object: &Value) -> Result<String, Mistake> {
        let found = self.path.find(object)?;
        let found: Vec<String> = found.into_iter().map(|value| or_none(&text(value))).collect();
        Ok(or_none(&found.join(",")))
    }
}

fn text(value: &Value) -> String {
    if value.is_null() { String::new() } else { shown(value) }
}

/// Cut at commas that are not within brackets; a bracket in quotes within them is none.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut quote) = (0usize, None);
    text.split(|c: char| {
        match (c, quote) {
            (c, Some(open)) => quote = Some(open).filter(|open| *open != c),
            ('"' | '\'', None) if depth > 0 => quote = Some(c),
            ('[' | '(', None) => depth += 1,
            (']' | ')', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_column_says_what_its_path_finds() {
        let object = json!({"metadata": {"name": "web", "labels": {"app": "x"}}, "spec": {
            "containers": [{"name": "a", "image": "i"}, {"name": "b"}], "nodeName": null, "empty": ""}});
        for (path, cell) in [
            (".metadata.name", "web"),
            ("metadata.name", "web"),
            ("{.spec.containers[*].name}", "a,b"),
            (".spec.containers[*]['name','image']", "a,b,i"),
            (".metadata.labels", r#"{"app":"x"}"#),
            (".spec.nodeName", "<none>"),
            (".spec.empty", "<none>"),
            (".status.phase", "<none>"),
        ] {
            let columns = Custom::parse(&format!("A:{path},B:.metadata.name")).expect(path);
            assert_eq!(columns.len(), 2, "{path}");
            assert_eq!(columns[0].cell(&object), Ok(cell.to_owned()), "{path}");
        }
        let quoted = Custom::parse(r#"A:.spec.containers[?(@.name!="],")].name,B:.metadata.name"#);
        let quoted = quoted.expect("two columns");
        assert_eq!(quoted.len(), 2);
        assert_eq!(quoted[0].cell(&object), Ok("a,b".to_owned()));
        let beyond = Custom::parse("A:.spec.containers[7].name").expect("a column");
        assert!(beyond[0].cell(&object).is_err());
    }

    #[test]
    fn columns_of_a_file_have_their_headers_above_them() {
        let columns = Custom::parse_file("NAME          NODE\nmetadata.name {.spec.nodeName}\n");
        let columns = columns.expect("two columns");
        let headers: Vec<&str> = columns.iter().map(Custom::header).collect();
        assert_eq!(headers, ["NAME", "NODE"]);
        for wrong in ["", "NAME", "NAME NODE\nmetadata.name"] {
            assert!(Custom::parse_file(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["", "NAME", "NAME:", ":.metadata.name", "A:.a,"] {
            assert!(Custom::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
