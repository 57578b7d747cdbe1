//! From a text to what it consists of.

use serde_json::{Number, Value};

use super::Mistake;
use super::cursor::Cursor;
use super::filter::{cut, test};
use super::path::{Path, Piece, Slice, Step};

/// Ranges within ranges: containers of pods of owners are three, and each is a call within a call.
const RANGES_DEEP_MAX: usize = 32;

/// What stands between braces.
enum Action {
    Found(Path),
    Range(Path),
    End,
}

/// The pieces of a template. A range that nothing ends goes on to the end.
pub(super) fn template(text: &str) -> Result<Vec<Piece>, Mistake> {
    let mut cursor = Cursor::of(text);
    let mut pieces = Vec::new();
    let mut outer: Vec<(Path, Vec<Piece>)> = Vec::new();
    while !cursor.is_done() {
        let said = cursor.until(&['{']);
        if !said.is_empty() {
            pieces.push(Piece::Text(said.to_owned()));
        }
        if !cursor.takes("{") {
            break;
        }
        match action(&mut cursor)? {
            Action::Found(path) => pieces.push(Piece::Found(path)),
            Action::Range(_) if outer.len() == RANGES_DEEP_MAX => {
                return Err(Mistake(format!("more than {RANGES_DEEP_MAX} ranges in each other")));
            }
            Action::Range(path) => outer.push((path, std::mem::take(&mut pieces))),
            Action::End => {
                let range = outer.pop();
                let range =
                    range.ok_or_else(|| Mistake("not in range, nothing to end".to_owned()))?;
                pieces = ended(range, pieces);
            }
        }
    }
    while let Some(range) = outer.pop() {
        pieces = ended(range, pieces);
    }
    Ok(pieces)
}

/// The pieces around a range, with it as the last.
fn ended((path, mut around): (Path, Vec<Piece>), within: Vec<Piece>) -> Vec<Piece> {
    around.push(Piece::Range(path, within));
    around
}

/// A path that is all of a text.
pub(super) fn whole_path(text: &str) -> Result<Path, Mistake> {
    let mut cursor = Cursor::of(text);
    let path = path(&mut cursor)?;
    match cursor.peek() {
        None => Ok(path),
        Some(_) => Err(Mistake(format!("{text:?} is more than one path"))),
    }
}

/// Behind the brace that opens, up to and with the one that closes.
fn action(cursor: &mut Cursor<'_>) -> Result<Action, Mistake> {
    cursor.skip_blanks();
    let action = match cursor.word() {
        "range" => Action::Range(path(cursor.past_word())?),
        "end" => {
            cursor.past_word().skip_blanks();
            Action::End
        }
        _ => Action::Found(path(cursor)?),
    };
    match cursor.takes("}") {
        true => Ok(action),
        false => Err(Mistake("unclosed action: a { is not closed by } on its line".to_owned())),
    }
}

/// Steps up to a brace that closes, or to the end.
fn path(cursor: &mut Cursor<'_>) -> Result<Path, Mistake> {
    let mut steps = Vec::new();
    loop {
        match cursor.peek() {
            None | Some('}' | '\n' | '\r') => return Ok(Path(steps)),
            // The current value, from which every path begins anyway.
            Some(' ' | '\t' | '@' | '$') => cursor.past(1),
            Some('.') => dotted(cursor, &mut steps)?,
            Some('[') => bracketed(cursor, &mut steps)?,
            Some('"' | '\'') => steps.push(Step::Literal(Value::String(cursor.quoted()?))),
            Some(c) if c.is_ascii_digit() || "+-".contains(c) => steps.push(number(cursor)?),
            Some(c) if c.is_alphanumeric() || c == '_' => steps.push(word(cursor)?),
            Some(c @ ('&' | '|')) => {
                let joined =
                    format!("{c:?} joins nothing here: kubectl's filters have one condition");
                return Err(Mistake(format!("{joined}; give -o json to a program such as jq")));
            }
            Some(c) => return Err(Mistake(format!("unrecognized character in action: {c:?}"))),
        }
    }
}

