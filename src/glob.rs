//! Patterns over dotted names.

/// Whether a name fits a pattern: `?` is one character but a dot, `*` any text without a dot, `**` any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    // For each end of the name read so far whether the pattern read so far fits it. Every character but a star takes one more of the
    // name, and stars in a row are one: a pattern that is much longer than the name is done when the name is.
    let name: Vec<char> = name.chars().collect();
    let mut fits = vec![false; name.len() + 1];
    fits[0] = true;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next().filter(|_| fits.contains(&true)) {
        let after = rest.trim_start_matches('*');
        let wide = rest.len() - after.len() > 1;
        rest = if c == '*' { after } else { &rest[c.len_utf8()..] };
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match c {
                '*' => fits[at] || at > 0 && next[at - 1] && (wide || name[at - 1] != '.'),
                '?' => at > 0 && fits[at - 1] && name[at - 1] != '.',
                c => at > 0 && fits[at - 1] && name[at - 1] == c,
            };
        }
        fits = next;
    }
    rest.is_empty() && fits[name.len()]
}

/// Whether a pattern means a parameter: by its name, or by that of a module that it is in.
pub fn means(pattern: &str, parameter: &str) -> bool {
    let ends = parameter.match_indices('.').map(|(at, _)| at).chain([parameter.len()]);
    ends.into_iter().any(|end| matches(pattern, &parameter[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let yes = [
            ("layer*.conv?", "layer1.conv2"),
            ("**", "a.b.c"),
            ("**.conv1", "layer1.0.conv1"),
            ("a", "a"),
            ("*.*", "a.b"),
            ("**x", "x"),
            ("a.***.c", "a.b.b.c"),
            (&"*".repeat(1 << 24), "a.b"),
        ];
        let no = [
            ("layer*", "layer1.conv"),
            ("a?", "a."),
            ("a", "ab"),
            ("", "a"),
            ("**.x", "x"),
            ("*", "a.b"),
            (&"x".repeat(1 << 24), "x"),
            ("ab", ""),
        ];
        yes.iter().for_each(|(p, n)| assert!(matches(p, n), "{p} {n}"));
        no.iter().for_each(|(p, n)| assert!(!matches(p, n), "{p} {n}"));
        assert!(means("layer1", "layer1.0.conv.weight") && means("*.weight", "a.weight") && !means("layer", "layer1.weight"));
    }
}
