//! The reader: serde's deserializer over a JSON value that knows the path it is at, refuses unknown
//! fields, and asks the field table about each field that it meets.

use std::cell::RefCell;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, Visitor};
use serde_json::{Map, Value};
use setpoint_schemas::Quantity;

use super::effect::Effect;
use super::fields;
use super::findings::{Findings, Look, Stop, tell};
use super::path::Path;
use super::sort_of;

/// Reads an object into its type.
pub(crate) fn check<T: DeserializeOwned>(object: &Value, look: Look) -> Findings {
    let findings = RefCell::new(Findings::default());
    let at = At { value: object, path: &Path::Root, look, findings: &findings };
    if let Err(stop) = T::deserialize(at) {
        stop.record(&findings, &Path::Root);
    }
    findings.into_inner()
}

/// A value at its path.
#[derive(Clone, Copy)]
struct At<'v, 'p> {
    value: &'v Value,
    path: &'p Path<'p>,
    look: Look,
    findings: &'p RefCell<Findings>,
}

impl<'v> At<'v, '_> {
    fn expected<T>(&self, what: &str) -> Result<T, Stop> {
        let reason = format!("expected {what}, found {}", sort_of(self.value));
        Err(Stop { reason, told: false }.record(self.findings, self.path))
    }

    fn told<T>(&self, outcome: Result<T, Stop>) -> Result<T, Stop> {
        outcome.map_err(|stop| stop.record(self.findings, self.path))
    }

    fn entries(&self) -> Result<&'v Map<String, Value>, Stop> {
        match self.value {
            Value::Object(entries) => Ok(entries),
            _ => self.expected("a map"),
        }
    }

    fn visit_map<V: Visitor<'v>>(
        &self,
        entries: &'v Map<String, Value>,
        owner: Option<&'static str>,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let entries = Entries { at: *self, owner, iter: entries.iter(), value: None };
        self.told(visitor.visit_map(entries))
    }

    /// Refuses fields that the type does not have, and asks what the others do.
    fn check_fields(&self, owner: &'static str, known: &[&str], entries: &'v Map<String, Value>) {
        for (name, value) in entries {
            let path = Path::Field(self.path, name);
            if !known.contains(&name.as_str()) {
                tell(self.findings, &path, "unknown field");
            } else if self.look == Look::Effects
                && let Some(why) = fields::effect(owner, name).not_acted_on(value)
            {
                let found = (path.text(), why.to_owned());
                self.findings.borrow_mut().not_acted_on.push(found);
            }
        }
    }

    fn check_quantity(&self) -> Result<(), Stop> {
        let text = match self.value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return self.expected("a quantity such as 100m, 64Mi or 2"),
        };
        self.told(Quantity::parse(&text).map(|_| ()).map_err(de::Error::custom))
    }
}

/// Kubernetes' zero time.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

macro_rules! whole_number {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
            match self.value {
                Value::Number(number) => {
                    let outcome = match (number.as_i64(), number.as_u64()) {
                        (Some(number), _) => visitor.visit_i64(number),
                        (_, Some(number)) => visitor.visit_u64(number),
                        _ => Err(de::Error::custom("expected a whole number")),
                    };
                    let ranged = outcome.map_err(|stop: Stop| Stop {
                        reason: stop.reason.replace("is not i32", "is out of range for 32 bits"),
                        ..stop
                    });
                    self.told(ranged)
                }
                _ => self.expected("a whole number"),
            }
        }
    )*};
}

impl<'v> Deserializer<'v> for At<'v, '_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.value {
            Value::Null => self.told(visitor.visit_unit()),
            Value::Bool(value) => self.told(visitor.visit_bool(*value)),
            Value::Number(_) => self.deserialize_number(visitor),
            Value::String(text) => self.told(visitor.visit_borrowed_str(text)),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(entries) => self.visit_map(entries, None, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.value {
            Value::Bool(value) => self.told(visitor.visit_bool(*value)),
            _ => self.expected("true or false"),
        }
    }

    whole_number! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_f32<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.value.as_f64() {
            Some(value) => self.told(visitor.visit_f64(value)),
            None => self.expected("a number"),
        }
    }

    fn deserialize_str<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.value {
            Value::String(text) => self.told(visitor.visit_borrowed_str(text)),
            _ => self.expected("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.value {
            Value::Null => self.told(visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'v>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if name == "Quantity" {
            self.check_quantity()?;
        }
        if name == "Time" && self.value.is_null() {
            // Within a map or list Kubernetes reads no time as its zero time.
            return visitor.visit_newtype_struct(BorrowedStrDeserializer::new(ZERO_TIME));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.value {
            Value::Array(items) => {
                self.told(visitor.visit_seq(Items { at: self, iter: items.iter().enumerate() }))
            }
            _ => self.expected("a list"),
        }
    }

    fn deserialize_map<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.visit_map(self.entries()?, None, visitor)
    }

    fn deserialize_struct<V: Visitor<'v>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let entries = self.entries()?;
        self.check_fields(name, fields, entries);
        self.visit_map(entries, Some(name), visitor)
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'v>>
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

impl<'v> At<'v, '_> {
    fn deserialize_number<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Stop> {
        if self.value.is_f64() {
            self.deserialize_f64(visitor)
        } else {
            self.deserialize_i64(visitor)
        }
    }
}

struct Items<'v, 'p> {
    at: At<'v, 'p>,
    iter: std::iter::Enumerate<std::slice::Iter<'v, Value>>,
}

impl<'v> de::SeqAccess<'v> for Items<'v, '_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'v>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        let Some((index, value)) = self.iter.next() else { return Ok(None) };
        let path = Path::Index(self.at.path, index);
        let item = At { value, path: &path, look: self.at.look, findings: self.at.findings };
        item.told(seed.deserialize(item)).map(Some)
    }
}

struct Entries<'v, 'p> {
    at: At<'v, 'p>,
    owner: Option<&'static str>,
    iter: serde_json::map::Iter<'v>,
    value: Option<(&'v str, &'v Value)>,
}

impl<'v> de::MapAccess<'v> for Entries<'v, '_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'v>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        let Some((name, value)) = self.iter.next() else { return Ok(None) };
        self.value = Some((name, value));
        let key: BorrowedStrDeserializer<'v, Stop> = BorrowedStrDeserializer::new(name);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'v>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        let Some((name, value)) = self.value.take() else {
            return Err(de::Error::custom("a value without a key"));
        };
        let look = match self.owner {
            Some(owner) if self.at.look == Look::Effects => match fields::effect(owner, name) {
                Effect::Acted => Look::Effects,
                Effect::Harmless | Effect::Changes(..) => Look::Types,
            },
            _ => self.at.look,
        };
        let path = Path::Field(self.at.path, name);
        let entry = At { value, path: &path, look, findings: self.at.findings };
        entry.told(seed.deserialize(entry))
    }
}
