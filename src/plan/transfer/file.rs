//! Reading a plan that `--plan` wrote.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use miette::NamedSource;
use serde::Deserialize;
use serde_json::Value;

use super::error::TransferError;
use crate::format::checkpoint::place;
use crate::format::read_text;
use crate::plan::gather::Places;
use crate::plan::json::VERSION;
use crate::solve::Link;

/// A plan as its file has it.
#[derive(Deserialize)]
pub struct PlanFile {
    version: u32,
    pub(super) tensors: Vec<PlannedTensor>,
    pub(super) edits: Vec<PlannedEdit>,
    /// How many means and norms over fewer positions compute what they did before.
    #[serde(default)]
    pub(super) repaired: usize,
    /// The name of the file beside the plan that has its unified masks.
    unified_masks: Option<String>,
    #[serde(skip)]
    pub(super) path: PathBuf,
}

/// A tensor that the program stores.
#[derive(Deserialize)]
pub(super) struct PlannedTensor {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    pub(super) same_as: Option<String>,
    pub(super) zeroed: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Parameter,
    Buffer,
    Constant,
}

/// The longest axis of a tensor that has no elements.
pub(super) const LONGEST: usize = 1 << 24;

/// An edit. What none of these describes is an error: weights alone may not be enough then.
#[derive(Deserialize)]
#[serde(tag = "edit", rename_all = "lowercase")]
pub(super) enum PlannedEdit {
    Slice { tensor: String, dim: usize, of: usize, by: Option<By>, keep: Vec<Kept> },
    Fold { tensor: String, add: Vec<f64> },
    Rescale { tensor: String, of: String },
    Set { node: PlannedNode, arg: String, old: Value, new: Value },
    Become { node: PlannedNode, op: String, reason: Option<String> },
    Insert { node: PlannedNode, nodes: Vec<NewOp>, reason: Option<String> },
    Drop { node: PlannedNode },
    Resize {},
}

#[derive(Deserialize)]
pub(super) struct PlannedNode {
    pub(super) name: String,
    pub(super) op: String,
    pub(super) module: String,
}

#[derive(Deserialize)]
pub(super) struct NewOp {
    pub(super) op: String,
}

#[derive(Clone, Copy, Deserialize)]
pub(super) struct By {
    dim: usize,
    div: usize,
    outer: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Kept {
    One(usize),
    List(Vec<usize>),
}

impl PlanFile {
    /// Reads a plan.
    ///
    /// # Errors
    /// A file that is no plan, or one of another version.
    pub fn open(path: &Path) -> Result<PlanFile, TransferError> {
        let text = read_text(path)?;
        match serde_json::from_str::<PlanFile>(&text) {
            Ok(plan) if plan.version == VERSION => Ok(PlanFile { path: path.to_path_buf(), ..plan }),
            Ok(plan) => {
                let reason = format!("it has version {}, and this program knows {VERSION}", plan.version);
                let at = text.find("\"version\"").unwrap_or(0);
                let text = NamedSource::new(path.display().to_string(), text).into();
                Err(TransferError::BadPlan { path: path.to_path_buf(), reason, text, span: (at, "\"version\"".len()).into() })
            }
            Err(e) => {
                let (reason, span) = (e.to_string(), place(&text, &e));
                let text = NamedSource::new(path.display().to_string(), text).into();
                Err(TransferError::BadPlan { path: path.to_path_buf(), reason, text, span })
            }
        }
    }

    /// The plan's unified masks, if they still lie beside it.
    pub(super) fn unified_masks(&self) -> Option<PathBuf> {
        let name = Path::new(self.unified_masks.as_deref()?).file_name()?;
        Some(self.path.with_file_name(name)).filter(|path| path.is_file())
    }

    pub(super) fn contradiction(&self, reason: String) -> TransferError {
        TransferError::Contradiction { path: self.path.clone(), reason }
    }

    /// What is added to tensors after the cut, by their numbers.
    pub(super) fn folds(&self) -> Result<HashMap<usize, &[f64]>, TransferError> {
        let mut folds = HashMap::new();
        for edit in &self.edits {
            let PlannedEdit::Fold { tensor, add } = edit else { continue };
            let k = self.tensors.iter().position(|t| t.name == *tensor);
            let k =
                k.ok_or_else(|| self.contradiction(format!("it adds to `{tensor}`, which the list of tensors does not have")))?;
            if self.tensors[k].shape != [add.len()] {
                return Err(self.contradiction(format!("it adds {} numbers to `{tensor}`", add.len())));
            }
            folds.insert(k, add.as_slice());
        }
        Ok(folds)
    }

