//! JSON in little memory, in the order of the file.
//!
//! A program of ten thousand nodes has hundreds of thousands of objects as small as `{"as_int": 3}`. That one takes half a
//! kilobyte as an index map of `serde_json`, and here 64 bytes. Only large objects have an index.

use std::fmt;
use std::ops::{Index, IndexMut};

use compact_str::CompactString;
use rustc_hash::FxHashMap;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;

/// A value, as in `serde_json`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(CompactString),
    Array(Vec<Value>),
    Object(Map),
}

/// An object.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    entries: Vec<(CompactString, Value)>,
    /// Where each key is, in an object of more than [`FEW`] entries.
    index: Option<Box<FxHashMap<CompactString, usize>>>,
}

/// Up to so many entries are looked through.
const FEW: usize = 16;

impl Map {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(k, v)| (k.as_str(), v))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value)> {
        self.entries.iter_mut().map(|(k, v)| (k.as_str(), v))
    }

    pub(super) fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.find(key).map(|at| &self.entries[at].1)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.find(key).map(|at| &mut self.entries[at].1)
    }

    /// Replaces the value of a key, or adds it at the end.
    pub(super) fn insert(&mut self, key: impl AsRef<str> + Into<CompactString>, value: Value) {
        match self.find(key.as_ref()) {
            Some(at) => self.entries[at].1 = value,
            None => {
                let key = key.into();
                if let Some(index) = &mut self.index {
                    index.insert(key.clone(), self.entries.len());
                }
                self.entries.push((key, value));
                if self.index.is_none() && self.entries.len() > FEW {
                    self.rebuild();
                }
            }
        }
    }

    /// Removes the entries for which the function is false.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|(k, _)| keep(k));
        if self.entries.len() != before {
            self.rebuild();
        }
    }

    /// Gives an entry another key in its place; false where there is none, or one has that key.
    pub(super) fn rename(&mut self, key: &str, to: &str) -> bool {
        let (Some(at), None) = (self.find(key), self.find(to)) else { return false };
        self.entries[at].0 = to.into();
        self.rebuild();
        true
    }

    fn find(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(key).copied(),
            None => self.entries.iter().position(|(k, _)| k == key),
        }
    }

    fn rebuild(&mut self) {
        let places = self.entries.iter().enumerate().map(|(at, (k, _))| (k.clone(), at));
        self.index = (self.entries.len() > FEW).then(|| Box::new(places.collect()));
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.entries == other.entries
    }
}

impl Value {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.as_object_mut()?.get_mut(key)
    }

    /// What a path of keys leads to.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// What a path of keys leads to.
    pub(super) fn at_mut(&mut self, path: &[&str]) -> Option<&mut Value> {
        path.iter().try_fold(self, |value, key| value.get_mut(key))
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Value::String(s) = self { Some(s) } else { None }
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(b) = self { Some(*b) } else { None }
    }

    pub(super) fn as_i64(&self) -> Option<i64> {
        if let Value::Number(n) = self { n.as_i64() } else { None }
    }

    pub(super) fn as_f64(&self) -> Option<f64> {
        if let Value::Number(n) = self { n.as_f64() } else { None }
    }

    pub(super) fn as_array(&self) -> Option<&Vec<Value>> {
        if let Value::Array(list) = self { Some(list) } else { None }
    }

    pub(super) fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if let Value::Array(list) = self { Some(list) } else { None }
    }

    pub(super) fn as_object(&self) -> Option<&Map> {
        if let Value::Object(map) = self { Some(map) } else { None }
    }

    pub(super) fn as_object_mut(&mut self) -> Option<&mut Map> {
        if let Value::Object(map) = self { Some(map) } else { None }
    }
}

/// The entry of an object; null where there is none.
impl Index<&str> for Value {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&Value::Null)
    }
}

/// The entry of an object, which is made where it is missing. What is no object becomes one.
impl IndexMut<&str> for Value {
    fn index_mut(&mut self, key: &str) -> &mut Value {
        if self.as_object().is_none() {
            *self = Value::Object(Map::default());
        }
        let Value::Object(map) = self else { unreachable!("it was made an object") };
        let at = map.find(key).unwrap_or_else(|| {
            map.insert(key, Value::Null);
            map.len() - 1
        });
        &mut map.entries[at].1
    }
}

/// Text as it stands in a file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::Number(n) => Value::Number(n),
            serde_json::Value::String(s) => Value::String(s.into()),
            serde_json::Value::Array(list) => list.into_iter().map(Value::from).collect(),
            serde_json::Value::Object(map) => {
                let entries = map.into_iter().map(|(k, v)| (CompactString::from(k), v.into())).collect();
                let mut map = Map { entries, index: None };
                map.rebuild();
                Value::Object(map)
            }
        }
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Value {
        Value::Array(items.into_iter().collect())
    }
}

/// A [`Value`] written down, as `serde_json::json!`.
macro_rules! json {
    ($($text:tt)*) => { $crate::format::pt2::tree::Value::from(serde_json::json!($($text)*)) };
}
pub(super) use json;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => to.serialize_unit(),
            Value::Bool(b) => to.serialize_bool(*b),
            Value::Number(n) => n.serialize(to),
            Value::String(s) => to.serialize_str(s),
            Value::Array(list) => list.serialize(to),
            Value::Object(map) => {
                let mut out = to.serialize_map(Some(map.len()))?;
                for (k, v) in map.iter() {
                    out.serialize_entry(k, v)?;
                }
                out.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        from.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Number(n.into()))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::Number(n.into()))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(Number::from_f64(x).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::String(s.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        list.shrink_to_fit();
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut map = Map::default();
        while let Some((key, value)) = items.next_entry::<CompactString, Value>()? {
            map.insert(key, value);
        }
        map.entries.shrink_to_fit();
        Ok(Value::Object(map))
    }
}
