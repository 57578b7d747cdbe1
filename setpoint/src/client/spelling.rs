//! The word of a list that is most like another one, for who mistyped it.

/// Letters that may be wrong in a word; with more it is another word.
const LETTERS_WRONG_MAX: usize = 2;

/// The nearest of these words, where one is near: at least half of what was typed must be right.
pub(super) fn nearest<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bound = LETTERS_WRONG_MAX.min(typed.chars().count() / 2);
    let near = words.map(|word| (distance(typed, word), word));
    let near = near.filter(|(wrong, _)| (1..=bound).contains(wrong));
    near.min_by_key(|(wrong, _)| *wrong).map(|(_, word)| word)
}

/// How many letters are to be added, taken away or changed to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for at in 0..b.len() {
            let changed = diagonal + usize::from(letter != b[at]);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_was_mistyped_is_found_and_another_word_is_not() {
        let words = ["pods", "deployments", "svc", "nodes"];
        for (typed, near) in [
            ("podz", Some("pods")),
            ("deploymnets", Some("deployments")),
            ("svcs", Some("svc")),
            ("ndes", Some("nodes")),
            ("x", None),
            ("widgets", None),
        ] {
            assert_eq!(nearest(typed, words.into_iter()), near, "{typed}");
        }
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
