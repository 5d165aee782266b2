//! What the tests of formats without clients share: requests, and streams as they come in.

use std::borrow::Cow;

use bytes::Bytes;
use proptest::prelude::*;

use crate::canonical::Field;
use crate::contract::stream::ReadStream;
use crate::exchange::Thought;
use crate::exchange::{
    CacheMarker, ChatAnswer, ChatRequest, Collector, Content, Effort, Media, Message, OutputFormat,
    Part, Reasoning, Role, Sampling, Source, StreamEvent, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::is_done_marker;
use crate::json::Document;
use crate::sse::Decoder;

pub(crate) fn message(role: Role, parts: Vec<Part<'static>>) -> Message<'static> {
    Message {
        role,
        name: None,
        parts,
        extra: Vec::new(),
    }
}

pub(crate) fn tool(name: &'static str, schema: Option<&'static str>) -> Tool<'static> {
    Tool {
        name: name.into(),
        description: Some("it helps".into()),
        parameters: schema.map(Into::into),
        strict: None,
        cache: None,
        builtin: None,
        extra: Vec::new(),
    }
}

pub(crate) fn call(id: &'static str, name: &'static str, arguments: &'static str) -> Part<'static> {
    Part::new(Content::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        custom: false,
    }))
}

pub(crate) fn result(id: &'static str, parts: Vec<Part<'static>>) -> Part<'static> {
    Part::new(Content::ToolResult(ToolResult {
        call_id: id.into(),
        name: None,
        parts,
        is_error: false,
    }))
}

pub(crate) fn reasoning(text: &'static str) -> Part<'static> {
    Part::new(Content::Reasoning(Thought {
        text: text.into(),
        signature: None,
        redacted: None,
    }))
}

pub(crate) fn media(source: Source<'static>, media_type: &'static str) -> Media<'static> {
    Media {
        source,
        media_type: media_type.into(),
        name: None,
        detail: None,
    }
}

/// A question, a call, its result.
pub(crate) fn agent() -> ChatRequest<'static> {
    ChatRequest {
        model: "m".into(),
        messages: vec![
            message(Role::System, vec![Part::text("Be brief.")]),
            message(Role::User, vec![Part::text("Weather in \"Oslo\"?")]),
            message(
                Role::Assistant,
                vec![
                    reasoning("I look."),
                    call("c1", "weather", r#"{"city":"Oslo"}"#),
                ],
            ),
            message(Role::Tool, vec![result("c1", vec![Part::text("rain")])]),
        ],
        tools: vec![tool(
            "weather",
            Some(
                r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#,
            ),
        )],
        ..ChatRequest::default()
    }
}

/// All that a reader makes of a body that comes in pieces of `step` bytes.
pub(crate) fn steps(mut reader: impl ReadStream, body: &str, step: usize) -> Vec<StreamEvent> {
    let mut decoder = Decoder::new(1 << 20);
    let mut out = Vec::new();
    for piece in body.as_bytes().chunks(step.max(1)) {
        decoder.push(Bytes::copy_from_slice(piece));
        for event in decoder.by_ref() {
            let event = event.unwrap();
            if is_done_marker(&event.data) {
                reader.end(&mut out);
                continue;
            }
            let document = Document::parse(&event.data).unwrap();
            let name = event.event.as_deref();
            reader.read(name, document.root(), &mut out).unwrap();
        }
    }
    reader.end(&mut out);
    out
}

pub(crate) fn collect(steps: &[StreamEvent]) -> ChatAnswer<'static> {
    let mut collector = Collector::default();
    steps.iter().for_each(|step| collector.push(step));
    collector.finish()
}

/// Parts open before they go on, end once, and nothing comes after the end.
pub(crate) fn assert_in_order(steps: &[StreamEvent]) {
    let mut open = Vec::new();
    let mut next = 0;
    for (at, step) in steps.iter().enumerate() {
        match step {
            StreamEvent::Start { .. } => assert_eq!(at, 0, "starts first"),
            StreamEvent::PartStart { part, .. } => {
                assert_eq!(*part, next, "numbered in order");
                next += 1;
                open.push(*part);
            }
            StreamEvent::PartDelta { part, .. } => assert!(open.contains(part), "{part} is open"),
            StreamEvent::PartEnd { part, .. } => {
                let at = open.iter().position(|open| open == part);
                open.remove(at.expect("open"));
            }
            StreamEvent::Finish { .. } => assert!(open.is_empty(), "all parts have ended"),
            StreamEvent::Usage(_) => {}
            StreamEvent::Error(_) | StreamEvent::End => assert_eq!(at, steps.len() - 1, "last"),
        }
    }
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    "[a-zé\"\\\\\n 😀]{0,12}".prop_map(Cow::Owned)
}

