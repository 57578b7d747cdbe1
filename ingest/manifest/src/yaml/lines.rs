//! From a field's path to its line.

use super::{Content, Node};

impl Node {
    /// The line of the field at this path, from 1; of the nearest that is there around it when the
    /// field itself is not. A block begins at its first line.
    pub(crate) fn line_of(&self, path: &str) -> usize {
        let mut node = self;
        let mut rest = path;
        while let Some((step, more)) = step(rest) {
            let below = match &node.content {
                Content::Map(entries) => {
                    entries.iter().find(|(key, _)| key == step).map(|(_, n)| n)
                }
                Content::List(items) => step.parse().ok().and_then(|at: usize| items.get(at)),
                Content::Scalar { .. } => None,
            };
            let Some(below) = below else { break };
            (node, rest) = (below, more);
        }
        node.line
    }
}

/// The first step of a path such as `a.b[0][x/y]`, and what comes behind it.
fn step(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(inside) = path.strip_prefix('[') {
        return inside.split_once(']');
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    (end > 0).then(|| path.split_at(end))
}

#[cfg(test)]
mod tests {
    use crate::yaml::parse;

    #[test]
    fn a_path_leads_to_its_line_or_to_what_is_around_it() {
        let text = "metadata:\n  labels:\n    a/b: c\nspec:\n  list:\n  - name: x\n  - name: y\n";
        let tree = &parse(text).expect("it parses")[0].node;
        for (path, line) in [
            ("", 1),
            ("metadata.labels[a/b]", 3),
            ("spec.list[1].name", 7),
            ("spec.list[1].image", 7),
            ("spec.list[9]", 6),
            ("spec.nothing.at.all", 5),
        ] {
            assert_eq!(tree.line_of(path), line, "{path}");
        }
    }
}
