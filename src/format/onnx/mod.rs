//! ONNX models: one message of protocol buffers, with weights in it or in files beside it.

mod aliases;
mod archive;
mod control;
mod data;
mod encode;
mod error;
mod kept;
mod node;
mod open;
mod operator;
mod piece;
mod proto;
mod read;
mod scope;
mod setting;
mod small;
mod tensor;
mod types;
mod unfold;
mod units;
mod value;
mod wire;
mod write;

pub use archive::Archive;
pub use data::{dtype as dtype_of, kind as kind_of, named as dtype_named};
pub use error::OnnxError;
pub(super) use open::begins;
pub use open::is_onnx;
pub use small::to_bytes;
pub(super) use write::write;
