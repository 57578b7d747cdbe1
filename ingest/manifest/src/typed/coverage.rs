//! The field table covers every field of every managed kind, and names none that there is not.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, Visitor};

use super::effect::Effect;
use super::fields::{self, FIELDS};
use k8s_openapi::api::{
    apps::v1 as apps, batch::v1 as batch, core::v1 as core, policy::v1 as policy,
    scheduling::v1 as scheduling, storage::v1 as storage,
};

type Seen = RefCell<BTreeSet<(&'static str, &'static str)>>;

#[test]
fn every_field_of_every_managed_kind_has_a_row() {
    let seen = seen();
    let without: Vec<_> = seen.iter().filter(|(owner, field)| !has_row(owner, field)).collect();
    assert!(without.is_empty(), "fields without a row: {without:?}");
}

#[test]
fn every_row_names_a_field_that_there_is() {
    let seen = seen();
    let named = FIELDS.iter().flat_map(|(owner, rows)| {
        rows.iter().flat_map(|(names, _)| names.split_whitespace()).map(move |name| (*owner, name))
    });
    let absent: Vec<_> = named.filter(|row| !seen.contains(row)).collect();
    assert!(absent.is_empty(), "rows without a field: {absent:?}");
}

fn has_row(owner: &str, field: &str) -> bool {
    let rows = FIELDS.iter().filter(|(name, _)| *name == owner).flat_map(|(_, rows)| *rows);
    rows.into_iter().any(|(names, _)| names.split_whitespace().any(|name| name == field))
}

fn seen() -> BTreeSet<(&'static str, &'static str)> {
    let seen = Seen::default();
    walk::<apps::Deployment>(&seen);
    walk::<apps::ReplicaSet>(&seen);
    walk::<apps::DaemonSet>(&seen);
    walk::<apps::StatefulSet>(&seen);
    walk::<core::ReplicationController>(&seen);
    walk::<batch::Job>(&seen);
    walk::<batch::CronJob>(&seen);
    walk::<core::Pod>(&seen);
    walk::<core::Namespace>(&seen);
    walk::<core::Node>(&seen);
    walk::<core::ConfigMap>(&seen);
    walk::<core::Secret>(&seen);
    walk::<policy::PodDisruptionBudget>(&seen);
    walk::<core::Service>(&seen);
    walk::<core::ResourceQuota>(&seen);
    walk::<core::LimitRange>(&seen);
    walk::<core::PersistentVolumeClaim>(&seen);
    walk::<core::PersistentVolume>(&seen);
    walk::<storage::StorageClass>(&seen);
    walk::<scheduling::PriorityClass>(&seen);
    walk::<core::PersistentVolumeClaim>(&seen);
    walk::<storage::StorageClass>(&seen);
    seen.into_inner()
}

fn walk<T: de::DeserializeOwned>(seen: &Seen) {
    T::deserialize(Probe { seen }).map(|_| ()).expect("a probe of the type");
}

/// Offers a type every field that is acted upon, and notes all.
#[derive(Clone, Copy)]
struct Probe<'s> {
    seen: &'s Seen,
}

type Refused = serde::de::value::Error;

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str("0")
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(false)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i32(0)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i64(0)
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_str("")
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        match name {
            "Time" => visitor.visit_newtype_struct(StrDeserializer::new("2026-01-01T00:00:00Z")),
            _ => visitor.visit_newtype_struct(self),
        }
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Once { probe: self, left: true })
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_map(Offer { probe: self, fields: vec!["key"].into_iter() })
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let fresh = fields.iter().filter(|field| self.seen.borrow_mut().insert((name, field)));
        let fresh: Vec<&'static str> = fresh.copied().collect();
        let acted =
            fresh.into_iter().filter(|field| matches!(fields::effect(name, field), Effect::Acted));
        let fields = acted.collect::<Vec<_>>().into_iter();
        visitor.visit_map(Offer { probe: self, fields })
    }
    serde::forward_to_deserialize_any! {
        <V: Visitor<'de>>
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char string bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

struct Once<'s> {
    probe: Probe<'s>,
    left: bool,
}

impl<'de> de::SeqAccess<'de> for Once<'_> {
    type Error = Refused;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if !std::mem::take(&mut self.left) {
            return Ok(None);
        }
        seed.deserialize(self.probe).map(Some)
    }
}

struct Offer<'s> {
    probe: Probe<'s>,
    fields: std::vec::IntoIter<&'static str>,
}

impl<'de> de::MapAccess<'de> for Offer<'_> {
    type Error = Refused;
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        let Some(field) = self.fields.next() else { return Ok(None) };
        let key: BorrowedStrDeserializer<'de, Refused> = BorrowedStrDeserializer::new(field);
        seed.deserialize(key).map(Some)
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        seed.deserialize(self.probe)
    }
}
