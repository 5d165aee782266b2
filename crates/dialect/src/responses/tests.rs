//! What the format can express comes back as it was: requests, answers and streams.

use std::borrow::Cow;

use bytes::Bytes;
use proptest::prelude::*;

use super::answer::read_answer;
use super::read::read_request;
use super::stream_read::StreamReader;
use super::stream_write::{StreamWriter, write_answer};
use super::write::write_request;
use crate::canonical::{Field, Usage};
use crate::contract::context::AnswerContext;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::exchange::*;
use crate::json::Document;

fn said() -> BoxedStrategy<Cow<'static, str>> {
    prop_oneof![
        "[a-z \"\\\\\n]{1,12}".prop_map(Cow::Owned),
        Just(Cow::Borrowed("tschüß \u{1f600}")),
    ]
    .boxed()
}

fn text() -> BoxedStrategy<Part<'static>> {
    said().prop_map(Part::text).boxed()
}

fn media(media_type: &'static str) -> BoxedStrategy<Media<'static>> {
    let source = prop_oneof![
        Just(Source::Url("https://example.com/a".into())),
        Just(Source::Base64("aGVsbG8=".into())),
        Just(Source::Id("file-1".into())),
    ];
    (source, prop::option::of(Just(Cow::Borrowed("low"))))
        .prop_map(move |(source, detail)| Media {
            media_type: match source {
                Source::Base64(_) => media_type.into(),
                _ => "".into(),
            },
            source,
            name: None,
            detail,
        })
        .boxed()
}

fn image() -> BoxedStrategy<Part<'static>> {
    let image = media("image/png");
    image.prop_map(|m| Part::new(Content::Image(m))).boxed()
}

fn file() -> BoxedStrategy<Part<'static>> {
    let file = media("application/pdf").prop_map(|media| Media {
        name: Some("a.pdf".into()),
        ..media
    });
    file.prop_map(|m| Part::new(Content::File(m))).boxed()
}

fn message(role: Role, parts: Vec<Part<'static>>) -> Message<'static> {
    Message {
        role,
        name: None,
        parts,
        extra: Vec::new(),
    }
}

fn user() -> BoxedStrategy<Message<'static>> {
    let part = prop_oneof![text(), image(), file()];
    let role = prop_oneof![Just(Role::User), Just(Role::Developer), Just(Role::System)];
    (role, prop::collection::vec(part, 1..4))
        .prop_map(|(role, parts)| message(role, parts))
        .boxed()
}

fn reasoning() -> BoxedStrategy<Part<'static>> {
    let sealed = prop_oneof![
        Just((None, None)),
        Just((Some("c2ln".into()), None)),
        Just((None, Some("cmVk".into()))),
    ];
    (said(), sealed)
        .prop_map(|(text, (signature, redacted))| {
            Part::new(Content::Reasoning(Thought {
                text,
                signature,
                redacted,
            }))
        })
        .boxed()
}

/// What an assistant says and calls; the ids are numbered afterwards.
fn assistant() -> BoxedStrategy<Vec<Part<'static>>> {
    let call = any::<bool>().prop_map(|custom| {
        Part::new(Content::ToolCall(ToolCall {
            id: "".into(),
            name: if custom { "shell" } else { "weather" }.into(),
            arguments: if custom { "ls \"x\"" } else { "{\"a\": 1}" }.into(),
            custom,
        }))
    });
    let refusal = said().prop_map(|said| Part::new(Content::Refusal(said)));
    let part = prop_oneof![4 => text(), 2 => call, 1 => refusal, 2 => reasoning()];
    prop::collection::vec(part, 1..5).boxed()
}

/// Turns of user and assistant, each call with its result.
fn conversation() -> BoxedStrategy<Vec<Message<'static>>> {
    let result = prop::collection::vec(prop_oneof![text(), image()], 1..3);
    let turn = (user(), assistant(), result);
    prop::collection::vec(turn, 1..4)
        .prop_map(|turns| {
            let mut messages = Vec::new();
            for (number, (user, mut said, result)) in turns.into_iter().enumerate() {
                let mut results = Vec::new();
                for (at, part) in said.iter_mut().enumerate() {
                    if let Content::ToolCall(call) = &mut part.content {
                        call.id = format!("call_{number}_{at}").into();
                        results.push(Part::new(Content::ToolResult(ToolResult {
                            call_id: call.id.clone(),
                            name: Some(call.name.clone()),
                            parts: result.clone(),
                            is_error: false,
                        })));
                    }
                }
                messages.push(user);
                messages.push(message(Role::Assistant, said));
                if !results.is_empty() {
                    messages.push(message(Role::Tool, results));
                }
            }
            messages
        })
        .boxed()
}

