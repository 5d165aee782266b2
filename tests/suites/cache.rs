//! The token cache as clients see it: hits, replays, directives, purges, tenants.

use forebay_tests::prompts::{chat, streamed, whole, with};
use forebay_tests::upstream::response;
use forebay_tests::{Engine, Forebay, Gate, Key, Scripted, eventually};
use serde_json::json;

use crate::flights::stepping;

#[tokio::test]
async fn a_repeat_is_a_hit_with_the_same_bytes_and_says_so() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let request = chat("what is a forebay?");
    let first = forebay.client.chat(&request).await;
    assert_eq!(
        (first.status, first.cache()),
        (200, "miss"),
        "{:?}",
        first.headers
    );
    assert_eq!(first.header("age"), "");
    forebay.stored().await;
    // Order of keys, white space and fields that change no answer make no other question.
    let reordered = format!(
        "{{ \"user\": \"u1\", \"metadata\": {{}}, \"messages\": {}, \"max_tokens\": 8, \"model\": \"forebay-sim\", \"temperature\": 0 }}",
        request["messages"]
    );
    let mut replies = vec![forebay.client.chat(&request).await];
    replies.push(
        forebay
            .client
            .post_bytes("/v1/chat/completions", reordered)
            .await,
    );
    for hit in &replies {
        assert_eq!(hit.cache(), "hit", "{:?}", hit.headers);
        assert_eq!(hit.body, first.body, "the same bytes");
        assert!(
            hit.header("age").parse::<u64>().is_ok_and(|age| age < 60),
            "{:?}",
            hit.headers
        );
        let etag = hit.header("etag");
        assert!(
            etag.starts_with('"') && etag.ends_with('"') && etag.len() > 10,
            "{etag}"
        );
        assert!(hit.header("cache-status").starts_with("forebay; hit"));
        for stage in ["read;dur=", "policy;dur=", "store;dur="] {
            assert!(
                hit.header("server-timing").contains(stage),
                "{}",
                hit.header("server-timing")
            );
        }
        assert_eq!(
            hit.header("cache-control"),
            "private, no-store",
            "no cache outside may keep it"
        );
    }
    assert_eq!(replies[0].header("etag"), replies[1].header("etag"));
    assert_eq!(engine.computed(), 1);

    // What does change the answer makes another question, unknown fields too.
    let others = [
        json!({"max_tokens": 9}),
        json!({"seed": 1}),
        json!({"guided_json": {"type": "object"}}),
        json!({"messages": [{"role": "user", "content": "what is a forebay? "}]}),
        json!({"messages": [{"role": "system", "content": "what is a forebay?"}]}),
    ];
    for (n, field) in others.iter().enumerate() {
        let other = forebay
            .client
            .chat(&with(request.clone(), field.clone()))
            .await;
        assert_eq!(
            (other.status, other.cache()),
            (200, "miss"),
            "{field}: {}",
            other.text()
        );
        assert_eq!(engine.computed(), 2 + n as u64);
    }
}

#[tokio::test]
async fn a_stream_answers_a_whole_request_and_the_other_way_round() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let mut events = forebay.client.stream(&streamed("first as a stream")).await;
    let told = events.rest().await;
    assert!(told.done && events.cache() == "miss");
    forebay.stored().await;
    let folded = forebay.client.chat(&chat("first as a stream")).await;
    assert_eq!((folded.cache(), folded.content()), ("hit", told.text()));
    let body = folded.json();
    assert_eq!(body["object"], "chat.completion");
    assert!(
        body["usage"]["total_tokens"].as_u64() > Some(0),
        "usage was counted: {body}"
    );

    let first = forebay.client.chat(&chat("first as a whole")).await;
    forebay.stored().await;
    let mut events = forebay.client.stream(&streamed("first as a whole")).await;
    let told = events.rest().await;
    assert!(told.done && events.cache() == "hit");
    assert_eq!(told.text(), first.content());
    assert_eq!(told.events[0].json()["object"], "chat.completion.chunk");
    assert!(
        told.events
            .iter()
            .all(|event| event.json()["usage"].is_null()),
        "usage only where it is asked for"
    );

    let asked = with(
        streamed("first as a whole"),
        json!({"stream_options": {"include_usage": true}}),
    );
    let told = forebay.client.stream(&asked).await.rest().await;
    assert_eq!(
        told.events.last().unwrap().json()["usage"],
        first.json()["usage"]
    );
    assert_eq!(engine.computed(), 2);
}

#[tokio::test]
async fn a_replay_is_the_stream_as_it_came() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let request = with(streamed("again"), json!({"max_tokens": 40}));
    let first = forebay.client.stream(&request).await.rest().await;
    forebay.stored().await;
    let mut replay = forebay.client.stream(&request).await;
    assert_eq!(replay.cache(), "hit");
    let again = replay.rest().await;
    assert_eq!(again.events, first.events, "event by event");
    assert!(again.done && first.events.len() > 10);
}

