//! Class: what a client reads of an upstream. Rules for the output find a word wherever an answer, a
//! stream or an error holds it, in every format, not in its texts alone.

use std::sync::{Arc, Mutex};

use forebay_tests::prompts::chat;
use forebay_tests::upstream::response;
use forebay_tests::{Config, Forebay, Scripted};
use serde_json::{Value, json};

/// An address that one rule masks, and a word that another one denies.
pub(crate) const ADDRESS: &str = "bob.smith@mail.example.org";
pub(crate) const WORD: &str = "pomegranate";
pub(crate) const RULES: &str = r#"
[[policies.guardrails.config.rules]]
name = "addresses"
kind = "pii"
entities = ["EMAIL"]
action = "mask"
apply = ["output"]
[[policies.guardrails.config.rules]]
name = "word"
kind = "dictionary"
terms = ["pomegranate"]
action = "deny"
apply = ["output"]
"#;

/// An upstream for every format that says what it is told to, and the gateway before it.
struct Stage {
    forebay: Forebay,
    _upstream: Scripted,
    says: Arc<Mutex<Vec<u8>>>,
    asked: u32,
}

impl Stage {
    async fn new() -> Self {
        let says: Arc<Mutex<Vec<u8>>> = Arc::default();
        let script = Arc::clone(&says);
        let upstream = Scripted::start(move |mut call| {
            let says = script.lock().unwrap().clone();
            async move { call.send(says).await }
        })
        .await;
        let mut config = Config::new(format!("{RULES}\n[retries]\nattempts = 1\n"));
        for (model, provider) in [
            ("chat", "compatible"),
            ("responses", "openai"),
            ("messages", "anthropic"),
            ("gemini", "gemini"),
            ("converse", "bedrock"),
            ("cohere", "cohere"),
        ] {
            let more = format!(
                "provider = \"{provider}\"\nregion = \"us-east-1\"\nkey = \"env:K\"\nmodels = {{ {model} = \"{model}\" }}"
            );
            config = config.upstream(model, &upstream.url(), &more);
        }
        Self {
            forebay: Forebay::start(config.env("K", "k")).await,
            _upstream: upstream,
            says,
            asked: 0,
        }
    }

