//! A bound rule with positions: where letters with a context count pairs of an outer and an own position.

use egg::Id;

use super::ragged::{Contexts, Link};
use crate::axis::{Axes, Bound, BoundLetter, DimExpr, LetterId};

/// Coordinates of letters, as far as they are known.
pub type Coords = Vec<Option<u32>>;

/// Decodes and encodes positions of the dimensions at one node.
pub struct Frame<'a> {
    /// The letters.
    pub letters: &'a [BoundLetter],
    /// For each letter with a context: the letter that tells its outer position.
    pub links: Vec<Option<Link<LetterId>>>,
    /// The class of each letter's context.
    pub outer: Vec<Option<Id>>,
    /// Whether any letter has a link.
    pub linked: bool,
}

impl<'a> Frame<'a> {
    /// Of a bound rule.
    pub fn new(axes: &Axes, contexts: &Contexts, bound: &'a Bound) -> Frame<'a> {
        let outer = bound.ids.iter().map(|id| contexts.of(axes, *id).map(|c| c.class)).collect();
        let links = contexts.links(axes, bound);
        Frame { letters: &bound.letters, linked: links.iter().any(Option::is_some), links, outer }
    }

    /// The link of a letter whose outer position the dimension itself does not tell.
    fn open(&self, dim: &DimExpr) -> Option<Link<LetterId>> {
        if !self.linked {
            return None;
        }
        let letters = dim.letters();
        letters.iter().filter_map(|l| self.links[*l as usize]).find(|link| !letters.contains(&link.at))
    }

    /// Number of positions of a letter.
    pub fn len(&self, letter: LetterId) -> usize {
        self.letters[letter as usize].len() * self.links[letter as usize].map_or(1, |l| l.outer)
    }

    /// No coordinates.
    pub fn nowhere(&self) -> Coords {
        vec![None; self.letters.len()]
    }

    /// The letters' coordinates at a position of a dimension.
    pub fn decode(&self, dim: &DimExpr, position: usize, coords: &mut Coords) {
        if !self.linked {
            return dim.decode(position, self.letters, coords);
        }
        let n = dim.len(self.letters).max(1);
        let open = self.open(dim);
        dim.decode(if open.is_some() { position % n } else { position }, self.letters, coords);
        for l in dim.letters() {
            let Some(link) = self.links[l as usize] else { continue };
            let Some(own) = coords[l as usize] else { continue };
            let outer = match open {
                Some(_) => position / n,
                None => coords[link.at as usize].map_or(0, |c| link.outer_of(c as usize)),
            };
            coords[l as usize] = Some((outer * self.letters[l as usize].len()) as u32 + own);
        }
        if let Some(link) = open
            && link.div == 1
            && self.letters[link.at as usize].len() == link.outer
        {
            coords[link.at as usize] = Some((position / n) as u32);
        }
    }

    /// Coordinates of one letter, and of its outer one if that follows.
    pub fn at(&self, letter: LetterId, position: usize) -> Coords {
        let mut coords = self.nowhere();
        self.decode(&DimExpr::Letter(letter), position, &mut coords);
        coords
    }

    /// The position of a dimension at these coordinates, if they determine it; of a sum of parts, in one of them if so asked.
    pub fn encode(&self, dim: &DimExpr, coords: &Coords, part: Option<usize>) -> Option<usize> {
        let at = self.encode_own(dim, coords, part)?;
        match self.open(dim) {
            None => Some(at),
            Some(_) => {
                let inner =
                    dim.letters().into_iter().find(|l| self.links[*l as usize].is_some() && coords[*l as usize].is_some())?;
                let outer = coords[inner as usize]? as usize / self.letters[inner as usize].len().max(1);
                Some(outer * dim.len(self.letters) + at)
            }
        }
    }

    /// Whether a position of a dimension is in a part of it: of all but sums of parts, in any case.
    pub fn within(&self, dim: &DimExpr, position: usize, part: Option<usize>) -> bool {
        let (DimExpr::Sum(parts), Some(part)) = (dim, part) else { return true };
        let start: usize = parts.iter().take(part).map(|p| p.len(self.letters)).sum();
        let n = parts.get(part).map_or(0, |p| p.len(self.letters));
        (start..start + n).contains(&(position % dim.len(self.letters).max(1)))
    }

    fn encode_own(&self, dim: &DimExpr, coords: &Coords, wanted: Option<usize>) -> Option<usize> {
        let own = |l: LetterId| {
            let c = coords[l as usize]? as usize;
            Some(if self.links[l as usize].is_some() { c % self.letters[l as usize].len().max(1) } else { c })
        };
        match dim {
            DimExpr::One => Some(0),
            DimExpr::Letter(l) => own(*l),
            DimExpr::Product(parts) => {
                parts.iter().try_fold(0, |n, p| Some(n * p.len(self.letters) + self.encode_own(p, coords, None)?))
            }
            DimExpr::Sum(parts) => {
                let (mut start, mut found) = (0, None);
                for (k, part) in parts.iter().enumerate() {
                    if wanted.is_none_or(|wanted| wanted == k)
                        && let Some(at) = self.encode_own(part, coords, None)
                    {
                        if found.is_some() {
                            return None; // the same letter twice: two positions
                        }
                        found = Some(start + at);
                    }
                    start += part.len(self.letters);
                }
                found
            }
            DimExpr::Pick(l, list) => {
                let c = own(*l)?;
                list.iter().position(|p| *p as usize == c)
            }
        }
    }
}
