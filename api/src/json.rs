//! JSON bodies, read strictly: a key that stands twice in one object is refused by its path. A lenient
//! reader takes the last and drops the other without a word.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Of a path that is quoted: whoever wrote the body finds the place by its beginning.
const PATH_CHARS_MAX: usize = 300;

/// Why a body is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A key stands twice: its path.
    Twice(String),
    /// It is not JSON from here on.
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

/// Reads a body.
///
/// # Errors
/// [`Wrong`]; no value of the body is quoted.
pub(crate) fn read(body: &[u8]) -> Result<Value, Wrong> {
    let twice = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let place = Place { path: Path::Root, twice: &twice };
    let read = place.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| match twice.take() {
        Some(path) => Wrong::Twice(path),
        None => Wrong::Syntax { line: error.line(), column: error.column() },
    })
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match self {
            Path::Root => Ok(()),
            Path::Item(list, at) => write!(f, "{list}[{at}]"),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(object, name) if name.chars().all(is_plain) => write!(f, "{object}.{name}"),
            Path::Field(object, name) => write!(f, "{object}[{name}]"),
        }
    }
}

/// A value that is to be read, and where the first key that stands twice is noted.
#[derive(Clone, Copy)]
struct Place<'p> {
    path: Path<'p>,
    twice: &'p RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = Path::Item(&self.path, list.len());
            match items.next_element_seed(Place { path, ..self })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let path = Path::Field(&self.path, &name);
            if object.contains_key(&name) {
                let place = path.to_string().chars().take(PATH_CHARS_MAX).collect();
                self.twice.replace(Some(place));
                return Err(A::Error::custom("a key stands twice"));
            }
            let value = fields.next_value_seed(Place { path, ..self })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_json_reads_is_read_alike() {
        for text in [
            r#"{"a": [1, -2, 2.5, 1e300, true, null, "x\u00e9\n", {}], "b": {"c": []}}"#,
            "18446744073709551615",
            r#""text""#,
            " [ ] ",
        ] {
            let wanted: Value = serde_json::from_str(text).expect("it is JSON");
            assert_eq!(read(text.as_bytes()), Ok(wanted), "{text}");
        }
        let deep = "[".repeat(100_000);
        for text in ["", "{", "[1,]", r#"{"a":1} x"#, deep.as_str()] {
            let read = read(text.as_bytes());
            assert!(matches!(read, Err(Wrong::Syntax { .. })), "{read:?}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_named_by_its_path() {
        for (text, path) in [
            (r#"{"a": 1, "a": 1}"#, "a"),
            (r#"{"spec": {"x": 1, "y": 2, "x": 3}}"#, "spec.x"),
            (r#"{"items": [{}, {"spec": {"x": 1, "x": 1}}]}"#, "items[1].spec.x"),
            (r#"{"metadata": {"labels": {"a/b.c": 1, "a/b.c": 2}}}"#, "metadata.labels[a/b.c]"),
            (r#"{"a": {"x": 1}, "b": {"x": 1}, "\u0061": 2}"#, "a"),
        ] {
            assert_eq!(read(text.as_bytes()), Err(Wrong::Twice(path.to_owned())), "{text}");
        }
        let long = "k".repeat(10_000);
        let Err(Wrong::Twice(path)) = read(format!(r#"{{"{long}":1,"{long}":1}}"#).as_bytes())
        else {
            panic!("it stands twice");
        };
        assert_eq!(path.len(), PATH_CHARS_MAX);
    }
}
