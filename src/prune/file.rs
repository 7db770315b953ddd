//! Masks written by hand: a YAML file that says of layers which channels go.
//!
//! ```yaml
//! layer1.0.conv1: { drop: [0, 3, 5-9] }
//! "layer2.*.conv?": { ratio: 0.5 }
//! ```

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde_yaml::Value;
use thiserror::Error;

use super::coupled::Coupled;
use super::fault::Fault;
use super::mask;
use crate::axis::Propagation;
use crate::glob::matches;
use crate::load::Model;
use crate::model::{Alias, Role, Tensor};
use crate::rule::{RuleSet, Scalars, too_much};
use crate::solve::{Masks, closest, closest_names};

/// Something wrong in a YAML file of masks.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
#[diagnostic(code(paring::masks::yaml), help("{help}"))]
pub struct FileError {
    message: String,
    help: String,
    #[source_code]
    text: NamedSource<String>,
    #[label("here")]
    at: SourceSpan,
    #[label("and here")]
    also: Option<SourceSpan>,
}

/// Reads masks for a model. With its axes a ratio is of groups: all that is coupled is ranked as one.
///
/// # Errors
/// Text that is no YAML, entries that are not as they should be, names that mean nothing, channels that are not there, and
/// entries that speak of the same axis.
pub fn masks(
    path: &Path,
    text: &str,
    model: &Model,
    axes: Option<(&Propagation, &RuleSet)>,
) -> Result<Masks<'static>, Box<FileError>> {
    read(text, model, axes).map_err(|fault| {
        let span = |range: Range<usize>| SourceSpan::from(range.start.min(text.len())..range.end.min(text.len()));
        Box::new(FileError {
            message: fault.message,
            help: fault.help,
            text: NamedSource::new(path.display().to_string(), text.to_owned()),
            at: span(fault.at),
            also: fault.also.map(span),
        })
    })
}

fn read(text: &str, model: &Model, axes: Option<(&Propagation, &RuleSet)>) -> Result<Masks<'static>, Fault> {
    if let Some((at, what)) = too_much(text) {
        return Err(Fault::new(what, at));
    }
    let value: Value = serde_yaml::from_str(text).map_err(|e| {
        let at = e.location().map_or(0, |l| l.index());
        Fault::new(format!("this is not YAML: {e}"), at..at + 1)
    })?;
    let Value::Mapping(entries) = value else {
        return Err(Fault::new("a file of masks is a mapping from layers to what goes", 0..0));
    };
    let mut places = Places { scalars: Scalars::new(text, 0..text.len()), last: 0..0 };
    let mut masks = Masks::new();
    let mut seen: HashMap<(String, usize), Range<usize>> = HashMap::new();
    let mut coupled = axes.map(|(p, rules)| Coupled::new(model, p, rules));
    for (key, value) in &entries {
        let Value::String(pattern) = key else {
            return Err(Fault::new("the name of a layer is a text", places.of(key)));
        };
        let at = places.of(key);
        let wish = Wish::read(value, &mut places, at.clone())?;
        for (tensor, transposed) in meant(pattern, model, &at)? {
            let dim = if transposed && wish.dim < 2 { 1 - wish.dim } else { wish.dim };
            if let Some(before) = seen.insert((tensor.name.clone(), dim), at.clone()) {
                let message = format!("two entries speak of `{}`", tensor.name);
                return Err(Fault { also: Some(before), ..Fault::new(message, at) });
            }
            if let (Some(coupled), Which::Ratio(ratio)) = (&mut coupled, &wish.which)
                && coupled.note(tensor, dim, *ratio, &at)?
            {
                continue;
            }
            let drop = wish.drop(tensor, dim, model, &at)?;
            if !mask::drop(&mut masks, model, tensor, dim, &drop) {
                let message = format!("`{}` has no data and is too large for masks of several dimensions", tensor.name);
                return Err(Fault::new(message, at));
            }
        }
    }
    coupled.map_or(Ok(()), |coupled| coupled.add_to(&mut masks))?;
    Ok(masks)
}

