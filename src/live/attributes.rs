//! What a module's attributes become, by the entries about its class.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::LiveError;
use crate::model::Size;
use crate::rule::{Expr, Repaired, RuleSet, Scope, Val, eval};

/// A module that is made smaller.
#[derive(Debug, Deserialize)]
pub struct ModuleState {
    /// Its class and those that it derives from, nearest first: the Python module, and the name in it.
    pub classes: Vec<(String, String)>,
    /// Which of them defines `forward`.
    pub forward: usize,
    /// Sizes after the cut of its own parameters and buffers, and of what its first operator reads (`input`).
    pub shapes: IndexMap<String, Vec<i64>>,
    /// Its numbers, truth values, lists of numbers, and what is None.
    pub attributes: IndexMap<String, Value>,
    /// Arguments of its operators that have other values now.
    pub args: IndexMap<String, Value>,
    /// Its statistics are over fewer positions than they were.
    pub repaired: bool,
    /// And those that went were not zero, but alike, which no class knows.
    pub ghost: bool,
}

/// What becomes of a module.
#[derive(Debug, Default, Serialize, PartialEq)]
pub struct Attributes {
    /// Attributes that have other values now.
    pub set: IndexMap<String, Value>,
    /// The class that takes its place.
    pub class: Option<String>,
    /// Factors of its parameters: a number, or a list of pairs of a factor and how many rows, after the cut, have it.
    pub scale: IndexMap<String, Value>,
    /// Arguments that these factors stand for.
    pub absorbed: Vec<String>,
    /// It computes what it did before, by other operators than those of the plan.
    pub exact: bool,
}

/// What a module's attributes become. `None` where its statistics need a repair that no entry knows.
///
/// # Errors
/// A formula that has no value.
pub fn attributes(rules: &RuleSet, state: &ModuleState) -> Result<Option<Attributes>, LiveError> {
    let scope = State(state);
    let mut out = Attributes::default();
    let value = |name: &str, formula: &Expr| {
        let class = state.classes.first().map_or_else(String::new, |(module, class)| format!("{module}.{class}"));
        let fault = |reason: String| LiveError::Attribute { class, attribute: name.to_owned(), reason };
        match eval(formula, &scope) {
            Ok(val) => json(&val).ok_or_else(|| fault("its value depends on a dynamic size".to_owned())),
            Err(e) => Err(fault(e.to_string())),
        }
    };
    for (module, class) in &state.classes {
        for entry in rules.modules(module, class) {
            for (name, formula) in &entry.sizes {
                let known = state.attributes.get(name).is_some_and(|v| !v.is_null());
                if known && !out.set.contains_key(name) {
                    out.set.insert(name.clone(), value(name, formula)?);
                }
            }
        }
    }
    let forward = state.classes.get(state.forward);
    let repaired: Option<&Repaired> = forward
        .filter(|_| !state.ghost)
        .and_then(|(module, class)| rules.modules(module, class).find_map(|m| m.repaired.as_ref()));
    if let (true, Some(repaired)) = (state.repaired, repaired) {
        out.class.clone_from(&repaired.class);
        out.exact = true;
        for (name, formula) in &repaired.sizes {
            if state.attributes.get(name).is_some_and(Value::is_null) {
                return Ok(None); // a number that the class finds elsewhere
            }
            out.set.insert(name.clone(), value(name, formula)?);
        }
        for (name, formula) in &repaired.scale {
            if !state.shapes.contains_key(name) {
                return Ok(None);
            }
            out.scale.insert(name.clone(), value(name, formula)?);
        }
    }
    if let Some((module, class)) = forward {
        let absorbs = rules.modules(module, class).flat_map(|m| &m.absorbs).filter(|(arg, _)| state.args.contains_key(*arg));
        for (arg, factors) in absorbs {
            for (name, formula) in factors.iter().filter(|(name, _)| state.shapes.contains_key(*name)) {
                out.scale.insert(name.clone(), value(name, formula)?);
            }
            out.absorbed.push(arg.clone());
        }
    }
    out.set.retain(|name, new| state.attributes.get(name) != Some(new));
    Ok((!state.repaired || repaired.is_some()).then_some(out))
}

/// The names that formulas about a module may use.
struct State<'a>(&'a ModuleState);

impl Scope for State<'_> {
    fn get(&self, name: &str) -> Option<Val> {
        let known = self.0.args.get(name).or_else(|| self.0.attributes.get(name));
        Some(match known {
            Some(v) => val(v),
            None if self.0.shapes.contains_key(name) => Val::Bool(true), // a parameter that is there
            None => Val::None,
        })
    }

    fn spread(&self, _letter: &str) -> Option<Vec<Size>> {
        None
    }

    fn shape(&self, name: &str) -> Option<Vec<Size>> {
        self.0.shapes.get(name).map(|s| s.iter().map(|n| Size::int(*n)).collect())
    }

    fn call(&self, function: &str, args: &[Expr]) -> Option<Result<Val, crate::rule::EvalError>> {
        match (function, args) {
            ("old", [Expr::Name(name)]) => Some(Ok(self.0.attributes.get(name).map_or(Val::None, val))),
            _ => None,
        }
    }
}

fn val(v: &Value) -> Val {
    match v {
        Value::Null => Val::None,
        Value::Bool(b) => Val::Bool(*b),
        Value::Number(n) => n.as_i64().map(Val::int).or(n.as_f64().map(Val::Float)).unwrap_or(Val::None),
        Value::String(s) => Val::Str(s.clone()),
        Value::Array(items) => Val::List(items.iter().map(val).collect()),
        Value::Object(_) => Val::None,
    }
}

fn json(v: &Val) -> Option<Value> {
    Some(match v {
        Val::None => Value::Null,
        Val::Bool(b) => (*b).into(),
        Val::Size(n) => n.as_int()?.into(),
        Val::Float(x) => (*x).into(),
        Val::Str(s) => s.clone().into(),
        Val::List(items) => Value::Array(items.iter().map(json).collect::<Option<_>>()?),
    })
}
