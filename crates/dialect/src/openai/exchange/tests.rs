//! What goes out comes back: requests, answers and streams through their writers and readers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::borrow::Cow;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::{StreamReader, StreamWriter, read_answer, read_request, write_answer, write_request};
use crate::canonical::Usage;
use crate::contract::context::AnswerContext;
use crate::contract::stream::{ReadStream, WriteStream};
use crate::exchange::Thought;
use crate::exchange::{
    ChatAnswer, ChatRequest, Choice, Citation, Collector, Content, Effort, Finish, Media, Message,
    OutputFormat, Part, Profile, Reasoning, Role, Sampling, Source, StreamEvent, Tool, ToolCall,
    ToolChoice, ToolResult, WriteOptions, replay,
};
use crate::json::Document;

fn said() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof!["[a-z]{1,8}", "(\\PC|[\n\t\"\\\\]){1,12}"].prop_map(Cow::Owned)
}

fn word() -> impl Strategy<Value = Cow<'static, str>> {
    "[a-z]{1,6}".prop_map(Cow::Owned)
}

fn schema() -> impl Strategy<Value = Cow<'static, str>> {
    word().prop_map(|name| {
        format!("{{\"type\": \"object\", \"properties\": {{\"{name}\": {{}}}}}}").into()
    })
}

fn medium(source: Source<'static>, media_type: &'static str) -> Media<'static> {
    Media {
        source,
        media_type: media_type.into(),
        name: None,
        detail: None,
    }
}

/// A part of what a person says.
fn spoken() -> impl Strategy<Value = Part<'static>> {
    let base64 = || Source::Base64("QUJD".into());
    prop_oneof![
        4 => said().prop_map(Part::text),
        1 => of(Just("low")).prop_map(|detail| Part::new(Content::Image(Media {
            detail: detail.map(Cow::Borrowed),
            ..medium(Source::Url("https://x/\"y\".png".into()), "")
        }))),
        1 => Just(Part::new(Content::Image(medium(base64(), "image/png")))),
        1 => Just(Part::new(Content::Audio(medium(base64(), "audio/mpeg")))),
        1 => Just(Part::new(Content::Video(medium(Source::Url("https://x/v".into()), "")))),
        1 => word().prop_map(|name| Part::new(Content::File(Media {
            name: Some(name),
            ..medium(Source::Id("file-1".into()), "")
        }))),
        1 => Just(Part::new(Content::File(medium(base64(), "application/pdf")))),
    ]
}

fn message(role: Role, parts: Vec<Part<'static>>) -> Message<'static> {
    Message {
        role,
        name: None,
        parts,
        extra: Vec::new(),
    }
}

fn reasoning() -> impl Strategy<Value = Part<'static>> {
    prop_oneof![
        (said(), of(word())).prop_map(|(text, signature)| Content::Reasoning(Thought {
            text,
            signature,
            redacted: None
        })),
        word().prop_map(|data| Content::Reasoning(Thought {
            text: "".into(),
            signature: None,
            redacted: Some(data)
        })),
    ]
    .prop_map(Part::new)
}

/// A turn of the assistant, the results of its calls, and what the person says to it.
fn turn() -> impl Strategy<Value = Vec<Message<'static>>> {
    let calls = vec((word(), schema(), any::<bool>(), vec(said(), 0..3)), 0..3);
    let said = (vec(reasoning(), 0..2), vec(said(), 0..3), of(said()), calls);
    (said, vec(spoken(), 1..3), of(word()), any::<u32>()).prop_map(|(assistant, user, name, id)| {
        let (mut parts, texts, refusal, calls) = assistant;
        parts.extend(texts.into_iter().map(Part::text));
        parts.extend(refusal.map(|said| Part::new(Content::Refusal(said))));
        let mut results = Vec::new();
        for (position, (tool, arguments, custom, result)) in calls.into_iter().enumerate() {
            let id: Cow<'_, str> = format!("call_{id}_{position}").into();
            parts.push(Part::new(Content::ToolCall(ToolCall {
                id: id.clone(),
                name: tool.clone(),
                arguments,
                custom,
            })));
            let result = Content::ToolResult(ToolResult {
                call_id: id,
                name: Some(tool),
                parts: result.into_iter().map(Part::text).collect(),
                is_error: false,
            });
            results.push(message(Role::Tool, vec![Part::new(result)]));
        }
        let mut user = message(Role::User, user);
        user.name = name;
        let mut out = vec![message(Role::Assistant, parts)];
        out.extend(results);
        out.push(user);
        out
    })
}

