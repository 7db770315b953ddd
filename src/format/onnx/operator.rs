//! What rules call the operators of a model.

use crate::rule::Schemas;

/// What rules call a domain.
pub(super) fn namespace(domain: &str) -> String {
    match domain {
        "" | "ai.onnx" => "onnx".to_owned(),
        "com.microsoft" => "microsoft".to_owned(),
        other => other.replace('.', "_"),
    }
}

/// The domain that rules call so.
pub(super) fn domain(namespace: &str) -> String {
    match namespace {
        "onnx" => String::new(),
        "microsoft" => "com.microsoft".to_owned(),
        other => other.replace('_', "."),
    }
}

/// The name of an operator with the version that a model means; that of a function of the model is its own.
pub(super) fn operator(opsets: &[(String, i64)], domain: &str, op: &str, function: bool) -> String {
    let namespace = if function { "function".to_owned() } else { namespace(domain) };
    let same = |d: &str| d == domain || (["", "ai.onnx"].contains(&d) && ["", "ai.onnx"].contains(&domain));
    let version = opsets.iter().find(|(d, _)| same(d)).map_or(1, |(_, v)| *v);
    let name = format!("{namespace}.{op}");
    Schemas::builtin().in_force(&name, version).map_or_else(|| format!("{name}.{version}"), |s| s.name.clone())
}