    /// What a client of this format reads when the upstream says these bytes, head and body.
    async fn reads(&mut self, format: &str, says: impl Into<Vec<u8>>) -> (u16, String) {
        *self.says.lock().unwrap() = says.into();
        self.asked += 1;
        let (format, stream) = match format.strip_suffix(" stream") {
            Some(format) => (format, true),
            None => (format, false),
        };
        let text = format!("question {}", self.asked);
        let turn = json!([{"role": "user", "content": text}]);
        let (path, body): (String, Value) = match format {
            "chat" | "cohere" => (
                "/v1/chat/completions".into(),
                json!({"model": format, "messages": turn, "stream": stream}),
            ),
            "responses" => (
                "/v1/responses".into(),
                json!({"model": format, "input": text, "stream": stream}),
            ),
            "messages" => (
                "/v1/messages".into(),
                json!({"model": format, "max_tokens": 9, "messages": turn, "stream": stream}),
            ),
            "gemini" => {
                let verb = if stream {
                    "streamGenerateContent?alt=sse"
                } else {
                    "generateContent"
                };
                (
                    format!("/v1beta/models/gemini:{verb}"),
                    json!({"contents": [{"parts": [{"text": text}]}]}),
                )
            }
            _ => (
                "/model/converse/converse".into(),
                json!({"messages": [{"role": "user", "content": [{"text": text}]}]}),
            ),
        };
        let reply = self.forebay.client.post(&path, &body).await;
        let mut read = reply.text();
        for (name, value) in &reply.headers {
            read += &format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
        (reply.status, read)
    }
}

/// The guard is given a long answer in parts. It finds what stands across two of them, and what stands at the end.
#[tokio::test]
async fn a_long_answer_is_guarded_to_its_end() {
    let mut stage = Stage::new().await;
    let long = |end: &str| {
        let words = "so many words, and more ".repeat(40);
        (0..6_000).fold(String::new(), |mut text, n: u32| {
            text += &words[..words.len() - (n % 11) as usize];
            text += &format!(" {ADDRESS} ");
            text
        }) + end
    };
    for format in ["chat", "messages"] {
        let answer = |text: &str| match format {
            "chat" => forebay_tests::prompts::whole(text),
            _ => json!({"id": "m", "type": "message", "role": "assistant", "model": "m",
                "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1}})
            .to_string(),
        };
        let text = long("The end.");
        assert!(text.len() > 5 << 20);
        let (status, read) = stage.reads(format, json_answer(&answer(&text))).await;
        assert_eq!(status, 200, "{format}: {}", &read[..read.len().min(500)]);
        assert!(!read.contains(ADDRESS), "{format}");
        assert!(
            read.contains("The end.") && read.len() > 5 << 20,
            "{format}"
        );
        let (status, read) = stage.reads(format, json_answer(&answer(&long(WORD)))).await;
        assert!(!read.contains(WORD), "{format}");
        assert!((400..500).contains(&status), "{format}: {status}");
    }
}

fn json_answer(body: &str) -> Vec<u8> {
    response("200 OK", "application/json", body).into()
}

fn sse(events: &str) -> Vec<u8> {
    let body: String = events
        .lines()
        .map(|line| format!("data: {}\n\n", line.trim()))
        .collect();
    response("200 OK", "text/event-stream", &body).into()
}

/// Answers with a `W` in every place where an upstream may put a string, but for texts.
const ANSWERS: [(&str, &str); 11] = [
    (
        "chat",
        r#"{"id":"W","object":"W","created":1,"model":"W","system_fingerprint":"W","service_tier":"W","W":1,"usage":
        {"prompt_tokens":1,"completion_tokens":1,"W":"W"},"choices":[{"index":0,"finish_reason":"W","stop_reason":"W","message":
        {"role":"W","content":"hello","W":"x","annotations":[{"type":"url_citation","url_citation":{"url":"W","title":"W"}}],
        "tool_calls":[{"id":"W","type":"W","function":{"name":"W","arguments":"{\"W\":1}"}}]},
        "logprobs":{"content":[{"token":"W"}]}}]}"#,
    ),
    (
        "chat stream",
        r#"{"id":"W","object":"W","created":1,"model":"W","system_fingerprint":"W","choices":[{"index":0,"delta":{"role":"W","content":"hello","W":""}}]}
        {"id":"W","object":"W","created":1,"model":"W","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"W","type":"W","function":{"name":"W","arguments":"{\"W\":1}"}}]}}]}
        {"id":"W","object":"W","created":1,"model":"W","choices":[{"index":0,"delta":{},"finish_reason":"W","stop_reason":"W"}]}
        {"id":"W","object":"W","created":1,"model":"W","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"W":"W"}}
        [DONE]"#,
    ),
    (
        "responses",
        r#"{"id":"W","object":"response","created_at":1,"status":"W","model":"W","instructions":"W","metadata":{"W":"W"},"incomplete_details":{"reason":"W"},
        "output":[{"type":"message","id":"W","status":"W","role":"W","content":[{"type":"output_text","text":"hello","annotations":[{"type":"file_citation",
        "filename":"W","file_id":"W"}]}]},{"type":"function_call","id":"W","call_id":"W","name":"W","arguments":"{\"W\":1}"},
        {"type":"web_search_call","id":"W","action":{"query":"W"}}],"usage":{"input_tokens":1,"output_tokens":1}}"#,
    ),
    (
        "responses stream",
        r#"{"type":"response.created","sequence_number":0,"response":{"id":"W","object":"response","model":"W","output":[],"user":"W"}}
        {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message","id":"W","role":"W","content":[]}}
        {"type":"response.output_text.delta","sequence_number":2,"item_id":"W","output_index":0,"content_index":0,"delta":"hello","obfuscation":"W"}
        {"type":"response.output_text.done","sequence_number":3,"item_id":"W","output_index":0,"content_index":0,"text":"hello"}
        {"type":"response.output_text.annotation.added","sequence_number":3,"item_id":"W","annotation":{"type":"url_citation","url":"W","title":"W"}}
        {"type":"response.output_item.added","sequence_number":4,"output_index":1,"item":{"type":"function_call","id":"W","call_id":"W","name":"W","arguments":""}}
        {"type":"response.completed","sequence_number":5,"response":{"id":"W","object":"response","status":"W","model":"W","output":[]}}"#,
    ),
    (
        "messages",
        r#"{"id":"W","type":"message","role":"W","model":"W","stop_reason":"W","stop_sequence":"W","container":{"id":"W","W":"W"},"stop_details":{"explanation":"W"},
        "content":[{"type":"text","text":"hello","citations":[{"type":"W","file_id":"W","document_title":"W","cited_text":"W","url":"W"}]},
        {"type":"thinking","thinking":"t","signature":"W"},{"type":"tool_use","id":"W","name":"W","input":{"W":1},"caller":{"type":"W"}}],
        "usage":{"input_tokens":1,"output_tokens":1}}"#,
    ),
    (
        "messages stream",
        r#"{"type":"message_start","message":{"id":"W","type":"message","role":"W","model":"W","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}
        {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}
        {"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"W","file_id":"W","title":"W","url":"W"}}}
        {"type":"content_block_stop","index":0}
        {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"W","name":"W","input":{}}}
        {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"W\":1}"}}
        {"type":"content_block_stop","index":1}
        {"type":"message_delta","delta":{"stop_reason":"W","stop_sequence":"W"},"usage":{"output_tokens":1}}
        {"type":"message_stop"}"#,
    ),
    (
        "gemini",
        r#"{"responseId":"W","modelVersion":"W","createTime":"W","promptFeedback":{"blockReasonMessage":"W"},"candidates":[{"finishReason":"W","finishMessage":"W",
        "safetyRatings":[{"category":"W","W":1}],"citationMetadata":{"citationSources":[{"uri":"W","license":"W"}]},"content":{"role":"W","parts":
        [{"text":"hello"},{"functionCall":{"id":"W","name":"W","args":{"W":1}}},{"executableCode":{"language":"W","code":"W"}},{"thoughtSignature":"W"}]}}],
        "usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"trafficType":"W"}}"#,
    ),
    (
        "gemini stream",
        r#"{"responseId":"W","modelVersion":"W","candidates":[{"content":{"role":"W","parts":[{"text":"hello"}]}}]}
        {"responseId":"W","modelVersion":"W","candidates":[{"finishReason":"W","content":{"role":"W","parts":[{"functionCall":{"id":"W","name":"W","args":{"W":1}}}]}}]}"#,
    ),
    (
        "converse",
        r#"{"output":{"message":{"role":"W","content":[{"text":"hello"},{"toolUse":{"toolUseId":"W","name":"W","type":"W","input":{"W":1}}},
        {"citationsContent":{"content":[{"text":"cited"}],"citations":[{"title":"W","sourceContent":[{"text":"W"}]}]}}]}},"stopReason":"W",
        "metrics":{"latencyMs":1,"W":"W"},"additionalModelResponseFields":{"stop_sequence":"W"},"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}"#,
    ),
    (
        "cohere",
        r#"{"id":"W","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hello"}],"tool_plan":"W","tool_calls":
        [{"id":"W","type":"function","function":{"name":"W","arguments":"{\"W\":1}"}}],"citations":[{"start":0,"end":1,"text":"W","sources":[{"type":"document","id":"W"}]}]},
        "usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}"#,
    ),
    (
        "cohere stream",
        r#"{"type":"message-start","id":"W","delta":{"message":{"role":"assistant","content":[]}}}
        {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}
        {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hello"}}}}
        {"type":"content-end","index":0}
        {"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"W","type":"function","function":{"name":"W","arguments":"{\"W\":1}"}}}}}
        {"type":"tool-call-end","index":0}
        {"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}}"#,
    ),
];

