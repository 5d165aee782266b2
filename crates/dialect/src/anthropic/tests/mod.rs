//! Round trips over generated requests and answers of everything that Anthropic can say.

mod lost;
mod tolerance;

use std::borrow::Cow;

use proptest::prelude::*;

use super::answer::{read_answer, write_answer};
use super::read::read_request;
use super::stream_read::StreamReader;
use super::stream_write::StreamWriter;
use super::write::write_request;
use crate::canonical::{Field, Usage};
use crate::contract::context::AnswerContext;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::exchange::Thought;
use crate::exchange::{
    CacheMarker, ChatAnswer, ChatRequest, Choice, Citation, Collector, Content, Effort, Finish,
    Media, Message, OutputFormat, Part, Reasoning, Role, Sampling, Source, Tool, ToolCall,
    ToolChoice, ToolResult, WriteOptions, replay,
};
use crate::json::{Document, json_string};

type Text = Cow<'static, str>;

fn text() -> impl Strategy<Value = Text> {
    "[a-zé\"\\\\\n<] ?[a-z\u{1}😀 ]{0,8}".prop_map(Cow::Owned)
}

fn word() -> impl Strategy<Value = Text> {
    "[a-z]{1,8}".prop_map(Cow::Owned)
}

fn marker() -> impl Strategy<Value = Option<CacheMarker<'static>>> {
    let ttl = prop::option::of(prop_oneof![Just("5m"), Just("1h")]);
    let marker = ttl.prop_map(|ttl| CacheMarker {
        ttl: ttl.map(Cow::Borrowed),
    });
    prop::option::weighted(0.2, marker)
}

fn media(source: Source<'static>, media_type: &'static str) -> Media<'static> {
    Media {
        source,
        media_type: media_type.into(),
        name: None,
        detail: None,
    }
}

fn shown() -> impl Strategy<Value = Content<'static>> {
    let image = prop_oneof![
        Just(media(Source::Base64("aGk=".into()), "image/png")),
        Just(media(Source::Url("https://a.example/b.png".into()), "")),
        Just(media(Source::Id("file_1".into()), "")),
    ];
    let file = prop_oneof![
        Just(media(Source::Base64("aGkh".into()), "application/pdf")),
        Just(media(Source::Url("https://a.example/b.pdf".into()), "")),
        Just(media(Source::Id("file_2".into()), "")),
        text().prop_map(|text| media(Source::Text(text), "text/plain")),
    ];
    let file = (file, prop::option::of(word()));
    prop_oneof![
        4 => text().prop_map(|text| Part::text(text).content),
        1 => image.prop_map(Content::Image),
        1 => file.prop_map(|(file, name)| Content::File(Media { name, ..file })),
        1 => Just(Content::Opaque {
            kind: "search_result".into(),
            json: r#"{"type":"search_result","source":"s","title":"t","content":[]}"#.into(),
        }),
    ]
}

fn part(content: impl Strategy<Value = Content<'static>>) -> impl Strategy<Value = Part<'static>> {
    (content, marker()).prop_map(|(content, cache)| {
        let takes_marker = !matches!(content, Content::Opaque { .. } | Content::Reasoning(_));
        Part {
            cache: cache.filter(|_| takes_marker),
            ..Part::new(content)
        }
    })
}

fn reasoning() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![
        (text(), word()).prop_map(|(text, signature)| Content::Reasoning(Thought {
            text,
            signature: Some(signature),
            redacted: None,
        })),
        word().prop_map(|data| Content::Reasoning(Thought {
            text: "".into(),
            signature: None,
            redacted: Some(data),
        })),
    ]
}

fn arguments() -> impl Strategy<Value = Text> {
    prop_oneof![
        Just(Cow::Borrowed("{}")),
        text().prop_map(|text| format!("{{ \"a\": {}}}", json_string(&text)).into()),
    ]
}

fn said() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![
        3 => text().prop_map(|text| Part::text(text).content),
        1 => reasoning(),
        2 => (word(), arguments()).prop_map(|(name, arguments)| {
            Content::ToolCall(ToolCall { id: "".into(), name, arguments, custom: false })
        }),
    ]
}

