//! Names of operators: `namespace.operator.overload`.

/// PyTorch's own namespace, which users may leave out.
pub const NAMESPACE: &str = "aten";

/// A name as rules write it: `torch.ops.aten.relu` and `aten::relu` are `aten.relu`.
pub fn dotted(name: &str) -> String {
    name.trim_start_matches("torch.ops.").replace("::", ".")
}

/// What a name may mean: itself, or an operator of PyTorch's own namespace.
pub fn spellings(name: &str) -> [String; 2] {
    [name.to_owned(), format!("{NAMESPACE}.{name}")]
}

/// A name without its overload.
pub fn base(target: &str) -> &str {
    match target.match_indices('.').nth(1) {
        Some((at, _)) => &target[..at],
        None => target,
    }
}
