//! A tensor of a file, and where its bytes are.

use std::ops::Range;
use std::rc::Rc;

use safetensors::Dtype;

/// Where the bytes of a tensor are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Range(Range<usize>),
    Saved(View),
}

/// A tensor of a file: dense, row-major, little endian.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its element type.
    pub dtype: Dtype,
    /// Its sizes.
    pub shape: Vec<usize>,
    pub(super) len: usize,
    pub(super) place: Place,
}

/// Where a tensor lies in a file of `torch.save`.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) key: Rc<str>,
    pub(super) range: Range<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) width: usize,
}

impl Stored {
    /// Bytes that it takes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes an element takes; `None` where that is no whole number.
    pub fn width(&self) -> Option<usize> {
        let bits = self.dtype.bitsize();
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}
