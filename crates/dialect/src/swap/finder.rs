//! Which values a text holds, in one pass over it: the work grows with the text and with the values, not
//! with one times the other, whatever they are.
//!
//! Aho and Corasick's automaton over reversed texts. There the longest value that *begins* at a place is
//! the longest that ends in a state, which is known of each state beforehand. Edges of words are symbols
//! of their own, so that a value that has to be whole is a longer one.

use std::collections::HashMap;

use super::Swap;

/// Stands for the edge of a word: no byte of UTF-8.
const EDGE: u8 = 0xff;

/// An automaton of all values.
pub(super) struct Finder {
    /// The states behind the first symbol; 0 where there is none.
    first: [u32; 256],
    edges: HashMap<(u32, u8), u32>,
    nodes: Vec<Node>,
    /// How long each value is, in bytes.
    lengths: Vec<usize>,
}

#[derive(Default)]
struct Node {
    /// The state of the longest proper end of what was read.
    fall: u32,
    /// The longest value that what was read ends with.
    longest: Option<u32>,
}

/// A new state and how it is reached.
struct Born {
    parent: u32,
    symbol: u8,
    state: u32,
    depth: usize,
}

impl Finder {
    pub(super) fn new(swaps: &[Swap]) -> Self {
        let mut finder = Self {
            first: [0; 256],
            edges: HashMap::new(),
            nodes: vec![Node::default()],
            lengths: swaps.iter().map(|swap| swap.value.len()).collect(),
        };
        let mut born = Vec::new();
        for (at, swap) in (0_u32..).zip(swaps).filter(|(_, s)| !s.value.is_empty()) {
            finder.add(at, swap, &mut born);
        }
        // Shorter ones first: what a state falls back to is complete then.
        born.sort_by_key(|born| born.depth);
        for born in &born {
            finder.link(born);
        }
        finder
    }

    fn add(&mut self, at: u32, swap: &Swap, born: &mut Vec<Born>) {
        let mut symbols: Vec<u8> = reversed(&swap.value).map(|(_, symbol)| symbol).collect();
        if !swap.whole {
            // A text's ends are edges.
            symbols.pop();
            symbols.remove(0);
        }
        let mut state = 0;
        for (depth, symbol) in symbols.into_iter().enumerate() {
            state = match self.next(state, symbol) {
                Some(next) => next,
                None => {
                    let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
                    self.nodes.push(Node::default());
                    match state {
                        0 => self.first[usize::from(symbol)] = next,
                        _ => _ = self.edges.insert((state, symbol), next),
                    }
                    born.push(Born {
                        parent: state,
                        symbol,
                        state: next,
                        depth,
                    });
                    next
                }
            };
        }
        if let Some(node) = self.nodes.get_mut(state as usize) {
            node.longest.get_or_insert(at);
        }
    }

    fn link(&mut self, born: &Born) {
        let fall = match born.parent {
            0 => 0,
            parent => self.step(self.fall(parent), born.symbol),
        };
        let longest = self.longest(fall);
        if let Some(node) = self.nodes.get_mut(born.state as usize) {
            node.fall = fall;
            node.longest = node.longest.or(longest);
        }
    }

    fn next(&self, state: u32, symbol: u8) -> Option<u32> {
        match state {
            0 => Some(self.first[usize::from(symbol)]).filter(|next| *next != 0),
            _ => self.edges.get(&(state, symbol)).copied(),
        }
    }

    fn fall(&self, state: u32) -> u32 {
        self.nodes.get(state as usize).map_or(0, |node| node.fall)
    }

    fn longest(&self, state: u32) -> Option<u32> {
        self.nodes.get(state as usize)?.longest
    }

    /// The state behind a symbol. Every fall makes what is remembered shorter and only symbols make it
    /// longer, by one each: over a whole text there are at most as many falls as symbols.
    fn step(&self, mut state: u32, symbol: u8) -> u32 {
        loop {
            #[cfg(test)]
            super::tests::work();
            match self.next(state, symbol) {
                Some(next) => return next,
                None if state == 0 => return 0,
                None => state = self.fall(state),
            }
        }
    }

    /// Where values are and which: leftmost first, of several at one place the longest, none that
    /// overlaps one before.
    pub(super) fn find(&self, text: &str) -> Vec<(usize, usize)> {
        let length = |at: u32| self.lengths.get(at as usize).copied().unwrap_or(0);
        // From the last to the first: the longest value at each place that has one.
        let mut begins: Vec<(usize, u32)> = Vec::new();
        let mut state = 0;
        for (place, symbol) in reversed(text) {
            state = self.step(state, symbol);
            let Some(found) = self.longest(state) else {
                continue;
            };
            match begins.last_mut() {
                Some((last, known)) if *last == place => {
                    if length(found) > length(*known) {
                        *known = found;
                    }
                }
                _ => begins.push((place, found)),
            }
        }
        let mut out = Vec::new();
        let mut free = 0;
        for (place, found) in begins.into_iter().rev() {
            if place >= free {
                out.push((place, found as usize));
                free = place + length(found);
            }
        }
        out
    }
}

/// The symbols of a text from its end to its beginning, each with its place: its bytes, and the edges of
/// its words, which are everywhere but within them.
fn reversed(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let mut within = false;
    let symbols = text.char_indices().rev().flat_map(move |(at, c)| {
        let end = at + c.len_utf8();
        let is_word = c.is_alphanumeric();
        let edge = (!(is_word && within)).then_some((end, EDGE));
        within = is_word;
        let bytes = (at..end).rev().map(|i| (i, text.as_bytes()[i]));
        edge.into_iter().chain(bytes)
    });
    symbols.chain([(0, EDGE)])
}
