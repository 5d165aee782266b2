//! Requests and answers of all that Converse can express.

use std::borrow::Cow;

use proptest::prelude::*;

use super::CLAUDE;
use crate::canonical::{Field, Usage};
use crate::exchange::*;
use crate::json::json_string;

/// Strings that Converse takes as they are.
fn said() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof![
        "[a-zA-Z ]{1,12}",
        "\\PC{1,8}",
        Just("a\"\\\n\u{1f600}".to_owned())
    ]
    .prop_map(Cow::Owned)
}

fn word() -> impl Strategy<Value = Cow<'static, str>> {
    "[a-zA-Z][a-zA-Z0-9_-]{0,20}".prop_map(Cow::Owned)
}

fn json_object() -> impl Strategy<Value = Cow<'static, str>> {
    said().prop_map(|text| Cow::Owned(format!("{{\"q\": {} }}", json_string(&text))))
}

fn marker() -> impl Strategy<Value = Option<CacheMarker<'static>>> {
    let ttl = prop_oneof![Just(None), Just(Some("5m")), Just(Some("1h"))];
    prop::option::of(ttl.prop_map(|ttl| CacheMarker {
        ttl: ttl.map(Cow::Borrowed),
    }))
}

fn source() -> impl Strategy<Value = Source<'static>> {
    prop_oneof![
        Just(Source::Base64("Zm9vYmE=".into())),
        Just(Source::Url("s3://bucket/some/key".into())),
    ]
}

fn medium(types: &'static [&'static str]) -> impl Strategy<Value = Media<'static>> {
    (source(), prop::sample::select(types)).prop_map(|(source, media_type)| Media {
        source,
        media_type: media_type.into(),
        name: None,
        detail: None,
    })
}

fn image() -> impl Strategy<Value = Content<'static>> {
    medium(&["image/png", "image/jpeg", "image/gif", "image/webp"]).prop_map(Content::Image)
}

fn file() -> impl Strategy<Value = Content<'static>> {
    let types = &["application/pdf", "text/csv", "text/markdown", "text/html"];
    let text = said().prop_map(|text| Media {
        source: Source::Text(text),
        media_type: "text/plain".into(),
        name: None,
        detail: None,
    });
    (prop_oneof![medium(types), text], "[a-zA-Z0-9]{1,9}").prop_map(|(media, name)| {
        Content::File(Media {
            name: Some(name.into()),
            ..media
        })
    })
}

fn text() -> impl Strategy<Value = Content<'static>> {
    said().prop_map(|text| Content::Text {
        text,
        citations: Vec::new(),
    })
}

fn guarded() -> impl Strategy<Value = Content<'static>> {
    said().prop_map(|text| Content::Opaque {
        kind: "guardContent".into(),
        json: format!(
            "{{\"guardContent\":{{\"text\":{{\"text\":{}}}}}}}",
            json_string(&text)
        )
        .into(),
    })
}

fn marked(
    content: impl Strategy<Value = Content<'static>>,
) -> impl Strategy<Value = Part<'static>> {
    (content, marker()).prop_map(|(content, cache)| Part {
        content,
        cache,
        extra: Vec::new(),
    })
}

fn reasoning() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![
        (said(), word()).prop_map(|(text, signature)| Content::Reasoning(Thought {
            text,
            signature: Some(signature),
            redacted: None,
        })),
        Just(Content::Reasoning(Thought {
            text: "".into(),
            signature: None,
            redacted: Some("Zm9v".into()),
        })),
    ]
}

fn citation() -> impl Strategy<Value = Citation<'static>> {
    (said(), said()).prop_map(|(title, quoted)| {
        let json = format!(
            "{{\"title\":{},\"sourceContent\":[{{\"text\":{}}}],\"location\":{{\"web\":{{\"url\":\"https://a.b/c\"}}}}}}",
            json_string(&title),
            json_string(&quoted)
        );
        Citation {
            text: quoted,
            url: Some("https://a.b/c".into()),
            title: Some(title),
            range: None,
            json: json.into(),
        }
    })
}

