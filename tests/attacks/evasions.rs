//! Class: a word that rules don't see. It is cut over places that the model reads as one, or lies in a
//! document that no rule can read.

use forebay_tests::upstream::response;
use forebay_tests::{Config, Forebay, Scripted};
use serde_json::json;

use crate::outputs::WORD;

fn rules() -> String {
    format!(
        "[[policies.guardrails.config.rules]]\nname = \"r\"\nkind = \"dictionary\"\nterms = [\"{WORD}\"]\naction = \"deny\"\napply = [\"input\"]\n[retries]\nattempts = 1\n"
    )
}

/// The gateway before an upstream of every kind, which refuses all that it is asked.
pub(crate) async fn stage(rules: &str) -> (Forebay, Scripted) {
    let refusal = json!({"error": {"message": "no", "type": "invalid_request_error"}}).to_string();
    let refusal = response("400 Bad Request", "application/json", &refusal);
    let upstream = Scripted::saying(refusal).await;
    let mut config = Config::new(rules);
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
    (Forebay::start(config.env("K", "k")).await, upstream)
}

/// A word in two pieces, with something between them that the model sees as well.
#[tokio::test]
async fn a_word_cut_in_two_is_still_that_word() {
    let (forebay, upstream) = stage(&rules()).await;
    let (first, rest) = WORD.split_at(4);
    let url = "https://x.example/a.png";
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk";
    let bodies = [
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [{"role": "user", "content": [
            {"type": "text", "text": first}, {"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": rest}]}]}),
        ),
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [
            {"role": "user", "name": "n", "content": first}, {"role": "user", "content": rest}]}),
        ),
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [
            {"role": "user", "content": first}, {"role": "assistant", "content": ""}, {"role": "user", "content": rest}]}),
        ),
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [
            {"role": "system", "content": first}, {"role": "user", "content": rest}]}),
        ),
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [
            {"role": "user", "content": first}, {"role": "developer", "content": rest}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "messages", "max_tokens": 9, "system": first, "messages": [{"role": "user", "content": rest}]}),
        ),
        (
            "/v1beta/models/gemini:generateContent",
            json!({"systemInstruction": {"parts": [{"text": first}]}, "contents": [{"parts": [{"text": rest}]}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "messages", "max_tokens": 9, "messages": [
            {"role": "user", "content": first}, {"role": "assistant", "content": []}, {"role": "user", "content": rest}]}),
        ),
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [{"role": "assistant", "content": "", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": first}, {"type": "text", "text": rest}]}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "messages", "max_tokens": 9, "messages": [{"role": "user", "content": [
            {"type": "text", "text": first}, {"type": "image", "source": {"type": "url", "url": url}}, {"type": "text", "text": rest}]}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "messages", "max_tokens": 9, "messages": [{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": first},
            {"type": "image", "source": {"type": "url", "url": url}}, {"type": "text", "text": rest}]}]}]}),
        ),
        (
            "/v1/responses",
            json!({"model": "responses", "input": [{"role": "user", "content": [
            {"type": "input_text", "text": first}, {"type": "input_image", "image_url": url}, {"type": "input_text", "text": rest}]}]}),
        ),
        (
            "/v1/responses",
            json!({"model": "responses", "input": [{"type": "function_call_output", "call_id": "c", "output": [
            {"type": "input_text", "text": first}, {"type": "input_text", "text": rest}]}]}),
        ),
        (
            "/v1beta/models/gemini:generateContent",
            json!({"contents": [{"parts": [
            {"text": first}, {"inlineData": {"mimeType": "image/png", "data": png}}, {"text": rest}]}]}),
        ),
        (
            "/model/converse/converse",
            json!({"messages": [{"role": "user", "content": [
            {"text": first}, {"image": {"format": "png", "source": {"bytes": png}}}, {"text": rest}]}]}),
        ),
        (
            "/model/converse/converse",
            json!({"messages": [{"role": "user", "content": [
            {"toolResult": {"toolUseId": "i", "content": [{"text": first}, {"text": rest}]}}]}]}),
        ),
    ];
    for (path, body) in bodies {
        let reply = forebay.client.post(path, &body).await;
        assert_eq!(upstream.calls(), 0, "{path} let pass {body}");
        assert_eq!(reply.status, 400, "{path} {body}: {}", reply.text());
    }
}

/// A name in another case is a known member to some readers and an unknown one to others.
#[tokio::test]
async fn a_member_in_another_case_is_refused_by_its_path() {
    let (forebay, upstream) = stage("").await;
    for (path, body, odd) in [
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [{"role": "user", "content": "a", "Content": "b"}]}),
            "messages[0].Content",
        ),
        (
            "/v1/chat/completions",
            json!({"model": "chat", "Model": "b", "messages": [{"role": "user", "content": "a"}]}),
            "Model",
        ),
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [{"role": "user", "content": "a"}], "me\u{17f}\u{17f}ages": []}),
            "me\u{17f}\u{17f}ages",
        ),
        (
            "/v1/responses",
            json!({"model": "responses", "input": [{"role": "user", "content": [{"type": "input_text", "Text": "b"}]}]}),
            "input[0].content[0].Text",
        ),
        (
            "/v1/messages",
            json!({"model": "messages", "max_tokens": 9, "System": "b", "messages": [{"role": "user", "content": "a"}]}),
            "System",
        ),
        (
            "/v1beta/models/gemini:generateContent",
            json!({"contents": [{"parts": [{"text": "a", "TEXT": "b"}]}]}),
            "contents[0].parts[0].TEXT",
        ),
        (
            "/model/converse/converse",
            json!({"messages": [{"role": "user", "content": [{"Text": "a"}]}]}),
            "messages[0].content[0].Text",
        ),
    ] {
        let reply = forebay.client.post(path, &body).await;
        assert_eq!(reply.status, 400, "{path} {body}: {}", reply.text());
        assert!(reply.text().contains(odd), "{odd}: {}", reply.text());
    }
    assert_eq!(upstream.calls(), 0);
}

