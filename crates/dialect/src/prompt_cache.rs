//! Marks for a provider's prompt cache: Anthropic's `cache_control` and Converse's `cachePoint`,
//! spliced into a body that is ready to go. What a client marked itself stays where it is.

use bytes::Bytes;

use crate::canonical::{Message, Prompt};
use crate::json::{Document, Kind, Splice, Value, splice};
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
    if !matches!(wire, Wire::Messages | Wire::Converse) || marks.is_empty() {
        return nothing(body);
    }
    let Ok(document) = Document::parse(&body) else {
        return nothing(body);
    };
    let root = document.root();
    let (slots, own, count) = slots(wire, root);
    let automatic = wire == Wire::Messages && has_marker(root);
    if automatic || own >= MAX_CACHE_MARKS {
        return nothing(body);
    }
    let same_turns = count == turns_of(prompt);
    let free = |slot: &&Slot<'_>| {
        slot.marked == own
            && (same_turns || !matches!(slot.place, CachePlace::Turn(_)))
            && takes_marker(wire, slot.block)
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
        set(wire, slot.block, mark.hour && own == 0, &mut splices);
        placed.push(slot.place);
    }
    Marked {
        body: splice(&body, splices),
        placed,
    }
}

/// The blocks that end a place, in the prompt's order; the client's markers; and the turns.
fn slots<'d>(wire: Wire, root: Value<'d>) -> (Vec<Slot<'d>>, usize, u32) {
    let mut slots = Vec::new();
    let mut own = 0;
    let mut end = |place, blocks: Vec<Value<'d>>, own: &mut usize| {
        *own += blocks
            .iter()
            .map(|block| markers(wire, *block))
            .sum::<usize>();
        if let Some(block) = blocks.last() {
            slots.push(Slot {
                place,
                block: *block,
                marked: *own,
            });
        }
    };
    let tools = match wire {
        Wire::Converse => root
            .get("toolConfig")
            .and_then(|config| config.get("tools")),
        _ => root.get("tools"),
    };
    end(CachePlace::Tools, blocks(tools), &mut own);
    end(CachePlace::System, blocks(root.get("system")), &mut own);
    let mut turn: Option<(bool, Vec<Value<'d>>)> = None;
    let mut count = 0;
    for message in root.get("messages").into_iter().flat_map(Value::items) {
        let role = message.get("role").and_then(Value::as_str);
        let content = blocks(message.get("content"));
        let Some(side) = side(role.as_deref().unwrap_or_default()) else {
            own += content
                .iter()
                .map(|block| markers(wire, *block))
                .sum::<usize>();
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

/// The elements of an array, or the one value that stands for them.
fn blocks<'d>(value: Option<Value<'d>>) -> Vec<Value<'d>> {
    match value {
        Some(value) if value.kind() == Kind::Array => value.items().collect(),
        Some(value) if value.kind() == Kind::String => vec![value],
        _ => Vec::new(),
    }
}

fn has_marker(block: Value<'_>) -> bool {
    block
        .get("cache_control")
        .is_some_and(|marker| !marker.is_null())
}

/// The client's own markers in a block, those within a tool's result included.
fn markers(wire: Wire, block: Value<'_>) -> usize {
    if wire == Wire::Converse {
        return usize::from(block.get("cachePoint").is_some());
    }
    let inner = block.get("content").into_iter().flat_map(Value::items);
    usize::from(has_marker(block)) + inner.filter(|inner| has_marker(*inner)).count()
}

/// Whether a marker may stand on (Anthropic) or behind (Converse) this block.
fn takes_marker(wire: Wire, block: Value<'_>) -> bool {
    let blank = |text: Option<Value<'_>>| {
        let text = text.and_then(Value::as_str);
        text.is_none_or(|text| text.trim().is_empty())
    };
    if block.kind() == Kind::String {
        return wire == Wire::Messages && !blank(Some(block));
    }
    if block.kind() != Kind::Object {
        return false;
    }
    if wire == Wire::Converse {
        let text = block.get("text");
        return block.get("reasoningContent").is_none()
            && block.get("cachePoint").is_none()
            && (text.is_none() || !blank(text));
    }
    let kind = block.get("type").and_then(Value::as_str);
    let deferred = block.get("defer_loading").and_then(Value::as_bool) == Some(true);
    match kind.as_deref() {
        _ if has_marker(block) || deferred => false,
        Some("thinking" | "redacted_thinking") => false,
        Some("text") => !blank(block.get("text")),
        _ => block.members().next().is_some(),
    }
}

fn set(wire: Wire, block: Value<'_>, hour: bool, splices: &mut Vec<Splice<'_>>) {
    let span = block.span();
    let at = |place: u32| crate::json::Span {
        start: place,
        end: place,
    };
    if wire == Wire::Converse {
        let point = match hour {
            true => ",{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}",
            false => ",{\"cachePoint\":{\"type\":\"default\"}}",
        };
        splices.push(Splice::new(at(span.end), point));
        return;
    }
    let marker = match hour {
        true => ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}",
        false => ",\"cache_control\":{\"type\":\"ephemeral\"}}",
    };
    if block.kind() == Kind::String {
        splices.push(Splice::new(at(span.start), "[{\"type\":\"text\",\"text\":"));
        splices.push(Splice::new(at(span.end), format!("{marker}]")));
        return;
    }
    let brace = crate::json::Span {
        start: span.end - 1,
        end: span.end,
    };
    splices.push(Splice::new(brace, marker));
}

#[cfg(test)]
mod tests;
