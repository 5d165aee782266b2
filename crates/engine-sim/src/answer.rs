//! What the model says: decided whole, before the engine runs, from the prompt and the request.

use serde_json::Value;

use crate::dice::Dice;
use crate::{prose, schema, tokenizer};

/// The last user text asks for a tool call with these words, where `tool_choice` leaves it open.
pub const TOOL_TRIGGER: &str = "call the tool";

/// What of a request shapes its answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) max_tokens: Option<usize>,
    pub(crate) min_tokens: usize,
    pub(crate) ignore_eos: bool,
    pub(crate) seed: i64,
    pub(crate) stop: Vec<String>,
    pub(crate) include_stop: bool,
    /// The tool to call: its name and the schema of its arguments.
    pub(crate) tool: Option<(String, Value)>,
    /// The client named the tool itself, which vLLM reports as `stop`.
    pub(crate) tool_named: bool,
    /// Answer with JSON for this schema.
    pub(crate) json: Option<Value>,
    pub(crate) think: bool,
    /// Say this, in these fragments; one fragment is cut into tokens.
    pub(crate) say: Option<Say>,
}

impl Wish {
    /// The most tokens that a choice has before it may end by itself.
    pub(crate) fn planned(&self) -> usize {
        let endless = if self.ignore_eos {
            self.max_tokens.unwrap_or(usize::MAX)
        } else {
            0
        };
        endless.max(self.min_tokens)
    }
}

/// Text that a test puts into the model's mouth.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// Cut into tokens.
    Text(String),
    /// Sent in just these fragments.
    Parts(Vec<String>),
}

/// Where a piece of an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Reasoning,
    Content,
    ToolName,
    ToolArguments,
}

/// One delta of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) channel: Channel,
    pub(crate) text: String,
    pub(crate) tokens: Vec<u32>,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ToolCalls,
}

impl Finish {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// One choice.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) finish: Finish,
    /// The stop string that ended it.
    pub(crate) stop_reason: Option<String>,
    /// The id of its tool call, if it makes one.
    pub(crate) tool_call_id: String,
}

impl Answer {
    /// The text of one channel.
    pub(crate) fn text(&self, channel: Channel) -> String {
        let of_channel = self.pieces.iter().filter(|piece| piece.channel == channel);
        of_channel.map(|piece| piece.text.as_str()).collect()
    }

    /// Whether anything goes to that channel.
    pub(crate) fn has(&self, channel: Channel) -> bool {
        self.pieces.iter().any(|piece| piece.channel == channel)
    }

    /// All tokens, in order.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = u32> + '_ {
        self.pieces
            .iter()
            .flat_map(|piece| piece.tokens.iter().copied())
    }
}

/// Decides choice number `choice` of an answer; `room` is what the context leaves, in tokens.
pub(crate) fn decide(wish: &Wish, prompt: &[u32], choice: usize, room: usize) -> Answer {
    let mut dice = Dice::new(prompt, wish.seed, choice);
    let limit = wish.max_tokens.unwrap_or(room).min(room);
    let tool_call_id = format!("chatcmpl-tool-{}", dice.hex());
    let mut pieces = Vec::new();
    if wish.think {
        let length = 16 + dice.below(32);
        pieces.extend(pieces_of(
            Channel::Reasoning,
            prose::sentences(&mut dice, length),
        ));
    }
    let mut finish = Finish::Stop;
    if let Some(say) = &wish.say {
        pieces.extend(said(say));
    } else if let Some((name, parameters)) = &wish.tool {
        pieces.push(Piece {
            channel: Channel::ToolName,
            text: name.clone(),
            tokens: tokenizer::encode(name),
        });
        let arguments = schema::fill(parameters, &mut dice).to_string();
        pieces.extend(pieces_of(
            Channel::ToolArguments,
            tokenizer::split(&arguments),
        ));
        if !wish.tool_named {
            finish = Finish::ToolCalls;
        }
    } else if let Some(shape) = &wish.json {
        let json = schema::fill(shape, &mut dice).to_string();
        pieces.extend(pieces_of(Channel::Content, tokenizer::split(&json)));
    } else {
        // A model ends by itself after 64 to 256 tokens, unless it is told to go on.
        let natural = 64 + dice.below(193);
        let most = limit.saturating_sub(count(&pieces));
        let wanted = if wish.ignore_eos {
            most
        } else {
            natural.max(wish.min_tokens).min(most)
        };
        pieces.extend(pieces_of(
            Channel::Content,
            prose::sentences(&mut dice, wanted),
        ));
    }
    let stop_reason = stop_at(&mut pieces, &wish.stop, wish.include_stop);
    if stop_reason.is_none() {
        pieces.push(end());
    }
    let cut = cut_to(&mut pieces, limit);
    if pieces.is_empty() {
        // Not even the first piece fits: the client still gets an end.
        pieces.push(end());
    }
    Answer {
        pieces,
        finish: if cut { Finish::Length } else { finish },
        stop_reason: stop_reason.filter(|_| !cut),
        tool_call_id,
    }
}

