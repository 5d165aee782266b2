//! Strongly connected components, by Tarjan's algorithm.

use std::collections::BTreeMap;

use super::Graph;

struct Walk<'g> {
    graph: &'g Graph,
    /// Of each file met: its number, and the lowest number it reaches.
    met: BTreeMap<&'g str, (usize, usize)>,
    open: Vec<&'g str>,
    found: Vec<Vec<String>>,
}

/// The circles of two files and more, largest first, each in the order of names.
pub(super) fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let mut walk = Walk {
        graph,
        met: BTreeMap::new(),
        open: Vec::new(),
        found: Vec::new(),
    };
    for file in graph.keys() {
        if !walk.met.contains_key(file.as_str()) {
            walk.visit(file);
        }
    }
    walk.found
        .sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    walk.found
}

impl<'g> Walk<'g> {
    /// As deep as the graph has files: a few hundred.
    fn visit(&mut self, file: &'g str) -> usize {
        let number = self.met.len();
        self.met.insert(file, (number, number));
        let at = self.open.len();
        self.open.push(file);
        let mut lowest = number;
        for to in self.graph.get(file).into_iter().flatten() {
            match self.met.get(to.as_str()) {
                None => lowest = lowest.min(self.visit(to)),
                Some((number, _)) if self.open.contains(&to.as_str()) => {
                    lowest = lowest.min(*number);
                }
                Some(_) => {}
            }
        }
        if lowest == number {
            let mut circle: Vec<String> = self.open.drain(at..).map(str::to_owned).collect();
            if circle.len() > 1 {
                circle.sort();
                self.found.push(circle);
            }
        }
        lowest
    }
}