/// The parameters that a name or a pattern means, and for each whether the name's dimensions are the file's the other way round. A layer is
/// its weight; patterns mean only those with several dimensions.
fn meant<'m>(pattern: &str, model: &'m Model, at: &Range<usize>) -> Result<Vec<(&'m Tensor, bool)>, Fault> {
    let graph = &model.graph;
    let parameters = || {
        let list = graph.tensors.iter().enumerate();
        list.filter(|(_, t)| t.role == Role::Parameter && !t.shape.is_empty()).map(|(k, _)| k)
    };
    let is = |name: &str| name == pattern || layer(name) == Some(pattern);
    let exact = parameters().find(|k| is(&graph.tensors[*k].name));
    if let Some(k) = exact {
        return Ok(vec![(&graph.tensors[k], false)]);
    }
    // Names of the exported module, where the file has others.
    if let Some(alias) = graph.aliases.iter().find(|a| is(&a.name)) {
        return exported(alias, model, at);
    }
    let of_layer = |name: &str| layer(name).is_some_and(|l| matches(pattern, l));
    let of = |k: usize| {
        let fits = graph.names(k).filter(|(name, _)| of_layer(name) || matches(pattern, name));
        fits.map(move |(name, transposed)| (k, name, transposed)).next()
    };
    let mut found: Vec<(usize, &str, bool)> = parameters().filter(|k| graph.tensors[*k].shape.len() > 1).filter_map(of).collect();
    // A pattern for layers does not mean their other parameters.
    if found.iter().any(|(_, name, _)| of_layer(name)) {
        found.retain(|(_, name, _)| of_layer(name));
    }
    if found.is_empty() {
        let names: Vec<&str> = parameters().flat_map(|k| graph.names(k)).filter_map(|(name, _)| layer(name)).collect();
        // A long name is nobody's mistake in writing, and takes long to compare.
        let similar = if pattern.len() > 500 { Vec::new() } else { closest(pattern, names.iter().copied()) };
        let help = closest_names(&similar);
        return Err(Fault { help, ..Fault::new(format!("the model has no layer `{pattern}`"), at.clone()) });
    }
    for (_, name, _) in &found {
        if let Some(alias) = graph.alias(name).filter(|a| a.doubtful) {
            exported(alias, model, at)?;
        }
    }
    Ok(found.into_iter().map(|(k, _, transposed)| (&graph.tensors[k], transposed)).collect())
}

/// The layer whose weight has this name.
fn layer(name: &str) -> Option<&str> {
    name.strip_suffix(".weight")
}

/// The tensors of a name that the exported module has and the file has not.
fn exported<'m>(alias: &Alias, model: &'m Model, at: &Range<usize>) -> Result<Vec<(&'m Tensor, bool)>, Fault> {
    let tensors: Vec<&Tensor> = alias.tensors.iter().map(|k| &model.graph.tensors[*k]).collect();
    if alias.doubtful {
        let names: Vec<String> = tensors.iter().map(|t| format!("`{}`", t.name)).collect();
        let message = format!("`{}` may be any of {}: name the one that is meant", alias.name, names.join(", "));
        return Err(Fault::new(message, at.clone()));
    }
    if tensors.is_empty() {
        let message = format!("the file has nothing of its own for `{}`: it was folded into others, or left out", alias.name);
        return Err(Fault::new(message, at.clone()));
    }
    Ok(tensors.into_iter().map(|t| (t, alias.transposed)).collect())
}

/// Where the scalars of the file stand, asked for in their order.
struct Places {
    scalars: Scalars,
    last: Range<usize>,
}

impl Places {
    fn of(&mut self, value: &Value) -> Range<usize> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            _ => return self.last.clone(),
        };
        if let Some(offsets) = self.scalars.find(&text) {
            self.last = offsets.span(0..text.len());
        }
        self.last.clone()
    }
}

/// Ranges of channels, each with its place in the file.
type Placed = Vec<(Range<usize>, Range<usize>)>;

enum Which {
    Drop(Placed),
    Keep(Placed),
    Ratio(f64),
}

/// What an entry says.
struct Wish {
    which: Which,
    dim: usize,
}

