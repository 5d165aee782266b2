//! Puts values back into answers, whole or in pieces.

use std::collections::BTreeMap;

use forebay_dialect::canonical::Channel;

use super::context::Context;
use super::{Mask, MaskTable};

/// How a placeholder is written in an answer.
struct Written<'t> {
    mask: &'t Mask,
    /// Bytes of the text that it takes.
    len: usize,
    /// With its brackets percent-encoded, as models do in URLs.
    in_url: bool,
}

fn word_len(text: &str) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.bytes().take_while(|byte| is_word(byte)).count()
}

fn context_of(channel: Channel) -> Context {
    match channel {
        Channel::ToolArguments(_) => Context::of_json(),
        _ => Context::of_text(),
    }
}

/// A percent-encoded bracket.
const OPEN: [&str; 2] = ["%5B", "%5b"];
const CLOSE: [&str; 2] = ["%5D", "%5d"];

impl MaskTable {
    /// Puts the values back into a whole text.
    pub(crate) fn restore(&self, channel: Channel, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        self.restore_into(&mut context_of(channel), text, &mut out);
        out
    }

    fn restore_into(&self, context: &mut Context, text: &str, out: &mut String) {
        let mut kept = 0;
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            // A tilde before it says that the client wrote it.
            let is_escaped = match at.checked_sub(1) {
                Some(before) => text.as_bytes()[before] == b'~',
                None => context.follows_tilde(),
            };
            let found = self.placeholder_at(rest).filter(|_| !is_escaped);
            let Some(found) = found else {
                // Over one word, or over one letter that is in none.
                let letter = rest.chars().next().map_or(1, char::len_utf8);
                at += word_len(rest).max(letter);
                continue;
            };
            let before = &text[kept..at];
            context.pass(before);
            out.push_str(before);
            let value = context.written(&found.mask.value, found.in_url);
            context.pass(&value);
            out.push_str(&value);
            at += found.len;
            kept = at;
        }
        context.pass(&text[kept..]);
        out.push_str(&text[kept..]);
    }

    /// The placeholder that begins here.
    fn placeholder_at<'t>(&'t self, text: &str) -> Option<Written<'t>> {
        let (open, in_url) = match text.as_bytes().first()? {
            b'[' => (1, false),
            b'%' if OPEN.iter().any(|open| text.starts_with(open)) => (3, true),
            b'A'..=b'Z' | b'0'..=b'9' | b'_' => (0, false),
            _ => return None,
        };
        let word = &text[open..];
        let word = &word[..word_len(word)];
        let mask = &self.entries[*self.by_word.get(word)?];
        let end = &text[open + word.len()..];
        let close = match (open, in_url) {
            (0, _) if !mask.is_name => return None,
            (0, _) => 0,
            (_, false) if end.starts_with(']') => 1,
            (_, true) if CLOSE.iter().any(|close| end.starts_with(close)) => 3,
            _ => return None,
        };
        Some(Written {
            mask,
            len: open + word.len() + close,
            in_url,
        })
    }

    /// Where an unfinished placeholder may begin at the end of `text`.
    fn unfinished(&self, text: &str) -> usize {
        let longest = self.longest + "%5B%5D".len();
        let mut from = text.len().saturating_sub(longest);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let mut at = from;
        while at < text.len() {
            let tail = &text[at..];
            let goes_on = match tail.as_bytes()[0] {
                b'[' => self.begins_word(&tail[1..], false),
                b'%' => {
                    let open = OPEN.iter().any(|open| tail.starts_with(open));
                    OPEN.iter().any(|open| open.starts_with(tail))
                        || (open && self.begins_word(&tail[3..], true))
                }
                b'A'..=b'Z' if starts_word(text, at) => {
                    self.has_names && word_len(tail) == tail.len() && self.is_prefix(tail)
                }
                _ => false,
            };
            if goes_on {
                return at;
            }
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
        text.len()
    }

    /// Whether a text may go on to a placeholder's word and its closing bracket.
    fn begins_word(&self, text: &str, in_url: bool) -> bool {
        let len = word_len(text);
        let (word, end) = text.split_at(len);
        match end {
            "" => self.is_prefix(word),
            end if in_url => {
                self.by_word.contains_key(word)
                    && CLOSE
                        .iter()
                        .any(|close| close.starts_with(end) && end.len() < 3)
            }
            _ => false,
        }
    }

    fn is_prefix(&self, word: &str) -> bool {
        let at = self.words.partition_point(|known| known.as_str() < word);
        self.words
            .get(at)
            .is_some_and(|known| known.starts_with(word))
    }
}

fn starts_word(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Restores masks in a stream: a placeholder may be split over any number of events.
#[derive(Debug)]
pub(crate) struct Restorer {
    table: MaskTable,
    /// What is held of each channel: never longer than the longest placeholder.
    held: BTreeMap<(u32, Channel), Held>,
}

#[derive(Debug)]
struct Held {
    text: String,
    context: Context,
}

impl Restorer {
    /// A restorer of these masks.
    pub(crate) fn new(table: MaskTable) -> Self {
        Self {
            table,
            held: BTreeMap::new(),
        }
    }

    /// Takes a piece of one channel and gives what can go out.
    pub(crate) fn push(&mut self, choice: u32, channel: Channel, text: &str) -> String {
        let held = self.held.entry((choice, channel)).or_insert_with(|| Held {
            text: String::new(),
            context: context_of(channel),
        });
        held.text.push_str(text);
        let cut = self.table.unfinished(&held.text);
        let rest = held.text.split_off(cut);
        let whole = std::mem::replace(&mut held.text, rest);
        let mut out = String::with_capacity(whole.len());
        self.table.restore_into(&mut held.context, &whole, &mut out);
        out
    }

    /// Gives what is still held of a choice, or of all.
    pub(crate) fn finish(&mut self, choice: Option<u32>) -> Vec<(u32, Channel, String)> {
        let ended = match choice {
            None => std::mem::take(&mut self.held),
            Some(choice) => {
                let first = (choice, Channel::Content);
                let mut ended = self.held.split_off(&first);
                if let Some(next) = choice.checked_add(1) {
                    let mut others = ended.split_off(&(next, Channel::Content));
                    self.held.append(&mut others);
                }
                ended
            }
        };
        let restored = ended.into_iter().map(|((choice, channel), mut held)| {
            let mut out = String::new();
            self.table
                .restore_into(&mut held.context, &held.text, &mut out);
            (choice, channel, out)
        });
        restored.filter(|(.., text)| !text.is_empty()).collect()
    }
}
