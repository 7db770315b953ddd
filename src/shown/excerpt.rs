//! The parts of a text around the labels of an error.

use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// Bytes of a line that are shown whole.
const LINE: usize = 1000;
/// Bytes around a label in a line that is longer.
const AROUND: usize = 60;
/// Bytes of a text with short lines that are taken at once.
const MOST: usize = 1 << 20;

/// Windows of a text, which are asked for as if they were the whole.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: Option<String>,
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    text: String,
    /// Where it begins in the whole text.
    start: usize,
    line: usize,
    column: usize,
}

impl Excerpt {
    /// The text around these labels: all lines between them where these are short, else a part of the line of each.
    pub(super) fn of(source: &dyn SourceCode, labels: &[LabeledSpan]) -> Excerpt {
        let mut excerpt = Excerpt { name: None, windows: Vec::new() };
        let Some(start) = labels.iter().map(LabeledSpan::offset).min() else { return excerpt };
        let end = labels.iter().map(|l| l.offset().saturating_add(l.len())).max().unwrap_or(start);
        if let Ok(all) = source.read_span(&(start, end - start).into(), 1, 1) {
            excerpt.name = all.name().map(str::to_owned);
            let short = |data: &[u8]| data.len() <= MOST && data.split(|b| *b == b'\n').all(|line| line.len() <= LINE);
            if short(all.data()) {
                let (start, line, column) = (all.span().offset(), all.line(), all.column());
                excerpt.windows.push(Window { text: quiet(all.data()), start, line, column });
                return excerpt;
            }
        }
        let mut places: Vec<(usize, usize)> = labels.iter().map(|l| (l.offset(), l.offset().saturating_add(l.len()))).collect();
        places.sort_unstable();
        // What is close together is shown together.
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for (start, end) in places {
            match groups.last_mut().filter(|(_, last)| start <= last.saturating_add(2 * AROUND)) {
                Some((_, last)) => *last = end.max(*last),
                None => groups.push((start, end)),
            }
        }
        let windows = groups.into_iter().filter_map(|(start, end)| Window::around(source, &(start, end - start).into()));
        excerpt.windows.extend(windows);
        excerpt
    }
}

impl Window {
    fn around(source: &dyn SourceCode, span: &SourceSpan) -> Option<Window> {
        let lines = source.read_span(span, 1, 1).ok()?;
        let column = source.read_span(span, 0, 0).ok()?.column();
        let (data, from) = (lines.data(), lines.span().offset());
        let at = span.offset().checked_sub(from).filter(|at| *at <= data.len())?;
        let line = data[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let end = (at + span.len()).min(data.len());
        let line_end = data[end..].iter().position(|b| *b == b'\n').map_or(data.len(), |n| end + n);
        let character = |at: usize| data.get(at).is_none_or(|b| b & 0xc0 != 0x80);
        let left = (line..=at.saturating_sub(AROUND).max(line)).rev().find(|at| character(*at))?;
        let right = ((end + AROUND).min(line_end)..=line_end).find(|at| character(*at))?;
        let before = data[..left].iter().filter(|b| **b == b'\n').count();
        let text = quiet(&data[left..right]);
        Some(Window { text, start: from + left, line: lines.line() + before, column: column.saturating_sub(at - left) })
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset().saturating_add(span.len());
        let holds = |w: &&Window| w.start <= span.offset() && end <= w.start + w.text.len();
        let window = self.windows.iter().find(holds).ok_or(MietteError::OutOfBounds)?;
        let local = SourceSpan::from((span.offset() - window.start, span.len()));
        let found = window.text.as_bytes().read_span(&local, before, after)?;
        let column = if found.line() == 0 { window.column + found.column() } else { found.column() };
        let start = found.span().offset();
        let place = SourceSpan::from((window.start + start, found.data().len()));
        // Lines are counted from the beginning of the whole text.
        let (line, count) = (window.line + found.line(), window.line + found.line_count());
        let data = &window.text.as_bytes()[start..start + found.data().len()];
        Ok(Box::new(match &self.name {
            Some(name) => MietteSpanContents::new_named(name.clone(), data, place, line, column, count),
            None => MietteSpanContents::new(data, place, line, column, count),
        }))
    }
}

/// A text in which what a terminal obeys is another character of as many bytes, so that places stay.
fn quiet(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c.len_utf8() {
            _ if !super::obeyed(c) || (c == '\r' && rest.peek() == Some(&'\n')) => out.push(c),
            1 => out.push('?'),
            2 => out.push('·'),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}
