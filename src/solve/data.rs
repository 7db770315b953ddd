//! What the solver asks of a model's stored tensors.

/// The values of stored tensors.
pub trait Data {
    /// Flags that hold for all elements of a stored tensor that is no parameter, read from its data.
    fn flags(&self, tensor: usize) -> u8;

    /// True if a stored tensor that is no parameter is known to hold infinity or NaN.
    fn infinite(&self, tensor: usize) -> bool;

    /// Calls `f` with the place (row-major) and the value of every element of a real tensor. False if they are not known;
    /// `f` may have been called then.
    fn each(&self, tensor: usize, f: &mut dyn FnMut(usize, f64)) -> bool;
}

/// Nothing is known of the values.
impl Data for () {
    fn flags(&self, _: usize) -> u8 {
        0
    }

    fn infinite(&self, _: usize) -> bool {
        false
    }

    fn each(&self, _: usize, _: &mut dyn FnMut(usize, f64)) -> bool {
        false
    }
}
