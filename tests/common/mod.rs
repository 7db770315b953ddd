//! What the tests of the program share.

use std::process::Command;

use serde_json::Value;

/// What a command writes as an error. With colours it must be the same text.
pub fn error(mut command: Command) -> (Option<i32>, String, String) {
    let out = command.env("NO_COLOR", "1").output().unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    let coloured = command.env_remove("NO_COLOR").env("FORCE_COLOR", "1").output().unwrap().stderr;
    let coloured = String::from_utf8(coloured).unwrap();
    assert!(coloured.contains("\u{1b}["), "{coloured}");
    let temporary = |text: &str| text.split(".paring-").next().unwrap_or_default().to_owned(); // a random name
    assert_eq!(temporary(&plain(&coloured)), temporary(&text));
    assert!(!faulty(out.status.code(), &text), "{text}");
    (out.status.code(), String::from_utf8(out.stdout).unwrap(), text)
}

/// True if a run came upon a fault in Paring: it says so, or ended by a signal.
pub fn faulty(code: Option<i32>, text: &str) -> bool {
    code.is_none()
        || code == Some(i32::from(paring::cli::FAULT))
        || text.contains("a fault in Paring")
        || text.contains("panicked")
}

/// A text without its colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// As much of JSON Schema as the schemas in docs/ use.
#[allow(dead_code)]
pub fn validate(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    if let Some(target) = schema["$ref"].as_str() {
        let target = root.pointer(target.trim_start_matches('#')).expect(target);
        return validate(value, target, root, at);
    }
    if let Some(list) = schema["oneOf"].as_array() {
        let results: Vec<_> = list.iter().map(|s| validate(value, s, root, at)).collect();
        return match results.iter().filter(|r| r.is_ok()).count() {
            1 => Ok(()),
            n => Err(format!("{at}: fits {n} of {results:?}")),
        };
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return Err(format!("{at}: {value} instead of {}", schema["const"]));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if let Some(wanted) = schema.get("type") {
        let fits = |t: &Value| t == kind || (t == "number" && kind == "integer");
        if !(fits(wanted) || wanted.as_array().is_some_and(|list| list.iter().any(fits))) {
            return Err(format!("{at}: {kind} instead of {wanted}"));
        }
    }
    if let Value::Object(map) = value {
        for key in schema["required"].as_array().into_iter().flatten() {
            if !map.contains_key(key.as_str().unwrap()) {
                return Err(format!("{at}: lacks {key}"));
            }
        }
        for (key, inner) in map {
            let own = schema["properties"].get(key).or(schema.get("additionalProperties"));
            match own {
                Some(Value::Bool(false)) => return Err(format!("{at}: {key} is not in the schema")),
                Some(own) => validate(inner, own, root, &format!("{at}.{key}"))?,
                None => {}
            }
        }
    }
    if let (Value::Array(list), Some(items)) = (value, schema.get("items")) {
        for (k, inner) in list.iter().enumerate() {
            validate(inner, items, root, &format!("{at}[{k}]"))?;
        }
    }
    Ok(())
}
