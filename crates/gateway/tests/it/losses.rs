//! What an upstream is not told, and what it may not be asked without.
#![allow(clippy::unwrap_used, missing_docs)]

use forebay_dialect::exchange::Grade;
use forebay_gateway::observe::Observation;

use crate::support::*;

fn warnings(rig: &Rig) -> Vec<String> {
    let seen = rig.platform.seen.lock().unwrap();
    let warning = |o: &Observation| match o {
        Observation::Warning(text) => Some(text.clone()),
        _ => None,
    };
    seen.iter().filter_map(warning).collect()
}

fn salted(tenants: bool) -> (RigBuilder, String) {
    let (record, secret) = key("a", "red");
    let builder = RigBuilder {
        upstreams: vec![
            serde_json::json!({"name": "one", "urls": ["http://one"], "cache_salt": true}),
            serde_json::json!({"name": "two", "urls": ["http://two"]}),
        ],
        keys: if tenants { vec![record] } else { vec![] },
        ..RigBuilder::default()
    };
    (builder, format!("Bearer {secret}"))
}

const NO_SALT: &str = r#"{"error":{"message":"Extra inputs are not permitted: cache_salt","type":"invalid_request_error"}}"#;

#[tokio::test]
async fn an_upstream_that_refuses_the_salt_gets_no_tenants_requests_any_more() {
    let (builder, bearer) = salted(true);
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", false).header("authorization", &bearer));
    let first = rig.exchange().await;
    assert_eq!(first.request.uri().host(), Some("one"));
    assert!(first.json().get("cache_salt").is_some());
    first.whole(400, NO_SALT);
    let second = rig.exchange().await;
    assert_eq!(second.request.uri().host(), Some("two"));
    second.whole(200, completion("hello"));
    assert_eq!(answer.await.unwrap().headers()["x-forebay-upstream"], "two");
    let again = rig.send(chat("more", false).header("authorization", &bearer));
    let third = rig.exchange().await;
    assert_eq!(third.request.uri().host(), Some("two"));
    third.whole(200, completion("hello"));
    assert_eq!(again.await.unwrap().status(), 200);
    let told = warnings(&rig);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("\"one\"") && told[0].contains("cache_salt"),
        "{told:?}"
    );
}

#[tokio::test]
async fn where_nobody_shares_it_the_upstream_is_asked_without_the_salt() {
    let (builder, _) = salted(false);
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", false));
    rig.exchange().await.whole(400, NO_SALT);
    let second = rig.exchange().await;
    assert_eq!(second.request.uri().host(), Some("one"));
    assert!(second.json().get("cache_salt").is_none());
    second.whole(200, completion("hello"));
    assert_eq!(answer.await.unwrap().status(), 200);
    assert!(warnings(&rig).is_empty());
}

