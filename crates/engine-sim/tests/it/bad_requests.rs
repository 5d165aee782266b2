//! Requests that cannot be served get vLLM's error shape and the right status.
#![allow(clippy::expect_used, reason = "a test may")]

use serde_json::{Value, json};

use crate::common::{chat, get, instant, post, post_chat, send};

async fn refused(body: Vec<u8>) -> (u16, Value) {
    let sim = instant().await;
    let path = "/v1/chat/completions";
    let answer = send(sim.addr(), "POST", path, &[], body)
        .await
        .expect("an answer");
    (answer.status.as_u16(), answer.json()["error"].clone())
}

#[tokio::test]
async fn a_body_that_is_not_json_of_an_object_is_refused() {
    let deep = format!("{{\"messages\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"{\"model\":\"\xff\"}",
        b"\x00",
        deep.as_bytes(),
    ] {
        let (status, error) = refused(body.to_vec()).await;
        assert_eq!(
            (status, &error["code"], &error["type"]),
            (400, &json!(400), &json!("Bad Request"))
        );
    }
}

#[tokio::test]
async fn values_of_the_wrong_type_or_range_are_refused_by_name() {
    let sim = instant().await;
    for (name, value) in [
        ("max_tokens", json!("many")),
        ("max_tokens", json!(0)),
        ("max_tokens", json!(-1)),
        ("temperature", json!(-0.1)),
        ("top_p", json!(2)),
        ("n", json!(0)),
        ("n", json!(129)),
        ("stream", json!("yes")),
        ("stop", json!(7)),
        ("model", json!(7)),
        ("cache_salt", json!("")),
        ("shared_prefix_tokens", json!(-1)),
        ("shared_prefix_tokens", json!("all")),
        ("tools", json!({})),
        ("tool_choice", json!("required")),
        ("messages", json!([])),
        ("messages", json!([7])),
        ("messages", json!([{"content": "no role"}])),
        ("messages", json!([{"role": "user", "content": 7}])),
    ] {
        let mut body = chat("hello", json!({}));
        body[name] = value;
        let answer = post(sim.addr(), "/v1/chat/completions", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        let param = answer.json()["error"]["param"]
            .as_str()
            .expect("a parameter")
            .to_owned();
        assert!(param.contains(name), "{param}");
    }
}

#[tokio::test]
async fn a_missing_prompt_is_refused() {
    let sim = instant().await;
    for (path, field) in [
        ("/v1/chat/completions", "messages"),
        ("/v1/completions", "prompt"),
        ("/tokenize", "messages"),
        ("/detokenize", "tokens"),
    ] {
        let answer = post(sim.addr(), path, &json!({})).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["param"], format!("body.{field}"));
    }
}

#[tokio::test]
async fn a_token_id_outside_the_vocabulary_is_refused() {
    let sim = instant().await;
    for prompt in [
        json!([100_300]),
        json!([-1]),
        json!([1, "a"]),
        json!([[]]),
        json!(""),
    ] {
        let answer = post(sim.addr(), "/v1/completions", &json!({"prompt": prompt})).await;
        assert_eq!(answer.status, 400, "{prompt}");
    }
}

#[tokio::test]
async fn more_output_than_the_context_holds_is_refused() {
    let sim = instant().await;
    let answer = post_chat(sim.addr(), "hello", json!({"max_tokens": 131_072})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["param"], "input_tokens");
    let huge = "word ".repeat(200_000);
    let answer = post_chat(sim.addr(), &huge, json!({})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("at least 131073 input tokens"));
}

#[tokio::test]
async fn an_answer_too_large_to_make_up_is_refused() {
    let sim = instant().await;
    let more = json!({"n": 128, "max_tokens": 100_000, "ignore_eos": true});
    let answer = post_chat(sim.addr(), "hello", more).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("limit"), "{}", answer.text());
}

#[tokio::test]
async fn a_body_over_32_mib_is_refused() {
    let (status, error) = refused(vec![b' '; 32 * 1024 * 1024 + 1]).await;
    assert_eq!((status, &error["code"]), (413, &json!(413)));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_the_error_shape() {
    let sim = instant().await;
    let unknown = get(sim.addr(), "/v1/nothing").await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.json()["error"]["code"]),
        (404, &json!(404))
    );
    let method = get(sim.addr(), "/v1/chat/completions").await;
    assert_eq!(
        (method.status.as_u16(), &method.json()["error"]["code"]),
        (405, &json!(405))
    );
}

#[tokio::test]
async fn the_model_may_be_left_out_or_named_by_its_alias() {
    let sim = instant().await;
    for model in [Value::Null, json!("forebay-sim-8b"), json!("forebay-sim")] {
        let answer = post_chat(sim.addr(), "hello", json!({"model": model})).await;
        assert_eq!(answer.status, 200, "{model}");
    }
}
