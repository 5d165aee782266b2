//! The same for loops that allocate nothing: what is only looked up takes time alone, so that the processor
//! time of this thread is measured, of texts that differ by a factor of eight.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_dialect::exchange::WriteOptions;
use forebay_dialect::{
    AnswerContext, Request, StreamTranslation, TextEdit, Wire, translate_request,
};

use crate::list;

/// How much longer the larger text is.
const FACTOR: usize = 8;
/// How much longer it may take: 8 log(8n)/log(n) is about 11, and a quadratic takes 64 times as long.
const MOST: u32 = 24;

/// The processor time of this thread, where the system tells it (Linux), and the time of day elsewhere.
fn now() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| BEGIN.elapsed(), Duration::from_nanos)
}

/// The time that work takes.
fn cost(mut work: impl FnMut()) -> Duration {
    let before = now();
    work();
    now() - before
}

/// Work on something `n` times.
type Work<'w> = Box<dyn FnMut() + 'w>;

/// Whether eight times as much takes more than so much longer, each of three times; in words.
fn quadratic<'w>(name: &str, n: usize, work: &dyn Fn(usize) -> Work<'w>) -> Option<String> {
    // What takes less is no work.
    let floor = Duration::from_millis(2);
    let mut last = None;
    for _ in 0..3 {
        let (a, b) = (cost(work(n)), cost(work(FACTOR * n)));
        if b <= MOST * a.max(floor) {
            return None;
        }
        last = Some(format!("{name}: {a:?} then {b:?}"));
    }
    last
}

fn events(n: usize, event: impl Fn(usize) -> String) -> Vec<Bytes> {
    (0..n).map(|i| event(i).into()).collect()
}

/// Events of a format with something in them `n` times.
struct Stream {
    name: &'static str,
    wire: Wire,
    events: fn(usize) -> Vec<Bytes>,
}