fn tool() -> impl Strategy<Value = Tool<'static>> {
    (word(), of(said()), of(schema()), of(any::<bool>())).prop_map(
        |(name, description, parameters, strict)| Tool {
            name,
            description,
            parameters,
            strict,
            cache: None,
            builtin: None,
            extra: Vec::new(),
        },
    )
}

fn sampling() -> impl Strategy<Value = Sampling<'static>> {
    let share = || of(0.0..=2.0);
    (
        (share(), share(), of(1_u64..99), share(), of(1_u32..9)),
        (of(any::<u64>()), of(any::<i64>()), vec(said(), 0..4)),
        (share(), share(), any::<bool>(), of(0_u32..20)),
    )
        .prop_map(|(first, second, third)| Sampling {
            temperature: first.0,
            top_p: first.1,
            top_k: first.2,
            min_p: first.3,
            n: first.4,
            max_tokens: second.0,
            seed: second.1,
            stop: second.2,
            frequency_penalty: third.0,
            presence_penalty: third.1,
            logprobs: third.2,
            top_logprobs: third.3,
            logit_bias: third.2.then_some("{\"5\": -1}".into()),
        })
}

fn output() -> impl Strategy<Value = OutputFormat<'static>> {
    prop_oneof![
        Just(OutputFormat::Text),
        Just(OutputFormat::JsonObject),
        (word(), of(said()), schema(), of(any::<bool>())).prop_map(
            |(name, description, schema, strict)| OutputFormat::JsonSchema {
                name,
                description,
                schema,
                strict
            }
        ),
    ]
}

/// What chat completions can say to a server of unknown make.
fn request() -> impl Strategy<Value = ChatRequest<'static>> {
    let conversation = (of(said()), vec(spoken(), 1..3), vec(turn(), 0..3));
    let tools = (vec(tool(), 0..3), 0..5_u8, of(any::<bool>()));
    let effort = prop_oneof![Just(Effort::None), Just(Effort::Low), Just(Effort::Max)];
    let identity = (
        of(word()),
        of(word()),
        vec((word(), said()), 0..3),
        of(effort),
    );
    (conversation, tools, sampling(), of(output()), identity).prop_map(
        |(conversation, tools, sampling, output, identity)| {
            let (system, first, turns) = conversation;
            let system = system.map(|said| message(Role::System, vec![Part::text(said)]));
            let mut messages: Vec<_> = system.into_iter().collect();
            messages.push(message(Role::User, first));
            messages.extend(turns.into_iter().flatten());
            let (tools, choice, parallel) = tools;
            let tool_choice = tools.first().and_then(|tool| match choice {
                0 => Some(ToolChoice::Auto),
                1 => Some(ToolChoice::None),
                2 => Some(ToolChoice::Required),
                3 => Some(ToolChoice::Tool(tool.name.clone())),
                _ => None,
            });
            let mut metadata = identity.2;
            metadata.sort();
            metadata.dedup_by(|left, right| left.0 == right.0);
            ChatRequest {
                model: "m".into(),
                messages,
                parallel_tool_calls: parallel.filter(|_| !tools.is_empty()),
                tools,
                tool_choice,
                output,
                sampling,
                reasoning: identity.3.map(|effort| Reasoning {
                    effort: Some(effort),
                    ..Reasoning::default()
                }),
                stream: false,
                metadata,
                user: identity.0,
                service_tier: Some("flex".into()),
                prompt_cache_key: identity.1,
                extra: Vec::new(),
            }
        },
    )
}

