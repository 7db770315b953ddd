//! ONNX models: one message of protocol buffers, with weights in it or in files beside it.

mod archive;
mod data;
mod encode;
mod error;
mod node;
mod open;
mod operator;
mod piece;
mod proto;
mod read;
mod scope;
mod tensor;
mod types;
mod value;
mod wire;
mod write;

pub use archive::Archive;
pub use error::OnnxError;
pub use open::is_onnx;
pub(super) use write::write;
