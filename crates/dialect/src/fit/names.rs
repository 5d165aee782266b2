//! Names of tools as a target takes them. A name that doesn't fit becomes one that does, by a
//! hash of itself alone, so that it is the same in each request of a conversation.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::aim::{Aim, Fitted};
use crate::contract::ways::ToolNames;
use crate::exchange::{ChatRequest, Content, Part, Profile, Tool, ToolChoice};

/// How names are made at a target; none where it names tools as it likes, as vLLM and its kin do.
fn rule(aim: &Aim<'_>) -> Option<ToolNames> {
    let rule = aim
        .ways
        .tool_names
        .filter(|_| aim.profile != Profile::Engine)?;
    let most = match aim.profile {
        Profile::Standard => rule.most,
        _ => rule.most.min(64),
    };
    Some(ToolNames { most, ..rule })
}

impl ToolNames {
    pub(super) fn fits(&self, name: &str) -> bool {
        let first = name.bytes().next();
        let begins = !self.letter_first
            || first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        begins && (1..=self.most).contains(&name.len()) && name.chars().all(|c| self.allows(c))
    }

    fn allows(&self, character: char) -> bool {
        character.is_ascii_alphanumeric() || self.marks.contains(character)
    }

    /// A name that fits, told apart from others by a hash. `attempt` is above 0 where the one
    /// before is taken.
    pub(super) fn fitted(&self, name: &str, attempt: u32) -> String {
        let mut out = String::with_capacity(self.most);
        if self.letter_first && !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            out.push('_');
        }
        for character in name.chars() {
            if out.len() + HASHED >= self.most {
                break;
            }
            out.push(if self.allows(character) {
                character
            } else {
                '_'
            });
        }
        out.push('_');
        hash(name, attempt, &mut out);
        out
    }
}

/// A text that is longer than `most` characters, cut and told apart from others by a hash.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let kept: String = text.chars().take(most.saturating_sub(HASHED)).collect();
    let mut out = kept;
    out.push('_');
    hash(text, 0, &mut out);
    out
}

/// A hash of 13 digits in base 32 is 64 bits, and an underscore stands ahead of it.
const HASHED: usize = 14;

fn hash(text: &str, attempt: u32, out: &mut String) {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut hash = fnv(text, attempt);
    for _ in 1..HASHED {
        out.push(char::from(DIGITS[(hash % 32) as usize]));
        hash /= 32;
    }
}

/// FNV-1a, 64 bits. Names that collide are told apart, so it need not withstand anybody.
fn fnv(name: &str, attempt: u32) -> u64 {
    let bytes = name.bytes().chain(attempt.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let Some(rule) = rule(aim) else {
        return;
    };
    if names(request).all(|name| rule.fits(name)) {
        return;
    }
    let mut taken: HashSet<String> = names(request)
        .filter(|name| rule.fits(name))
        .map(str::to_owned)
        .collect();
    let mut mapped: HashMap<String, String> = HashMap::new();
    let long: Vec<String> = names(request)
        .filter(|name| !rule.fits(name))
        .map(str::to_owned)
        .collect();
    for name in long {
        if name.is_empty() || mapped.contains_key(&name) {
            continue;
        }
        // Two that collide are 64 bits apart from the next attempt; there are fewer tools than that.
        let mut attempt = 0;
        let mut fresh = rule.fitted(&name, attempt);
        while !taken.insert(fresh.clone()) {
            attempt += 1;
            fresh = rule.fitted(&name, attempt);
        }
        fitted.back.rename(fresh.clone(), &name);
        mapped.insert(name, fresh);
    }
    rename_all(request, is_function, |name| {
        if let Some(fresh) = mapped.get(name.as_ref()) {
            *name = Cow::Owned(fresh.clone());
        }
    });
}

/// Renames tools wherever a request names them: those declared that `of` tells, calls, results,
/// and the choice among them.
pub(super) fn rename_all<'a>(
    request: &mut ChatRequest<'a>,
    of: fn(&Tool<'_>) -> bool,
    mut rename: impl FnMut(&mut Cow<'a, str>),
) {
    for tool in request.tools.iter_mut().filter(|tool| of(tool)) {
        rename(&mut tool.name);
    }
    for part in request.parts_mut() {
        match &mut part.content {
            Content::ToolCall(call) => rename(&mut call.name),
            Content::ToolResult(result) => {
                if let Some(name) = &mut result.name {
                    rename(name);
                }
            }
            _ => {}
        }
    }
    match &mut request.tool_choice {
        Some(ToolChoice::Tool(name)) => rename(name),
        Some(ToolChoice::Allowed(names, _)) => names.iter_mut().for_each(rename),
        _ => {}
    }
}

/// A function, or a custom tool that the target has: a provider's own tools keep their names.
fn is_function(tool: &Tool<'_>) -> bool {
    let kind = tool.builtin.as_ref().map(|(kind, _)| kind.as_ref());
    matches!(kind, None | Some("custom"))
}

/// The names of all functions that are declared or called.
fn names<'r>(request: &'r ChatRequest<'_>) -> impl Iterator<Item = &'r str> {
    let tools = request.tools.iter().filter(|tool| is_function(tool));
    let tools = tools.map(|tool| tool.name.as_ref());
    let calls = request.parts().filter_map(Part::call);
    tools.chain(calls.map(|call| call.name.as_ref()))
}
