//! Work on what clients send grows no faster than n log n: twice the input, about twice the work.
//! Work is counted in allocations and in bytes allocated, not in time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    unsafe_code,
    reason = "an allocator that counts can't be written without"
)]

mod answers;
mod lookups;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use forebay_dialect::canonical::Part;
use forebay_dialect::exchange::WriteOptions;
use forebay_dialect::{BodyChange, Request, Swap, Target, Wire, attached, translate_request};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    let _ = BYTES.try_with(|sum| sum.set(sum.get() + bytes as u64));
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches cells of this
// thread that are initialised without allocating.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps to the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A body of a format with something in it `n` times.
struct Shape {
    name: &'static str,
    wire: Wire,
    body: fn(usize) -> String,
}

fn list(n: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<String> = (0..n).map(item).collect();
    items.join(",")
}

fn chat(content: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#)
}

fn gemini(parts: &str, more: &str) -> String {
    format!(r#"{{"contents":[{{"role":"user","parts":[{parts}]}}]{more}}}"#)
}

fn messages(content: &str) -> String {
    format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{content}]}}]}}"#
    )
}

fn converse(content: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":[{content}]}}]}}"#)
}

fn text(n: usize) -> String {
    list(n, |i| format!(r#"{{"type":"text","text":"word {i}"}}"#))
}

const SHAPES: [Shape; 49] = [
    Shape {
        name: "members",
        wire: Wire::Chat,
        body: |n| {
            format!(
                r#"{{"model":"m","messages":[],"metadata":{{{}}}}}"#,
                list(n, |i| format!(r#""a_{i}":{i}"#))
            )
        },
    },
    Shape {
        name: "unknown members",
        wire: Wire::Chat,
        body: |n| {
            format!(
                r#"{{"model":"m","messages":[],{}}}"#,
                list(n, |i| format!(r#""a_{i}":{i}"#))
            )
        },
    },
    Shape {
        name: "members of a message",
        wire: Wire::Chat,
        body: |n| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"x",{}}}]}}"#,
                list(n, |i| format!(r#""a_{i}":{i}"#))
            )
        },
    },
    Shape {
        name: "parts",
        wire: Wire::Chat,
        body: |n| chat(&format!("[{}]", text(n))),
    },
    Shape {
        name: "urls",
        wire: Wire::Chat,
        body: |n| {
            chat(&format!(
                "[{}]",
                list(n, |i| format!(
                    r#"{{"type":"image_url","image_url":{{"url":"https://x.example/{i}"}}}}"#
                ))
            ))
        },
    },
    Shape {
        name: "messages",
        wire: Wire::Chat,
        body: |n| {
            format!(
                r#"{{"model":"m","messages":[{}]}}"#,
                list(n, |i| format!(r#"{{"role":"user","content":"{i}"}}"#))
            )
        },
    },
    Shape {
        name: "calls and their results",
        wire: Wire::Chat,
        body: |n| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":null,"tool_calls":[{}]}},{}]}}"#,
                list(n, |i| format!(
                    r#"{{"id":"c{i}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}"#
                )),
                list(n, |i| format!(
                    r#"{{"role":"tool","tool_call_id":"c{i}","content":"{i}"}}"#
                ))
            )
        },
    },
    Shape {
        name: "tools",
        wire: Wire::Chat,
        body: |n| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{}]}}"#,
                list(n, |i| format!(
                    r#"{{"type":"function","function":{{"name":"f{i}","parameters":{{}}}}}}"#
                ))
            )
        },
    },
    Shape {
        name: "escapes",
        wire: Wire::Chat,
        body: |n| chat(&format!("\"{}\"", "\\u0041".repeat(8 * n))),
    },
    Shape {
        name: "a long number",
        wire: Wire::Chat,
        body: |n| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"seed":{}}}"#,
                "1".repeat(8 * n)
            )
        },
    },
    Shape {
        name: "numbers",
        wire: Wire::Completions,
        body: |n| {
            format!(
                r#"{{"model":"m","prompt":[{}]}}"#,
                list(n, |i| i.to_string())
            )
        },
    },
    Shape {
        name: "prompts",
        wire: Wire::Completions,
        body: |n| {
            format!(
                r#"{{"model":"m","prompt":[{}]}}"#,
                list(n, |i| format!("\"{i}\""))
            )
        },
    },
    Shape {
        name: "inputs",
        wire: Wire::Embeddings,
        body: |n| {
            format!(
                r#"{{"model":"m","input":[{}]}}"#,
                list(n, |i| format!("\"{i}\""))
            )
        },
    },
    Shape {
        name: "items",
        wire: Wire::Responses,
        body: |n| {
            format!(
                r#"{{"model":"m","input":[{}]}}"#,
                list(n, |i| format!(r#"{{"role":"user","content":"{i}"}}"#))
            )
        },
    },
    Shape {
        name: "calls",
        wire: Wire::Responses,
        body: |n| {
            format!(
                r#"{{"model":"m","input":[{},{}]}}"#,
                list(n, |i| format!(
                    r#"{{"type":"function_call","call_id":"c{i}","name":"f","arguments":"{{}}"}}"#
                )),
                list(n, |i| format!(
                    r#"{{"type":"function_call_output","call_id":"c{i}","output":"{i}"}}"#
                ))
            )
        },
    },
    Shape {
        name: "blocks",
        wire: Wire::Messages,
        body: |n| messages(&text(n)),
    },
    Shape {
        name: "results",
        wire: Wire::Messages,
        body: |n| {
            format!(
                r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":[{}]}},{{"role":"user","content":[{}]}}]}}"#,
                list(n, |i| format!(
                    r#"{{"type":"tool_use","id":"c{i}","name":"f","input":{{}}}}"#
                )),
                list(n, |i| format!(
                    r#"{{"type":"tool_result","tool_use_id":"c{i}","content":"{i}"}}"#
                ))
            )
        },
    },
    Shape {
        name: "members of a block",
        wire: Wire::Messages,
        body: |n| {
            messages(&format!(
                r#"{{"type":"text","text":"x",{}}}"#,
                list(n, |i| format!(r#""a_{i}":{i}"#))
            ))
        },
    },
    Shape {
        name: "members in two spellings",
        wire: Wire::Gemini,
        body: |n| {
            gemini(
                r#"{"text":"x"}"#,
                &format!(",{}", list(n, |i| format!(r#""a_{i}":{i}"#))),
            )
        },
    },
    Shape {
        name: "members of a part",
        wire: Wire::Gemini,
        body: |n| {
            gemini(
                &format!(
                    r#"{{"text":"x",{}}}"#,
                    list(n, |i| format!(r#""a_{i}":{i}"#))
                ),
                "",
            )
        },
    },
    Shape {
        name: "underscores",
        wire: Wire::Gemini,
        body: |n| {
            gemini(
                &format!(
                    r#"{{"text":"x",{}}}"#,
                    list(n, |i| format!(r#""{}{i}":{i}"#, "_".repeat(9)))
                ),
                "",
            )
        },
    },
    Shape {
        name: "parts",
        wire: Wire::Gemini,
        body: |n| gemini(&list(n, |i| format!(r#"{{"text":"{i}"}}"#)), ""),
    },
    Shape {
        name: "calls",
        wire: Wire::Gemini,
        body: |n| {
            format!(
                r#"{{"contents":[{{"role":"user","parts":[{{"text":"x"}}]}},{{"role":"model","parts":[{}]}},{{"role":"user","parts":[{}]}}]}}"#,
                list(n, |_| r#"{"functionCall":{"name":"f","args":{}}}"#
                    .to_owned()),
                list(n, |i| format!(
                    r#"{{"functionResponse":{{"name":"f","response":{{"r":{i}}}}}}}"#
                ))
            )
        },
    },
    Shape {
        name: "declarations",
        wire: Wire::Gemini,
        body: |n| {
            gemini(
                r#"{"text":"x"}"#,
                &format!(
                    r#","tools":[{{"functionDeclarations":[{}]}}]"#,
                    list(n, |i| format!(r#"{{"name":"f{i}"}}"#))
                ),
            )
        },
    },
    Shape {
        name: "blocks",
        wire: Wire::Converse,
        body: |n| converse(&list(n, |i| format!(r#"{{"text":"{i}"}}"#))),
    },
    Shape {
        name: "members of a block",
        wire: Wire::Converse,
        body: |n| {
            converse(&format!(
                r#"{{"text":"x",{}}}"#,
                list(n, |i| format!(r#""a_{i}":{i}"#))
            ))
        },
    },
    Shape {
        name: "fields of the model",
        wire: Wire::Converse,
        body: |n| {
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"text":"x"}}]}}],"additionalModelRequestFields":{{{}}}}}"#,
                list(n, |i| format!(r#""a_{i}":{i}"#))
            )
        },
    },
    Shape {
        name: "calls and their results",
        wire: Wire::Converse,
        body: |n| {
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"text":"x"}}]}},{{"role":"assistant","content":[{}]}},{{"role":"user","content":[{}]}}]}}"#,
                list(n, |i| format!(
                    r#"{{"toolUse":{{"toolUseId":"c{i}","name":"f","input":{{}}}}}}"#
                )),
                list(n, |i| format!(
                    r#"{{"toolResult":{{"toolUseId":"c{i}","content":[{{"text":"bob@mail.org"}}]}}}}"#
                ))
            )
        },
    },
    Shape {
        name: "tools",
        wire: Wire::Messages,
        body: |n| {
            format!(
                r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],"tools":[{}]}}"#,
                list(n, |i| format!(
                    r#"{{"name":"f{i}","description":"bob@mail.org","input_schema":{{"type":"object"}}}}"#
                ))
            )
        },
    },
    Shape {
        name: "tools",
        wire: Wire::Responses,
        body: |n| {
            format!(
                r#"{{"model":"m","input":"x","tools":[{}]}}"#,
                list(n, |i| format!(
                    r#"{{"type":"function","name":"f{i}","parameters":{{}}}}"#
                ))
            )
        },
    },
    Shape {
        name: "arrays in each other",
        wire: Wire::Chat,
        body: |n| {
            let deep = format!("{}1{}", "[".repeat(50), "]".repeat(50));
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"extra":[{}]}}"#,
                list(n / 10, |_| deep.clone())
            )
        },
    },
    Shape {
        name: "documents in one member",
        wire: Wire::Chat,
        body: |n| {
            chat(&format!(
                r#"[{{"type":"x","data":[{}],{}}}]"#,
                list(n, |_| "\"Ym9iQG1haWwub3Jn\"".to_owned()),
                list(n, |i| format!(r#""a_{i}":{i}"#))
            ))
        },
    },
    Shape {
        name: "values in one text",
        wire: Wire::Chat,
        body: |n| chat(&format!("\"{}\"", "bob@mail.org ".repeat(n))),
    },
    Shape {
        name: "escapes",
        wire: Wire::Responses,
        body: |n| format!(r#"{{"model":"m","input":"{}"}}"#, "\\u0041".repeat(8 * n)),
    },
    Shape {
        name: "urls",
        wire: Wire::Responses,
        body: |n| {
            format!(
                r#"{{"model":"m","input":[{{"role":"user","content":[{}]}}]}}"#,
                list(n, |i| format!(
                    r#"{{"type":"input_image","image_url":"https://x.example/{i}"}}"#
                ))
            )
        },
    },
    Shape {
        name: "members of an item",
        wire: Wire::Responses,
        body: |n| {
            format!(
                r#"{{"model":"m","input":[{{"role":"user","content":"x",{}}}]}}"#,
                list(n, |i| format!(r#""a_{i}":{i}"#))
            )
        },
    },
    Shape {
        name: "custom calls and namespaces",
        wire: Wire::Responses,
        body: |n| {
            format!(
                r#"{{"model":"m","input":[{{"role":"user","content":"x"}},{}],"tools":[{}]}}"#,
                list(n, |i| format!(
                    r#"{{"type":"custom_tool_call","call_id":"c{i}","name":"f{i}","input":"x"}},{{"type":"custom_tool_call_output","call_id":"c{i}","output":"y"}}"#
                )),
                list(n, |i| format!(
                    r#"{{"type":"namespace","name":"s{i}","tools":[{{"type":"function","name":"f{i}","parameters":{{}}}}]}}"#
                ))
            )
        },
    },
    Shape {
        name: "reasoning between calls",
        wire: Wire::Responses,
        body: |n| {
            format!(
                r#"{{"model":"m","input":[{{"role":"user","content":"x"}},{}]}}"#,
                list(n, |i| format!(
                    r#"{{"type":"reasoning","id":"r{i}","summary":[{{"type":"summary_text","text":"{i}"}}]}},{{"type":"function_call","call_id":"c{i}","name":"f","arguments":"{{}}"}},{{"type":"function_call_output","call_id":"c{i}","output":"{i}"}}"#
                ))
            )
        },
    },
    Shape {
        name: "urls",
        wire: Wire::Messages,
        body: |n| {
            messages(&list(n, |i| {
                format!(
                    r#"{{"type":"image","source":{{"type":"url","url":"https://x.example/{i}"}}}}"#
                )
            }))
        },
    },
    Shape {
        name: "documents",
        wire: Wire::Messages,
        body: |n| {
            messages(&list(n, |i| {
                format!(
                    r#"{{"type":"document","title":"t{i}","source":{{"type":"text","media_type":"text/plain","data":"bob@mail.org"}}}}"#
                )
            }))
        },
    },
    Shape {
        name: "markers of the prompt cache",
        wire: Wire::Messages,
        body: |n| {
            messages(&list(n, |i| {
                format!(r#"{{"type":"text","text":"{i}","cache_control":{{"type":"ephemeral"}}}}"#)
            }))
        },
    },
    Shape {
        name: "turns",
        wire: Wire::Messages,
        body: |n| {
            format!(
                r#"{{"model":"m","max_tokens":9,"messages":[{}]}}"#,
                list(n, |i| format!(
                    r#"{{"role":"user","content":"x"}},{{"role":"assistant","content":[{{"type":"thinking","thinking":"{i}","signature":"s{i}"}},{{"type":"text","text":"y"}}]}}"#
                ))
            )
        },
    },
    Shape {
        name: "members of arguments",
        wire: Wire::Messages,
        body: |n| {
            format!(
                r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"c","name":"f","input":{{{}}}}}]}}]}}"#,
                list(n, |i| format!(r#""a_{i}":"bob@mail.org""#))
            )
        },
    },
    Shape {
        name: "urls",
        wire: Wire::Gemini,
        body: |n| {
            gemini(
                &list(n, |i| {
                    format!(
                        r#"{{"fileData":{{"mimeType":"image/png","fileUri":"https://x.example/{i}"}}}}"#
                    )
                }),
                "",
            )
        },
    },
    Shape {
        name: "properties of a schema",
        wire: Wire::Gemini,
        body: |n| {
            gemini(
                r#"{"text":"x"}"#,
                &format!(
                    r#","tools":[{{"functionDeclarations":[{{"name":"f","parameters":{{"type":"OBJECT","properties":{{{}}},"required":[{}]}}}}]}}]"#,
                    list(n, |i| format!(
                        r#""a_{i}":{{"type":"STRING","enum":["e{i}"]}}"#
                    )),
                    list(n, |i| format!(r#""a_{i}""#))
                ),
            )
        },
    },
    Shape {
        name: "properties of a schema",
        wire: Wire::Chat,
        body: |n| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"f","strict":true,"parameters":{{"type":"object","$defs":{{{}}},"properties":{{{}}}}}}}}}]}}"#,
                list(n, |i| format!(r#""d_{i}":{{"type":"string"}}"#)),
                list(n, |i| format!(r##""a_{i}":{{"$ref":"#/$defs/d_{i}"}}"##))
            )
        },
    },
    Shape {
        name: "forged placeholders",
        wire: Wire::Chat,
        body: |n| {
            chat(&format!(
                "\"bob@mail.org {}\"",
                "[EMAIL_1] XMASK_EMAIL_1 ".repeat(n)
            ))
        },
    },
    Shape {
        name: "a long number",
        wire: Wire::Converse,
        body: |n| {
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"text":"x"}}]}}],"additionalModelRequestFields":{{"a":{}}}}}"#,
                "1".repeat(8 * n)
            )
        },
    },
    Shape {
        name: "documents",
        wire: Wire::Converse,
        body: |n| {
            converse(&list(n, |i| {
                format!(
                    r#"{{"document":{{"format":"txt","name":"d{i}","source":{{"bytes":"Ym9iQG1haWwub3Jn"}}}}}}"#
                )
            }))
        },
    },
];

