//! Chunks of OpenAI's streams that carry text that was held back.

use bytes::Bytes;

use crate::canonical::Channel;
use crate::json::write;
use crate::json::{json_string, write_json_string};
use crate::payload::Payload;
use crate::wire::Wire;

/// A chunk of the same stream that carries these texts and nothing else.
pub(crate) fn synthesise(payload: &Payload, texts: &[(u32, Channel, String)]) -> Bytes {
    let mut out = String::from("{\"id\":");
    write_json_string(payload.id().unwrap_or_default(), &mut out);
    out.push_str(match payload.wire {
        Wire::Completions => ",\"object\":\"text_completion\",\"created\":",
        _ => ",\"object\":\"chat.completion.chunk\",\"created\":",
    });
    out.push_str(payload.created.map_or("0", |span| payload.text(span)));
    write::text(&mut out, "model", payload.model().unwrap_or_default());
    out.push_str(",\"choices\":[");
    for (position, (choice, texts)) in by_choice(texts).into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str(&format!("{{\"index\":{choice},"));
        match payload.wire {
            Wire::Completions => {
                let text: String = texts.iter().map(|(_, text)| text.as_str()).collect();
                out.push_str("\"text\":");
                write_json_string(&text, &mut out);
            }
            _ => write_delta(payload, &texts, &mut out),
        }
        out.push_str(",\"logprobs\":null,\"finish_reason\":null}");
    }
    out.push_str("]}");
    out.into()
}

fn write_delta(payload: &Payload, texts: &[(Channel, String)], out: &mut String) {
    let mut members = Vec::new();
    let mut calls = Vec::new();
    for (channel, text) in texts {
        let name = match channel {
            Channel::Content => "content",
            Channel::Reasoning => payload.reasoning_name.unwrap_or("reasoning_content"),
            Channel::Refusal => "refusal",
            Channel::ToolArguments(index) => {
                let text = json_string(text);
                calls.push(format!(
                    "{{\"index\":{index},\"function\":{{\"arguments\":{text}}}}}"
                ));
                continue;
            }
            Channel::ToolName(_) | Channel::Error | Channel::Annotation(_) => continue,
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
