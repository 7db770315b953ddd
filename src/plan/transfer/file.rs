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
    /// The checksum of its text.
    #[serde(skip)]
    pub(super) checksum: u32,
}

/// A tensor that the program stores.
#[derive(Deserialize)]
pub(super) struct PlannedTensor {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    pub(super) same_as: Option<String>,
    pub(super) zeroed: bool,
    /// What the mask makes zero, where it has one number a channel.
    pub(super) zeros: Option<PlannedZeros>,
}

/// Positions of a dimension that are zero.
#[derive(Deserialize)]
pub(super) struct PlannedZeros {
    dim: usize,
    at: Vec<u32>,
}

impl PlannedTensor {
    /// The dimension that a mask of one number a channel speaks of, and a byte for each position, 0 = masked.
    pub(super) fn masked_along(&self) -> Result<Option<(usize, Vec<u8>)>, &'static str> {
        let Some(PlannedZeros { dim, at }) = &self.zeros else { return Ok(None) };
        let mut keep =
            vec![1; *self.shape.get(*dim).filter(|n| **n <= LONGEST).ok_or("its zeros are in no dimension that it has")?];
        for p in at {
            *keep.get_mut(*p as usize).ok_or("its zeros are at positions that it has not")? = 0;
        }
        Ok(Some((*dim, keep)))
    }
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
    Slice { tensor: String, dim: usize, of: usize, by: Option<By>, keep: Kept },
    Fold { tensor: String, add: Vec<f64> },
    Rescale { tensor: String, of: String },
    Mask { tensor: String, by: String },
    Rename { tensor: String, to: String },
    Remove { tensor: String },
    Bypass {},
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

/// What stays: positions, a list for each outer position, or what an earlier edit keeps.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Kept {
    As { edit: usize },
    List(Vec<u32>),
    Lists(Vec<Vec<u32>>),
}