#[tokio::test]
async fn a_requests_cache_control_is_obeyed() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let request = chat("directed");
    let says = |directive: &str| forebay.client.with_header("cache-control", directive);

    let reply = says("only-if-cached").chat(&request).await;
    reply.is_error(504, "not_cached");
    let reply = says("no-store").chat(&request).await;
    assert_eq!((reply.status, engine.computed()), (200, 1));
    says("only-if-cached")
        .chat(&request)
        .await
        .is_error(504, "not_cached");

    assert_eq!(forebay.client.chat(&request).await.cache(), "miss");
    forebay.stored().await;
    assert_eq!(says("only-if-cached").chat(&request).await.cache(), "hit");
    assert_eq!(says("max-age=60").chat(&request).await.cache(), "hit");
    assert_eq!(engine.computed(), 2);
    for directive in ["no-cache", "max-age=0", "no-cache, no-store"] {
        let reply = says(directive).chat(&request).await;
        assert_ne!(reply.cache(), "hit", "{directive}");
        assert_eq!(reply.status, 200);
    }
    assert_eq!(engine.computed(), 5);

    // Answers that are meant to vary are cached only where the client accepts that.
    let sampled = with(chat("vary"), json!({"temperature": 0.8}));
    for _ in 0..2 {
        let reply = forebay.client.chat(&sampled).await;
        assert_eq!(reply.cache(), "bypass");
        assert!(
            reply.header("cache-status").contains("sampled"),
            "{:?}",
            reply.headers
        );
    }
    assert_eq!(says("cache-sampled").chat(&sampled).await.cache(), "miss");
    forebay.stored().await;
    assert_eq!(says("cache-sampled").chat(&sampled).await.cache(), "hit");
}

#[tokio::test]
async fn a_stale_answer_serves_when_the_upstream_fails() {
    let upstream = Scripted::start(|mut call| async move {
        match call.number {
            0 => {
                call.answer("200 OK", "application/json", &whole("the old one"))
                    .await
            }
            _ => call.reset(),
        }
    })
    .await;
    let config = upstream.behind("[policies.prefix_cache]\nconfig = { ttl = 1, stale_if_error = 600 }\n\n[retries]\nattempts = 1\neject_after = 1000\n");
    let forebay = Forebay::start(config).await;
    assert_eq!(forebay.client.chat(&chat("news")).await.cache(), "miss");
    forebay.stored().await;
    let cached = forebay
        .client
        .with_header("cache-control", "only-if-cached");
    eventually("that it is stale", || async {
        (cached.chat(&chat("news")).await.status == 504).then_some(())
    })
    .await;
    let reply = forebay.client.chat(&chat("news")).await;
    assert_eq!(
        (reply.status, reply.cache(), reply.content().as_str()),
        (200, "stale", "the old one")
    );
    assert!(reply.header("age").parse::<u64>().unwrap() >= 1);
    assert_eq!(upstream.calls(), 2, "the upstream was asked first");
    let strict = forebay
        .client
        .with_header("cache-control", "stale-if-error=0");
    strict
        .chat(&chat("news"))
        .await
        .is_error(502, "upstream_reset");
}

