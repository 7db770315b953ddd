//! How a stranger's text is shown: names, lines and messages that a file decides reach the terminal only through here.
//!
//! What a terminal would obey (escape sequences, other control characters, overrides of the direction of writing) is written out,
//! and of long texts there is an excerpt.

mod diagnostic;
mod excerpt;

use std::borrow::Cow;
use std::fmt::Write;

pub use diagnostic::Shown;

/// Characters of a line of a message that are shown.
const LONGEST: usize = 4000;

/// True for what a terminal obeys, or what hides in what order a text stands.
fn obeyed(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\t');
    control || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text that a terminal only shows: `\u{1b}` stands for an escape.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| if obeyed(c) { out.extend(c.escape_unicode()) } else { out.push(c) });
    Cow::Owned(out)
}

/// A text of JSON that a terminal only shows. It means the same.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut units = [0; 2];
    for c in text.chars() {
        if obeyed(c) {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A message: [`plain`], and of long lines the beginning and the end.
fn message(text: &str) -> String {
    let cut = |line: &str| {
        if line.len() <= LONGEST {
            return line.to_owned();
        }
        let boundary = |from: usize| (0..=from).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        format!("{}…{}", &line[..boundary(LONGEST / 2)], &line[boundary(line.len() - LONGEST / 4)..])
    };
    plain(text).split('\n').map(cut).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(plain("layer1.0 ü\n\t×"), "layer1.0 ü\n\t×");
        assert_eq!(plain("a\u{1b}[2Jb\r\u{9b}c\u{202e}d\u{7f}"), r"a\u{1b}[2Jb\u{d}\u{9b}c\u{202e}d\u{7f}");
        assert_eq!(json("\"a\u{9b}\u{202e}\""), r#""a\u009b\u202e""#);
        assert_eq!(serde_json::from_str::<String>(&json("\"a\u{9b}\u{202e}\"")).unwrap(), "a\u{9b}\u{202e}");
        let long = message(&"é".repeat(1_000_000));
        assert!(long.len() < 2 * LONGEST && long.contains('…'));
    }
}
