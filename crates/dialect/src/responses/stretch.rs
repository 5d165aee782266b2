//! What the number of a stretch of text says (see [`crate::TextDelta::choice`]).

use crate::grammar::{CUSTOM, ITEM_BITS, PART_BITS, SUMMARY, WHOLE};

/// Where text stands: the item, the part within it, and what kind of part. The first part of an
/// item has the item's number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) item: u32,
    pub(super) part: u32,
    /// A part of a reasoning item's summary, not of its content.
    pub(super) summary: bool,
    /// A custom tool's input, not a function's arguments.
    pub(super) custom: bool,
}

impl Stretch {
    /// None for text that is told again: it is let go where it stands.
    pub(super) fn of_id(id: u32) -> Option<Self> {
        (id & WHOLE == 0).then_some(Self {
            item: id & ((1 << ITEM_BITS) - 1),
            part: id >> ITEM_BITS & ((1 << PART_BITS) - 1),
            summary: id & SUMMARY != 0,
            custom: id & CUSTOM != 0,
        })
    }
}