/// A turn: what the user says, what the model says, what its tools give, whether the user
/// says more beside that.
type Turn = (
    Vec<Part<'static>>,
    Vec<Part<'static>>,
    Vec<(Vec<Part<'static>>, bool)>,
    bool,
);

fn turn() -> impl Strategy<Value = Turn> {
    let given = prop::collection::vec(part(shown()), 0..3);
    (
        prop::collection::vec(part(shown()), 1..3),
        prop::collection::vec(part(said()), 1..4),
        prop::collection::vec((given, any::<bool>()), 4),
        any::<bool>(),
    )
}

fn message(role: Role, parts: Vec<Part<'static>>) -> Message<'static> {
    Message {
        role,
        name: None,
        parts,
        extra: Vec::new(),
    }
}

fn conversation() -> impl Strategy<Value = Vec<Message<'static>>> {
    let prompt = part(text().prop_map(|text| Part::text(text).content));
    let prompt = prop::option::of(prop::collection::vec(prompt, 1..3));
    (prompt, prop::collection::vec(turn(), 1..4)).prop_map(|(prompt, turns)| {
        let mut messages: Vec<_> = prompt
            .map(|parts| message(Role::System, parts))
            .into_iter()
            .collect();
        let mut number = 0;
        for (asked, mut answered, given, more) in turns {
            messages.push(message(Role::User, asked.clone()));
            let mut results = Vec::new();
            for (part, (parts, is_error)) in answered.iter_mut().zip(given) {
                if let Content::ToolCall(call) = &mut part.content {
                    call.id = format!("toolu_{number}").into();
                    number += 1;
                    results.push(Part::new(Content::ToolResult(ToolResult {
                        call_id: call.id.clone(),
                        name: Some(call.name.clone()),
                        parts,
                        is_error,
                    })));
                }
            }
            messages.push(message(Role::Assistant, answered));
            if !results.is_empty() {
                messages.push(message(Role::Tool, results));
                if more {
                    messages.push(message(Role::User, asked));
                    messages.push(message(Role::Assistant, vec![Part::text("so")]));
                }
            }
        }
        messages
    })
}

fn tool() -> impl Strategy<Value = Tool<'static>> {
    let own = (
        word(),
        prop::option::of(text()),
        prop::option::of(any::<bool>()),
        marker(),
    );
    prop_oneof![
        3 => own.prop_map(|(name, description, strict, cache)| Tool {
            name,
            description,
            parameters: Some(r#"{"type":"object","properties":{"a":{"type":"string"}}}"#.into()),
            strict,
            cache,
            builtin: None,
            extra: vec![Field { name: "defer_loading".into(), value: "true".into() }],
        }),
        1 => Just(Tool {
            name: "web_search".into(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
            builtin: Some((
                "web_search_20250305".into(),
                r#"{"type":"web_search_20250305","name":"web_search"}"#.into(),
            )),
            extra: Vec::new(),
        }),
    ]
}

type Choosing = (
    Vec<Tool<'static>>,
    Option<ToolChoice<'static>>,
    Option<bool>,
);

fn tools() -> impl Strategy<Value = Choosing> {
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        word().prop_map(ToolChoice::Tool),
    ];
    (
        prop::collection::vec(tool(), 0..3),
        prop::option::of(choice),
        prop::option::of(any::<bool>()),
    )
        .prop_map(|(tools, choice, parallel)| {
            let choice = choice.filter(|_| !tools.is_empty());
            let chooses = choice
                .as_ref()
                .is_some_and(|choice| *choice != ToolChoice::None);
            (tools, choice, parallel.filter(|_| chooses))
        })
}

/// A model, and what it can be asked of its reasoning.
fn thinking() -> impl Strategy<Value = (&'static str, Option<Reasoning<'static>>)> {
    let word = prop_oneof![
        Just(Effort::Low),
        Just(Effort::Medium),
        Just(Effort::High),
        Just(Effort::Max)
    ];
    let display = prop::option::of(prop_oneof![Just("summarized"), Just("omitted")]);
    let adaptive = (prop::option::of(word.clone()), display.clone());
    prop_oneof![
        Just(("claude-opus-4-8", None)),
        Just((
            "claude-sonnet-4-5",
            Some(Reasoning {
                effort: Some(Effort::None),
                ..Reasoning::default()
            })
        )),
        word.prop_map(|effort| (
            "claude-opus-5",
            Some(Reasoning {
                effort: Some(effort),
                budget: Some(0),
                ..Reasoning::default()
            })
        )),
        (1024..9000_u64, display).prop_map(|(budget, display)| {
            (
                "claude-sonnet-4-5",
                Some(Reasoning {
                    budget: Some(budget),
                    summary: display.map(Cow::Borrowed),
                    ..Reasoning::default()
                }),
            )
        }),
        adaptive.prop_map(|(effort, display)| (
            "claude-opus-4-7",
            Some(Reasoning {
                effort,
                adaptive: true,
                budget: None,
                summary: display.map(Cow::Borrowed),
            })
        )),
    ]
}

fn sampling() -> impl Strategy<Value = Sampling<'static>> {
    (
        prop::option::of(0.0..=1.0_f64),
        prop::option::of(0.0..=1.0_f64),
        prop::option::of(0..500_u64),
        prop::collection::vec(word(), 0..3),
    )
        .prop_map(|(temperature, top_p, top_k, stop)| Sampling {
            temperature,
            top_p,
            top_k,
            stop,
            max_tokens: Some(10_000),
            ..Sampling::default()
        })
}

