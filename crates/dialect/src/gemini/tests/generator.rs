//! Requests and answers that Google's format has words for.

use std::borrow::Cow;

use proptest::option;
use proptest::prelude::*;

use crate::canonical::Usage;
use crate::exchange::Thought;
use crate::exchange::{
    ChatAnswer, ChatRequest, Choice, Citation, Content, Effort, Finish, Media, Message,
    OutputFormat, Part, Reasoning, Role, Sampling, Source, Tool, ToolCall, ToolChoice, ToolResult,
};

type Text = Cow<'static, str>;

fn text() -> impl Strategy<Value = Text> {
    "[a-z \"\\\\\n\u{1}é😀{}]{1,16}".prop_map(Cow::Owned)
}

fn word() -> impl Strategy<Value = Text> {
    "[a-z][a-z0-9_-]{0,11}".prop_map(Cow::Owned)
}

fn signature() -> impl Strategy<Value = Text> {
    "[A-Za-z0-9+/]{8}".prop_map(Cow::Owned)
}

fn json() -> impl Strategy<Value = Text> {
    let values = [
        r#"{"type":"object","properties":{"city_name":{"type":"string"}}}"#,
        r#"{"type": ["object", "null"], "additionalProperties": false}"#,
        "{}",
    ];
    prop::sample::select(values.to_vec()).prop_map(Cow::Borrowed)
}

fn arguments() -> impl Strategy<Value = Text> {
    let values = [
        "{}",
        r#"{"city":"Zürich","n":1.50}"#,
        r#"{ "deep": [{"a": "\n"}] }"#,
    ];
    prop::sample::select(values.to_vec()).prop_map(Cow::Borrowed)
}

fn media() -> impl Strategy<Value = Part<'static>> {
    let source = prop_oneof![
        Just((Source::Base64("aGVsbG8=".into()), "image/png")),
        Just((Source::Base64("aGVsbG8=".into()), "audio/wav")),
        Just((Source::Url("https://example.com/film".into()), "video/mp4")),
        Just((Source::Url("https://example.com/paper".into()), "")),
        Just((
            Source::Id("gs://bucket/paper.pdf".into()),
            "application/pdf"
        )),
    ];
    (source, option::of(word())).prop_map(|((source, media_type), name)| {
        let media = Media {
            source,
            media_type: media_type.into(),
            name,
            detail: None,
        };
        Part::new(match media_type.split('/').next() {
            Some("image") => Content::Image(media),
            Some("audio") => Content::Audio(media),
            Some("video") => Content::Video(media),
            _ => Content::File(media),
        })
    })
}

fn said() -> impl Strategy<Value = Part<'static>> {
    text().prop_map(Part::text)
}

fn message(role: Role, parts: Vec<Part<'static>>) -> Message<'static> {
    Message {
        role,
        name: None,
        parts,
        extra: Vec::new(),
    }
}

/// Thoughts with or without their proof, and proofs of hidden ones.
fn reasoning() -> impl Strategy<Value = Part<'static>> {
    let shown = (text(), option::of(signature()));
    let hidden = signature().prop_map(|signature| (Cow::Borrowed(""), Some(signature)));
    prop_oneof![shown, hidden].prop_map(|(text, signature)| {
        Part::new(Content::Reasoning(Thought {
            text,
            signature,
            redacted: None,
        }))
    })
}

/// What a model says: thoughts, text, calls, nothing twice in a row that would be one piece.
fn spoken() -> impl Strategy<Value = Vec<Part<'static>>> {
    let call = (word(), arguments()).prop_map(|(name, arguments)| {
        Part::new(Content::ToolCall(ToolCall {
            id: Cow::Borrowed(""),
            name,
            arguments,
            custom: false,
        }))
    });
    let part = prop_oneof![reasoning(), said(), call];
    prop::collection::vec(part, 1..6).prop_map(|parts| {
        let mut out: Vec<Part<'static>> = Vec::new();
        for part in parts {
            let open = |part: &Part<'_>| {
                matches!(
                    &part.content,
                    Content::Reasoning(Thought {
                        signature: None,
                        ..
                    })
                )
            };
            let thinks = |part: &Part<'_>| matches!(&part.content, Content::Reasoning(_));
            let speaks = |part: &Part<'_>| matches!(&part.content, Content::Text { .. });
            let joins = out.last().is_some_and(|last| {
                (speaks(last) && speaks(&part)) || (open(last) && thinks(&part))
            });
            if !joins {
                out.push(part);
            }
        }
        out
    })
}