#[tokio::test]
async fn a_client_whose_own_words_an_error_quotes_takes_no_upstream_from_others() {
    let (builder, bearer) = salted(true);
    let mut rig = builder.build();
    for word in ["cache_salt", "cache\\u005fsalt"] {
        let body = format!(
            r#"{{"model":"m","user":"{word}","messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let asked = chat("hi", false)
            .header("authorization", &bearer)
            .extension(bytes::Bytes::from(body));
        let asked = rig.send(asked);
        rig.exchange().await.whole(
            400,
            r#"{"error":{"message":"Input should be a valid user, input: 'cache_salt'","type":"BadRequestError"}}"#,
        );
        assert_eq!(asked.await.unwrap().status(), 400);
    }
    let answer = rig.send(chat("hi", false).header("authorization", &bearer));
    let exchange = rig.exchange().await;
    assert_eq!(exchange.request.uri().host(), Some("one"));
    exchange.whole(200, completion("hello"));
    assert_eq!(answer.await.unwrap().status(), 200);
    assert!(warnings(&rig).is_empty());
}

#[tokio::test]
async fn what_is_lost_is_told_by_name_and_grade_and_never_by_value() {
    let mut rig = RigBuilder {
        upstreams: vec![
            serde_json::json!({"name": "one", "urls": ["http://one"], "provider": "anthropic"}),
        ],
        ..RigBuilder::default()
    }
    .build();
    let body = serde_json::json!({"model": "claude-sonnet-4-5", "seed": 424_242, "user": "a secret", "logit_bias": {"7": 9},
        "made_up_by_somebody": "a secret", "messages": [{"role": "user", "content": "hi"}]});
    let answer = rig.send(chat("hi", false).extension(bytes::Bytes::from(body.to_string())));
    rig.exchange().await.whole(
        200,
        r#"{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"hello"}],"stop_reason":"tired_of_it","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#,
    );
    let answer = answer.await.unwrap();
    let header = answer.headers()["x-forebay-lost"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        header.contains("seed") && !header.contains("424"),
        "{header}"
    );
    let text = rest(answer.into_body()).await;
    assert!(text.contains("\"finish_reason\":\"stop\""), "{text}");
    let seen = rig.platform.seen.lock().unwrap();
    let lost = seen.iter().find_map(|o| match o {
        Observation::Lost { upstream, fields } => Some((upstream.clone(), fields.clone())),
        _ => None,
    });
    let (upstream, fields) = lost.unwrap();
    assert_eq!(&*upstream, "one");
    let of = |name: &str| {
        let mut fields = fields.iter();
        fields.find(|f| f.name == name).map(|f| (f.class, f.grade))
    };
    assert_eq!(of("seed"), Some(("seed", Grade::Tolerable)));
    assert_eq!(of("made_up_by_somebody"), Some(("other", Grade::Tolerable)));
    assert!(!format!("{fields:?}").contains("a secret"));
    let words: Vec<_> = seen
        .iter()
        .filter_map(|o| match o {
            Observation::UnknownFinish { word, .. } => Some(word.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(words, ["tired_of_it"]);
    drop(seen);
    assert!(
        rig.summaries()[0]
            .lost
            .iter()
            .any(|lost| lost.name == "seed")
    );
}

#[tokio::test]
async fn an_answer_in_a_coding_that_nobody_undid_goes_to_the_next_upstream() {
    let (builder, _) = salted(false);
    let mut rig = builder.build();
    let answer = rig.send(chat("hi", false));
    rig.exchange()
        .await
        .refuse(200, &[("content-encoding", "compress")], "\u{1}\u{2}");
    let second = rig.exchange().await;
    assert_eq!(second.request.uri().host(), Some("two"));
    second.whole(200, completion("hello"));
    assert_eq!(answer.await.unwrap().headers()["x-forebay-upstream"], "two");
}

/// A request in Anthropic's format with betas in two lines.
fn with_betas() -> http::request::Builder {
    let body = serde_json::json!({"model": "claude-sonnet-4-5", "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}]});
    http::Request::post("/v1/messages")
        .header("content-type", "application/json")
        .header("anthropic-beta", "one-2025-01-01, two-2025-02-02")
        .header("anthropic-beta", "three-2025-03-03")
        .extension(bytes::Bytes::from(body.to_string()))
}

#[tokio::test]
async fn betas_are_one_list_in_the_header_or_the_body_or_are_named_as_lost() {
    let cases = [
        serde_json::json!({"name": "one", "urls": ["http://one"], "provider": "anthropic"}),
        serde_json::json!({"name": "one", "urls": ["http://one"], "provider": "bedrock", "options": {"api": "invoke"}}),
        serde_json::json!({"name": "one", "urls": ["http://one"], "provider": "openai"}),
    ];
    for (case, upstream) in cases.into_iter().enumerate() {
        let mut rig = RigBuilder {
            upstreams: vec![upstream],
            ..RigBuilder::default()
        }
        .build();
        let answer = rig.send(with_betas());
        let exchange = rig.exchange().await;
        let header = exchange.request.headers().get_all("anthropic-beta");
        let header: Vec<_> = header.iter().map(|value| value.to_str().unwrap()).collect();
        let body = exchange.json();
        let lost = match case {
            0 => {
                assert_eq!(header, ["one-2025-01-01, two-2025-02-02,three-2025-03-03"]);
                assert!(body.get("anthropic_beta").is_none());
                ""
            }
            1 => {
                assert!(header.is_empty(), "{header:?}");
                let betas = ["one-2025-01-01", "two-2025-02-02", "three-2025-03-03"];
                assert_eq!(body["anthropic_beta"], serde_json::json!(betas));
                ""
            }
            _ => {
                assert!(header.is_empty(), "{header:?}");
                "anthropic-beta"
            }
        };
        let told = match case {
            2 => completion("hello"),
            _ => r#"{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#.to_owned(),
        };
        exchange.whole(200, told);
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let header = answer.headers().get("x-forebay-lost");
        let header = header.map_or("", |value| value.to_str().unwrap());
        assert_eq!(header, lost, "{case}");
    }
}