fn request() -> impl Strategy<Value = ChatRequest<'static>> {
    let schema = OutputFormat::JsonSchema {
        name: "response".into(),
        description: None,
        schema: r#"{"type": "object"}"#.into(),
        strict: None,
    };
    let rest = (
        prop::option::of(Just(schema)),
        prop::option::of(word()),
        prop::option::of(prop_oneof![Just("auto"), Just("standard_only")]),
        any::<bool>(),
    );
    (conversation(), tools(), thinking(), sampling(), rest).prop_map(
        |(messages, (tools, tool_choice, parallel), (model, reasoning), sampling, rest)| {
            let (output, user, tier, stream) = rest;
            ChatRequest {
                model: model.into(),
                messages,
                tools,
                tool_choice,
                parallel_tool_calls: parallel,
                output,
                sampling,
                reasoning,
                stream,
                user,
                service_tier: tier.map(Cow::Borrowed),
                extra: vec![Field {
                    name: "speed".into(),
                    value: "\"fast\"".into(),
                }],
                ..ChatRequest::default()
            }
        },
    )
}

fn citation() -> impl Strategy<Value = Citation<'static>> {
    (word(), text()).prop_map(|(title, cited)| {
        let (quoted, named) = (json_string(&cited), json_string(&title));
        Citation {
            text: cited,
            url: None,
            title: Some(title),
            range: None,
            json: format!(
                r#"{{"type":"char_location","cited_text":{quoted},"document_index":0,"document_title":{named},"start_char_index":0,"end_char_index":4}}"#
            )
            .into(),
        }
    })
}

fn answer() -> impl Strategy<Value = ChatAnswer<'static>> {
    let texts = (text(), prop::collection::vec(citation(), 0..2));
    let part = prop_oneof![
        3 => texts.prop_map(|(text, citations)| Content::Text { text, citations }),
        1 => Just(Part::text("").content),
        1 => reasoning(),
        1 => text().prop_map(|text| Content::Reasoning(Thought { text, signature: None, redacted: None })),
        2 => (word(), word(), arguments()).prop_map(|(id, name, arguments)| {
            Content::ToolCall(ToolCall { id, name, arguments, custom: false })
        }),
    ];
    let finish = prop_oneof![
        Just(Finish::Stop),
        Just(Finish::Length),
        Just(Finish::ToolCalls),
        Just(Finish::Refused),
        Just(Finish::StopSequence(Some("END".into()))),
        Just(Finish::Other("pause_turn".into())),
    ];
    let usage = (0..9999_u64, 0..9999_u64, 0..9999_u64, 0..9999_u64).prop_map(
        |(fresh, cached_input, cache_write, output)| Usage {
            input: fresh + cached_input + cache_write,
            output,
            cached_input,
            cache_write,
            reasoning: output / 2,
        },
    );
    (prop::collection::vec(part, 0..5), finish, usage).prop_map(|(parts, finish, usage)| {
        ChatAnswer {
            id: "msg_1".into(),
            model: "claude".into(),
            created: None,
            choices: vec![Choice {
                parts: parts.into_iter().map(Part::new).collect(),
                finish: Some(finish),
                logprobs: None,
            }],
            usage: Some(usage),
        }
    })
}

fn collected(events: &[bytes::Bytes]) -> (ChatAnswer<'static>, bool) {
    let mut reader = StreamReader::default();
    let mut collector = Collector::default();
    let mut steps = Vec::new();
    for event in events {
        let document = Document::parse(event).unwrap();
        reader.read(None, document.root(), &mut steps).unwrap();
    }
    steps.iter().for_each(|step| collector.push(step));
    let ended = steps.last() == Some(&crate::exchange::StreamEvent::End);
    (collector.finish(), ended)
}

proptest! {
    #[test]
    fn a_request_comes_back_as_it_was_written(request in request()) {
        let options = WriteOptions { stream: request.stream, ..WriteOptions::default() };
        let written = write_request(&request, &options).unwrap();
        prop_assert_eq!(&written.lost, &[]);
        let document = Document::parse(&written.body).unwrap();
        prop_assert_eq!(read_request(document.root()).unwrap(), request);
    }

    #[test]
    fn an_answer_comes_back_as_it_was_written(answer in answer()) {
        let body = write_answer(&answer, &AnswerContext::default());
        let document = Document::parse(&body).unwrap();
        prop_assert_eq!(read_answer(document.root()).unwrap(), answer);
    }

    #[test]
    fn a_stream_amounts_to_the_answer_it_was_made_of(answer in answer()) {
        let mut writer = StreamWriter::new(&AnswerContext::default());
        let mut events = Vec::new();
        replay(&answer).iter().for_each(|step| writer.write(step, &mut events));
        let (read, ended) = collected(&events);
        prop_assert!(ended);
        let typed = |event: &bytes::Bytes| event.starts_with(br#"{"type":""#);
        prop_assert!(events.iter().all(typed));
        prop_assert_eq!(read, answer);
    }
}