/// A turn of the model and, where it calls, the results.
fn turn() -> impl Strategy<Value = Vec<Message<'static>>> {
    let result = (
        prop::collection::vec(text(), 0..2),
        option::of(media()),
        any::<bool>(),
    );
    let result = result.prop_map(|(texts, media, is_error)| ToolResult {
        call_id: Cow::Borrowed(""),
        name: None,
        parts: texts.into_iter().map(Part::text).chain(media).collect(),
        is_error,
    });
    (spoken(), prop::collection::vec(result, 6)).prop_map(|(parts, results)| {
        let calls = parts.iter().filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(call.name.clone()),
            _ => None,
        });
        let results: Vec<_> = calls
            .zip(results)
            .map(|(name, result)| {
                Part::new(Content::ToolResult(ToolResult {
                    name: Some(name),
                    ..result
                }))
            })
            .collect();
        let mut out = vec![message(Role::Assistant, parts)];
        if !results.is_empty() {
            out.push(message(Role::Tool, results));
        }
        out
    })
}

fn messages() -> impl Strategy<Value = Vec<Message<'static>>> {
    let system = option::of(prop::collection::vec(said(), 1..3));
    let user = prop::collection::vec(prop_oneof![said(), media()], 1..4);
    let user = user
        .prop_map(|parts| vec![message(Role::User, parts)])
        .boxed();
    let turns = prop::collection::vec(prop_oneof![user.clone(), turn()], 0..5);
    (system, user, turns).prop_map(|(system, first, turns)| {
        let system = system.map(|parts| message(Role::System, parts));
        let rest = turns.into_iter().flatten();
        let mut all: Vec<_> = system.into_iter().chain(first).chain(rest).collect();
        number_calls(&mut all);
        all
    })
}

/// Gives calls ids, and results those of their calls.
fn number_calls(messages: &mut [Message<'static>]) {
    let mut next = 0;
    let mut asked = Vec::new();
    for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
        match &mut part.content {
            Content::ToolCall(call) => {
                call.id = format!("id-{next}").into();
                asked.push(call.id.clone());
                next += 1;
            }
            Content::ToolResult(result) if !asked.is_empty() => {
                result.call_id = asked.remove(0);
            }
            _ => {}
        }
    }
}

fn tools() -> impl Strategy<Value = (Vec<Tool<'static>>, Option<ToolChoice<'static>>)> {
    let tool = (word(), option::of(text()), option::of(json()));
    let tool = tool.prop_map(|(name, description, parameters)| Tool {
        name,
        description,
        parameters,
        strict: None,
        cache: None,
        builtin: None,
        extra: Vec::new(),
    });
    let names = prop::collection::vec(word(), 2..4);
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        word().prop_map(ToolChoice::Tool),
        names.prop_map(|names| ToolChoice::Allowed(names, true)),
    ];
    let tools = prop::collection::vec(tool, 1..4).boxed();
    let none = Just((Vec::new(), None));
    prop_oneof![
        none,
        (tools.clone(), option::of(choice)),
        tools.prop_map(|mut tools| {
            tools.iter_mut().for_each(|tool| tool.strict = Some(true));
            (tools, Some(ToolChoice::Auto))
        })
    ]
}

fn sampling() -> impl Strategy<Value = Sampling<'static>> {
    let number = || option::of((0_u8..200).prop_map(|n| f64::from(n) / 100.0));
    let numbers = (number(), number(), number(), number());
    let counts = (
        option::of(0_u64..100),
        option::of(1_u32..8),
        option::of(any::<u64>()),
        option::of(any::<i32>().prop_map(i64::from)),
    );
    let rest = (
        any::<bool>(),
        option::of(0_u32..20),
        prop::collection::vec(text(), 0..5),
    );
    (numbers, counts, rest).prop_map(|(numbers, counts, rest)| Sampling {
        temperature: numbers.0,
        top_p: numbers.1,
        frequency_penalty: numbers.2,
        presence_penalty: numbers.3,
        top_k: counts.0,
        n: counts.1,
        max_tokens: counts.2,
        seed: counts.3,
        logprobs: rest.0,
        top_logprobs: rest.1,
        stop: rest.2,
        min_p: None,
        logit_bias: None,
    })
}

fn output() -> impl Strategy<Value = OutputFormat<'static>> {
    prop_oneof![
        Just(OutputFormat::Text),
        Just(OutputFormat::JsonObject),
        json().prop_map(|schema| OutputFormat::JsonSchema {
            name: "response".into(),
            description: None,
            schema,
            strict: None,
        })
    ]
}