fn tools() -> BoxedStrategy<(Vec<Tool<'static>>, Option<ToolChoice<'static>>)> {
    let function =
        (any::<bool>(), prop::option::of(said())).prop_map(|(strict, description)| Tool {
            name: "weather".into(),
            description,
            parameters: Some("{\"type\": \"object\"}".into()),
            strict: Some(strict),
            cache: None,
            builtin: None,
            extra: Vec::new(),
        });
    let json = "{\"type\":\"custom\",\"name\":\"shell\",\"format\":{\"type\":\"text\"}}";
    let custom = Tool {
        name: "shell".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        builtin: Some(("custom".into(), json.into())),
        extra: Vec::new(),
    };
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        Just(ToolChoice::Tool("weather".into())),
        Just(ToolChoice::Tool("shell".into())),
        any::<bool>().prop_map(|required| {
            ToolChoice::Allowed(vec!["weather".into(), "shell".into()], required)
        }),
    ];
    (function, prop::option::of(choice))
        .prop_map(move |(function, choice)| (vec![function, custom.clone()], choice))
        .boxed()
}

fn output() -> BoxedStrategy<Option<OutputFormat<'static>>> {
    prop::option::of(prop_oneof![
        Just(OutputFormat::Text),
        Just(OutputFormat::JsonObject),
        (prop::option::of(said()), prop::option::of(any::<bool>())).prop_map(
            |(description, strict)| OutputFormat::JsonSchema {
                name: "reply".into(),
                description,
                schema: "{\"type\": \"object\"}".into(),
                strict,
            }
        ),
    ])
    .boxed()
}

fn sampling() -> BoxedStrategy<Sampling<'static>> {
    let one = (0_u32..200).prop_map(|n| f64::from(n) / 100.0);
    (
        prop::option::of(one.clone()),
        prop::option::of(one),
        prop::option::of(0_u64..50),
        prop::option::of(1_u64..9999),
        prop::option::of(any::<i64>()),
        prop::option::of(1_u32..20),
        prop::collection::vec(said(), 0..3),
        any::<bool>(),
    )
        .prop_map(
            |(temperature, top_p, top_k, max_tokens, seed, top_logprobs, stop, logprobs)| {
                Sampling {
                    temperature,
                    top_p,
                    top_k,
                    max_tokens,
                    seed,
                    top_logprobs,
                    stop,
                    logprobs: logprobs || top_logprobs.is_some(),
                    ..Sampling::default()
                }
            },
        )
        .boxed()
}

fn request() -> BoxedStrategy<ChatRequest<'static>> {
    let effort = prop_oneof![Just(Effort::Minimal), Just(Effort::High), Just(Effort::Max)];
    let asked = (effort, prop::option::of(Just(Cow::Borrowed("detailed"))));
    (
        (conversation(), tools(), output(), sampling()),
        prop::option::of(any::<bool>()),
        prop::option::of(asked),
        any::<bool>(),
        prop::collection::vec(said(), 0..3),
        prop::option::of(said()),
    )
        .prop_map(
            |(
                (messages, (tools, tool_choice), output, sampling),
                parallel,
                asked,
                stream,
                labels,
                user,
            )| {
                ChatRequest {
                    model: "m".into(),
                    messages,
                    tools,
                    tool_choice,
                    parallel_tool_calls: parallel,
                    output,
                    sampling,
                    reasoning: asked.map(|(effort, summary)| Reasoning {
                        effort: Some(effort),
                        summary,
                        ..Reasoning::default()
                    }),
                    stream,
                    metadata: (0..)
                        .zip(labels)
                        .map(|(at, label)| (format!("label{at}").into(), label))
                        .collect(),
                    service_tier: user.as_ref().map(|_| "flex".into()),
                    prompt_cache_key: user.clone(),
                    user,
                    extra: vec![Field {
                        name: "verbosity".into(),
                        value: "\"low\"".into(),
                    }],
                }
            },
        )
        .boxed()
}

fn options(request: &ChatRequest<'_>, profile: Profile) -> WriteOptions {
    WriteOptions {
        model: request.model.clone().into_owned(),
        stream: request.stream,
        profile,
        ..WriteOptions::default()
    }
}

fn usage() -> BoxedStrategy<Option<Usage>> {
    let usage = (0_u64..9, 0_u64..9, 0_u64..9, 0_u64..9).prop_map(|(a, b, c, d)| Usage {
        input: 10 + a,
        output: 10 + b,
        cached_input: c,
        cache_write: d,
        reasoning: a,
    });
    prop::option::of(usage).boxed()
}