const STREAMS: [Stream; 15] = [
    Stream {
        name: "choices in one event",
        wire: Wire::Chat,
        events: |n| {
            let choices = list(n, |i| {
                format!(r#"{{"index":{i},"delta":{{"content":"x"}}}}"#)
            });
            vec![format!(r#"{{"id":"a","choices":[{choices}]}}"#).into()]
        },
    },
    Stream {
        name: "choices that end",
        wire: Wire::Chat,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"id":"a","choices":[{{"index":{i},"delta":{{"content":"x"}},"finish_reason":"stop"}}]}}"#
                )
            })
        },
    },
    Stream {
        name: "calls with ids",
        wire: Wire::Chat,
        events: |n| {
            let calls = list(n, |i| {
                format!(r#"{{"id":"c{i}","function":{{"name":"f","arguments":"{{}}"}}}}"#)
            });
            vec![
                format!(
                    r#"{{"id":"a","choices":[{{"index":0,"delta":{{"tool_calls":[{calls}]}}}}]}}"#
                )
                .into(),
            ]
        },
    },
    Stream {
        name: "calls with numbers",
        wire: Wire::Chat,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"id":"a","choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":{i},"id":"c{i}","function":{{"name":"f","arguments":""}}}}]}}}}]}}"#
                )
            })
        },
    },
    Stream {
        name: "calls under one number",
        wire: Wire::Chat,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"id":"a","choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"c{i}","function":{{"name":"f","arguments":""}}}}]}}}}]}}"#
                )
            })
        },
    },
    Stream {
        name: "candidates in one event",
        wire: Wire::Gemini,
        events: |n| {
            let candidates = list(n, |i| {
                format!(r#"{{"index":{i},"content":{{"parts":[{{"text":"x"}}]}}}}"#)
            });
            vec![format!(r#"{{"candidates":[{candidates}]}}"#).into()]
        },
    },
    Stream {
        name: "candidates in many events",
        wire: Wire::Gemini,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"candidates":[{{"index":{i},"content":{{"parts":[{{"text":"x"}}]}},"finishReason":"STOP"}}]}}"#
                )
            })
        },
    },
    Stream {
        name: "choices in one event",
        wire: Wire::Oci,
        events: |n| {
            let choices = list(n, |i| {
                format!(r#"{{"index":{i},"message":{{"content":[{{"type":"TEXT","text":"x"}}]}}}}"#)
            });
            vec![format!(r#"{{"choices":[{choices}]}}"#).into()]
        },
    },
    Stream {
        name: "calls",
        wire: Wire::Oci,
        events: |n| {
            let calls = list(n, |i| {
                format!(r#"{{"id":"c{i}","name":"f","arguments":"{{}}","type":"FUNCTION"}}"#)
            });
            vec![format!(r#"{{"index":0,"message":{{"toolCalls":[{calls}]}}}}"#).into()]
        },
    },
    Stream {
        name: "calls that stay open",
        wire: Wire::Converse,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"contentBlockStart":{{"contentBlockIndex":{i},"start":{{"toolUse":{{"toolUseId":"c{i}","name":"f"}}}}}}}}"#
                )
            })
        },
    },
    Stream {
        name: "calls that stay open",
        wire: Wire::Cohere,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"type":"tool-call-start","index":{i},"delta":{{"message":{{"tool_calls":{{"id":"c{i}","type":"function","function":{{"name":"f","arguments":""}}}}}}}}}}"#
                )
            })
        },
    },
    Stream {
        name: "blocks that stay open",
        wire: Wire::Messages,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"type":"content_block_start","index":{i},"content_block":{{"type":"tool_use","id":"c{i}","name":"f","input":{{}}}}}}"#
                )
            })
        },
    },
    Stream {
        name: "items that stay open",
        wire: Wire::Responses,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"type":"response.output_item.added","output_index":{i},"item":{{"type":"function_call","call_id":"c{i}","name":"f","arguments":""}}}}"#
                )
            })
        },
    },
    Stream {
        name: "parts of one item",
        wire: Wire::Responses,
        events: |n| {
            events(n, |i| {
                format!(
                    r#"{{"type":"response.output_text.delta","output_index":0,"content_index":{i},"delta":"x"}}"#
                )
            })
        },
    },
    Stream {
        name: "parts of an item that ends again and again",
        wire: Wire::Responses,
        events: |n| {
            let mut events = events(n, |i| {
                format!(
                    r#"{{"type":"response.output_text.delta","output_index":0,"content_index":{i},"delta":"x"}}"#
                )
            });
            events.extend((0..n).map(|_| {
                Bytes::from_static(
                    br#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[]}}"#,
                )
            }));
            events
        },
    },
];

/// What has to be undone in an answer whose form its target had no word for.
fn undoing() -> AnswerContext {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"}}}}"#;
    let request = Request::parse(Wire::Chat, body.to_owned().into()).unwrap();
    let options = WriteOptions {
        model: "amazon.nova-pro-v1:0".to_owned(),
        default_max_tokens: 9,
        ..WriteOptions::default()
    };
    let written = translate_request(&request, Wire::Converse, &options).unwrap();
    assert!(
        written.back.undoes(),
        "the test needs an answer that is undone"
    );
    AnswerContext {
        back: written.back.into(),
        ..AnswerContext::default()
    }
}

