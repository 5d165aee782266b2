//! Numbers for stretches of text (see [`crate::TextDelta::choice`]).

/// Where text stands: the item, the part within it, and what kind of part. The first part of an
/// item has the item's number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stretch {
    pub(super) item: u32,
    pub(super) part: u32,
    /// A part of a reasoning item's summary, not of its content.
    pub(super) summary: bool,
    /// A custom tool's input, not a function's arguments.
    pub(super) custom: bool,
}

const ITEM_BITS: u32 = 12;
const PART_BITS: u32 = 10;
const SUMMARY: u32 = 1 << 29;
const CUSTOM: u32 = 1 << 30;
/// Text that is told again.
pub(super) const RESTATED: u32 = 1 << 31;

impl Stretch {
    pub(super) fn id(self) -> u32 {
        let item = self.item & ((1 << ITEM_BITS) - 1);
        let part = self.part & ((1 << PART_BITS) - 1);
        item | part << ITEM_BITS
            | if self.summary { SUMMARY } else { 0 }
            | if self.custom { CUSTOM } else { 0 }
    }

    /// None for text that is told again: it is let go where it stands.
    pub(super) fn of_id(id: u32) -> Option<Self> {
        (id & RESTATED == 0).then_some(Self {
            item: id & ((1 << ITEM_BITS) - 1),
            part: id >> ITEM_BITS & ((1 << PART_BITS) - 1),
            summary: id & SUMMARY != 0,
            custom: id & CUSTOM != 0,
        })
    }
}
