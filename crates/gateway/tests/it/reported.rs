//! What operators of other gateways have reported, and does not happen here.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::time::Duration;

use serde_json::json;

use crate::support::*;

fn several(names: &[&str]) -> Rig {
    RigBuilder {
        upstreams: names
            .iter()
            .map(|name| json!({"name": name, "urls": [format!("http://{name}")]}))
            .collect(),
        ..RigBuilder::default()
    }
    .build()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_a_wait_does_not_end_the_rest_that_another_asked_for() {
    let mut rig = several(&["one", "two"]);
    let (first, second) = (rig.send(chat("a", false)), rig.send(chat("b", false)));
    let (a, b) = (rig.exchange().await, rig.exchange().await);
    assert_eq!((a.host(), b.host()), ("one", "one"));
    let refusal = r#"{"error":{"message":"slow down"}}"#;
    a.refuse(429, &[("retry-after", "30")], refusal);
    rig.exchange().await.whole(200, completion("x"));
    assert_eq!(first.await.unwrap().status(), 200);
    b.refuse(429, &[], refusal);
    rig.exchange().await.whole(200, completion("x"));
    assert_eq!(second.await.unwrap().status(), 200);
    tokio::time::advance(Duration::from_secs(20)).await;
    let third = rig.send(chat("c", false));
    let asked = rig.exchange().await;
    assert_eq!(asked.host(), "two");
    asked.whole(200, completion("x"));
    assert_eq!(third.await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_a_traceparent_that_is_one_goes_upstream() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let cases = [
        (good, true),
        ("00-zz", false),
        (
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            false,
        ),
        (
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            false,
        ),
        (
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            false,
        ),
    ];
    for (number, (sent, passes)) in cases.into_iter().enumerate() {
        let mut rig = several(&["one"]);
        let request = chat(&number.to_string(), false)
            .header("traceparent", sent)
            .header("tracestate", "vendor=1");
        let answer = rig.send(request);
        let asked = rig.exchange().await;
        let headers = asked.request.headers();
        let got = headers.get("traceparent").map(|v| v.to_str().unwrap());
        assert_eq!(got, passes.then_some(sent));
        assert_eq!(headers.contains_key("tracestate"), passes, "{sent}");
        asked.whole(200, completion("x"));
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_proxy_before_it_is_told_not_to_gather_a_stream() {
    let mut rig = several(&["one"]);
    let stream = rig.send(chat("a", true));
    let feed = rig.exchange().await.stream();
    feed.text("x");
    feed.finish();
    assert_eq!(stream.await.unwrap().headers()["x-accel-buffering"], "no");
    let whole = rig.send(chat("b", false));
    rig.exchange().await.whole(200, completion("x"));
    let whole = whole.await.unwrap();
    assert!(!whole.headers().contains_key("x-accel-buffering"));
}
