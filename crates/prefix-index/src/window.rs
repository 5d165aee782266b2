//! Hybrid models: groups of layers that see only a window need fewer blocks for a hit, but need
//! exactly those.

use std::collections::BTreeMap;

/// What a cache group's layers need for a hit of `n` blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// All `n` blocks.
    Full,
    /// The last blocks of the `n`: as many as the window spans. A state-space group spans one.
    Window { blocks: usize },
}

impl Group {
    /// What vLLM calls the group, and its window in tokens.
    pub(crate) fn new(kind: &str, window: Option<u32>, block_size: usize) -> Self {
        // A token sees itself and window - 1 tokens before it.
        let spanned = |tokens: u32| {
            let before = (tokens.saturating_sub(1) as usize).max(1);
            Self::Window {
                blocks: before.div_ceil(block_size.max(1)),
            }
        };
        match (kind, window) {
            ("mamba", _) => Self::Window { blocks: 1 },
            ("full_attention" | "mla_attention" | "", _) => Self::Full,
            (_, Some(tokens)) => spanned(tokens),
            // A kind without a window that we don't know: ask for all blocks, never for too few.
            _ => Self::Full,
        }
    }
}

/// The groups that a worker's events have named.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    by_index: BTreeMap<u32, Group>,
}

/// Groups that are told apart. vLLM makes at most a handful.
const MAX_GROUPS: usize = 64;

impl Groups {
    pub(crate) fn learn(&mut self, index: u32, group: Group) {
        if self.by_index.len() < MAX_GROUPS || self.by_index.contains_key(&index) {
            self.by_index.insert(index, group);
        }
    }

    /// Whether blocks of this group are those that a plain lookup counts: the first group that
    /// needs all blocks. Without any, the first group.
    pub(crate) fn is_main(&self, index: u32) -> bool {
        let full = self
            .by_index
            .iter()
            .find(|(_, group)| **group == Group::Full);
        full.is_none_or(|(first, _)| *first == index)
    }

    /// The other groups: which, and what they need.
    pub(crate) fn others(&self) -> impl Iterator<Item = (u32, Group)> {
        self.by_index
            .iter()
            .map(|(index, group)| (*index, *group))
            .filter(|(index, _)| !self.is_main(*index))
    }
}

/// The longest hit of at most `most` blocks for which a group has what it needs.
pub(crate) fn longest_hit(group: Group, most: usize, held: impl Fn(usize) -> bool) -> usize {
    match group {
        Group::Full => (0..most).take_while(|block| held(*block)).count(),
        Group::Window { blocks } => {
            // From the end: a run of as many blocks as the window spans, or one that reaches 0.
            let mut run = 0;
            let mut end = most;
            for block in (0..most).rev() {
                if held(block) {
                    run += 1;
                    if run >= blocks {
                        return end;
                    }
                } else {
                    run = 0;
                    end = block;
                }
            }
            end
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_needs_its_last_blocks_only() {
        let window = Group::Window { blocks: 2 };
        let held = |blocks: &'static [usize]| move |block| blocks.contains(&block);
        assert_eq!(longest_hit(window, 6, held(&[4, 5])), 6);
        assert_eq!(longest_hit(window, 6, held(&[2, 3, 5])), 4);
        assert_eq!(longest_hit(window, 6, held(&[0])), 1);
        assert_eq!(longest_hit(window, 6, held(&[1])), 0);
        assert_eq!(longest_hit(window, 6, held(&[])), 0);
        assert_eq!(longest_hit(Group::Full, 6, held(&[0, 1, 3])), 2);
    }

    #[test]
    fn windows_are_counted_in_blocks_that_a_token_sees_before_it() {
        let blocks = |window| Group::new("sliding_window", Some(window), 16);
        assert_eq!(blocks(1024), Group::Window { blocks: 64 });
        assert_eq!(blocks(17), Group::Window { blocks: 1 });
        assert_eq!(blocks(18), Group::Window { blocks: 2 });
        assert_eq!(blocks(0), Group::Window { blocks: 1 });
        assert_eq!(Group::new("mamba", None, 16), Group::Window { blocks: 1 });
        assert_eq!(Group::new("something_new", None, 16), Group::Full);
    }
}