/// The token that ends a turn; it adds no text.
fn end() -> Piece {
    Piece {
        channel: Channel::Content,
        text: String::new(),
        tokens: vec![tokenizer::IM_END],
    }
}

fn count(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.tokens.len()).sum()
}

/// Deltas of one channel; a token that adds no text goes with the next that does.
fn pieces_of(channel: Channel, split: Vec<(u32, String)>) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(split.len());
    let mut pending = Vec::new();
    for (token, text) in split {
        pending.push(token);
        if !text.is_empty() {
            pieces.push(Piece {
                channel,
                text,
                tokens: std::mem::take(&mut pending),
            });
        }
    }
    pieces
}

fn said(say: &Say) -> Vec<Piece> {
    match say {
        Say::Text(text) => pieces_of(Channel::Content, tokenizer::split(text)),
        Say::Parts(parts) => parts
            .iter()
            .map(|part| Piece {
                channel: Channel::Content,
                text: part.clone(),
                tokens: tokenizer::encode(part),
            })
            .collect(),
    }
}

/// Ends the content where the first stop string begins (or ends, if it is to be included).
fn stop_at(pieces: &mut Vec<Piece>, stops: &[String], include: bool) -> Option<String> {
    let content = |piece: &&Piece| piece.channel == Channel::Content;
    let whole: String = pieces
        .iter()
        .filter(content)
        .map(|piece| piece.text.as_str())
        .collect();
    let found = stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| whole.find(stop.as_str()).map(|at| (at, stop)))
        .min_by_key(|(at, stop)| (at + stop.len(), *at))?;
    let (at, stop) = found;
    let matched_end = at + stop.len();
    let text_end = if include { matched_end } else { at };
    let mut seen = 0;
    let mut kept = Vec::with_capacity(pieces.len());
    for mut piece in pieces.drain(..) {
        if piece.channel == Channel::Content {
            if seen >= matched_end {
                break;
            }
            let start = seen;
            seen += piece.text.len();
            // Both ends lie on character boundaries of the whole text, so also of the piece.
            piece
                .text
                .truncate(text_end.saturating_sub(start).min(piece.text.len()));
        }
        kept.push(piece);
    }
    *pieces = kept;
    Some(stop.clone())
}

/// Keeps what fits in `limit` tokens; true if something did not.
fn cut_to(pieces: &mut Vec<Piece>, limit: usize) -> bool {
    let mut sum = 0;
    let fit = pieces
        .iter()
        .take_while(|piece| {
            sum += piece.tokens.len();
            sum <= limit
        })
        .count();
    let cut = fit < pieces.len();
    pieces.truncate(fit);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(wish: &Wish) -> Answer {
        decide(wish, &[1, 2, 3], 0, 10_000)
    }

    #[test]
    fn an_answer_ends_by_itself_or_at_its_limit() {
        let open = answer(&Wish::default());
        assert_eq!(open.finish, Finish::Stop);
        assert!((64..=280).contains(&open.tokens().count()));
        let cut = answer(&Wish {
            max_tokens: Some(5),
            ..Wish::default()
        });
        assert_eq!((cut.finish, cut.tokens().count()), (Finish::Length, 5));
        let long = answer(&Wish {
            max_tokens: Some(900),
            ignore_eos: true,
            ..Wish::default()
        });
        assert_eq!((long.finish, long.tokens().count()), (Finish::Length, 900));
    }

    #[test]
    fn a_stop_string_across_fragments_ends_the_text_before_it() {
        let parts = ["one, tw", "o", ", three"].map(str::to_owned).to_vec();
        let mut wish = Wish {
            say: Some(Say::Parts(parts)),
            stop: vec!["two".to_owned()],
            ..Wish::default()
        };
        let stopped = answer(&wish);
        assert_eq!(stopped.text(Channel::Content), "one, ");
        assert_eq!(stopped.stop_reason.as_deref(), Some("two"));
        wish.include_stop = true;
        assert_eq!(answer(&wish).text(Channel::Content), "one, two");
    }

    #[test]
    fn forced_fragments_stay_as_they_are() {
        let parts = ["user@exa", "mple.com"].map(str::to_owned).to_vec();
        let forced = answer(&Wish {
            say: Some(Say::Parts(parts.clone())),
            ..Wish::default()
        });
        let texts: Vec<&str> = forced
            .pieces
            .iter()
            .map(|piece| piece.text.as_str())
            .collect();
        assert_eq!(texts, ["user@exa", "mple.com", ""]);
    }
}
