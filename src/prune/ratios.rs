//! A file of ratios: a default, and what goes of some groups.
//!
//! ```yaml
//! default: 0.5
//! max: 0.8                 # of any group at most
//! "layer1.*.conv2": 0.25   # a group's axis or number, or what makes it
//! ```

use std::path::Path;

use serde_yaml::Value;

use super::error::PruneError;
use crate::rule::too_much;

/// What a file of ratios says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ratios {
    /// Of groups that no entry means.
    pub default: Option<f64>,
    /// What at most goes of any group.
    pub max: Option<f64>,
    /// Patterns and what goes of the groups that they mean.
    pub entries: Vec<(String, f64)>,
}

impl Ratios {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Text that is no mapping from names to shares.
    pub fn read(path: &Path, text: &str) -> Result<Ratios, PruneError> {
        let bad = |reason: String| PruneError::Ratios { path: path.to_path_buf(), reason };
        if let Some((_, what)) = too_much(text) {
            return Err(bad(what.into()));
        }
        let value: Value = serde_yaml::from_str(text).map_err(|e| bad(format!("this is not YAML: {e}")))?;
        let Value::Mapping(entries) = value else { return Err(bad("this is no mapping from groups to ratios".into())) };
        let mut ratios = Ratios::default();
        for (key, value) in &entries {
            let name = match key {
                Value::String(name) => name.clone(),
                Value::Number(n) => n.to_string(),
                _ => return Err(bad("the name of a group is a text".into())),
            };
            let share = value.as_f64().or_else(|| value.get("ratio")?.as_f64());
            let share = share.filter(|r| (0.0..=1.0).contains(r));
            let share = share.ok_or_else(|| bad(format!("the ratio of `{name}` is no number from 0 to 1")))?;
            match name.as_str() {
                "default" => ratios.default = Some(share),
                "max" => ratios.max = Some(share),
                _ => ratios.entries.push((name, share)),
            }
        }
        Ok(ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says() {
        let read = |text: &str| Ratios::read(Path::new("r.yaml"), text);
        let good = read("default: 0.5\nmax: 0.75\n\"a.*\": 0.25\n3: { ratio: 0.1 }\n").unwrap();
        let entries = vec![("a.*".into(), 0.25), ("3".into(), 0.1)];
        assert_eq!(good, Ratios { default: Some(0.5), max: Some(0.75), entries });
        for text in ["[1]", "a: b", "a: 1.5", "{", "? [a]\n: 1"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
