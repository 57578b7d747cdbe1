//! Where a reader is: a path that costs nothing until something is found there.

use crate::problem::{FieldPath, push_field};

/// A path as a chain on the stack, written out only when something is found.
pub(super) enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn write(&self, text: &mut String) {
        match self {
            Path::Root => {}
            Path::Field(above, name) => {
                above.write(text);
                push_field(text, name);
            }
            Path::Index(above, index) => {
                above.write(text);
                text.push_str(&format!("[{index}]"));
            }
        }
    }

    /// The path written out.
    pub(super) fn text(&self) -> FieldPath {
        let mut text = String::new();
        self.write(&mut text);
        FieldPath::of(&text)
    }
}