#[tokio::test]
async fn entries_are_listed_and_purged_by_key_tag_tenant_and_model() {
    let engine = Engine::instant().await;
    let (a, b) = (Key::of("alpha"), Key::of("beta"));
    let config = forebay_tests::Config::new("")
        .upstream(
            "sim",
            &engine.url(),
            "models = { one = \"forebay-sim\", two = \"forebay-sim\" }",
        )
        .keys(&[&a, &b]);
    let forebay = Forebay::start(config).await;
    let ask = async |key: &Key, model: &str| {
        let request = with(chat("the-private-prompt"), json!({"model": model}));
        let reply = forebay.client_of(key).chat(&request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        forebay.stored().await;
        reply
    };
    let fill = async || {
        for (key, model) in [(&a, "one"), (&a, "two"), (&b, "one"), (&b, "two")] {
            ask(key, model).await;
        }
    };
    fill().await;
    let listing = forebay.admin_json("/cache").await;
    assert_eq!(listing["entries"].as_array().unwrap().len(), 4, "{listing}");
    assert!(
        !listing.to_string().contains("the-private-prompt"),
        "a listing holds no content"
    );
    let of_alpha = forebay.admin_json("/cache?tenant=alpha&model=one").await;
    let entry = &of_alpha["entries"][0];
    assert_eq!(
        (entry["tenant"].as_str(), entry["model"].as_str()),
        (Some("alpha"), Some("one"))
    );
    let (key, tag) = (
        entry["key"].as_str().unwrap(),
        entry["tags"][0].as_str().unwrap(),
    );

    assert_eq!(forebay.purge(json!({"key": key})).await, 1);
    assert_eq!(forebay.purge(json!({"key": key})).await, 0);
    assert_eq!(ask(&a, "one").await.cache(), "miss");
    assert_eq!(ask(&b, "one").await.cache(), "hit", "only that one went");
    assert_eq!(forebay.purge(json!({"tenant": "alpha"})).await, 2);
    assert_eq!(ask(&b, "two").await.cache(), "hit");
    assert_eq!(ask(&a, "two").await.cache(), "miss");
    fill().await;
    assert_eq!(forebay.purge(json!({"model": "two"})).await, 2);
    assert_eq!(ask(&a, "one").await.cache(), "hit");
    fill().await;
    assert_eq!(
        forebay.purge(json!({"tag": tag, "tenant": "beta"})).await,
        2,
        "{tag}"
    );
    fill().await;
    assert_eq!(forebay.purge(json!({"all": true})).await, 4);

    for bad in [
        json!({}),
        json!({"all": false}),
        json!({"key": "xyz"}),
        json!({"tennant": "alpha"}),
    ] {
        let reply = forebay.administrator().post("/cache/purge", &bad).await;
        assert!(
            (400..500).contains(&reply.status),
            "{bad}: {}",
            reply.status
        );
    }
}

#[tokio::test]
async fn tenants_share_nothing_and_keys_of_one_tenant_do() {
    let engine = Engine::instant().await;
    let (a, a2, b) = (
        Key::of("alpha"),
        Key::named("second", "alpha"),
        Key::of("beta"),
    );
    let config = engine.behind("").keys(&[&a, &a2, &b]);
    let forebay = Forebay::start(config).await;
    let request = chat("the same question");
    let first = forebay.client_of(&a).chat(&request).await;
    forebay.stored().await;
    assert_eq!(forebay.client_of(&a2).chat(&request).await.cache(), "hit");
    let foreign = forebay.client_of(&b).chat(&request).await;
    assert_eq!(foreign.cache(), "miss");
    let key_of = |reply: &forebay_tests::Reply| {
        let status = reply.header("cache-status").to_owned();
        status
            .split("key=")
            .nth(1)
            .map(str::to_owned)
            .expect("a key")
    };
    assert_ne!(
        key_of(&first),
        key_of(&foreign),
        "not even the key is the same"
    );
    assert_eq!(engine.computed(), 2);

    // Nor do they share a flight.
    let gate = Gate::default();
    let upstream = stepping(&gate, 1).await;
    let forebay = Forebay::start(upstream.behind("").keys(&[&a, &a2, &b])).await;
    let ask = |key: &Key| {
        let client = forebay.client_of(key);
        tokio::spawn(async move { client.stream(&streamed("at once")).await.rest().await })
    };
    let all = [ask(&a), ask(&b), ask(&a2)];
    upstream.called(2).await;
    eventually("all in flight", || async {
        (forebay.metrics().await.sum("forebay_requests_in_flight") == 3.0).then_some(())
    })
    .await;
    gate.open(20);
    for told in all {
        assert!(told.await.unwrap().done);
    }
    assert_eq!(upstream.calls(), 2, "one for each tenant");
}

#[tokio::test]
async fn a_tenants_quota_holds_and_pushes_out_nobody_elses() {
    let upstream = Scripted::saying(response(
        "200 OK",
        "application/json",
        &whole(&"x".repeat(4000)),
    ))
    .await;
    let (small, large) = (Key::of("small"), Key::of("large"));
    let config = upstream
        .behind("")
        .keys(&[&small, &large])
        .table("[[tenants]]\nname = \"small\"\ncache_quota = 20000");
    let forebay = Forebay::start(config).await;
    assert_eq!(
        forebay.client_of(&large).chat(&chat("kept")).await.status,
        200
    );
    for n in 0..12 {
        assert_eq!(
            forebay
                .client_of(&small)
                .chat(&chat(&format!("number {n}")))
                .await
                .status,
            200
        );
    }
    forebay.stored().await;
    let listing = forebay.admin_json("/cache?tenant=small").await;
    let entries = listing["entries"].as_array().unwrap();
    let bytes: u64 = entries
        .iter()
        .map(|entry| entry["bytes"].as_u64().unwrap())
        .sum();
    assert!(
        bytes <= 20_000 && entries.len() >= 2,
        "{} entries of {bytes} bytes",
        entries.len()
    );
    assert_eq!(
        forebay
            .client_of(&small)
            .chat(&chat("number 11"))
            .await
            .cache(),
        "hit",
        "the latest stay"
    );
    assert_eq!(
        forebay.client_of(&large).chat(&chat("kept")).await.cache(),
        "hit"
    );
}