    /// Scales that take up what goes of another tensor, and that, by their numbers.
    pub(super) fn rescaled(&self) -> Result<Vec<(usize, usize)>, TransferError> {
        let number = |name: &str| {
            let k = self.tensors.iter().position(|t| t.name == name);
            k.ok_or_else(|| self.contradiction(format!("it rescales by `{name}`, which the list of tensors does not have")))
        };
        let mut found = Vec::new();
        for edit in &self.edits {
            let PlannedEdit::Rescale { tensor, of } = edit else { continue };
            let (scale, of) = (number(tensor)?, number(of)?);
            let (small, big) = (&self.tensors[scale].shape, &self.tensors[of].shape);
            let fits = |(s, b): (&usize, &usize)| s == b || *s == 1;
            if !small.is_empty() && (small.len() != big.len() || !small.iter().zip(big).all(fits)) {
                return Err(self
                    .contradiction(format!("the sizes of `{tensor}` are not those of a scale of `{}`", self.tensors[of].name)));
            }
            found.push((scale, of));
        }
        Ok(found)
    }

    /// By tensor whether it is cut.
    pub(super) fn cut(&self) -> Result<Vec<bool>, TransferError> {
        let (numbers, mut cut) = (self.numbers()?, vec![false; self.tensors.len()]);
        for edit in &self.edits {
            let PlannedEdit::Slice { tensor, dim, .. } = edit else { continue };
            match numbers.get(tensor.as_str()) {
                Some(k) => cut[*k] = true,
                None => {
                    let reason = format!("dimension {dim} of `{tensor}`: the list of tensors does not have it");
                    return Err(self.contradiction(reason));
                }
            }
        }
        Ok(cut)
    }

    /// The numbers of tensors by name.
    fn numbers(&self) -> Result<HashMap<&str, usize>, TransferError> {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for (k, t) in self.tensors.iter().enumerate() {
            if numbers.insert(&t.name, k).is_some() {
                return Err(self.contradiction(format!("it lists `{}` twice", t.name)));
            }
        }
        Ok(numbers)
    }

    /// For each tensor that is cut, by its number, the kept places of every dimension.
    /// `stored` gives the sizes that a tensor has in the weights: without it, sizes are only claimed, and nothing is cut.
    pub(super) fn cuts<'s>(
        &self,
        stored: impl Fn(usize) -> Option<&'s Vec<usize>>,
    ) -> Result<HashMap<usize, Vec<Places>>, TransferError> {
        let numbers = self.numbers()?;
        let mut cuts: HashMap<usize, Vec<Places>> = HashMap::new();
        for edit in &self.edits {
            let PlannedEdit::Slice { tensor, dim, of, by, keep } = edit else { continue };
            let bad = |why: &str| self.contradiction(format!("dimension {dim} of `{tensor}`: {why}"));
            let k = *numbers.get(tensor.as_str()).ok_or_else(|| bad("the list of tensors does not have it"))?;
            let shape = &self.tensors[k].shape;
            if shape.get(*dim) != Some(of) {
                return Err(bad("its size is not that of the list of tensors"));
            }
            let places = places(keep, *by, *of, (shape, *dim)).map_err(|why| bad(&why))?;
            // Not more positions than a tensor of these sizes has elements, and those of one without any are few.
            let there = stored(k);
            let numel = there.map_or(0, |_| shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)).unwrap_or(0));
            if there.is_some() && shape.iter().any(|n| *n > numel.max(LONGEST)) {
                return Err(bad("it has no elements, and too many positions"));
            }
            let size = |n: &usize| if there == Some(shape) { *n } else { 0 };
            let whole = || shape.iter().map(|n| Places::Same((0..size(n)).collect())).collect();
            cuts.entry(k).or_insert_with(whole)[*dim] = places;
        }
        Ok(cuts)
    }
}

/// The kept places of a dimension, checked.
fn places(keep: &[Kept], by: Option<By>, size: usize, (shape, own): (&[usize], usize)) -> Result<Places, String> {
    let ascending = |list: &[usize]| {
        let fits = list.windows(2).all(|w| w[0] < w[1]) && list.last().is_none_or(|p| *p < size);
        if fits { Ok(()) } else { Err("kept positions are not ascending, or there are none such".to_owned()) }
    };
    let Some(By { dim, div, outer }) = by else {
        let list: Option<Vec<usize>> = keep.iter().map(|k| if let Kept::One(p) = k { Some(*p) } else { None }).collect();
        let list = list.ok_or("there are several lists and no `by`")?;
        ascending(&list)?;
        return Ok(Places::Same(list));
    };
    let lists: Option<Vec<Vec<usize>>> =
        keep.iter().map(|k| if let Kept::List(l) = k { Some(l.clone()) } else { None }).collect();
    let lists = lists.ok_or("`by` wants a list for each outer position")?;
    // The place in the other dimension is known before: it lies further out.
    if dim >= own || dim >= shape.len() || div == 0 || outer == 0 || lists.len() != outer {
        return Err("`by` does not fit".to_owned());
    }
    let most = lists.iter().map(Vec::len).max().unwrap_or(0);
    for list in &lists {
        ascending(list)?;
        if !list.is_empty() && list.len() != most {
            return Err("outer positions keep different numbers of positions".to_owned());
        }
    }
    Ok(Places::By(Link { at: dim, div, outer }, lists))
}
