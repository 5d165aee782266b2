//! What the simulated model says, and how it can be made to say it.
#![allow(clippy::expect_used, reason = "a test may")]

use serde_json::{Value, json};

use crate::common::{instant, post, post_chat};

fn weather() -> Value {
    json!([
        {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "weather", "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"]
        }}}
    ])
}

fn with(base: &Value, key: &str, value: Value) -> Value {
    let mut more = base.clone();
    more[key] = value;
    more
}

#[tokio::test]
async fn a_streamed_answer_adds_up_to_the_whole_one() {
    let sim = instant().await;
    for more in [
        json!({}),
        json!({"max_tokens": 7}),
        json!({"n": 3, "seed": 5}),
        json!({"chat_template_kwargs": {"enable_thinking": true}}),
    ] {
        let whole = post_chat(sim.addr(), "hello", more.clone()).await.json();
        let streamed = post_chat(sim.addr(), "hello", with(&more, "stream", json!(true))).await;
        for choice in whole["choices"].as_array().expect("choices") {
            let index = choice["index"].as_u64().expect("an index");
            let content = streamed.joined(index, "/delta/content");
            assert_eq!(choice["message"]["content"], content);
            let reasoning = streamed.joined(index, "/delta/reasoning");
            assert_eq!(
                choice["message"]["reasoning"].as_str().unwrap_or(""),
                reasoning
            );
            assert_eq!(
                choice["finish_reason"],
                streamed.joined(index, "/finish_reason")
            );
        }
    }
}

#[tokio::test]
async fn choices_and_seeds_differ() {
    let sim = instant().await;
    let answer = post_chat(sim.addr(), "hello", json!({"n": 2})).await.json();
    let seeded = post_chat(sim.addr(), "hello", json!({"seed": 9}))
        .await
        .json();
    let content =
        |answer: &Value, index: usize| answer["choices"][index]["message"]["content"].clone();
    assert_ne!(content(&answer, 0), content(&answer, 1));
    assert_ne!(content(&answer, 0), content(&seeded, 0));
}

#[tokio::test]
async fn completion_tokens_are_those_generated() {
    let sim = instant().await;
    let more = json!({"max_tokens": 300, "ignore_eos": true, "n": 2});
    let usage = post_chat(sim.addr(), "hello", more).await.json()["usage"].clone();
    assert_eq!(usage["completion_tokens"], 600);
    assert_eq!(
        usage["total_tokens"],
        600 + usage["prompt_tokens"].as_u64().expect("a count")
    );
}

#[tokio::test]
async fn forced_text_is_said_whole_or_in_the_fragments_given() {
    let sim = instant().await;
    let say = json!({"vllm_xargs": {"forebay_say": "4111 1111 1111 1111"}});
    let whole = post_chat(sim.addr(), "hello", say).await.json();
    assert_eq!(
        whole["choices"][0]["message"]["content"],
        "4111 1111 1111 1111"
    );
    assert_eq!(whole["choices"][0]["finish_reason"], "stop");
    let parts =
        json!({"stream": true, "vllm_xargs": {"forebay_say_parts": ["user@exa", "mple.com"]}});
    let streamed = post_chat(sim.addr(), "hello", parts).await;
    let deltas: Vec<Value> = streamed
        .chunks()
        .iter()
        .map(|chunk| chunk["choices"][0]["delta"]["content"].clone())
        .collect();
    assert_eq!(deltas, ["", "user@exa", "mple.com", ""]);
}

#[tokio::test]
async fn a_stop_string_ends_the_text_and_is_named() {
    let sim = instant().await;
    let more = json!({"stop": ["END"], "vllm_xargs": {"forebay_say": "before END after"}});
    let choice = post_chat(sim.addr(), "hello", more).await.json()["choices"][0].clone();
    assert_eq!(choice["message"]["content"], "before ");
    assert_eq!(
        (&choice["finish_reason"], &choice["stop_reason"]),
        (&json!("stop"), &json!("END"))
    );
}

#[tokio::test]
async fn a_required_tool_is_called_with_arguments_of_its_schema() {
    let sim = instant().await;
    let more = json!({
        "tools": weather(),
        "tool_choice": {"type": "function", "function": {"name": "weather"}}
    });
    let choice = post_chat(sim.addr(), "hello", more.clone()).await.json()["choices"][0].clone();
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(choice["message"]["content"], Value::Null);
    assert_eq!(
        (&call["type"], &call["function"]["name"]),
        (&json!("function"), &json!("weather"))
    );
    let text = call["function"]["arguments"].as_str().expect("arguments");
    let arguments: Value = serde_json::from_str(text).expect("JSON");
    assert!(arguments["city"].is_string());
    assert!(["C", "F"].contains(&arguments["unit"].as_str().expect("a unit")));

    let streamed = post_chat(sim.addr(), "hello", with(&more, "stream", json!(true))).await;
    assert_eq!(
        streamed.joined(0, "/delta/tool_calls/0/function/name"),
        "weather"
    );
    assert_eq!(
        streamed.joined(0, "/delta/tool_calls/0/function/arguments"),
        text
    );
    let fragments = streamed
        .chunks()
        .iter()
        .filter(|chunk| chunk["choices"][0]["delta"]["tool_calls"].is_array())
        .count();
    assert!(fragments > 3, "{fragments}");
}