fn part() -> impl Strategy<Value = Part<'static>> {
    let source = prop_oneof![
        Just(Source::Url("https://example.com/a.png".into())),
        Just(Source::Base64("QUJD".into())),
        Just(Source::Id("file-1".into())),
        text().prop_map(Source::Text),
    ];
    let medium = (source, 0..4).prop_map(|(source, kind)| {
        let medium = media(source, "image/png");
        match kind {
            0 => Content::Image(medium),
            1 => Content::Audio(medium),
            2 => Content::Video(medium),
            _ => Content::File(medium),
        }
    });
    let said = (text(), any::<bool>()).prop_map(|(text, refusal)| match refusal {
        true => Content::Refusal(text),
        false => Content::Text {
            text,
            citations: Vec::new(),
        },
    });
    let thought = (text(), any::<bool>()).prop_map(|(text, hidden)| {
        Content::Reasoning(Thought {
            text,
            signature: hidden.then(|| "s".into()),
            redacted: hidden.then(|| "r".into()),
        })
    });
    let content = prop_oneof![said, thought, medium];
    (content, any::<bool>()).prop_map(|(content, marked)| Part {
        content,
        cache: marked.then_some(CacheMarker { ttl: None }),
        extra: Vec::new(),
    })
}

fn turn() -> impl Strategy<Value = Vec<Message<'static>>> {
    let parts = || prop::collection::vec(part(), 0..4);
    let role = prop::sample::select(vec![
        Role::System,
        Role::Developer,
        Role::User,
        Role::Assistant,
    ]);
    let speech = (role, parts()).prop_map(|(role, parts)| vec![message(role, parts)]);
    let calls = (parts(), parts(), any::<bool>()).prop_map(|(said, mut given, custom)| {
        let mut parts = said;
        let mut made = call("c1", "weather", r#"{"a":1}"#);
        if let Content::ToolCall(call) = &mut made.content {
            call.custom = custom;
        }
        parts.push(made);
        given.truncate(2);
        vec![
            message(Role::Assistant, parts),
            message(Role::Tool, vec![result("c1", given)]),
        ]
    });
    prop_oneof![speech, calls]
}

/// Requests of all sorts that end with a question.
pub(crate) fn request() -> impl Strategy<Value = ChatRequest<'static>> {
    let sampling = (
        prop::option::of(0.0..2.0),
        prop::option::of(0.0..1.5),
        prop::option::of(0..1000_u64),
        prop::option::of(any::<i64>()),
        prop::option::of(-2.0..2.0),
        prop::collection::vec(text(), 0..7),
        any::<bool>(),
    );
    let sampling = sampling.prop_map(
        |(temperature, top_p, top_k, seed, penalty, stop, logprobs)| Sampling {
            temperature,
            top_p,
            top_k,
            seed,
            presence_penalty: penalty,
            stop,
            logprobs,
            ..Sampling::default()
        },
    );
    let choice = prop::option::of(prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        Just(ToolChoice::Tool("weather".into())),
        Just(ToolChoice::Allowed(vec!["weather".into()], true)),
    ]);
    let output = prop::option::of(prop_oneof![
        Just(OutputFormat::Text),
        Just(OutputFormat::JsonObject),
        Just(OutputFormat::JsonSchema {
            name: "n".into(),
            description: None,
            schema: r#"{"type":"object"}"#.into(),
            strict: Some(true),
        }),
    ]);
    let tools = prop::collection::vec(
        prop::option::of(Just(r#"{"type":"object","properties":{"a":{"enum":[1]}}}"#)),
        0..3,
    );
    let tools = tools.prop_map(|tools| {
        let schemas = tools.into_iter();
        schemas
            .map(|schema| tool("weather", schema))
            .collect::<Vec<_>>()
    });
    let effort = prop::option::of(prop::sample::select(vec![
        Effort::None,
        Effort::Low,
        Effort::Max,
    ]));
    let turns = prop::collection::vec(turn(), 0..4);
    (turns, tools, choice, output, sampling, effort, text()).prop_map(
        |(turns, tools, tool_choice, output, sampling, effort, label)| {
            let mut messages: Vec<_> = turns.into_iter().flatten().collect();
            messages.push(message(Role::User, vec![Part::text("So?")]));
            ChatRequest {
                model: "m".into(),
                messages,
                tools,
                tool_choice,
                output,
                sampling,
                reasoning: effort.map(|effort| Reasoning {
                    effort: Some(effort),
                    ..Reasoning::default()
                }),
                metadata: vec![(label.clone(), label)],
                extra: vec![Field {
                    name: "unheard_of".into(),
                    value: "1".into(),
                }],
                ..ChatRequest::default()
            }
        },
    )
}