/// `.name`, `.*`, `..` and `..name`; a dot by itself is the current value.
fn dotted(cursor: &mut Cursor<'_>, steps: &mut Vec<Step>) -> Result<(), Mistake> {
    if cursor.takes("..") {
        if steps.last() == Some(&Step::Deep) {
            return Err(Mistake("invalid multiple recursive descent".to_owned()));
        }
        steps.push(Step::Deep);
    } else {
        cursor.past(1);
    }
    let name = cursor.name();
    steps.extend((!name.is_empty()).then(|| field(&name)));
    Ok(())
}

fn field(name: &str) -> Step {
    if name == "*" { Step::All } else { Step::Field(name.to_owned()) }
}

fn bracketed(cursor: &mut Cursor<'_>, steps: &mut Vec<Step>) -> Result<(), Mistake> {
    if cursor.takes("[?(") {
        let text = cursor.filter()?;
        let (left, operator, right) = cut(text)?;
        steps.push(Step::Filter(test(
            whole_path(left)?,
            operator,
            right.map(whole_path).transpose()?,
        )));
        return Ok(());
    }
    cursor.past(1);
    let text = cursor.bracket()?;
    let parts = Cursor::of(text).split(',');
    match &parts[..] {
        [one] => steps.extend(selected(one)?),
        parts => {
            let paths = parts.iter().map(|part| selected(part).map(Path));
            steps.push(Step::Union(paths.collect::<Result<_, _>>()?));
        }
    }
    Ok(())
}

/// `*`, `'name'` with its dots, `1`, or `from:to:by`.
fn selected(text: &str) -> Result<Vec<Step>, Mistake> {
    let text = text.trim();
    let invalid = || Mistake(format!("invalid array index [{text}]"));
    if text == "*" {
        return Ok(vec![Step::Slice(Slice { from: None, to: None, by: 1 })]);
    }
    if text.starts_with(['\'', '"']) {
        let mut cursor = Cursor::of(text);
        let name = cursor.quoted_name().filter(|_| cursor.is_done()).ok_or_else(invalid)?;
        return Ok(name.iter().map(|part| field(part)).collect());
    }
    let whole = |text: &str| match text {
        "" => Ok(None),
        text => text.parse::<i64>().map(Some).map_err(|_| invalid()),
    };
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [index] => Ok(vec![Step::At(whole(index)?.ok_or_else(invalid)?)]),
        [from, to] => Ok(vec![Step::Slice(Slice { from: whole(from)?, to: whole(to)?, by: 1 })]),
        [from, to, by] => {
            let by = usize::try_from(whole(by)?.unwrap_or(1)).ok().filter(|by| *by > 0);
            let by = by.ok_or_else(|| Mistake(format!("[{text}]: step must be > 0")))?;
            Ok(vec![Step::Slice(Slice { from: whole(from)?, to: whole(to)?, by })])
        }
        _ => Err(invalid()),
    }
}

fn number(cursor: &mut Cursor<'_>) -> Result<Step, Mistake> {
    let text = cursor.take_while(|c| c.is_ascii_digit() || "+-.".contains(c));
    let whole = text.parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    let number = number.ok_or_else(|| Mistake(format!("cannot parse number {text}")))?;
    Ok(Step::Literal(Value::Number(number)))
}

/// A word without quotes: a truth value, or a text whose quotes were forgotten or taken by the shell.
fn word(cursor: &mut Cursor<'_>) -> Result<Step, Mistake> {
    let word = cursor.word().to_owned();
    cursor.past_word();
    match word.as_str() {
        "true" => Ok(Step::Literal(Value::Bool(true))),
        "false" => Ok(Step::Literal(Value::Bool(false))),
        word => Err(Mistake(format!(
            "unrecognized identifier {word}; a field begins with a dot, a text stands in quotes"
        ))),
    }
}
