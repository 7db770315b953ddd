//! Where the parts of an entry stand in its file, by their paths.

use std::ops::Range;

use super::syntax::is_word;
use super::tree::{Content, Node};

/// The nodes of an entry by path, such as `sizes.t`; `sizes.t:` is the key itself.
#[derive(Default)]
pub(super) struct Sites(pub Vec<(String, Node)>);

impl Sites {
    /// Where the text at a path stands.
    pub fn span(&self, path: &str) -> Range<usize> {
        self.node(path).map_or(0..0, Node::span)
    }

    /// Where a word stands in the text at a path; all of the text if it is not in it.
    pub fn word(&self, path: &str, word: &str) -> Range<usize> {
        let Some(node) = self.node(path) else { return 0..0 };
        match &node.content {
            Content::Text(text) => find_word(text, word).map_or_else(|| node.span(), |at| node.offsets.span(at..at + word.len())),
            Content::List(items) => {
                let holds = |n: &&Node| n.text().is_some_and(|t| find_word(t, word).is_some());
                let Some(item) = items.iter().find(holds) else { return node.span() };
                let at = item.text().and_then(|t| find_word(t, word)).unwrap_or(0);
                item.offsets.span(at..at + word.len())
            }
            _ => node.span(),
        }
    }

    fn node(&self, path: &str) -> Option<&Node> {
        self.0.iter().find(|(p, _)| p == path).map(|(_, n)| n)
    }
}

/// Where a word stands in a text. A word that ends in a sign (`other=`) may be followed by anything.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let inside = |c: Option<char>| c.is_some_and(is_word);
    let ends = |at: usize| !word.ends_with(is_word) || !inside(text[at + word.len()..].chars().next());
    let begins = |at: usize| !inside(text[..at].chars().next_back());
    text.match_indices(word).map(|(at, _)| at).find(|at| begins(*at) && ends(*at))
}
