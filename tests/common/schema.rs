//! JSON against a schema.

use serde_json::Value;

/// As much of JSON Schema as the schemas in docs/ use.
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