#[tokio::test]
async fn a_tool_is_called_when_required_or_asked_for_in_words_and_else_not() {
    let sim = instant().await;
    let tools = json!({"tools": weather()});
    let finish = |answer: Value| answer["choices"][0]["finish_reason"].clone();
    let asked = post_chat(sim.addr(), "please call the tool weather", tools.clone())
        .await
        .json();
    assert_eq!(
        asked["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
        "weather"
    );
    assert_eq!(finish(asked), "tool_calls");
    let required = with(&tools, "tool_choice", json!("required"));
    assert_eq!(
        finish(post_chat(sim.addr(), "hello", required).await.json()),
        "tool_calls"
    );
    assert_eq!(
        finish(post_chat(sim.addr(), "hello", tools.clone()).await.json()),
        "stop"
    );
    let never = with(&tools, "tool_choice", json!("none"));
    assert_eq!(
        finish(post_chat(sim.addr(), "call the tool", never).await.json()),
        "stop"
    );
}

#[tokio::test]
async fn response_formats_give_json_of_their_schema() {
    let sim = instant().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 5}}, "required": ["n"]});
    for format in [
        json!({"type": "json_object"}),
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
    ] {
        let more = json!({"response_format": format});
        let answer = post_chat(sim.addr(), "hello", more).await.json();
        let content = answer["choices"][0]["message"]["content"]
            .as_str()
            .expect("text")
            .to_owned();
        let value: Value = serde_json::from_str(&content).expect("JSON");
        assert!(value.is_object());
        if format["type"] == "json_schema" {
            assert!(value["n"].as_i64().expect("an integer") >= 5);
        }
    }
}

#[tokio::test]
async fn log_probabilities_have_a_token_each() {
    let sim = instant().await;
    let more = json!({"logprobs": true, "top_logprobs": 2, "max_tokens": 4});
    let choice = post_chat(sim.addr(), "hello", more).await.json()["choices"][0].clone();
    let tokens = choice["logprobs"]["content"]
        .as_array()
        .expect("tokens")
        .clone();
    let text: String = tokens
        .iter()
        .filter_map(|token| token["token"].as_str())
        .collect();
    assert_eq!(choice["message"]["content"], text);
    assert!(
        tokens
            .iter()
            .all(|token| token["logprob"].as_f64().expect("a number") < 0.0)
    );
    assert_eq!(
        tokens[0]["top_logprobs"]
            .as_array()
            .expect("candidates")
            .len(),
        2
    );

    let body = json!({"prompt": "hello", "logprobs": 1, "max_tokens": 4});
    let choice = post(sim.addr(), "/v1/completions", &body).await.json()["choices"][0].clone();
    assert_eq!(
        choice["logprobs"]["tokens"]
            .as_array()
            .expect("tokens")
            .len(),
        4
    );
    assert_eq!(choice["logprobs"]["text_offset"][0], 0);
}

#[tokio::test]
async fn completions_take_text_texts_and_token_ids_alike() {
    let sim = instant().await;
    let addr = sim.addr();
    let tokens = post(addr, "/tokenize", &json!({"prompt": "hello there"}))
        .await
        .json()["tokens"]
        .clone();
    let text_of = async |prompt: Value, index: usize| {
        let body = json!({"prompt": prompt});
        post(addr, "/v1/completions", &body).await.json()["choices"][index]["text"].clone()
    };
    let expected = text_of(json!("hello there"), 0).await;
    assert_eq!(text_of(tokens.clone(), 0).await, expected);
    assert_eq!(text_of(json!(["other", "hello there"]), 1).await, expected);
    assert_eq!(text_of(json!([[1, 2], tokens]), 1).await, expected);
}

#[tokio::test]
async fn echo_puts_the_prompt_before_the_text() {
    let sim = instant().await;
    let mut body = json!({"prompt": "hello there", "max_tokens": 4, "echo": true});
    let whole = post(sim.addr(), "/v1/completions", &body).await.json();
    let whole = whole["choices"][0]["text"]
        .as_str()
        .expect("text")
        .to_owned();
    assert!(
        whole.starts_with("hello there") && whole.len() > 11,
        "{whole}"
    );
    body["stream"] = json!(true);
    let streamed = post(sim.addr(), "/v1/completions", &body).await;
    assert_eq!(streamed.joined(0, "/text"), whole);
}

#[tokio::test]
async fn detokenize_undoes_tokenize() {
    let sim = instant().await;
    let prompt = "Ünïcode λ 漢字 🦀\n";
    let tokens = post(sim.addr(), "/tokenize", &json!({"prompt": prompt}))
        .await
        .json();
    let body = json!({"tokens": tokens["tokens"]});
    let text = post(sim.addr(), "/detokenize", &body).await.json();
    assert_eq!(text["prompt"], prompt);
}