fn thinking() -> impl Strategy<Value = Reasoning<'static>> {
    use Effort::{High, Low, Max, Medium, Minimal};
    let effort = prop::sample::select(vec![Effort::None, Minimal, Low, Medium, High, Max]);
    let how = prop_oneof![
        effort.prop_map(|effort| (Some(effort), None, false)),
        (1_u64..100_000).prop_map(|budget| (None, Some(budget), false)),
        Just((None, None, true)),
    ];
    (how, any::<bool>()).prop_map(|((effort, budget, adaptive), shown)| Reasoning {
        effort,
        budget,
        adaptive,
        summary: shown.then_some("auto".into()),
    })
}

pub(super) fn request() -> impl Strategy<Value = ChatRequest<'static>> {
    let tier = prop::sample::select(vec!["default", "flex", "priority"]);
    let about = (
        any::<bool>(),
        prop::collection::btree_map(word(), word(), 0..3),
        option::of(tier),
    );
    let asked = (option::of(output()), option::of(thinking()), sampling());
    (messages(), tools(), asked, about).prop_map(|(messages, tools, asked, about)| ChatRequest {
        model: "gemini-3-pro".into(),
        messages,
        tools: tools.0,
        tool_choice: tools.1,
        output: asked.0,
        reasoning: asked.1,
        sampling: asked.2,
        stream: about.0,
        metadata: about.1.into_iter().collect(),
        service_tier: about.2.map(Cow::Borrowed),
        ..ChatRequest::default()
    })
}

fn finish(calls: bool) -> impl Strategy<Value = Finish> {
    let natural = if calls {
        Finish::ToolCalls
    } else {
        Finish::Stop
    };
    prop_oneof![
        Just(natural),
        Just(Finish::Length),
        Just(Finish::Refused),
        Just(Finish::Other("LANGUAGE".to_owned())),
    ]
}

fn choice() -> impl Strategy<Value = Choice<'static>> {
    let cited = option::of((word(), word()));
    let drawn = prop::collection::vec(text(), 0..3);
    (spoken(), cited, drawn).prop_flat_map(|(mut parts, cited, drawn)| {
        let calls = parts
            .iter()
            .any(|part| matches!(part.content, Content::ToolCall(_)));
        let mut texts = parts
            .iter_mut()
            .rev()
            .filter_map(|part| match &mut part.content {
                Content::Text { citations, .. } => Some(citations),
                _ => None,
            });
        let last = texts.next();
        let logprobs = last.as_ref().and_then(|_| logprobs(&drawn));
        if let (Some(citations), Some((host, title))) = (last, cited) {
            let url = format!("https://{host}/");
            let json = format!("{{\"uri\":\"{url}\",\"title\":\"{title}\"}}");
            citations.push(Citation {
                text: "".into(),
                url: Some(url.into()),
                title: Some(title),
                range: None,
                json: json.into(),
            });
        }
        finish(calls).prop_map(move |finish| Choice {
            parts: parts.clone(),
            finish: Some(finish),
            logprobs: logprobs.clone().map(Cow::Owned),
        })
    })
}

fn logprobs(drawn: &[Text]) -> Option<String> {
    let items: Vec<_> = drawn
        .iter()
        .map(|token| {
            let token = crate::json::json_string(token);
            let inner = format!("{{\"token\":{token},\"logprob\":-0.25,\"bytes\":null}}");
            format!(
                "{{\"token\":{token},\"logprob\":-0.5,\"bytes\":null,\"top_logprobs\":[{inner}]}}"
            )
        })
        .collect();
    let items = items.join(",");
    (!items.is_empty()).then(|| format!("{{\"content\":[{items}],\"refusal\":null}}"))
}

pub(super) fn answer() -> impl Strategy<Value = ChatAnswer<'static>> {
    let counts = (0_u64..5000, 0_u64..5000, 0_u64..500, 0_u64..500);
    let usage = counts.prop_map(|(input, shown, cached_input, reasoning)| Usage {
        input,
        output: shown + reasoning,
        cached_input,
        cache_write: 0,
        reasoning,
    });
    let head = (word(), word(), option::of(0_u64..4_000_000_000));
    let choices = prop::collection::vec(choice(), 1..3);
    (head, choices, option::of(usage)).prop_map(|(head, mut choices, usage)| {
        for (of, choice) in choices.iter_mut().enumerate() {
            for (number, part) in choice.parts.iter_mut().enumerate() {
                if let Content::ToolCall(call) = &mut part.content {
                    call.id = format!("id-{of}-{number}").into();
                }
            }
        }
        ChatAnswer {
            id: head.0,
            model: head.1,
            created: head.2,
            choices,
            usage,
        }
    })
}
