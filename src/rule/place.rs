//! Finds the scalars of a YAML file again in its text. serde_yaml gives the data without places; here the same text is cut
//! into its scalars, in order, each with the place of every byte of its value.

use std::ops::Range;

/// Where the bytes of a text stand in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Offsets {
    /// One after the other from here.
    From(usize),
    /// Each by itself (folded lines, escapes); the last item is the end.
    Each(Vec<usize>),
    /// Only the whole is known.
    Whole(Range<usize>),
}

impl Default for Offsets {
    fn default() -> Offsets {
        Offsets::From(0)
    }
}

impl Offsets {
    /// The place of a part of the text.
    pub fn span(&self, part: Range<usize>) -> Range<usize> {
        match self {
            Offsets::From(start) => start + part.start..start + part.end,
            Offsets::Each(at) => {
                let get = |i: usize| at.get(i).or(at.last()).copied().unwrap_or(0);
                get(part.start)..get(part.end).max(get(part.start))
            }
            Offsets::Whole(range) => range.clone(),
        }
    }
}

/// A scalar of the file: key, value or item.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub value: String,
    pub offsets: Offsets,
}

/// The scalars of a file in order.
pub(crate) struct Scalars {
    list: Vec<Scalar>,
    /// Of each `-` at the outermost level: its place, and the number of scalars before it.
    entries: Vec<(usize, usize)>,
    next: usize,
    end: usize,
    /// Scalars that may still be passed by in searches.
    left: usize,
}

/// Brackets that may be open at once. Real files have a few.
const DEEPEST: usize = 100;
/// Commas and lines of a file: its items are not more.
const MOST: usize = 1 << 20;

/// Where a text has more brackets open, or more items, than any file needs, and which of the two. The YAML reader takes long for
/// such, and much memory.
pub(crate) fn too_much(text: &str) -> Option<(Range<usize>, &'static str)> {
    let mut items = text.bytes().enumerate().filter(|(_, b)| matches!(b, b',' | b'\n'));
    if let Some((at, _)) = items.nth(MOST) {
        return Some((at..at + 1, "there are more items than any file needs"));
    }
    if text.bytes().filter(|b| matches!(b, b'[' | b'{')).count() <= DEEPEST {
        return None;
    }
    let mut scan = Scan::new(text, 0);
    while scan.depth <= DEEPEST {
        if !scan.step() {
            return None;
        }
    }
    Some((scan.at - 1..scan.at, "brackets are nested too deep"))
}

impl Scalars {
    /// Cuts up a part of a file that serde_yaml accepts.
    pub fn new(text: &str, part: Range<usize>) -> Scalars {
        let text = text.get(..part.end).unwrap_or(text);
        let mut scan = Scan::new(text, part.start);
        while scan.step() {}
        let end = scan.list.len();
        // Most are found at once. A file of which many are written so that they are not found must not take long.
        let left = 16 * end + (1 << 16);
        Scalars { list: scan.list, entries: scan.entries, next: 0, end, left }
    }

    /// Number of items of the outermost list that were seen.
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// Goes to an entry, from 0; gives its place.
    pub fn enter(&mut self, entry: usize) -> Option<usize> {
        let (at, first) = *self.entries.get(entry)?;
        self.next = first;
        self.end = self.entries.get(entry + 1).map_or(self.list.len(), |(_, first)| *first);
        Some(at)
    }

