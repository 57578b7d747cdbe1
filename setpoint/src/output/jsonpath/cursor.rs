//! A text that is read from its beginning to its end.

use super::Mistake;

/// Signs at which a name ends, as in kubectl.
const TERMINATORS: &[char] = &[' ', '\t', '\r', '\n', '.', ',', '[', ']', '$', '@', '{', '}'];

/// Filters within a filter: nobody has written two, and each is a call within a call.
const FILTERS_WITHIN_MAX: usize = 32;

/// What is left of a text.
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Cursor { rest: text }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Goes past so many bytes, which are whole characters.
    pub(super) fn past(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Goes past this where it is next; whether it was.
    pub(super) fn takes(&mut self, what: &str) -> bool {
        let rest = self.rest.strip_prefix(what);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(super) fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Up to one of these signs, which is left, or to the end.
    pub(super) fn until(&mut self, signs: &[char]) -> &'a str {
        self.take_while(|c| !signs.contains(&c))
    }

    pub(super) fn take_while(&mut self, is_taken: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !is_taken(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// The word that is next, which is left there; empty where none is.
    pub(super) fn word(&self) -> &'a str {
        let end = self.rest.find(TERMINATORS).unwrap_or(self.rest.len());
        &self.rest[..end]
    }

    /// Goes past that word.
    pub(super) fn past_word(&mut self) -> &mut Self {
        self.past(self.word().len());
        self
    }

    /// A name up to what ends it; what a backslash stands before belongs to it.
    pub(super) fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| !TERMINATORS.contains(c)) {
            self.past(c.len_utf8());
            match (c, self.peek()) {
                ('\\', Some(escaped)) => {
                    self.past(escaped.len_utf8());
                    name.push(escaped);
                }
                ('\\', None) => {}
                (c, _) => name.push(c),
            }
        }
        name
    }

    /// A text in quotes, with what its backslashes stand for.
    pub(super) fn quoted(&mut self) -> Result<String, Mistake> {
        let whole = self.rest;
        let unterminated = || Mistake(format!("unterminated quoted string {whole}"));
        let quote = self.next().ok_or_else(unterminated)?;
        let mut text = String::new();
        loop {
            match self.next().filter(|c| *c != '\n').ok_or_else(unterminated)? {
                '\\' => text.push(self.escaped()?),
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
    }

    /// A name in quotes, part by part: dots without a backslash part them, as in kubectl.
    pub(super) fn quoted_name(&mut self) -> Option<Vec<String>> {
        let quote = self.next()?;
        let mut parts = vec![String::new()];
        loop {
            match self.next()? {
                '\\' => parts.last_mut()?.push(self.next()?),
                c if c == quote => return Some(parts),
                '.' => parts.push(String::new()),
                c => parts.last_mut()?.push(c),
            }
        }
    }

    /// Up to a sign that is not in quotes and is one of these, or to the end.
    pub(super) fn outside_quotes(&mut self, is_end: impl Fn(char) -> bool) -> &'a str {
        let end = outside(self.rest, is_end).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// The inside of a bracket whose beginning is past, and past its end.
    pub(super) fn bracket(&mut self) -> Result<&'a str, Mistake> {
        let inside = self.outside_quotes(|c| c == ']');
        match self.takes("]") {
            true => Ok(inside),
            false => Err(Mistake("unterminated array: a [ is not closed by ]".to_owned())),
        }
    }

    /// The inside of a filter whose beginning is past, and past its end.
    pub(super) fn filter(&mut self) -> Result<&'a str, Mistake> {
        let whole = self.rest;
        // Other parentheses within are closed before.
        let mut depth = 0usize;
        let end = outside(whole, |c| {
            match c {
                '(' => depth += 1,
                ')' if depth == 0 => return true,
                ')' => depth -= 1,
                _ => {}
            }
            false
        });
        let inside = end.and_then(|end| whole.get(..end));
        let inside = inside.ok_or_else(|| Mistake("unterminated filter".to_owned()))?;
        if inside.matches("[?(").count() > FILTERS_WITHIN_MAX {
            return Err(Mistake(format!("more than {FILTERS_WITHIN_MAX} filters in a filter")));
        }
        self.past(inside.len());
        match self.takes(")]") {
            true => Ok(inside),
            false => Err(Mistake("a filter ends with )]".to_owned())),
        }
    }

    /// What is left, cut at these signs where they are not in quotes.
    pub(super) fn split(mut self, at: char) -> Vec<&'a str> {
        let mut parts = vec![self.outside_quotes(|c| c == at)];
        while !self.is_done() {
            self.past(at.len_utf8());
            parts.push(self.outside_quotes(|c| c == at));
        }
        parts
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.past(next.len_utf8());
        Some(next)
    }

    /// What a backslash and the sign behind it stand for.
    fn escaped(&mut self) -> Result<char, Mistake> {
        Ok(match self.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('v') => '\u{b}',
            Some(c @ ('\\' | '"' | '\'')) => c,
            Some('x') => self.code(2)?,
            Some('u') => self.code(4)?,
            Some('U') => self.code(8)?,
            other => {
                let sign = other.map(String::from).unwrap_or_default();
                return Err(Mistake(format!("\\{sign} stands for nothing in quotes")));
            }
        })
    }

    /// A character by its number, in so many hexadecimal digits.
    fn code(&mut self, digits: usize) -> Result<char, Mistake> {
        let text = self.rest.get(..digits).unwrap_or_default();
        let code = u32::from_str_radix(text, 16).ok().and_then(char::from_u32);
        let code = code.ok_or_else(|| Mistake(format!("{text:?} is no character's number")))?;
        self.past(digits);
        Ok(code)
    }
}

/// Where the first sign is that is not in quotes and of which this holds.
fn outside(text: &str, mut is_it: impl FnMut(char) -> bool) -> Option<usize> {
    let (mut quote, mut is_escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match quote {
            _ if is_escaped => is_escaped = false,
            _ if c == '\\' => is_escaped = true,
            Some(open) if open == c => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if is_it(c) => return Some(at),
            None => {}
        }
    }
    None
}