/// An answer with the secret in one of its places and something harmless in all others.
fn with_secret(answer: &str, place: usize, secret: &str) -> String {
    let mut pieces = answer.split('W');
    let mut out = pieces.next().unwrap().to_owned();
    for (at, piece) in pieces.enumerate() {
        if at == place {
            out += secret;
        } else {
            out += &format!("w{at}");
        }
        out += piece;
    }
    out
}

#[tokio::test]
async fn rules_find_a_word_wherever_an_answer_holds_it() {
    let mut stage = Stage::new().await;
    for (format, answer) in ANSWERS {
        let bytes = |text: &str| match format.ends_with(" stream") {
            true => sse(text),
            false => json_answer(text),
        };
        let (status, read) = stage
            .reads(format, bytes(&with_secret(answer, usize::MAX, "")))
            .await;
        assert!(
            status == 200 && read.contains("hello"),
            "{format}: {status} {read}"
        );
        for place in 0..answer.matches('W').count() {
            let (_, read) = stage
                .reads(format, bytes(&with_secret(answer, place, ADDRESS)))
                .await;
            assert!(
                !read.contains("bob.smith"),
                "{format}, place {place}: {read}"
            );
            let (_, read) = stage
                .reads(format, bytes(&with_secret(answer, place, WORD)))
                .await;
            assert!(!read.contains(WORD), "{format}, place {place}: {read}");
        }
    }
}