/// All that is done with a request, whether or not it is good.
fn work(wire: Wire, body: &str) {
    let in_path = matches!(wire, Wire::Gemini | Wire::Converse);
    let target = Target {
        wire,
        model: in_path.then(|| "m".to_owned()),
        stream: in_path.then_some(false),
    };
    let Ok(mut request) = Request::parse(target, body.to_owned().into()) else {
        return;
    };
    for message in &request.prompt.messages {
        for part in &message.parts {
            if let Part::Opaque(part) = part {
                attached(&part.json);
            }
        }
    }
    let swap = |value: &str, whole| Swap {
        value: value.to_owned(),
        words: "[EMAIL_1]".to_owned(),
        name: "XMASK_EMAIL_1".to_owned(),
        whole,
    };
    let _ = request.swap(&[swap("bob@mail.org", false), swap("bob@mail.organ", true)]);
    let _ = (
        request.needs(),
        request.estimated_input_tokens(),
        request.extent(),
    );
    let _ = request.upstream_body(&BodyChange {
        model: Some("other"),
        stream: Some(true),
        include_usage: true,
        set: &[("cache_salt", "\"s\"")],
        remove: &["user"],
    });
    for to in [
        Wire::Chat,
        Wire::Responses,
        Wire::Messages,
        Wire::Gemini,
        Wire::Converse,
        Wire::Cohere,
        Wire::Oci,
    ] {
        let options = WriteOptions {
            model: "other".to_owned(),
            default_max_tokens: 9,
            ..WriteOptions::default()
        };
        let _ = translate_request(&request, to, &options);
    }
}

