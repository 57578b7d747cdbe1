//! Fields without effect that a stored object has already: whoever stored it was told of them, so a
//! change elsewhere in the object need not allow them again.
//!
//! Invariant: of fields at one place, items of lists counted as one, no more pass than are stored.

use std::collections::BTreeMap;

use crate::problem::FieldPath;

/// Of these fields those that are not stored already.
pub(crate) fn added<'f>(
    fields: &'f [(FieldPath, String)],
    stored: &[FieldPath],
) -> Vec<&'f (FieldPath, String)> {
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for path in stored {
        *left.entry(place(path)).or_default() += 1;
    }
    let is_added = |field: &&(FieldPath, String)| match left.get_mut(&place(&field.0)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    fields.iter().filter(is_added).collect()
}

/// The path without the places of items in their lists: they move when one before them goes.
fn place(path: &FieldPath) -> String {
    let mut place = String::new();
    for part in path.as_str().split_inclusive('[') {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        place.push_str(if rest.starts_with(']') { rest } else { part });
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_are_stored_pass_wherever_in_their_lists_they_stand() {
        let field = |path: &str| (FieldPath::of(path), "why".to_owned());
        let fields = ["spec.c[0].probe", "spec.c[2].probe", "spec.v[x/1].nfs"].map(field);
        let names = |stored: &[&str]| -> Vec<String> {
            let stored: Vec<FieldPath> = stored.iter().map(|path| FieldPath::of(path)).collect();
            added(&fields, &stored).iter().map(|(path, _)| path.to_string()).collect()
        };
        assert_eq!(names(&["spec.c[7].probe", "spec.v[x/1].nfs"]), ["spec.c[2].probe"]);
        assert_eq!(names(&["spec.v[x/2].nfs"]).len(), 3, "a key is not an item's place");
        let all = ["spec.c[0].probe", "spec.c[1].probe", "spec.c[2].probe", "spec.v[x/1].nfs"];
        assert_eq!(names(&all), [""; 0]);
    }
}