fn cited() -> impl Strategy<Value = Content<'static>> {
    (said(), prop::collection::vec(citation(), 1..3))
        .prop_map(|(text, citations)| Content::Text { text, citations })
}

fn call(turn: usize, number: usize) -> impl Strategy<Value = ToolCall<'static>> {
    (word(), json_object()).prop_map(move |(name, arguments)| ToolCall {
        id: format!("call_{turn}_{number}").into(),
        name,
        arguments,
        custom: false,
    })
}

fn message(role: Role, parts: Vec<Part<'static>>) -> Message<'static> {
    Message {
        role,
        name: None,
        parts,
        extra: Vec::new(),
    }
}

/// One round: the person, the model with calls, and their results.
fn turn(number: usize) -> impl Strategy<Value = Vec<Message<'static>>> {
    let person = prop_oneof![4 => text(), 1 => image(), 1 => file(), 1 => guarded()];
    let person = prop::collection::vec(marked(person), 1..4);
    let model = prop_oneof![3 => text(), 1 => reasoning(), 1 => cited()];
    let model = prop::collection::vec(marked(model), 1..3);
    let results = prop_oneof![3 => text(), 1 => image(), 1 => file()];
    let results = prop::collection::vec(results.prop_map(Part::new), 0..3);
    let calls = (
        call(number, 0),
        call(number, 1),
        results,
        any::<bool>(),
        0..3_usize,
    );
    (person, model, calls).prop_map(
        |(person, mut model, (one, other, results, is_error, calls))| {
            let calls: Vec<_> = [one, other].into_iter().take(calls).collect();
            let results: Vec<_> = calls
                .iter()
                .map(|call| {
                    Part::new(Content::ToolResult(ToolResult {
                        call_id: call.id.clone(),
                        name: None,
                        parts: results.clone(),
                        is_error,
                    }))
                })
                .collect();
            let calls = calls.into_iter().map(Content::ToolCall).map(Part::new);
            model.extend(calls);
            let mut messages = vec![message(Role::User, person), message(Role::Assistant, model)];
            if !results.is_empty() {
                messages.push(message(Role::Tool, results));
            }
            messages
        },
    )
}

fn tool() -> impl Strategy<Value = Tool<'static>> {
    let strict = prop::option::of(any::<bool>());
    (
        word(),
        prop::option::of(said()),
        json_object(),
        strict,
        marker(),
    )
        .prop_map(|(name, description, parameters, strict, cache)| Tool {
            name,
            description,
            parameters: Some(parameters.trim().to_owned().into()),
            strict,
            cache,
            builtin: None,
            extra: Vec::new(),
        })
}

fn asked() -> impl Strategy<Value = Option<Reasoning<'static>>> {
    prop_oneof![
        Just(None),
        Just(Some(Reasoning {
            effort: Some(Effort::Low),
            ..Reasoning::default()
        })),
        Just(Some(Reasoning {
            effort: Some(Effort::Max),
            adaptive: true,
            summary: Some("omitted".into()),
            ..Reasoning::default()
        })),
        (1024_u64..9999).prop_map(|budget| {
            Some(Reasoning {
                budget: Some(budget),
                ..Reasoning::default()
            })
        }),
        Just(Some(Reasoning {
            budget: Some(0),
            ..Reasoning::default()
        })),
    ]
}

fn output() -> impl Strategy<Value = Option<OutputFormat<'static>>> {
    let schema = (word(), prop::option::of(said()), json_object());
    prop::option::of(
        schema.prop_map(|(name, description, schema)| OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict: None,
        }),
    )
}

fn sampling() -> impl Strategy<Value = Sampling<'static>> {
    let share = || prop::option::of((0..=100_u32).prop_map(|n| f64::from(n) / 100.0));
    let stop = prop::collection::vec(said(), 0..3);
    let count = || prop::option::of(1..100_000_u64);
    (share(), share(), count(), count(), stop).prop_map(
        |(temperature, top_p, top_k, max_tokens, stop)| Sampling {
            temperature,
            top_p,
            top_k,
            max_tokens,
            stop,
            ..Sampling::default()
        },
    )
}