/// The words of refusals and of errors within streams, and what heads tell beside.
#[tokio::test]
async fn an_upstreams_errors_and_heads_are_judged_too() {
    let mut stage = Stage::new().await;
    let errors = [
        (
            "chat",
            r#"{"error":{"message":"no W here","type":"W","param":"W","code":"W"}}"#,
        ),
        (
            "messages",
            r#"{"type":"error","error":{"type":"W","message":"no W here"}}"#,
        ),
        (
            "gemini",
            r#"{"error":{"code":400,"message":"no W here","status":"W"}}"#,
        ),
        ("converse", r#"{"message":"no W here","__type":"W"}"#),
        ("cohere", r#"{"message":"no W here"}"#),
    ];
    for secret in [ADDRESS, WORD] {
        for (format, body) in errors {
            for status in [
                "400 Bad Request",
                "403 Forbidden",
                "429 Too Many Requests",
                "500 Internal Server Error",
            ] {
                let body = body.replace('W', secret);
                let (code, read) = stage
                    .reads(format, response(status, "application/json", &body))
                    .await;
                assert!(!read.contains(secret), "{format} {status}: {code} {read}");
                assert!(code >= 400, "{format} {status}: {code} {read}");
            }
        }
        let begun =
            r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"hello "}}]}"#;
        let events = format!(
            "{begun}\n{}",
            r#"{"error":{"message":"no W","type":"W","code":"W"}}"#
        );
        let (_, read) = stage
            .reads("chat stream", sse(&events.replace('W', secret)))
            .await;
        assert!(read.contains("hello") && !read.contains(secret), "{read}");
        let events = r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1}}}
            {"type":"error","error":{"type":"W","message":"no W"}}"#;
        let (_, read) = stage
            .reads("messages stream", sse(&events.replace('W', secret)))
            .await;
        assert!(!read.contains(secret), "{read}");
        let answer = r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: {secret}\r\nx-ratelimit-note: {secret}\r\nx-ratelimit-limit-requests: 17\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
            answer.len()
        );
        let (_, read) = stage.reads("chat", head).await;
        assert!(!read.contains(secret), "{read}");
        assert!(
            secret == WORD || read.contains("17") && read.contains("hello"),
            "{read}"
        );
    }
    // A refusal stays what it is.
    let told = r#"{"error":{"message":"slow down, bob.smith@mail.example.org","type":"rate_limit_error"}}"#;
    let (status, read) = stage
        .reads(
            "chat",
            response("429 Too Many Requests", "application/json", told),
        )
        .await;
    assert_eq!(status, 429, "{read}");
    assert!(read.contains("slow down, [EMAIL]"), "{read}");
}

/// An answer that says nothing is given as it is where no upstream has a better one: judged all the same.
#[tokio::test]
async fn an_answer_without_content_is_judged_too() {
    let mut stage = Stage::new().await;
    for secret in [ADDRESS, WORD] {
        let whole = format!(r#"{{"id":"{secret}","model":"m","choices":[]}}"#);
        let (_, read) = stage.reads("chat", json_answer(&whole)).await;
        assert!(!read.contains(secret), "{read}");
        let (_, read) = stage
            .reads("chat stream", sse(&format!("{whole}\n[DONE]")))
            .await;
        assert!(!read.contains(secret), "{read}");
    }
}

/// Without a rule for the output, and where no rule finds anything, an answer stays byte for byte.
#[tokio::test]
async fn what_no_rule_finds_stays_byte_for_byte() {
    let odd = r#"{ "id":"c\u0031", "system_fingerprint" : "fp_1","choices":[{"index":0,"message":{"role":"assistant","content":"h\u0065llo"},"finish_reason":"stop"}]}"#;
    let upstream = Scripted::saying(json_answer(odd)).await;
    for rules in ["", RULES] {
        let forebay = Forebay::start(upstream.behind(rules)).await;
        assert_eq!(forebay.client.chat(&chat("hello")).await.text(), odd);
    }
}

/// Some servers send the name of a call in pieces, and clients put them together.
#[tokio::test]
async fn a_tools_name_in_pieces_is_judged_as_a_whole() {
    let mut stage = Stage::new().await;
    for secret in [ADDRESS, WORD] {
        for cut in 1..secret.len() {
            let chunk = |name: &str| {
                let call = json!({"index": 0, "id": "c", "type": "function", "function": {"name": name, "arguments": ""}});
                let choice = json!({"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}, "finish_reason": null});
                json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "chat", "choices": [choice]})
            };
            let (first, last) = secret.split_at(cut);
            let body = format!(
                "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
                chunk(first),
                chunk(last)
            );
            let says = response("200 OK", "text/event-stream", &body);
            let (_, read) = stage.reads("chat stream", says).await;
            let names: String = read
                .split("\"name\":\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .collect();
            assert!(!names.contains(secret), "{cut}: {read}");
        }
    }
}
