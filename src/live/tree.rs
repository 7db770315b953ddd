//! The tree of modules, by their dotted names.

/// Whether a module is another one or in it.
pub(super) fn is_within(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('.'))
}

/// The innermost module around and including this one in which one of `called` is; at the end the top.
pub(super) fn caller<'a, 'b>(mut module: &'a str, called: impl Iterator<Item = &'b str> + Clone) -> &'a str {
    while !module.is_empty() && !called.clone().any(|c| is_within(c, module)) {
        module = module.rsplit_once('.').map_or("", |(outer, _)| outer);
    }
    module
}
