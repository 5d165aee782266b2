//! Where a provider's prompt cache should cut: behind the tools, behind the system prompt, and
//! behind the user's last turns, each named by a hash of all that comes before it.
//!
//! The policy sees one prompt at a time. Which of these places is worth a marker depends on which
//! prefixes came before, and that is counted by the host.

use xxhash_rust::xxh64::{Xxh64, xxh64};

use crate::bindings::exports::forebay::prefix_cache::prefix_cache::{
    Anchor, Breakpoint, PartIndex, Prompt,
};
use crate::bindings::forebay::types::prompts::{Message, Part};
use crate::chain::read_text;
use crate::config::Config;

/// The user's last turns that are told. A conversation grows by one between two requests, an
/// agent's by a few where calls are made in a row.
const TURNS: usize = 6;
/// Ends a role, a part and the tools in what is hashed.
const MARK: &[u8] = &[0];

/// A message's side: none for the operator's, true for the model's.
fn side(message: &Message) -> Option<bool> {
    #[cfg(test)]
    crate::growth::work(1);
    match message.role.as_str() {
        "system" | "developer" => None,
        "assistant" | "model" => Some(true),
        _ => Some(false),
    }
}

/// The places of a prompt, in its order.
pub(crate) fn breakpoints(config: &Config, prompt: &Prompt) -> Vec<Breakpoint> {
    if !config.provider_breakpoints || prompt.operation != "chat" {
        return Vec::new();
    }
    // A provider keeps one cache for each model.
    let mut text = Text {
        state: Xxh64::new(xxh64(prompt.model.as_bytes(), 0)),
        bytes: 0,
    };
    let mut places = Vec::new();
    for tool in &prompt.tools {
        text.add(tool.as_bytes());
    }
    if !prompt.tools.is_empty() {
        places.extend(text.place(config, Anchor::Tools));
    }
    text.add(&[]);
    let messages = &prompt.messages;
    let leading = messages.iter().take_while(|m| side(m).is_none()).count();
    let mut turns = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        text.message(message);
        let last = message.parts.len().checked_sub(1);
        let (Some(part), Ok(at)) = (last, u32::try_from(index)) else {
            continue;
        };
        let Ok(part) = u32::try_from(part) else {
            continue;
        };
        let anchor = Anchor::Part(PartIndex { message: at, part });
        if index + 1 == leading {
            places.extend(text.place(config, anchor));
        } else if index >= leading && ends_users_turn(messages, index) {
            turns.extend(text.place(config, anchor));
        }
    }
    let from = turns.len().saturating_sub(TURNS);
    places.extend(turns.drain(from..));
    places
}

/// Whether the user, or a tool, has spoken here and the model is next.
fn ends_users_turn(messages: &[Message], index: usize) -> bool {
    let users = |message: &Message| side(message) == Some(false);
    // What comes next is looked for behind a user's message alone: behind each message of a long row
    // of the operator's, the search would go through all the rest of the row.
    messages.get(index).is_some_and(users)
        && !messages
            .iter()
            .skip(index + 1)
            .find(|m| side(m).is_some())
            .is_some_and(users)
}

/// The text so far, hashed.
struct Text {
    state: Xxh64,
    bytes: u64,
}

impl Text {
    fn add(&mut self, text: &[u8]) {
        #[cfg(test)]
        crate::growth::work(text.len() + 1);
        self.state.update(text);
        self.state.update(MARK);
        self.bytes = self.bytes.saturating_add(text.len() as u64);
    }

    fn message(&mut self, message: &Message) {
        self.add(message.role.as_bytes());
        for part in &message.parts {
            match part {
                Part::Text(text) => {
                    if let Some(text) = read_text(message, text) {
                        self.add(text.as_bytes());
                    }
                }
                Part::ToolCall(call) => {
                    self.add(call.name.as_bytes());
                    self.add(call.arguments.as_bytes());
                }
                Part::Opaque(opaque) => self.add(opaque.json.as_bytes()),
            }
        }
    }

