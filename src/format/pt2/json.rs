//! Reading JSON by the schema, with the place of what does not fit.

use std::path::Path;

use super::tree::{Map, Value};

use crate::format::FormatError;
use crate::format::pt2::Pt2Error;

/// What does not fit, and where: the place is put together on the way out.
#[derive(Debug)]
pub(super) struct Fault {
    at: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Schema(String),
    UnknownName(String),
    DType(i64),
    /// An error that knows its place.
    Other(Box<FormatError>),
}

/// The result of reading a part of the JSON.
pub(super) type Read<T> = Result<T, Fault>;

impl Fault {
    /// The JSON is not of the form that it should have.
    pub(super) fn schema(reason: impl Into<String>) -> Fault {
        Fault { at: String::new(), kind: Kind::Schema(reason.into()) }
    }

    /// A name that is not defined.
    pub(super) fn unknown(name: impl Into<String>) -> Fault {
        Fault { at: String::new(), kind: Kind::UnknownName(name.into()) }
    }

    /// A number that is no element type.
    pub(super) fn dtype(code: i64) -> Fault {
        Fault { at: String::new(), kind: Kind::DType(code) }
    }

    /// The same fault, seen from one level further out.
    pub(super) fn under(mut self, place: impl AsRef<str>) -> Fault {
        let dot = if self.at.is_empty() || self.at.starts_with('[') { "" } else { "." };
        self.at = format!("{}{dot}{}", place.as_ref(), self.at);
        self
    }

    /// The error for the user.
    pub(super) fn of(self, path: &Path, member: &str) -> FormatError {
        let (path, at) = (path.to_path_buf(), self.at);
        match self.kind {
            Kind::Schema(reason) => FormatError::Pt2(Pt2Error::Schema { path, member: member.to_owned(), at, reason }),
            Kind::UnknownName(name) => FormatError::Pt2(Pt2Error::UnknownName { path, at, name }),
            Kind::DType(code) => FormatError::Pt2(Pt2Error::DType { path, at, code }),
            Kind::Other(error) => *error,
        }
    }
}

impl From<FormatError> for Fault {
    fn from(error: FormatError) -> Fault {
        Fault { at: String::new(), kind: Kind::Other(Box::new(error)) }
    }
}

/// Adds the place to a fault.
pub(super) trait Under<T> {
    /// See [`Fault::under`].
    fn under<S: AsRef<str>>(self, place: impl FnOnce() -> S) -> Read<T>;
}

impl<T> Under<T> for Read<T> {
    fn under<S: AsRef<str>>(self, place: impl FnOnce() -> S) -> Read<T> {
        self.map_err(|f| f.under(place()))
    }
}

/// The field of an object.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Read<&'a Value> {
    value.get(name).ok_or_else(|| Fault::schema(format!("field `{name}` is missing")))
}

/// The list in a field.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> Read<&'a [Value]> {
    items(field(value, name)?).under(|| name)
}

/// The object in a field.
pub(super) fn object<'a>(value: &'a Value, name: &str) -> Read<&'a Map> {
    field(value, name)?.as_object().ok_or_else(|| Fault::schema("an object is expected").under(name))
}

/// The text in a field.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Read<&'a str> {
    string(field(value, name)?).under(|| name)
}

/// A list.
pub(super) fn items(value: &Value) -> Read<&[Value]> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Fault::schema("a list is expected"))
}

/// A text.
pub(super) fn string(value: &Value) -> Read<&str> {
    value.as_str().ok_or_else(|| Fault::schema("a string is expected"))
}

/// An integer.
pub(super) fn integer(value: &Value) -> Read<i64> {
    value.as_i64().ok_or_else(|| Fault::schema(format!("an integer is expected, found {}", short(value))))
}

/// A float; the schema writes infinities and NaN as strings.
pub(super) fn float(value: &Value) -> Read<f64> {
    match value.as_str() {
        Some("Infinity") => Ok(f64::INFINITY),
        Some("-Infinity") => Ok(f64::NEG_INFINITY),
        Some("NaN") => Ok(f64::NAN),
        _ => value.as_f64().ok_or_else(|| Fault::schema(format!("a float is expected, found {}", short(value)))),
    }
}

/// A union: an object with exactly one key.
pub(super) fn union(value: &Value) -> Read<(&str, &Value)> {
    let one = value.as_object().filter(|o| o.len() == 1).and_then(|o| o.iter().next());
    one.ok_or_else(|| Fault::schema(format!("one variant is expected, found {}", short(value))))
}

/// The beginning of a JSON text.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