/// A part of an answer, none of a kind beside the same: in a stream they are one.
fn answered() -> impl Strategy<Value = Vec<Part<'static>>> {
    let citation = (0..9_u64, said(), word()).prop_map(|(begin, title, word)| {
        let mut citation = Citation {
            url: Some(format!("https://{word}").into()),
            title: Some(title),
            range: Some((begin, begin + 2)),
            ..Citation::default()
        };
        let mut json = String::new();
        super::answer_write::annotation(&citation, (0, 0), &mut json);
        citation.json = json.into();
        citation
    });
    let text = (said(), vec(citation, 0..2))
        .prop_map(|(text, citations)| Part::new(Content::Text { text, citations }));
    let call = (word(), schema(), any::<bool>()).prop_map(|(name, arguments, custom)| ToolCall {
        id: "".into(),
        name,
        arguments,
        custom,
    });
    (of(reasoning()), of(text), of(said()), vec(call, 0..3)).prop_map(
        |(reasoning, text, refusal, calls)| {
            let mut parts: Vec<_> = reasoning.into_iter().chain(text).collect();
            parts.extend(refusal.map(|said| Part::new(Content::Refusal(said))));
            for (position, call) in calls.into_iter().enumerate() {
                parts.push(Part::new(Content::ToolCall(ToolCall {
                    id: format!("c{position}").into(),
                    ..call
                })));
            }
            parts
        },
    )
}

fn answer() -> impl Strategy<Value = ChatAnswer<'static>> {
    let finish = prop_oneof![
        Just(Finish::Stop),
        Just(Finish::Length),
        Just(Finish::ToolCalls),
        Just(Finish::Refused),
        said().prop_map(|stop| Finish::StopSequence(Some(stop.into_owned()))),
        Just(Finish::Other("error".to_owned())),
    ];
    let choice = (answered(), finish, any::<bool>()).prop_map(|(parts, finish, told)| {
        let spoken = parts
            .iter()
            .any(|part| matches!(part.content, Content::Text { .. }));
        let logprobs = "{\"content\":[{\"token\":\"]\",\"logprob\":-1}],\"refusal\":null}";
        Choice {
            parts,
            finish: Some(finish),
            logprobs: (told && spoken).then_some(logprobs.into()),
        }
    });
    let usage = (0..9_u64, 0..9_u64).prop_map(|(input, output)| Usage {
        input: input + 4,
        output,
        cached_input: 1,
        cache_write: input,
        reasoning: output / 2,
    });
    (vec(choice, 1..3), of(usage), of(any::<u64>())).prop_map(|(choices, usage, created)| {
        ChatAnswer {
            id: "a1".into(),
            model: "m".into(),
            created: Some(created.unwrap_or(7)),
            choices,
            usage,
        }
    })
}

fn events(reader: &mut StreamReader, data: &[Bytes]) -> Vec<StreamEvent> {
    let mut out = Vec::new();
    for data in data {
        let document = Document::parse(data).unwrap();
        reader.read(None, document.root(), &mut out).unwrap();
    }
    reader.end(&mut out);
    out
}

fn collected(events: &[StreamEvent]) -> ChatAnswer<'static> {
    let mut collector = Collector::default();
    events.iter().for_each(|event| collector.push(event));
    collector.finish()
}

fn written(answer: &ChatAnswer<'_>) -> Vec<Bytes> {
    let mut writer = StreamWriter::new(&AnswerContext::default());
    let mut out = Vec::new();
    for event in replay(answer) {
        writer.write(&event, &mut out);
    }
    out
}