    /// The place here, where enough text comes before it.
    fn place(&self, config: &Config, after: Anchor) -> Option<Breakpoint> {
        (self.bytes >= u64::from(config.breakpoint_bytes)).then(|| Breakpoint {
            after,
            prefix: self.state.digest(),
            bytes: u32::try_from(self.bytes).unwrap_or(u32::MAX),
            after_uses: config.breakpoint_after_uses,
            ttl: config.breakpoint_ttl,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::forebay::types::prompts::Sampling;

    fn message(role: &str, text: &str) -> Message {
        Message {
            role: role.to_owned(),
            parts: vec![Part::Text(text.to_owned())],
            extra: Vec::new(),
        }
    }

    fn prompt(tools: &[&str], messages: &[(&str, &str)]) -> Prompt {
        Prompt {
            operation: "chat".to_owned(),
            model: "m".to_owned(),
            messages: messages.iter().map(|(r, t)| message(r, t)).collect(),
            tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
            sampling: Sampling {
                temperature: None,
                top_p: None,
                n: 1,
                max_tokens: None,
                seed: None,
            },
            extra: Vec::new(),
        }
    }

    fn places(tools: &[&str], messages: &[(&str, &str)]) -> Vec<(Option<u32>, u64)> {
        let config = Config {
            breakpoint_bytes: 1,
            ..Config::default()
        };
        let at = |anchor| match anchor {
            Anchor::Tools => None,
            Anchor::Part(part) => Some(part.message),
        };
        breakpoints(&config, &prompt(tools, messages))
            .into_iter()
            .map(|point| (at(point.after), point.prefix))
            .collect()
    }

    fn at(places: &[(Option<u32>, u64)]) -> Vec<Option<u32>> {
        places.iter().map(|(at, _)| *at).collect()
    }

    #[test]
    fn a_conversation_has_places_behind_tools_system_and_the_users_turns() {
        let turns = [
            ("system", "be brief"),
            ("user", "one"),
            ("assistant", "two"),
            ("tool", "three"),
            ("user", "four"),
        ];
        let all = places(&["{}"], &turns);
        assert_eq!(at(&all), [None, Some(0), Some(1), Some(4)]);
        // The request before is the beginning of this one.
        let before = places(&["{}"], &turns[..2]);
        assert_eq!(before[..], all[..3]);
    }

    #[test]
    fn a_change_ahead_of_a_place_changes_its_hash() {
        let a = places(&["{\"a\":1}"], &[("system", "s"), ("user", "u")]);
        let b = places(&["{\"b\":1}"], &[("system", "s"), ("user", "u")]);
        assert!(a.iter().zip(&b).all(|(a, b)| a.1 != b.1));
        // Where a text ends counts: the same letters are not the same prefix.
        let c = places(&[], &[("system", "ab"), ("user", "c")]);
        let d = places(&[], &[("system", "a"), ("user", "bc")]);
        assert_ne!(c[1].1, d[1].1);
    }

    #[test]
    fn a_billing_line_changes_no_place() {
        let system = |line: &str| {
            places(
                &[],
                &[("system", &format!("{line}be brief")), ("user", "u")],
            )
        };
        let line = |cch: &str| format!("x-anthropic-billing-header: cc_version=2.1; cch={cch};\n");
        assert_eq!(system(&line("a1")), system(&line("b2")));
        assert_eq!(system(&line("a1")), system(""));
    }

    #[test]
    fn short_prefixes_and_other_operations_have_none() {
        let short = prompt(&["{}"], &[("user", "short")]);
        assert!(breakpoints(&Config::default(), &short).is_empty());
        let mut long = prompt(&[], &[("user", &"x".repeat(5_000))]);
        assert_eq!(breakpoints(&Config::default(), &long).len(), 1);
        long.operation = "completion".to_owned();
        assert!(breakpoints(&Config::default(), &long).is_empty());
        let off = Config::parse(r#"{"provider_breakpoints":false}"#).unwrap();
        long.operation = "chat".to_owned();
        assert!(breakpoints(&off, &long).is_empty());
    }

    #[test]
    fn only_the_last_turns_of_a_long_conversation_are_told() {
        let turns: Vec<(&str, &str)> = (0..40)
            .map(|turn| (["user", "assistant"][turn % 2], "said"))
            .collect();
        let all = places(&[], &turns);
        assert_eq!(all.len(), TURNS);
        assert_eq!(all.last().map(|(at, _)| *at), Some(Some(38)));
    }
}