fn answer() -> BoxedStrategy<ChatAnswer<'static>> {
    let finish = prop_oneof![
        Just(Finish::Stop),
        Just(Finish::Length),
        Just(Finish::Refused),
        Just(Finish::Other("steered".into())),
    ];
    (assistant(), finish, usage(), any::<bool>())
        .prop_map(|(mut parts, finish, usage, logprobs)| {
            let mut calls = false;
            for (at, part) in parts.iter_mut().enumerate() {
                match &mut part.content {
                    Content::ToolCall(call) => {
                        call.id = format!("call_{at}").into();
                        calls = true;
                    }
                    Content::Text { citations, .. } if at == 1 => citations.push(Citation {
                        text: "".into(),
                        url: Some("https://example.com".into()),
                        title: Some("Example".into()),
                        range: Some((1, 2)),
                        json: CITED.into(),
                    }),
                    _ => {}
                }
            }
            let has_text = parts
                .iter()
                .any(|part| matches!(part.content, Content::Text { .. }));
            let probability = r#"{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}"#;
            let logprobs = (logprobs && has_text)
                .then(|| format!("{{\"content\":[{probability}],\"refusal\":null}}").into());
            ChatAnswer {
                id: "resp_1".into(),
                model: "m".into(),
                created: Some(7),
                choices: vec![Choice {
                    parts,
                    finish: Some(match finish {
                        Finish::Stop if calls => Finish::ToolCalls,
                        finish => finish,
                    }),
                    logprobs,
                }],
                usage,
            }
        })
        .boxed()
}

const CITED: &str = r#"{"type":"url_citation","url":"https://example.com","title":"Example","start_index":1,"end_index":2}"#;

fn stream(answer: &ChatAnswer<'_>) -> Vec<Bytes> {
    let mut writer = StreamWriter::new(&AnswerContext::default());
    let mut out = Vec::new();
    for step in replay(answer) {
        writer.write(&step, &mut out);
    }
    out
}

fn collect(events: &[Bytes]) -> ChatAnswer<'static> {
    let mut reader = StreamReader::default();
    let mut collector = Collector::default();
    let mut steps = Vec::new();
    for event in events {
        let document = Document::parse(event).unwrap();
        reader.read(None, document.root(), &mut steps).unwrap();
    }
    assert_eq!(steps.last(), Some(&StreamEvent::End));
    for step in &steps {
        collector.push(step);
    }
    collector.finish()
}

/// A system prompt, and an answer's reasoning that OpenAI reads in sealed form only.
fn only_reasoning_follows(system: Role) -> ChatRequest<'static> {
    let reasoning = Part::new(Content::Reasoning(Thought {
        text: "so".into(),
        signature: None,
        redacted: None,
    }));
    ChatRequest {
        model: "m".into(),
        messages: vec![
            message(system, vec![Part::text("be brief")]),
            message(Role::Assistant, vec![reasoning]),
        ],
        ..ChatRequest::default()
    }
}

/// Found by chance, for four of a hundred seeds: the system prompt became `instructions`, the rest
/// was lost, and `input` stayed empty, which no server accepts.
#[test]
fn a_system_prompt_that_nothing_follows_is_an_item_of_the_input() {
    for profile in [Profile::Standard, Profile::OpenAi, Profile::Azure] {
        let request = only_reasoning_follows(Role::System);
        let written = write_request(&request, &options(&request, profile)).unwrap();
        let document = Document::parse(&written.body).unwrap();
        let read = read_request(document.root()).unwrap();
        assert_eq!(read.messages[0].role, Role::System, "{profile:?}");
        let lost = written.lost.iter().filter(|lost| !lost.is_hint()).count();
        assert!(lost <= 1, "{profile:?}: {:?}", written.lost);
    }
}

#[test]
fn a_conversation_of_which_nothing_is_left_is_refused() {
    let mut request = only_reasoning_follows(Role::System);
    request.messages.remove(0);
    let refused = write_request(&request, &options(&request, Profile::OpenAi)).unwrap_err();
    assert_eq!(refused.param, "messages");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_request_comes_back_as_it_was_written(request in request()) {
        let options = options(&request, Profile::Engine);
        let written = write_request(&request, &options).unwrap();
        prop_assert_eq!(&written.lost, &[]);
        let document = Document::parse(&written.body).unwrap();
        let read = read_request(document.root()).unwrap();
        prop_assert_eq!(read, request);
    }

    #[test]
    fn every_profile_writes_json_that_reads_back(request in request()) {
        for profile in [Profile::Standard, Profile::OpenAi, Profile::Azure] {
            let written = write_request(&request, &options(&request, profile)).unwrap();
            let document = Document::parse(&written.body).unwrap();
            prop_assert!(read_request(document.root()).is_ok());
        }
    }

    #[test]
    fn an_answer_comes_back_as_it_was_written(answer in answer()) {
        let body = write_answer(&answer, &AnswerContext::default());
        let document = Document::parse(&body).unwrap();
        prop_assert_eq!(read_answer(document.root()).unwrap(), answer);
    }

    #[test]
    fn a_streamed_answer_is_the_whole_one(answer in answer()) {
        let events = stream(&answer);
        prop_assert_eq!(&collect(&events), &answer);
        // Its last event alone says as much, to who saw no other.
        let last = events.last().unwrap().clone();
        prop_assert_eq!(&collect(&[last]), &answer);
    }
}