proptest! {
    #[test]
    fn a_request_reads_back_as_it_was_written(request in request()) {
        let options = WriteOptions {
            model: "m".to_owned(),
            profile: Profile::Standard,
            ..WriteOptions::default()
        };
        let written = write_request(&request, &options).unwrap();
        prop_assert_eq!(&written.lost, &vec![]);
        let document = Document::parse(&written.body).unwrap();
        prop_assert_eq!(read_request(document.root()).unwrap(), request);
    }

    #[test]
    fn every_target_gets_acceptable_json(request in request()) {
        for profile in [Profile::OpenAi, Profile::Azure, Profile::Mistral, Profile::Engine] {
            let options = WriteOptions { profile, ..WriteOptions::default() };
            let written = write_request(&request, &options).unwrap();
            let document = Document::parse(&written.body).unwrap();
            read_request(document.root()).unwrap();
        }
    }

    #[test]
    fn an_answer_reads_back_as_it_was_written(answer in answer()) {
        let body = write_answer(&answer, &AnswerContext::default());
        let document = Document::parse(&body).unwrap();
        prop_assert_eq!(read_answer(document.root()).unwrap(), answer);
    }

    #[test]
    fn a_stream_amounts_to_the_answer_it_was_made_of(answer in answer()) {
        let events = events(&mut StreamReader::default(), &written(&answer));
        prop_assert_eq!(events.last(), Some(&StreamEvent::End));
        prop_assert_eq!(collected(&events), answer);
    }

    #[test]
    fn a_stream_folds_into_what_reads_as_its_answer(answer in answer()) {
        let folded = crate::openai::convert::fold(crate::canonical::Operation::Chat, &written(&answer)).unwrap();
        let document = Document::parse(&folded).unwrap();
        prop_assert_eq!(read_answer(document.root()).unwrap(), answer);
    }
}

#[test]
fn bytes_that_are_no_base64_are_refused_not_written() {
    let image = |data: &'static str, media_type| {
        let medium = medium(Source::Base64(data.into()), media_type);
        ChatRequest {
            messages: vec![message(Role::User, vec![Part::new(Content::Image(medium))])],
            ..ChatRequest::default()
        }
    };
    for (data, media_type) in [("\"}", "image/png"), ("QUJ", "image/png"), ("QUJD", "")] {
        let written = write_request(&image(data, media_type), &WriteOptions::default());
        assert_eq!(written.unwrap_err().param, "messages[0].content[0]");
    }
    write_request(&image("QUJD", "image/png"), &WriteOptions::default()).unwrap();
}

#[test]
fn citations_stand_on_the_text_they_came_with() {
    let cited = |url: Option<&'static str>| Content::Text {
        text: "é1".into(),
        citations: vec![Citation {
            url: url.map(Cow::Borrowed),
            ..Citation::default()
        }],
    };
    let answer = ChatAnswer {
        choices: vec![Choice {
            parts: [Some("https://a"), None, Some("https://b")]
                .into_iter()
                .map(|url| Part::new(cited(url)))
                .collect(),
            finish: Some(Finish::Stop),
            logprobs: None,
        }],
        ..ChatAnswer::default()
    };
    let places = |answer: &ChatAnswer<'_>| -> Vec<_> {
        let parts = answer.choices[0].parts.iter();
        let citations = parts.filter_map(|part| match &part.content {
            Content::Text { citations, .. } => Some(citations),
            _ => None,
        });
        citations
            .flatten()
            .map(|c| (c.range, c.url.as_deref().map(str::to_owned)))
            .collect()
    };
    let expected = [
        (Some((0, 2)), Some("https://a".into())),
        (Some((4, 6)), Some("https://b".into())),
    ];
    let body = write_answer(&answer, &AnswerContext::default());
    let document = Document::parse(&body).unwrap();
    assert_eq!(places(&read_answer(document.root()).unwrap()), expected);
    let events = events(&mut StreamReader::default(), &written(&answer));
    assert_eq!(places(&collected(&events)), expected);
}
