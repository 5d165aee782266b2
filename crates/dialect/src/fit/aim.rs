//! Where a request goes, and what was found while it was fitted.

use std::borrow::Cow;

use super::back::Back;
use super::family::Family;
use crate::contract::format::Format;
use crate::contract::ways::{Ways, Where};
use crate::exchange::{Lost, Message, Profile, WriteOptions};

/// Where a request goes.
pub(crate) struct Aim<'o> {
    pub(super) format: &'static Format,
    pub(super) ways: &'static Ways,
    /// Whether a part of a kind tells what a tool did which some provider ran.
    pub(super) ran: fn(&str) -> bool,
    /// The client's format is another one.
    pub(super) crosses: bool,
    pub(super) profile: Profile,
    pub(super) model: &'o str,
    pub(super) default_max_tokens: u64,
    pub(super) room: Option<u64>,
    pub(super) family: Family,
    /// Who made the model.
    pub(super) maker: Cow<'static, str>,
    /// The client's format tells reasoning ahead of all else that a message holds.
    pub(super) ahead: bool,
    /// The maker whose signatures the client holds without a mark: that of its format, or the
    /// target's own where the format is the target's.
    pub(super) native: Option<Cow<'static, str>>,
}

impl<'o> Aim<'o> {
    pub(crate) fn new(
        format: &'static Format,
        options: &'o WriteOptions,
        asked: &'o str,
        client: &Format,
        ran: fn(&str) -> bool,
    ) -> Self {
        let model = match options.model.as_str() {
            "" => asked,
            model => model,
        };
        let ways = format.ways;
        let family = Family::of(ways.makers, options.profile, model);
        let maker = super::signed::maker(family, options.profile, model);
        Self {
            format,
            ways,
            ran,
            crosses: client.wire != format.wire,
            profile: options.profile,
            model,
            default_max_tokens: match options.default_max_tokens {
                0 => 4096,
                tokens => tokens,
            },
            room: options.room,
            ahead: client.ways.reasons_first,
            family,
            native: match client.wire == format.wire {
                true => Some(maker.clone()),
                false => client
                    .ways
                    .signs
                    .and_then(|signs| signs.native)
                    .map(Cow::Borrowed),
            },
            maker,
        }
    }

    /// Whether the target is one of those.
    pub(super) fn is(&self, place: Where) -> bool {
        match place {
            Where::Nowhere => false,
            Where::Everywhere => true,
            Where::AtOpenAi => self.profile.is_openai(),
            Where::Elsewhere => !self.profile.is_openai(),
        }
    }
}

/// What fitting found.
#[derive(Default)]
pub(crate) struct Fitted {
    /// What the client should know of, in the words of the client's own request.
    pub(crate) lost: Vec<Lost>,
    /// What the answer needs.
    pub(crate) back: Back,
    /// For each message, which of the client's it was.
    pub(super) messages: Vec<usize>,
    /// For each tool, which of the client's it was.
    pub(super) tools: Vec<usize>,
}

impl Fitted {
    pub(super) fn lose(&mut self, param: impl Into<String>, why: &'static str) {
        self.lost.push(Lost::new(param, why));
    }

    /// The number that a message has in the client's request.
    pub(super) fn message(&self, at: usize) -> usize {
        self.messages.get(at).copied().unwrap_or(at)
    }

    /// Adds messages, each before the one that stands at its place now. The places go up.
    pub(super) fn add<'a>(
        &mut self,
        messages: &mut Vec<Message<'a>>,
        added: Vec<(usize, Message<'a>)>,
    ) {
        if added.is_empty() {
            return;
        }
        // Made anew: an insertion moves all that follows it, and there may be very many.
        let length = messages.len();
        let room = length + added.len();
        let mut kept = std::mem::replace(messages, Vec::with_capacity(room)).into_iter();
        let was = std::mem::replace(&mut self.messages, Vec::with_capacity(room));
        let number = |at: usize| was.get(at).copied().unwrap_or(at);
        let mut from = 0;
        for (at, message) in added {
            messages.extend(kept.by_ref().take(at.saturating_sub(from)));
            self.messages.extend((from..at.min(length)).map(number));
            from = at.min(length);
            messages.push(message);
            self.messages.push(number(at.saturating_sub(1)));
        }
        messages.extend(kept);
        self.messages.extend((from..length).map(number));
    }

    /// What a writer calls by the number in the fitted request, by that in the client's.
    pub(crate) fn unfitted(&self, param: String) -> String {
        for (list, numbers) in [("messages[", &self.messages), ("tools[", &self.tools)] {
            let Some((number, rest)) = param.strip_prefix(list).and_then(|p| p.split_once(']'))
            else {
                continue;
            };
            let at: Option<usize> = number.parse().ok();
            if let Some(was) = at.and_then(|at| numbers.get(at))
                && Some(*was) != at
            {
                return format!("{list}{was}]{rest}");
            }
        }
        param
    }
}
