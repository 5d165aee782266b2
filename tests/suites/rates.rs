//! Requests and tokens per minute: reserved before, settled after, told truly.

use forebay_tests::prompts::{chat, chunk, done, finish, streamed, whole, with};
use forebay_tests::upstream::stream_of;
use forebay_tests::{Client, Engine, Forebay, Gate, Key, Scripted, eventually};
use serde_json::json;

/// A prompt of 30 bytes, which reserves 10 tokens, and `n` for the answer.
fn of(number: usize, n: u32) -> serde_json::Value {
    with(chat(&format!("{number:030}")), json!({"max_tokens": n}))
}

#[tokio::test]
async fn requests_per_minute_are_counted_and_a_429_says_when() {
    let engine = Engine::instant().await;
    let key = Key::of("acme").with("requests_per_minute = 3");
    let free = Key::of("free");
    let forebay = Forebay::start(engine.behind("").keys(&[&key, &free])).await;
    let client = forebay.client_of(&key);
    for left in [2, 1, 0] {
        let reply = client.chat(&of(left, 5)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "3");
        assert_eq!(
            reply.header("x-ratelimit-remaining-requests"),
            left.to_string()
        );
        let reset = reply.header("x-ratelimit-reset-requests");
        let reset: f64 = reset.trim_end_matches('s').parse().unwrap();
        let expected = (3 - left) as f64 * 20.0;
        assert!(reset > expected - 5.0 && reset <= expected, "{reset}");
    }
    let reply = client.chat(&of(9, 5)).await;
    let message = reply.is_error(429, "rate_limit_exceeded");
    assert!(message.contains("3 requests per minute"), "{message}");
    let after: u64 = reply.header("retry-after").parse().unwrap();
    assert!(
        (15..=20).contains(&after),
        "one request comes back in 20 s: {after}"
    );
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "0");
    assert_eq!(reply.json()["error"]["type"], "rate_limit_error");
    assert_eq!(engine.computed(), 3);
    let other = forebay.client_of(&free).chat(&of(9, 5)).await;
    assert_eq!(
        (other.status, other.header("x-ratelimit-limit-requests")),
        (200, ""),
        "others are not concerned"
    );
}

#[tokio::test]
async fn tokens_are_reserved_before_and_settled_after() {
    let upstream = Scripted::start(|mut call| async move {
        if call.request.json()["stream"] == true {
            let usage = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3,\"total_tokens\":8}}\n\n";
            call.send(stream_of(&[chunk("hi"), finish("stop"), usage.to_owned(), done()])).await;
        } else {
            call.answer("200 OK", "application/json", &whole("hi")).await;
        }
    })
    .await;
    let key = Key::of("acme").with("tokens_per_minute = 600");
    let forebay = Forebay::start(upstream.behind("").keys(&[&key])).await;
    let client = forebay.client_of(&key);
    // 8 tokens were used of the 510 that were reserved.
    let left = |reply: &forebay_tests::Reply| -> u64 {
        reply
            .header("x-ratelimit-remaining-tokens")
            .parse()
            .unwrap()
    };
    let first = client.chat(&of(1, 500)).await;
    assert_eq!(first.header("x-ratelimit-limit-tokens"), "600");
    assert!((592..=594).contains(&left(&first)), "{}", left(&first));
    forebay.stored().await;
    // A hit costs nothing.
    let hit = client.chat(&of(1, 500)).await;
    assert!(
        hit.cache() == "hit" && left(&hit) >= left(&first),
        "{}",
        left(&hit)
    );
    // A stream is settled at its end.
    let told = client
        .stream(&with(streamed("a stream"), json!({"max_tokens": 500})))
        .await
        .rest()
        .await;
    assert!(told.done);
    let after = client.chat(&of(2, 1)).await;
    assert!((570..=592).contains(&left(&after)), "{}", left(&after));
    // A prompt that is over the limit by itself will never fit, so there is no time to wait for.
    let never = client.chat(&chat(&"x".repeat(2000))).await;
    let message = never.is_error(429, "rate_limit_exceeded");
    assert!(
        message.contains("the prompt has about") && never.header("retry-after").is_empty(),
        "{message}"
    );
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test]
async fn a_burst_cannot_overspend() {
    let gate = Gate::default();
    let steps = gate.clone();
    let upstream = Scripted::start(move |mut call| {
        let gate = steps.clone();
        async move {
            gate.pass().await;
            call.answer("200 OK", "application/json", &whole("hi"))
                .await;
        }
    })
    .await;
    let key = Key::of("acme").with("tokens_per_minute = 1000\nrequests_per_minute = 1000");
    let forebay = Forebay::start(upstream.behind("").keys(&[&key])).await;
    let ask =
        |client: Client, n: usize| tokio::spawn(async move { client.chat(&of(n, 190)).await });
    let burst: Vec<_> = (0..20).map(|n| ask(forebay.client_of(&key), n)).collect();
    // Five times 200 are 1000; what refills within a second or two is less than a sixth.
    upstream.called(5).await;
    eventually("that the others are refused", || async {
        (forebay
            .metrics()
            .await
            .sum("forebay_errors_total{kind=\"rate_limit_exceeded\"}")
            >= 15.0)
            .then_some(())
    })
    .await;
    assert_eq!(upstream.calls(), 5);
    gate.open(20);
    let mut served = 0;
    for reply in burst {
        let reply = reply.await.unwrap();
        if reply.status == 200 {
            served += 1;
        } else {
            reply.is_error(429, "rate_limit_exceeded");
            let after: u64 = reply.header("retry-after").parse().unwrap();
            assert!((1..=12).contains(&after), "{after}");
        }
    }
    assert_eq!(served, 5);
    let reply = forebay.client_of(&key).chat(&of(99, 190)).await;
    assert_eq!(
        reply.status,
        200,
        "what was not used came back: {}",
        reply.text()
    );
}
