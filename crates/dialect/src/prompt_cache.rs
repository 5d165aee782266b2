//! Marks for a provider's prompt cache: Anthropic's `cache_control` and Converse's `cachePoint`,
//! spliced into a body that is ready to go. What a client marked itself stays where it is.

use bytes::Bytes;

use crate::canonical::{Message, Prompt};
use crate::contract::cache::CacheMarks;
use crate::formats::format;
use crate::json::{Document, Kind, Value, splice};
use crate::wire::Wire;

/// The most markers of one request, at Anthropic and at Bedrock.
pub const MAX_CACHE_MARKS: usize = 4;

/// A place behind which a provider's cache can cut. Turns are counted as the provider sees them:
/// messages of one side in a row are one turn, results of tools are the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CachePlace {
    /// Behind the last tool.
    Tools,
    /// Behind the system prompt.
    System,
    /// Behind this turn.
    Turn(u32),
}

/// One marker to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheMark {
    /// Where.
    pub place: CachePlace,
    /// Ask for the hour that costs more, instead of five minutes.
    pub hour: bool,
}

/// A body with markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The body. The same bytes where nothing was marked.
    pub body: Bytes,
    /// The places that were marked, in the prompt's order.
    pub placed: Vec<CachePlace>,
}

/// The side of a message: system, model or user.
fn side(role: &str) -> Option<bool> {
    match role {
        "system" | "developer" => None,
        "assistant" | "model" => Some(true),
        _ => Some(false),
    }
}

/// Where a part of a message stands as a provider sees it: none where it is not the end of a turn
/// or of the leading system prompt.
pub fn cache_place(prompt: &Prompt, message: u32, part: u32) -> Option<CachePlace> {
    let at = message as usize;
    let said = prompt.messages.get(at)?;
    if said.parts.len() != part as usize + 1 {
        return None;
    }
    let sides = || prompt.messages.iter().map(|m: &Message| side(&m.role));
    let leading = sides().take_while(Option::is_none).count();
    if at < leading {
        return (at + 1 == leading).then_some(CachePlace::System);
    }
    let own = side(&said.role)?;
    if sides().skip(at + 1).flatten().next() == Some(own) {
        return None;
    }
    let before = turns(sides().take(at + 1).flatten());
    before.checked_sub(1).map(CachePlace::Turn)
}

/// How many turns these sides make.
fn turns(sides: impl Iterator<Item = bool>) -> u32 {
    let mut last = None;
    let mut count = 0;
    for side in sides {
        if last != Some(side) {
            count += 1;
        }
        last = Some(side);
    }
    count
}

/// How many turns a prompt has.
fn turns_of(prompt: &Prompt) -> u32 {
    turns(prompt.messages.iter().filter_map(|m| side(&m.role)))
}

/// A block that ends a place.
struct Slot<'d> {
    place: CachePlace,
    block: Value<'d>,
    /// How many of the client's markers stand at or before it.
    marked: usize,
}

/// Sets markers in a body of Anthropic's messages or Converse, and in no other. At most four
/// stand in the body then, the client's own included; none is set before a client's own, so that
/// what the client decided about its prefix holds. `prompt` is what the client sent: where the
/// body has other turns, only tools and system prompt are marked.
pub fn mark_prefixes(body: Bytes, wire: Wire, prompt: &Prompt, marks: &[CacheMark]) -> Marked {
    let nothing = |body| Marked {
        body,
        placed: Vec::new(),
    };
    let ours = format(wire).cache_marks.filter(|_| !marks.is_empty());
    let Some(ours) = ours else {
        return nothing(body);
    };
    let Ok(document) = Document::parse(&body) else {
        return nothing(body);
    };
    let root = document.root();
    let (slots, own, count) = slots(ours, root);
    if ours.is_automatic(root) || own >= MAX_CACHE_MARKS {
        return nothing(body);
    }
    let same_turns = count == turns_of(prompt);
    let free = |slot: &&Slot<'_>| {
        slot.marked == own
            && (same_turns || !matches!(slot.place, CachePlace::Turn(_)))
            && ours.may_mark(slot.block)
    };
    let mut splices = Vec::new();
    let mut placed = Vec::new();
    for slot in slots.iter().filter(free) {
        let Some(mark) = marks.iter().find(|mark| mark.place == slot.place) else {
            continue;
        };
        if own + placed.len() >= MAX_CACHE_MARKS {
            break;
        }
        // Longer lives must stand before shorter ones, and the client's may be of either kind.
        ours.mark(slot.block, mark.hour && own == 0, &mut splices);
        placed.push(slot.place);
    }
    Marked {
        body: splice(&body, splices),
        placed,
    }
}

/// The blocks that end a place, in the prompt's order; the client's markers; and the turns.
fn slots<'d>(ours: &dyn CacheMarks, root: Value<'d>) -> (Vec<Slot<'d>>, usize, u32) {
    let mut slots = Vec::new();
    let mut own = 0;
    let mut end = |place, blocks: Vec<Value<'d>>, own: &mut usize| {
        *own += counted(ours, &blocks);
        if let Some(block) = blocks.last() {
            slots.push(Slot {
                place,
                block: *block,
                marked: *own,
            });
        }
    };
    end(CachePlace::Tools, blocks(ours.tools(root)), &mut own);
    end(CachePlace::System, blocks(root.get("system")), &mut own);
    let mut turn: Option<(bool, Vec<Value<'d>>)> = None;
    let mut count = 0;
    for message in root.each("messages") {
        let role = message.text("role");
        let content = blocks(message.get("content"));
        let Some(side) = side(role.as_deref().unwrap_or_default()) else {
            own += counted(ours, &content);
            continue;
        };
        match &mut turn {
            Some((open, so_far)) if *open == side => so_far.extend(content),
            _ => {
                if let Some((_, ended)) = turn.replace((side, content)) {
                    end(CachePlace::Turn(count), ended, &mut own);
                    count += 1;
                }
            }
        }
    }
    if let Some((_, ended)) = turn {
        end(CachePlace::Turn(count), ended, &mut own);
        count += 1;
    }
    (slots, own, count)
}

/// The client's own markers in these blocks.
fn counted(ours: &dyn CacheMarks, blocks: &[Value<'_>]) -> usize {
    blocks.iter().map(|block| ours.count(*block)).sum()
}

/// The elements of an array, or the one value that stands for them.
fn blocks<'d>(value: Option<Value<'d>>) -> Vec<Value<'d>> {
    match value {
        Some(value) if value.kind() == Kind::Array => value.items().collect(),
        Some(value) if value.kind() == Kind::String => vec![value],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