    /// The place of the next scalar with this value.
    pub fn find(&mut self, value: &str) -> Option<Offsets> {
        let ahead = &self.list[self.next..self.end.min(self.next.saturating_add(self.left))];
        let found = ahead.iter().position(|s| s.value.trim_end() == value.trim_end());
        self.left -= found.unwrap_or(ahead.len());
        let found = found?;
        self.next += found + 1;
        Some(std::mem::take(&mut self.list[self.next - 1].offsets))
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Open brackets and braces.
    depth: usize,
    list: Vec<Scalar>,
    entries: Vec<(usize, usize)>,
    /// Column of the outermost list's dashes.
    indent: Option<usize>,
    /// Where the line begins in which the cursor was seen last, and where that was.
    line: (usize, usize),
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn new(text: &'a str, at: usize) -> Scan<'a> {
        let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        Scan { text, at, depth: 0, list: Vec::new(), entries: Vec::new(), indent: None, line: (start, at) }
    }

    /// The text of the current line before the cursor.
    fn line_before(&mut self) -> &'a str {
        // Only what is new is looked at: a line may be long.
        let (start, seen) = self.line;
        let start = self.text[seen..self.at].rfind('\n').map_or(start, |n| seen + n + 1);
        self.line = (start, self.at);
        &self.text[start..self.at]
    }

    /// Column at which the keys of the innermost block on this line stand: after its dashes.
    fn column(&mut self) -> usize {
        let start = self.at - self.line_before().len();
        let line = &self.text[start..];
        line.find(|c| c != ' ' && c != '-').unwrap_or(0)
    }

    /// Reads one token; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return false };
        let next = rest[c.len_utf8()..].chars().next();
        let gap = next.is_none_or(char::is_whitespace);
        match c {
            c if c.is_whitespace() => self.at += c.len_utf8(),
            '#' => self.skip_line(),
            '-' if self.line_before().is_empty() && (rest.starts_with("---") || rest.starts_with("...")) => self.skip_line(),
            '-' if gap && self.depth == 0 => self.dash(),
            '?' | ':' if gap || self.depth > 0 => self.at += 1,
            ',' if self.depth > 0 => self.at += 1,
            '[' | '{' => {
                self.depth += 1;
                self.at += 1;
            }
            ']' | '}' => {
                self.depth = self.depth.saturating_sub(1);
                self.at += 1;
            }
            '&' | '*' | '!' => self.at += rest.find(|c: char| c.is_whitespace() || ",]}".contains(c)).unwrap_or(rest.len()),
            '|' | '>' if self.depth == 0 => self.block(c == '>'),
            '"' => self.quoted('"'),
            '\'' => self.quoted('\''),
            _ => self.plain(),
        }
        true
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    fn dash(&mut self) {
        let before = self.line_before();
        if before.bytes().all(|b| b == b' ') && *self.indent.get_or_insert(before.len()) == before.len() {
            self.entries.push((self.at, self.list.len()));
        }
        self.at += 1;
    }

    fn push(&mut self, bytes: Bytes) {
        self.list.push(bytes.finish(self.at));
    }

    /// A text in quotes, which may go over several lines.
    fn quoted(&mut self, quote: char) {
        self.at += 1;
        let mut out = Bytes::default();
        while let Some(c) = self.rest().chars().next() {
            let here = self.at;
            self.at += c.len_utf8();
            let next = self.rest().chars().next();
            match c {
                c if c == quote && quote == '\'' && next == Some('\'') => {
                    out.push('\'', here);
                    self.at += 1;
                }
                c if c == quote => {
                    self.at = here;
                    self.push(out);
                    self.at = here + 1;
                    return;
                }
                '\n' => self.fold(&mut out, here),
                '\\' if quote == '"' => self.escape(&mut out, here),
                c => out.push(c, here),
            }
        }
        self.push(out);
    }

    /// An escape in double quotes. Rare ones (`\x41`) are kept as they are: their scalar is then not found again.
    fn escape(&mut self, out: &mut Bytes, here: usize) {
        let Some(c) = self.rest().chars().next() else { return };
        self.at += c.len_utf8();
        match c {
            'n' => out.push('\n', here),
            't' => out.push('\t', here),
            '\n' => self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len(),
            c => out.push(c, here),
        }
    }

    /// A line break inside a scalar is a blank; further ones are line breaks.
    fn fold(&mut self, out: &mut Bytes, here: usize) {
        out.trim_end();
        let blanks = self.rest().len() - self.rest().trim_start().len();
        let breaks = self.rest()[..blanks].matches('\n').count();
        self.at += blanks;
        if breaks == 0 {
            out.push(' ', here);
        }
        for _ in 0..breaks {
            out.push('\n', here);
        }
    }

    /// A scalar without quotes.
    fn plain(&mut self) {
        let column = self.column();
        let mut out = Bytes::default();
        while let Some(c) = self.rest().chars().next() {
            let after = self.rest()[c.len_utf8()..].chars().next();
            let gap = after.is_none_or(char::is_whitespace);
            let end = match c {
                ':' => gap || (self.depth > 0 && after.is_some_and(|c| ",[]{}".contains(c))),
                '#' => self.text[..self.at].ends_with(char::is_whitespace),
                ',' | '[' | ']' | '{' | '}' => self.depth > 0,
                '\n' => {
                    let next = self.rest().trim_start();
                    let line = &self.rest()[..self.rest().len() - next.len()];
                    let indent = line.len() - line.rfind('\n').map_or(0, |n| n + 1);
                    next.is_empty() || next.starts_with('#') || (self.depth == 0 && indent <= column)
                }
                _ => false,
            };
            if end {
                break;
            }
            let here = self.at;
            self.at += c.len_utf8();
            if c == '\n' { self.fold(&mut out, here) } else { out.push(c, here) }
        }
        out.trim_end();
        self.push(out);
    }

    /// A block of lines after `|` or `>`.
    fn block(&mut self, folded: bool) {
        let column = self.column();
        self.skip_line();
        let mut out = Bytes::default();
        let mut indent = None;
        while let Some(line) = self.rest().strip_prefix('\n').map(|rest| rest.split('\n').next().unwrap_or("")) {
            let start = self.at + 1;
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let blank = line.trim().is_empty();
            if !blank && spaces <= indent.map_or(column, |n: usize| n - 1) {
                break;
            }
            if !blank {
                let indent = *indent.get_or_insert(spaces);
                if !out.value.is_empty() {
                    out.push(if folded { ' ' } else { '\n' }, self.at);
                }
                for (i, c) in line.trim_end_matches('\r').char_indices().skip_while(|(i, _)| *i < indent) {
                    out.push(c, start + i);
                }
            }
            self.at = start + line.len();
        }
        self.push(out);
    }
}

/// A value as it is read, with the place of each byte.
#[derive(Default)]
struct Bytes {
    value: String,
    at: Vec<usize>,
}

impl Bytes {
    fn push(&mut self, c: char, at: usize) {
        self.value.push(c);
        self.at.extend(std::iter::repeat_n(at, c.len_utf8()));
    }

    fn trim_end(&mut self) {
        self.value.truncate(self.value.trim_end().len());
        self.at.truncate(self.value.len());
    }

    fn finish(mut self, end: usize) -> Scalar {
        let start = self.at.first().copied().unwrap_or(end);
        let straight = self.value.is_ascii() && self.at.iter().enumerate().all(|(i, at)| *at == start + i);
        let offsets = match straight {
            true => Offsets::From(start),
            false => {
                let last = self.at.last().map_or(end, |at| at + self.value.chars().next_back().map_or(1, char::len_utf8));
                self.at.push(last);
                Offsets::Each(self.at)
            }
        };
        Scalar { value: self.value, offsets }
    }
}