fn kept() -> impl Strategy<Value = Vec<Field>> {
    let fields = [
        ("additionalModelRequestFields.anthropic_beta", "[\"x\"]"),
        ("additionalModelResponseFieldPaths", "[\"/stop_sequence\"]"),
        (
            "guardrailConfig",
            "{\"guardrailIdentifier\":\"g\",\"guardrailVersion\":\"1\"}",
        ),
        ("performanceConfig", "{\"latency\":\"optimized\"}"),
    ];
    let fields = fields.map(|(name, value)| Field {
        name: name.to_owned(),
        value: value.to_owned(),
    });
    prop::sample::subsequence(fields.to_vec(), 0..=4)
}

pub(super) fn requests() -> impl Strategy<Value = ChatRequest<'static>> {
    let system = prop::collection::vec(marked(prop_oneof![3 => text(), 1 => guarded()]), 0..3);
    let choice = prop_oneof![
        Just(None),
        Just(Some(ToolChoice::Auto)),
        Just(Some(ToolChoice::Required)),
        word().prop_map(|name| Some(ToolChoice::Tool(name))),
    ];
    let tools = (prop::collection::vec(tool(), 0..3), choice, any::<bool>());
    let tier = prop::option::of(prop::sample::select(vec!["default", "flex", "priority"]));
    let labels = prop::collection::vec(("[a-z]{1,9}", "[a-zA-Z0-9 ]{0,9}"), 0..2);
    let form = (output(), asked(), tier, labels, kept());
    ((turn(0), turn(1)), system, tools, sampling(), form).prop_map(
        |((first, second), system, (tools, choice, single), sampling, form)| {
            let (output, reasoning, tier, mut labels, extra) = form;
            labels.dedup_by(|a, b| a.0 == b.0);
            let mut messages = vec![message(Role::System, system)];
            messages.retain(|message| !message.parts.is_empty());
            messages.extend(first);
            messages.extend(second);
            let tool_choice = choice.filter(|_| !tools.is_empty());
            let mut request = ChatRequest {
                model: CLAUDE.into(),
                parallel_tool_calls: (single && !tools.is_empty() && tool_choice.is_none())
                    .then_some(false),
                messages,
                tools,
                tool_choice,
                output,
                sampling,
                reasoning,
                service_tier: tier.map(Cow::Borrowed),
                metadata: labels
                    .into_iter()
                    .map(|(key, value)| (key.into(), value.into()))
                    .collect(),
                extra,
                ..ChatRequest::default()
            };
            with_own_names(&mut request);
            request
        },
    )
}

/// Names of documents differ.
fn with_own_names(request: &mut ChatRequest<'_>) {
    let mut files = 0;
    request.each_inner(|part| {
        if let Content::File(Media {
            name: Some(name), ..
        }) = &mut part.content
        {
            files += 1;
            *name = format!("{name}-{files}").into();
        }
    });
}

pub(super) fn answers() -> impl Strategy<Value = ChatAnswer<'static>> {
    let parts = prop_oneof![
        3 => text(),
        1 => cited(),
        1 => reasoning(),
        1 => call(0, 0).prop_map(Content::ToolCall),
    ];
    let parts = prop::collection::vec(parts.prop_map(Part::new), 0..5);
    let finish = prop_oneof![
        Just(Finish::Stop),
        Just(Finish::StopSequence(None)),
        Just(Finish::StopSequence(Some("END\"".to_owned()))),
        Just(Finish::Length),
        Just(Finish::ToolCalls),
        Just(Finish::Refused),
        Just(Finish::Other("malformed_tool_use".to_owned())),
    ];
    let usage = (0..9999_u64, 0..9999_u64, 0..99_u64, 0..99_u64);
    let usage = usage.prop_map(|(uncached, output, cached_input, cache_write)| Usage {
        input: uncached + cached_input + cache_write,
        output,
        cached_input,
        cache_write,
        reasoning: 0,
    });
    (parts, finish, prop::option::of(usage)).prop_map(|(parts, finish, usage)| ChatAnswer {
        choices: vec![Choice {
            parts,
            finish: Some(finish),
            logprobs: None,
        }],
        usage,
        ..ChatAnswer::default()
    })
}
