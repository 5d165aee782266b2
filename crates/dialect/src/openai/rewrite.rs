//! Payloads with other texts: the upstream's own with texts replaced, and new ones that carry
//! text that was held back.

use bytes::Bytes;

use super::payload::Payload;
use crate::canonical::{Channel, Operation};
use crate::json::{Span, Splice, json_string, splice, write_json_string};

impl Payload {
    /// The payload with its texts replaced: one entry for each of [`Payload::texts`], in their
    /// order; none leaves the text as it is, and so does a list that is too short.
    /// `drop_unreadable` also makes null of all that may hold output but can't be judged as
    /// text: log probabilities, token ids, unknown fields. No other byte changes.
    pub fn rewrite(&self, texts: &[Option<String>], drop_unreadable: bool) -> Bytes {
        let mut splices = Vec::new();
        for (delta, text) in self.texts.iter().zip(texts) {
            let Some(text) = text.as_ref().filter(|text| **text != delta.text) else {
                continue;
            };
            let written = json_string(text);
            if let Some(twin) = delta.twin {
                splices.push(Splice::new(twin, written.clone()));
            }
            splices.push(Splice::new(delta.span, written));
        }
        if drop_unreadable {
            splices.extend(
                self.unreadable
                    .iter()
                    .map(|span| Splice::new(*span, "null")),
            );
        }
        splice(&self.raw, splices)
    }

    /// A chunk of the same stream that carries these texts and nothing else. Texts of one
    /// choice go into one delta, those of one channel joined.
    pub fn synthesise(&self, texts: &[(u32, Channel, String)]) -> Bytes {
        let mut out = String::from("{\"id\":");
        write_json_string(self.id().unwrap_or_default(), &mut out);
        out.push_str(match self.operation {
            Operation::Chat => ",\"object\":\"chat.completion.chunk\",\"created\":",
            Operation::Completion => ",\"object\":\"text_completion\",\"created\":",
        });
        out.push_str(self.created.map_or("0", |span| self.text(span)));
        out.push_str(",\"model\":");
        write_json_string(self.model().unwrap_or_default(), &mut out);
        out.push_str(",\"choices\":[");
        for (position, (choice, texts)) in by_choice(texts).into_iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            out.push_str(&format!("{{\"index\":{choice},"));
            match self.operation {
                Operation::Chat => self.write_delta(&texts, &mut out),
                Operation::Completion => {
                    let text: String = texts.iter().map(|(_, text)| text.as_str()).collect();
                    out.push_str("\"text\":");
                    write_json_string(&text, &mut out);
                }
            }
            out.push_str(",\"logprobs\":null,\"finish_reason\":null}");
        }
        out.push_str("]}");
        out.into()
    }

    fn write_delta(&self, texts: &[(Channel, String)], out: &mut String) {
        let mut members = Vec::new();
        let mut calls = Vec::new();
        for (channel, text) in texts {
            let name = match channel {
                Channel::Content => "content",
                Channel::Reasoning => self.reasoning_name.unwrap_or("reasoning_content"),
                Channel::Refusal => "refusal",
                Channel::ToolArguments(index) => {
                    let text = json_string(text);
                    calls.push(format!(
                        "{{\"index\":{index},\"function\":{{\"arguments\":{text}}}}}"
                    ));
                    continue;
                }
            };
            members.push(format!("\"{name}\":{}", json_string(text)));
        }
        if !calls.is_empty() {
            members.push(format!("\"tool_calls\":[{}]", calls.join(",")));
        }
        out.push_str("\"delta\":{");
        out.push_str(&members.join(","));
        out.push('}');
    }

    fn text(&self, span: Span) -> &str {
        let bytes = self.raw.get(span.range()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Texts by choice and channel, in the order of their first appearance.
fn by_choice(texts: &[(u32, Channel, String)]) -> Vec<(u32, Vec<(Channel, String)>)> {
    let mut choices: Vec<(u32, Vec<(Channel, String)>)> = Vec::new();
    for (choice, channel, text) in texts {
        let at = choices
            .iter()
            .position(|(index, _)| index == choice)
            .unwrap_or_else(|| {
                choices.push((*choice, Vec::new()));
                choices.len() - 1
            });
        let channels = &mut choices[at].1;
        match channels.iter_mut().find(|(earlier, _)| earlier == channel) {
            Some((_, earlier)) => earlier.push_str(text),
            None => channels.push((*channel, text.clone())),
        }
    }
    choices
}