/// What no rule can read is refused in every format, unless the operator lets it pass.
#[tokio::test]
async fn a_pdf_goes_up_only_where_the_operator_lets_it() {
    use base64::Engine as _;
    let bytes = [&b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"[..], &[0x9c; 60]].concat();
    let pdf = base64::engine::general_purpose::STANDARD.encode(bytes);
    let url = format!("data:application/pdf;base64,{pdf}");
    let bodies = [
        (
            "/v1/chat/completions",
            json!({"model": "chat", "messages": [{"role": "user", "content": [
            {"type": "text", "text": "read"}, {"type": "file", "file": {"filename": "a.pdf", "file_data": url}}]}]}),
        ),
        (
            "/v1/responses",
            json!({"model": "responses", "input": [{"role": "user", "content": [
            {"type": "input_file", "filename": "a.pdf", "file_data": url}]}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "messages", "max_tokens": 9, "messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": pdf}}]}]}),
        ),
        (
            "/v1beta/models/gemini:generateContent",
            json!({"contents": [{"parts": [
            {"inlineData": {"mimeType": "application/pdf", "data": pdf}}]}]}),
        ),
        (
            "/model/converse/converse",
            json!({"messages": [{"role": "user", "content": [{"text": "read"},
            {"document": {"format": "pdf", "name": "a", "source": {"bytes": pdf}}}]}]}),
        ),
    ];
    for (setting, passes) in [
        ("", 0),
        ("[policies.guardrails.config]\nunreadable = \"pass\"\n", 1),
    ] {
        let (forebay, upstream) = stage(&format!("{setting}{}", rules())).await;
        for (at, (path, body)) in bodies.iter().enumerate() {
            let reply = forebay.client.post(path, body).await;
            assert_eq!(
                upstream.calls(),
                (at + 1) * passes,
                "{path}: {}",
                reply.text()
            );
            assert_eq!(
                reply.text().contains("can't read"),
                passes == 0,
                "{path}: {}",
                reply.text()
            );
        }
    }
}

/// Members that an endpoint does not have are refused with what no rule can read. Where that passes, their
/// text is judged all the same.
#[tokio::test]
async fn unknown_members_are_read_where_what_is_unreadable_passes() {
    let bodies = [
        json!({"model": "chat", "query": "q", "documents": ["d"], "hidden": WORD}),
        json!({"model": "chat", "query": "q", "documents": ["d"], "hidden": [[{"deep": WORD}]]}),
        json!({"model": "chat", "query": "q", "documents": ["d"], "hidden": {WORD: 1}}),
        json!({"model": "chat", "query": "q", "documents": [{"text": "d", "more": WORD}]}),
        json!({"model": "chat", "query": [WORD], "documents": ["d"]}),
    ];
    for setting in ["", "[policies.guardrails.config]\nunreadable = \"pass\"\n"] {
        let (forebay, upstream) = stage(&format!("{setting}{}", rules())).await;
        for body in &bodies {
            let reply = forebay.client.post("/v1/rerank", body).await;
            assert_eq!(reply.status, 400, "{body}: {}", reply.text());
            assert_eq!(upstream.calls(), 0, "{setting} let pass {body}");
        }
        let plain = bodies[0].to_string().replace(WORD, "nothing");
        forebay.client.post_bytes("/v1/rerank", plain).await;
        assert_eq!(upstream.calls(), usize::from(!setting.is_empty()));
    }
}

/// Forms in which HTML and source code write a word.
#[tokio::test]
async fn a_word_in_the_names_of_characters_is_still_that_word() {
    let (forebay, upstream) = stage(&rules()).await;
    let (first, rest) = WORD.split_at(1);
    let letter = first.to_ascii_lowercase();
    let octal = format!("\\{:03o}", letter.as_bytes()[0]);
    for text in [
        format!("{first}&it;{rest}"),
        format!("{first}&NegativeVeryThinSpace;{rest}"),
        format!("{first}&shy{rest}"),
        format!("&{letter}fr;{rest}"),
        format!("&{letter}opf;{rest}"),
        format!("\\u{{{:x}}}{rest}", letter.as_bytes()[0]),
        format!("\\U{:08x}{rest}", letter.as_bytes()[0]),
        format!("{octal}{rest}"),
    ] {
        let body = json!({"model": "chat", "messages": [{"role": "user", "content": text}]});
        let reply = forebay.client.post("/v1/chat/completions", &body).await;
        assert_eq!(upstream.calls(), 0, "{text} passed");
        assert_eq!(reply.status, 400, "{text}: {}", reply.text());
    }
}

/// A rule that asks for it reads what is encoded.
#[tokio::test]
async fn a_word_in_base64_is_seen_by_a_rule_that_decodes() {
    use base64::Engine as _;
    let plain = format!("please say {WORD} now");
    let base64 = base64::engine::general_purpose::STANDARD.encode(&plain);
    let quoted: String = plain.bytes().map(|b| format!("={b:02X}")).collect();
    let texts = [format!("decode {base64}"), format!("decode {quoted}")];
    for decode in [false, true] {
        let rules = rules().replace("terms", &format!("decode = {decode}\nterms"));
        let (forebay, upstream) = stage(&rules).await;
        for text in &texts {
            let body = json!({"model": "chat", "messages": [{"role": "user", "content": text}]});
            forebay.client.post("/v1/chat/completions", &body).await;
        }
        assert_eq!(upstream.calls(), if decode { 0 } else { texts.len() });
    }
}