#[test]
fn streams_of_very_many_things_are_read_and_written_in_linear_time() {
    let mut bad = Vec::new();
    for context in [AnswerContext::default(), undoing()] {
        for stream in &STREAMS {
            for to in [
                Wire::Chat,
                Wire::Responses,
                Wire::Messages,
                Wire::Gemini,
                Wire::Converse,
            ] {
                let work = |n: usize| -> Work<'_> {
                    let events = (stream.events)(n);
                    let context = context.clone();
                    Box::new(move || {
                        let mut translation = StreamTranslation::new(stream.wire, to, &context);
                        let mut out = Vec::new();
                        for event in &events {
                            translation.push(None, event, &mut out).unwrap();
                        }
                        translation.end_of_body(&mut out);
                    })
                };
                let name = format!(
                    "{}, {} to {}",
                    stream.name,
                    stream.wire.as_str(),
                    to.as_str()
                );
                bad.extend(quadratic(&name, 600, &work));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// A request of a format with something in it `n` times, and where it goes.
type Asked = (&'static str, Wire, Wire, fn(usize) -> String);

const REQUESTS: [Asked; 7] = [
    ("calls that share an id", Wire::Chat, Wire::Messages, |n| {
        let calls = list(n, |_| {
            r#"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#.to_owned()
        });
        let results = list(n, |i| {
            format!(r#"{{"role":"tool","tool_call_id":"c","content":"{i}"}}"#)
        });
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":null,"tool_calls":[{calls}]}},{results}]}}"#
        )
    }),
    ("allowed tools", Wire::Chat, Wire::Converse, allowed),
    ("allowed tools", Wire::Chat, Wire::Oci, allowed),
    ("allowed tools", Wire::Chat, Wire::Gemini, allowed),
    ("calls without results", Wire::Chat, Wire::Messages, |n| {
        let turns = list(n, |i| {
            format!(
                r#"{{"role":"assistant","content":null,"tool_calls":[{{"id":"c{i}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},{{"role":"user","content":"x"}}"#
            )
        });
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}},{turns}]}}"#)
    }),
    (
        "schemas that refer to one",
        Wire::Chat,
        Wire::Messages,
        |n| {
            let properties = list(n, |i| format!(r#""p{i}":{{"type":"string"}}"#));
            let branches = list(n, |_| r##"{"$ref":"#/$defs/b"}"##.to_owned());
            tool(&format!(
                r##"{{"$defs":{{"b":{{"properties":{{{properties}}}}}}},"allOf":[{branches}]}}"##
            ))
        },
    ),
    (
        "names that all branches require",
        Wire::Chat,
        Wire::Messages,
        |n| {
            let names = list(n, |i| format!(r#""p{i}""#));
            tool(&format!(
                r#"{{"type":"object","required":[{names}],"anyOf":[{{"required":[{names}]}},{{"required":[{names}]}}]}}"#
            ))
        },
    ),
];

fn tool(schema: &str) -> String {
    format!(
        r#"{{"model":"claude-sonnet-4-5","messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]}}"#
    )
}

fn allowed(n: usize) -> String {
    let tools = list(n, |i| {
        format!(
            r#"{{"type":"function","function":{{"name":"f{i}","parameters":{{"type":"object"}}}}}}"#
        )
    });
    let names = list(n, |i| {
        format!(r#"{{"type":"function","function":{{"name":"f{i}"}}}}"#)
    });
    format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{tools}],"tool_choice":{{"type":"allowed_tools","allowed_tools":{{"mode":"auto","tools":[{names}]}}}}}}"#
    )
}

#[test]
fn requests_with_very_many_things_are_translated_in_linear_time() {
    let mut bad = Vec::new();
    for (name, from, to, body) in REQUESTS {
        let work = |n: usize| -> Work<'_> {
            let request = Request::parse(from, body(n).into()).unwrap();
            Box::new(move || {
                let options = WriteOptions {
                    model: "claude-sonnet-4-5".to_owned(),
                    default_max_tokens: 9,
                    ..WriteOptions::default()
                };
                translate_request(&request, to, &options).unwrap();
            })
        };
        let name = format!("{name}, {} to {}", from.as_str(), to.as_str());
        bad.extend(quadratic(&name, 1_000, &work));
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn edits_of_one_opaque_part_are_made_in_linear_time() {
    let body = |n: usize| {
        let words = list(n, |_| r#""a\u0062c word""#.to_owned());
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"new","of":[{words}]}}]}}]}}"#
        )
    };
    let work = |n: usize| -> Work<'_> {
        let request = Request::parse(Wire::Chat, body(n).into()).unwrap();
        let forebay_dialect::canonical::Part::Opaque(part) = &request.prompt.messages[0].parts[0]
        else {
            panic!("the part is one that nobody knows");
        };
        let edits: Vec<TextEdit> = part
            .json
            .match_indices("word")
            .map(|(at, word)| TextEdit {
                message: 0,
                part: 0,
                range: at as u32..(at + word.len()) as u32,
                text: "[X]".to_owned(),
            })
            .collect();
        assert_eq!(edits.len(), n);
        Box::new(move || request.clone().edit(&edits).unwrap())
    };
    assert_eq!(quadratic("edits", 4_000, &work), None);
}