fn cost(shape: &Shape, n: usize) -> (u64, u64) {
    let body = (shape.body)(n);
    let before = (COUNT.get(), BYTES.get());
    work(shape.wire, &body);
    (COUNT.get() - before.0, BYTES.get() - before.1)
}

#[test]
fn twice_the_input_is_about_twice_the_work() {
    let mut bad = Vec::new();
    for shape in &SHAPES {
        let (a, b) = (cost(shape, 500), cost(shape, 2000));
        // Four times the input: 4 log(4n)/log(n) is below 5, a quadratic would be 16. The constant is
        // what any request costs, and vectors that double.
        let grows = |small: u64, large: u64, constant: u64| large > 6 * small + constant;
        if grows(a.0, b.0, 2_000) || grows(a.1, b.1, 500_000) {
            bad.push(format!(
                "{} {}: {a:?} then {b:?}",
                shape.wire.as_str(),
                shape.name
            ));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn twice_the_input_is_about_twice_the_work_at_the_doors() {
    use forebay_dialect::door::{Door, Told};
    let calls = |n: usize| {
        let call =
            r#"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}}]},"#;
        let result = r#"{"role":"tool","tool_name":"g","content":"1"},"#;
        format!(
            r#"{{"model":"m","messages":[{}{}{{"role":"user","content":"x"}}]}}"#,
            call.repeat(n),
            result.repeat(n)
        )
    };
    let documents = |n: usize| {
        let documents = r#"{"data":{"a":1}},"#.repeat(n);
        format!(
            r#"{{"model":"m","documents":[{documents}"x"],"messages":[{{"role":"user","content":"x"}}]}}"#
        )
    };
    let requests = |n: usize| {
        let request = r#"{"content":{"parts":[{"text":"x"}]}},"#.repeat(n);
        let last = r#"{"content":{"parts":[{"text":"x"}]}}"#;
        format!(r#"{{"requests":[{request}{last}]}}"#)
    };
    let cost = |door: Door, body: String| {
        let before = (COUNT.get(), BYTES.get());
        door.enter(&body.into(), &mut Told::default()).unwrap();
        (COUNT.get() - before.0, BYTES.get() - before.1)
    };
    type Body<'b> = &'b dyn Fn(usize) -> String;
    let shapes: [(Door, Body<'_>); 3] = [
        (Door::OllamaChat, &calls),
        (Door::CohereChat, &documents),
        (Door::GeminiBatchEmbed, &requests),
    ];
    for (door, body) in shapes {
        let (a, b) = (cost(door, body(500)), cost(door, body(2000)));
        assert!(b.0 <= 6 * a.0 + 2_000, "{door:?}: {a:?} then {b:?}");
        assert!(b.1 <= 6 * a.1 + 500_000, "{door:?}: {a:?} then {b:?}");
    }
}