impl Wish {
    fn read(value: &Value, places: &mut Places, at: Range<usize>) -> Result<Wish, Fault> {
        let Value::Mapping(fields) = value else { return Err(Fault::new("this entry does not say what goes", at)) };
        let (mut which, mut dim) = (None, 0);
        for (key, value) in fields {
            let here = places.of(key);
            let new = match key.as_str() {
                Some("drop") => Which::Drop(ranges(value, places, &here)?),
                Some("keep") => Which::Keep(ranges(value, places, &here)?),
                Some("ratio") => {
                    let place = places.of(value);
                    let ratio = value.as_f64().filter(|r| (0.0..=1.0).contains(r));
                    Which::Ratio(ratio.ok_or_else(|| Fault::new("a ratio is a number from 0 to 1", place))?)
                }
                Some("dim") => {
                    let place = places.of(value);
                    let n = value.as_u64().and_then(|n| usize::try_from(n).ok());
                    dim = n.ok_or_else(|| Fault::new("a dimension is a number from 0", place))?;
                    continue;
                }
                _ => return Err(Fault::new("an entry has no such field", here)),
            };
            if which.replace(new).is_some() {
                return Err(Fault::new("an entry says one of `drop`, `keep` and `ratio`", here));
            }
        }
        which.map(|which| Wish { which, dim }).ok_or_else(|| Fault::new("this entry does not say what goes", at))
    }

    /// For each position of a dimension whether it goes.
    fn drop(&self, tensor: &Tensor, dim: usize, model: &Model, at: &Range<usize>) -> Result<Vec<bool>, Fault> {
        let Some(n) = tensor.shape.get(dim).copied() else {
            let message = format!("`{}` has {} dimensions, none is {}", tensor.name, tensor.shape.len(), dim);
            return Err(Fault::new(message, at.clone()));
        };
        let (ranges, inside) = match &self.which {
            Which::Drop(ranges) => (ranges, true),
            Which::Keep(ranges) => (ranges, false),
            Which::Ratio(ratio) => return weakest(tensor, model, dim, *ratio, at),
        };
        let mut drop = vec![!inside; n];
        for (range, place) in ranges {
            if range.end > n {
                let message = format!("`{}` has {n} channels, 0 to {}", tensor.name, n.saturating_sub(1));
                return Err(Fault::new(message, place.clone()));
            }
            drop[range.clone()].fill(inside);
        }
        Ok(drop)
    }
}

/// Items such as 3 and 5-9, each with its place.
fn ranges(value: &Value, places: &mut Places, at: &Range<usize>) -> Result<Placed, Fault> {
    let Value::Sequence(items) = value else {
        return Err(Fault::new("channels are a list: [0, 3, 5-9]", at.clone()));
    };
    let one = |item: &Value| {
        let place = places.of(item);
        let text = match item {
            Value::Number(n) => n.to_string(),
            Value::String(text) => text.clone(),
            _ => String::new(),
        };
        let (from, to) = text.split_once('-').unwrap_or((&text, &text));
        let ends = from.trim().parse::<usize>().ok().zip(to.trim().parse::<usize>().ok());
        let range = ends.filter(|(a, b)| a <= b).and_then(|(a, b)| Some(a..b.checked_add(1)?));
        range.map(|r| (r, place.clone())).ok_or_else(|| Fault::new("a channel is a number from 0, or a range such as 5-9", place))
    };
    items.iter().map(one).collect()
}

/// The positions with the smallest sums of magnitudes; one at least stays.
fn weakest(tensor: &Tensor, model: &Model, dim: usize, ratio: f64, at: &Range<usize>) -> Result<Vec<bool>, Fault> {
    let n = tensor.shape[dim];
    let fault = || Fault::new(format!("the numbers of `{}` cannot be read", tensor.name), at.clone());
    let values = model.elements(tensor).ok_or_else(fault)?;
    let inner: usize = tensor.shape[dim + 1..].iter().product();
    let mut sums = vec![0.0; n];
    values.iter().enumerate().for_each(|(k, x)| sums[k / inner % n] += x.abs());
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| sums[*a].total_cmp(&sums[*b]).then(b.cmp(a)));
    let mut drop = vec![false; n];
    let count = ((n as f64 * ratio).round() as usize).min(n.saturating_sub(1));
    order[..count].iter().for_each(|k| drop[*k] = true);
    Ok(drop)
}