impl PlanFile {
    /// Reads a plan.
    ///
    /// # Errors
    /// A file that is no plan, or one of another version.
    pub fn open(path: &Path) -> Result<PlanFile, TransferError> {
        let text = read_text(path)?;
        match serde_json::from_str::<PlanFile>(&text) {
            Ok(plan) if plan.version == VERSION => {
                Ok(PlanFile { path: path.to_path_buf(), checksum: crc32fast::hash(text.as_bytes()), ..plan })
            }
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

    /// Tensors that are multiplied by zeros and ones of another, and that, by their numbers.
    pub(super) fn masked(&self) -> Result<HashMap<usize, usize>, TransferError> {
        let mut found = HashMap::new();
        for edit in &self.edits {
            let PlannedEdit::Mask { tensor, by } = edit else { continue };
            let (k, by) = (self.number(tensor)?, self.number(by)?);
            if self.tensors[k].shape != self.tensors[by].shape {
                return Err(self.contradiction(format!("the sizes of `{tensor}` are not those of its mask")));
            }
            found.insert(k, by);
        }
        Ok(found)
    }

    /// Tensors with other names, and `None` for those that go, by their numbers.
    pub(super) fn renamed(&self) -> Result<HashMap<usize, Option<&str>>, TransferError> {
        let mut found = HashMap::new();
        for edit in &self.edits {
            let (tensor, to) = match edit {
                PlannedEdit::Rename { tensor, to } => (tensor, Some(to.as_str())),
                PlannedEdit::Remove { tensor } => (tensor, None),
                _ => continue,
            };
            let taken = |to| self.tensors.iter().any(|t| t.name == to) || found.values().any(|name| *name == Some(to));
            if to.is_some_and(taken) {
                return Err(self.contradiction(format!("it gives `{tensor}` a name that another tensor has")));
            }
            found.insert(self.number(tensor)?, to);
        }
        Ok(found)
    }

    fn number(&self, name: &str) -> Result<usize, TransferError> {
        let k = self.tensors.iter().position(|t| t.name == name);
        k.ok_or_else(|| self.contradiction(format!("it changes `{name}`, which the list of tensors does not have")))
    }

    /// The edits that cut each tensor, by its number.
    pub(super) fn slices(&self) -> Result<HashMap<usize, Vec<usize>>, TransferError> {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for (k, t) in self.tensors.iter().enumerate() {
            if numbers.insert(&t.name, k).is_some() {
                return Err(self.contradiction(format!("it lists `{}` twice", t.name)));
            }
        }
        let mut slices: HashMap<usize, Vec<usize>> = HashMap::new();
        for (n, edit) in self.edits.iter().enumerate() {
            let PlannedEdit::Slice { tensor, dim, .. } = edit else { continue };
            let bad = |why: &str| self.contradiction(format!("dimension {dim} of `{tensor}`: {why}"));
            let k = *numbers.get(tensor.as_str()).ok_or_else(|| bad("the list of tensors does not have it"))?;
            self.slice(n).and_then(|slice| slice.check(&self.tensors[k].shape)).map_err(|why| bad(&why))?;
            slices.entry(k).or_default().push(n);
        }
        Ok(slices)
    }

    /// The slice that an edit is.
    fn slice(&self, n: usize) -> Result<Slice<'_>, String> {
        let Some(PlannedEdit::Slice { dim, of, by, keep, .. }) = self.edits.get(n) else {
            return Err("this edit is none that cuts".to_owned());
        };
        let lists = match keep {
            Kept::List(list) => std::slice::from_ref(list),
            Kept::Lists(lists) => lists,
            Kept::As { edit } => match self.edits.get(*edit) {
                Some(PlannedEdit::Slice { keep: Kept::List(list), .. }) if *edit < n => std::slice::from_ref(list),
                _ => return Err(format!("it keeps what the edit {edit} keeps, which has no list")),
            },
        };
        match (by, matches!(keep, Kept::Lists(_))) {
            (None, true) => Err("there are several lists and no `by`".to_owned()),
            (Some(_), false) => Err("`by` wants a list for each outer position".to_owned()),
            _ => Ok(Slice { dim: *dim, of: *of, by: *by, lists }),
        }
    }

    /// The places of a tensor's dimensions that these of its edits leave. `stored` are the sizes that it has in the weights: without them,
    /// sizes are only claimed.
    pub(super) fn places(&self, k: usize, slices: &[usize], stored: &[usize]) -> Result<Vec<Places>, TransferError> {
        let PlannedTensor { name, shape, .. } = &self.tensors[k];
        let numel = stored.iter().try_fold(1usize, |a, n| a.checked_mul(*n)).unwrap_or(0);
        // Not more positions than a tensor of these sizes has elements, and those of one without any are few.
        if shape != stored || shape.iter().any(|n| *n > numel.max(LONGEST)) {
            return Err(self.contradiction(format!("`{name}` has no elements, and too many positions")));
        }
        let mut places: Vec<Places> = shape.iter().map(|n| Places::Same((0..*n).collect())).collect();
        for n in slices {
            let slice = self.slice(*n).map_err(|why| self.contradiction(format!("`{name}`: {why}")))?;
            places[slice.dim] = slice.places();
        }
        Ok(places)
    }
}

/// An edit that cuts a dimension.
struct Slice<'a> {
    dim: usize,
    of: usize,
    by: Option<By>,
    /// A list for each outer position; without any, one.
    lists: &'a [Vec<u32>],
}

impl Slice<'_> {
    /// Whether it fits a tensor of these sizes.
    fn check(&self, shape: &[usize]) -> Result<(), String> {
        if shape.get(self.dim) != Some(&self.of) {
            return Err("its size is not that of the list of tensors".to_owned());
        }
        let most = self.lists.iter().map(Vec::len).max().unwrap_or(0);
        for list in self.lists {
            if list.windows(2).any(|w| w[0] >= w[1]) || list.last().is_some_and(|p| *p as usize >= self.of) {
                return Err("kept positions are not ascending, or there are none such".to_owned());
            }
            if !list.is_empty() && list.len() != most {
                return Err("outer positions keep different numbers of positions".to_owned());
            }
        }
        // The place in the other dimension is known before: it lies further out.
        let fits = |by: By| by.dim < self.dim && by.div > 0 && by.outer > 0 && self.lists.len() == by.outer;
        if self.by.is_none_or(fits) { Ok(()) } else { Err("`by` does not fit".to_owned()) }
    }

    fn places(&self) -> Places {
        let wide = |list: &Vec<u32>| list.iter().map(|p| *p as usize).collect();
        match self.by {
            Some(By { dim, div, outer }) => Places::By(Link { at: dim, div, outer }, self.lists.iter().map(wide).collect()),
            None => Places::Same(self.lists.first().map(wide).unwrap_or_default()),
        }
    }
}
