//! Lists in the JSON of a program.

use super::tree::Value;
use crate::format::FormatError;

/// An error for what every program has.
pub(super) fn missing(what: &str) -> FormatError {
    FormatError::edit(format!("the program has no {what}"))
}

/// A list by its name.
pub(super) fn list<'a>(json: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>, FormatError> {
    json.get_mut(name).and_then(Value::as_array_mut).ok_or_else(|| missing(name))
}

/// Removes the marked entries of a list.
pub(super) fn drop_marked(list: &mut Vec<Value>, marks: &[bool]) {
    let mut marks = marks.iter();
    list.retain(|_| marks.next() != Some(&true));
}
