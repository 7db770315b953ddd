//! Names of operators: `namespace.operator.overload`.

/// PyTorch's own namespace, which users may leave out.
pub const NAMESPACE: &str = "aten";

/// A name as rules write it: `torch.ops.aten.relu` and `aten::relu` are `aten.relu`.
pub fn dotted(name: &str) -> String {
    name.trim_start_matches("torch.ops.").replace("::", ".")
}

/// That of ONNX's standard, which they may leave out, too.
const STANDARD: &str = "onnx";

/// What a name may mean: itself, or an operator of PyTorch's own namespace or of ONNX's.
pub fn spellings(name: &str) -> [String; 3] {
    [name.to_owned(), qualified(name), format!("{STANDARD}.{name}")]
}

/// A name in PyTorch's own namespace.
pub fn qualified(name: &str) -> String {
    format!("{NAMESPACE}.{name}")
}

/// A name without its overload.
pub fn base(target: &str) -> &str {
    match target.match_indices('.').nth(1) {
        Some((at, _)) => &target[..at],
        None => target,
    }
}
